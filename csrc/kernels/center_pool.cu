// A block has a plane: it reads each map once, keeps the maxima of all rows and columns in shared memory, and writes
// the sums. Planes too large for that are done in two passes, the row maxima waiting in the result.
#include "center_pool.h"
#include "launch.h"
#include "pool_warp.h"
#include "warp_max.h"

namespace simple_trt {
namespace {

constexpr int kPlaneWarps = 16;
constexpr int kColumnWarps = 8;
constexpr int kRowWarps = 8;

template <class T>
__device__ inline int row_maximum(const T* row, int width) {
  int best = lowest_key<T>();
  for (int column = static_cast<int>(threadIdx.x); column < width; column += kWarpSize) {
    best = larger<int>(best, key_of(row[column]));
  }
  return warp_max(best);
}

/// Of the rows that this warp sees: one in `warps`.
template <class T>
__device__ inline int column_maximum(const T* column, int height, int width, int warps) {
  int best = lowest_key<T>();
  for (int row = static_cast<int>(threadIdx.y); row < height; row += warps) {
    best = larger<int>(best, key_of(column[static_cast<int64_t>(row) * width]));
  }
  return best;
}

/// Dynamic shared memory: one int for each row, then one for each column.
template <class T>
__global__ void __launch_bounds__(kWarpSize* kPlaneWarps)
    pool_plane(const T* column_map, const T* row_map, T* pooled, int height, int width) {
  SIMPLE_TRT_DYNAMIC_SHARED(int, row_best);
  int* const column_best = row_best + height;
  const int lane = static_cast<int>(threadIdx.x);
  const int warp = static_cast<int>(threadIdx.y);
  const int64_t plane = static_cast<int64_t>(blockIdx.x) * height * width;
  for (int column = warp * kWarpSize + lane; column < width; column += kPlaneWarps * kWarpSize) {
    column_best[column] = lowest_key<T>();
  }
  __syncthreads();
  for (int row = warp; row < height; row += kPlaneWarps) {
    const int best = row_maximum(row_map + plane + static_cast<int64_t>(row) * width, width);
    if (lane == 0) row_best[row] = best;
  }
  for (int column = lane; column < width; column += kWarpSize) {
    atomicMax(&column_best[column], column_maximum(column_map + plane + column, height, width, kPlaneWarps));
  }
  __syncthreads();
  for (int row = warp; row < height; row += kPlaneWarps) {
    const T row_value = value_of_int<T>(row_best[row]);
    T* const sums = pooled + plane + static_cast<int64_t>(row) * width;
    for (int column = lane; column < width; column += kWarpSize) {
      sums[column] = add_rounded(value_of_int<T>(column_best[column]), row_value);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kWarpSize* kRowWarps)
    spread_row_maxima(const T* map, T* pooled, int64_t rows, int width) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.y;
  if (row >= rows) return;
  const T value = value_of_int<T>(row_maximum(map + row * width, width));
  for (int column = static_cast<int>(threadIdx.x); column < width; column += kWarpSize) {
    pooled[row * width + column] = value;
  }
}

template <class T>
__global__ void __launch_bounds__(kWarpSize* kColumnWarps)
    add_column_maxima(const T* map, T* pooled, int height, int width, int chunks) {
  __shared__ int best[kColumnWarps][kWarpSize];
  const int column = static_cast<int>(blockIdx.x % chunks) * kWarpSize + static_cast<int>(threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.x / chunks) * height * width + column;
  best[threadIdx.y][threadIdx.x] =
      column < width ? column_maximum(map + first, height, width, kColumnWarps) : lowest_key<T>();
  __syncthreads();
  if (column >= width) return;
  int largest = lowest_key<T>();
  for (int warp = 0; warp < kColumnWarps; ++warp) largest = larger(largest, best[warp][threadIdx.x]);
  for (int row = static_cast<int>(threadIdx.y); row < height; row += kColumnWarps) {
    T* const sum = pooled + first + static_cast<int64_t>(row) * width;
    *sum = add_rounded(value_of_int<T>(largest), *sum);
  }
}

template <class T>
Status launch_pool(const T* column, const T* row, T* pooled, const PoolShape& s, void* stream) {
  const size_t shared_bytes = (static_cast<size_t>(s.height) + s.width) * sizeof(int);
  if (shared_bytes <= kMaxSharedBytes) {
    return launch(pool_plane<T>, grid_size(s.planes), dim3(kWarpSize, kPlaneWarps), shared_bytes, stream, column, row,
                  pooled, s.height, s.width);
  }
  const int64_t rows = s.planes * s.height;
  const Status status = launch(spread_row_maxima<T>, grid_size(divide_up<int64_t>(rows, kRowWarps)),
                               dim3(kWarpSize, kRowWarps), 0, stream, row, pooled, rows, s.width);
  if (status != Status::kOk) return status;
  const int chunks = divide_up(s.width, kWarpSize);
  return launch(add_column_maxima<T>, grid_size(s.planes * chunks), dim3(kWarpSize, kColumnWarps), 0, stream, column,
                pooled, s.height, s.width, chunks);
}

}  // namespace

Status center_pool_cuda(const void* column, const void* row, DType dtype, const PoolShape& shape, void* pooled,
                        void* stream) {
  const Status status = check(shape);
  if (status != Status::kOk || is_empty(shape)) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    return launch_pool(static_cast<const T*>(column), static_cast<const T*>(row), static_cast<T*>(pooled), shape,
                       stream);
  });
}

}  // namespace simple_trt
