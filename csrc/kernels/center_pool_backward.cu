// Reductions: the sum of a line's gradient and its last maximum; then one pass that writes the sum there and zeros
// elsewhere.
#include "center_pool.h"
#include "launch.h"
#include "pool_warp.h"

namespace simple_trt {
namespace {

constexpr int kColumnWarps = 8;
constexpr int kRowWarps = 8;

/// Part of a line: its gradient's sum and its last maximum.
struct Line {
  int best;
  int place;
  float sum;
};

template <class T>
__device__ inline Line empty_line() {
  return {lowest_key<T>(), 0, 0.0f};
}

template <class T>
__device__ inline void take(Line& line, const T* map, const T* grad, int64_t at, int place) {
  const int key = tie_key_of(map[at]);
  if (key >= line.best) line.place = place;  // places come in rising order
  line.best = larger(line.best, key);
  line.sum += to_float(grad[at]);
}

__device__ inline Line joined(const Line& a, const Line& b) {
  const bool take_b = b.best > a.best || (b.best == a.best && b.place > a.place);
  return {take_b ? b.best : a.best, take_b ? b.place : a.place, a.sum + b.sum};
}

template <class T>
__global__ void __launch_bounds__(kWarpSize* kColumnWarps)
    gather_columns(const T* grad, const T* map, T* grad_map, int height, int width, int chunks) {
  __shared__ Line parts[kColumnWarps][kWarpSize];
  const int column = static_cast<int>(blockIdx.x % chunks) * kWarpSize + static_cast<int>(threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.x / chunks) * height * width + column;
  Line part = empty_line<T>();
  for (int row = static_cast<int>(threadIdx.y); column < width && row < height; row += kColumnWarps) {
    take(part, map, grad, first + static_cast<int64_t>(row) * width, row);
  }
  parts[threadIdx.y][threadIdx.x] = part;
  __syncthreads();
  if (column >= width) return;
  Line line = parts[0][threadIdx.x];
  for (int warp = 1; warp < kColumnWarps; ++warp) line = joined(line, parts[warp][threadIdx.x]);
  for (int row = static_cast<int>(threadIdx.y); row < height; row += kColumnWarps) {
    grad_map[first + static_cast<int64_t>(row) * width] = from_float<T>(row == line.place ? line.sum : 0.0f);
  }
}

__device__ inline Line join_warp(Line line) {
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    const Line other{__shfl_xor_sync(kFullWarp, line.best, distance), __shfl_xor_sync(kFullWarp, line.place, distance),
                     __shfl_xor_sync(kFullWarp, line.sum, distance)};
    line = joined(line, other);
  }
  return line;
}

template <class T>
__global__ void __launch_bounds__(kWarpSize* kRowWarps)
    gather_rows(const T* grad, const T* map, T* grad_map, int64_t rows, int width) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.y;
  if (row >= rows) return;
  Line line = empty_line<T>();
  for (int column = static_cast<int>(threadIdx.x); column < width; column += kWarpSize) {
    take(line, map, grad, row * width + column, column);
  }
  line = join_warp(line);
  for (int column = static_cast<int>(threadIdx.x); column < width; column += kWarpSize) {
    grad_map[row * width + column] = from_float<T>(column == line.place ? line.sum : 0.0f);
  }
}

}  // namespace

Status center_pool_backward_cuda(const void* grad, const void* column, const void* row, DType dtype,
                                 const PoolShape& shape, void* grad_column, void* grad_row, void* stream) {
  const Status status = check(shape);
  if (status != Status::kOk || is_empty(shape)) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const gradient = static_cast<const T*>(grad);
    const int chunks = divide_up(shape.width, kWarpSize);
    const Status columns_status =
        launch(gather_columns<T>, grid_size(shape.planes * chunks), dim3(kWarpSize, kColumnWarps), 0, stream, gradient,
               static_cast<const T*>(column), static_cast<T*>(grad_column), shape.height, shape.width, chunks);
    if (columns_status != Status::kOk) return columns_status;
    const int64_t rows = shape.planes * shape.height;
    return launch(gather_rows<T>, grid_size(divide_up<int64_t>(rows, kRowWarps)), dim3(kWarpSize, kRowWarps), 0, stream,
                  gradient, static_cast<const T*>(row), static_cast<T*>(grad_row), rows, shape.width);
  });
}

}  // namespace simple_trt
