// A block has a plane: it reads each map once, 16 bytes a thread at a time, keeps the maxima of all rows and columns in
// shared memory, and writes the sums. Planes too large for that are done in two passes, the row maxima waiting in the
// result.
#include "center_pool.h"
#include "launch.h"
#include "pool_warp.h"
#include "pool_words.h"
#include "warp_max.h"

namespace simple_trt {
namespace {

constexpr int kPlaneThreads = 512;
constexpr int kTileRows = 4;                                         // of a thread: loads in flight
constexpr size_t kPlaneSharedBytes = kPlaneThreads * sizeof(Words);  // for the threads to meet
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

/// The largest elements of a pack among the threads that have the same columns, in every thread. Contains a barrier;
/// between two calls there must be another one.
template <class T>
__device__ inline Words largest_of_block(Words best, int lanes, Words (*warps)[kWarpSize]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  for (int distance = lanes; distance < kWarpSize; distance *= 2) {
    for (int i = 0; i < kWords; ++i) {
      best.at[i] = larger_word<T>(best.at[i], __shfl_xor_sync(kFullWarp, best.at[i], distance));
    }
  }
  if (lane < lanes) warps[threadIdx.x / kWarpSize][lane] = best;
  __syncthreads();
  for (int warp = 0; warp < kPlaneThreads / kWarpSize; ++warp) {
    best = larger_words<T>(best, warps[warp][lane & (lanes - 1)]);
  }
  return best;
}

/// The largest element of a line whose packs `lanes` neighbouring lanes have, in every element of a word.
template <class T>
__device__ inline uint32_t largest_of_line(const Words& words, int lanes) {
  uint32_t best = largest_of<T>(words);
  for (int distance = 1; distance < lanes; distance *= 2) {
    best = larger_word<T>(best, __shfl_xor_sync(kFullWarp, best, distance));
  }
  return best;
}

/// Dynamic shared memory: the maxima of all packs of columns, then those of all rows.
template <class T, bool kAligned>
__global__ void __launch_bounds__(kPlaneThreads, 2)
    pool_plane(const T* column_map, const T* row_map, T* pooled, int height, int width, int bits) {
  __shared__ Words warps[kPlaneThreads / kWarpSize][kWarpSize];
  SIMPLE_TRT_DYNAMIC_SHARED(Words, column_best);
  const int packs = divide_up(width, kPack<T>);
  uint32_t* const row_best = reinterpret_cast<uint32_t*>(column_best + packs);
  const int lanes = 1 << bits;
  const int lane = static_cast<int>(threadIdx.x) & (lanes - 1);
  const int group = static_cast<int>(threadIdx.x) >> bits;
  const int groups = kPlaneThreads >> bits;
  const int64_t plane = static_cast<int64_t>(blockIdx.x) * height * width;
  for (int strip = 0; strip < packs; strip += lanes) {
    const int at = (strip + lane) * kPack<T>;
    Words best = lowest_words<T>();
    for (int begin = group; begin < height + group; begin += groups * kTileRows) {
      Words columns[kTileRows], rows[kTileRows];
      for (int i = 0; i < kTileRows; ++i) {
        const int row = begin + i * groups;
        const int64_t first = plane + static_cast<int64_t>(row) * width + at;
        columns[i] = load_pack<T, kAligned>(column_map + first, row < height ? width - at : 0);
        rows[i] = load_pack<T, kAligned>(row_map + first, row < height ? width - at : 0);
      }
      for (int i = 0; i < kTileRows; ++i) {
        const int row = begin + i * groups;
        best = larger_words<T>(best, columns[i]);
        uint32_t largest = largest_of_line<T>(rows[i], lanes);
        if (row >= height || lane > 0) continue;
        if (strip > 0) largest = larger_word<T>(largest, row_best[row]);
        row_best[row] = largest;  // always by this thread; others read it after the last barrier
      }
    }
    if (strip > 0) __syncthreads();  // `warps` is free again
    best = largest_of_block<T>(best, lanes, warps);
    if (group == 0 && strip + lane < packs) column_best[strip + lane] = best;
  }
  __syncthreads();
  for (int row = group; row < height; row += groups) {
    const uint32_t value = row_best[row];
    const Words across{{value, value, value, value}};
    for (int pack = lane; pack < packs; pack += lanes) {
      const int64_t first = plane + static_cast<int64_t>(row) * width + pack * kPack<T>;
      store_pack<T, kAligned>(pooled + first, width - pack * kPack<T>, add_words<T>(column_best[pack], across));
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
Status launch_two_passes(const T* column, const T* row, T* pooled, const PoolShape& s, void* stream) {
  const int64_t rows = s.planes * s.height;
  const Status status = launch(spread_row_maxima<T>, grid_size(divide_up<int64_t>(rows, kRowWarps)),
                               dim3(kWarpSize, kRowWarps), 0, stream, row, pooled, rows, s.width);
  if (status != Status::kOk) return status;
  const int chunks = divide_up(s.width, kWarpSize);
  return launch(add_column_maxima<T>, grid_size(s.planes * chunks), dim3(kWarpSize, kColumnWarps), 0, stream, column,
                pooled, s.height, s.width, chunks);
}

template <class T>
Status launch_pool(const T* column, const T* row, T* pooled, const PoolShape& s, void* stream) {
  const int packs = divide_up(s.width, kPack<T>);
  const size_t shared_bytes = static_cast<size_t>(packs) * sizeof(Words) + static_cast<size_t>(s.height) * sizeof(int);
  if (shared_bytes > kMaxSharedBytes - kPlaneSharedBytes) return launch_two_passes(column, row, pooled, s, stream);
  const auto kernel = is_word_aligned<T>(s.width, column, row, pooled) ? pool_plane<T, true> : pool_plane<T, false>;
  return launch(kernel, grid_size(s.planes), kPlaneThreads, shared_bytes, stream, column, row, pooled, s.height,
                s.width, lane_bits(packs, kWarpSize));
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
