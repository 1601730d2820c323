// Memory is read and written once, in whole rows of 32 neighbours, whatever the scan direction:
//   columns  a block has 32 columns; its warps take consecutive runs of rows, hold them in registers, and exchange the
//            maxima of the runs through shared memory;
//   rows     a warp has a row and scans 32 places at a time with shuffles;
//   cross    a block has a plane: columns of one map and rows of the other in one pass, for two pools and their sum.
#include "corner_pool.h"
#include "launch.h"
#include "pool_warp.h"

namespace simple_trt {
namespace {

constexpr int kColumnWarps = 8;
constexpr int kRowsAWarp = 8;  // rows of a column run, in registers
constexpr int kRowWarps = 8;
constexpr int kParts = 4;  // of 32 places: loads of a row in flight
constexpr int kCrossWarps = 16;
constexpr int kCrossRows = 4;
constexpr int kMostCrossRows = 8192;  // whose running maxima fit the shared memory

/// A map's place of scan step `step` of `size`.
__device__ inline int place_of(int step, int size, bool backwards) { return backwards ? size - 1 - step : step; }

/// Largest key of a lane's column in earlier warps' runs; `all` becomes that of all runs and what was before.
__device__ inline int before_this_warp(const int (*runs)[kWarpSize], int warps, int& all) {
  int before = all;
  for (int warp = 0; warp < warps; ++warp) {
    if (warp == static_cast<int>(threadIdx.y)) before = all;
    all = larger(all, runs[warp][threadIdx.x]);
  }
  return before;
}

template <class T, bool kAdd>
__global__ void __launch_bounds__(kWarpSize* kColumnWarps)
    pool_columns(const T* x, const T* addend, T* pooled, int height, int width, int chunks, bool upwards) {
  __shared__ int runs[kColumnWarps][kWarpSize];
  const int column = static_cast<int>(blockIdx.x % chunks) * kWarpSize + static_cast<int>(threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.x / chunks) * height * width + column;
  int carry = lowest_key<T>();
  for (int tile = 0; tile < height; tile += kColumnWarps * kRowsAWarp) {
    const int begin = tile + static_cast<int>(threadIdx.y) * kRowsAWarp;
    int keys[kRowsAWarp];
    for (int i = 0; i < kRowsAWarp; ++i) {
      const int64_t at = first + static_cast<int64_t>(place_of(begin + i, height, upwards)) * width;
      keys[i] = key_at(x, at, column < width && begin + i < height);
    }
    for (int i = 1; i < kRowsAWarp; ++i) keys[i] = larger(keys[i], keys[i - 1]);
    runs[threadIdx.y][threadIdx.x] = keys[kRowsAWarp - 1];
    __syncthreads();
    const int before = before_this_warp(runs, kColumnWarps, carry);
    __syncthreads();  // `runs` is free for the next tile
    for (int i = 0; i < kRowsAWarp; ++i) {
      if (column >= width || begin + i >= height) continue;
      const int64_t at = first + static_cast<int64_t>(place_of(begin + i, height, upwards)) * width;
      const T value = value_of_int<T>(larger(before, keys[i]));
      pooled[at] = kAdd ? add_rounded(value, addend[at]) : value;
    }
  }
}

template <class T, bool kAdd>
__global__ void __launch_bounds__(kWarpSize* kRowWarps)
    pool_rows(const T* x, const T* addend, T* pooled, int64_t rows, int width, bool leftwards) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.y;
  if (row >= rows) return;
  const int lane = static_cast<int>(threadIdx.x);
  int carry = lowest_key<T>();
  for (int begin = lane; begin < width + lane; begin += kParts * kWarpSize) {
    int keys[kParts];
    for (int i = 0; i < kParts; ++i) {
      const int step = begin + i * kWarpSize;
      keys[i] = key_at(x, row * width + place_of(step, width, leftwards), step < width);
    }
    for (int i = 0; i < kParts; ++i) {
      keys[i] = larger(carry, warp_running_max(keys[i], threadIdx.x));
      carry = __shfl_sync(kFullWarp, keys[i], kWarpSize - 1);
      const int step = begin + i * kWarpSize;
      if (step >= width) continue;
      const int64_t at = row * width + place_of(step, width, leftwards);
      const T value = value_of_int<T>(keys[i]);
      pooled[at] = kAdd ? add_rounded(value, addend[at]) : value;
    }
  }
}

/// pool(by_column) + pool(by_row). Dynamic shared memory: one int for each row, its running maximum so far.
template <class T>
__global__ void __launch_bounds__(kWarpSize* kCrossWarps)
    pool_cross(const T* by_column, const T* by_row, T* pooled, int height, int width, bool upwards, bool leftwards) {
  __shared__ int runs[kCrossWarps][kWarpSize];
  SIMPLE_TRT_DYNAMIC_SHARED(int, row_best);
  const int lane = static_cast<int>(threadIdx.x);
  const int64_t plane = static_cast<int64_t>(blockIdx.x) * height * width;
  for (int row = static_cast<int>(threadIdx.y) * kWarpSize + lane; row < height; row += kCrossWarps * kWarpSize) {
    row_best[row] = lowest_key<T>();  // read after the first barrier below
  }
  for (int step = lane; step < width + lane; step += kWarpSize) {
    const int64_t column = plane + place_of(step, width, leftwards);
    int carry = lowest_key<T>();
    for (int tile = 0; tile < height; tile += kCrossWarps * kCrossRows) {
      const int begin = tile + static_cast<int>(threadIdx.y) * kCrossRows;
      int column_keys[kCrossRows], row_keys[kCrossRows];
      for (int i = 0; i < kCrossRows; ++i) {
        const int64_t at = column + static_cast<int64_t>(place_of(begin + i, height, upwards)) * width;
        const bool exists = step < width && begin + i < height;
        column_keys[i] = key_at(by_column, at, exists);
        row_keys[i] = key_at(by_row, at, exists);
      }
      for (int i = 1; i < kCrossRows; ++i) column_keys[i] = larger(column_keys[i], column_keys[i - 1]);
      runs[threadIdx.y][lane] = column_keys[kCrossRows - 1];
      __syncthreads();
      const int before = before_this_warp(runs, kCrossWarps, carry);
      for (int i = 0; i < kCrossRows && begin + i < height; ++i) {
        const int row_key = larger(row_best[begin + i], warp_running_max(row_keys[i], threadIdx.x));
        __syncwarp();  // all lanes have read the row's maximum
        if (lane == kWarpSize - 1) row_best[begin + i] = row_key;
        if (step >= width) continue;
        const int64_t at = column + static_cast<int64_t>(place_of(begin + i, height, upwards)) * width;
        pooled[at] = add_rounded(value_of_int<T>(larger(before, column_keys[i])), value_of_int<T>(row_key));
      }
      __syncthreads();  // `runs` and `row_best` are free for the next tile
    }
  }
}

bool is_by_column(int direction) {
  return direction == static_cast<int>(Direction::kTop) || direction == static_cast<int>(Direction::kBottom);
}

/// pool(x) + (addend, unless null, which may be `pooled` itself).
template <class T, bool kAdd>
Status launch_one(const T* x, const T* addend, T* pooled, const PoolShape& s, int direction, void* stream) {
  if (is_by_column(direction)) {
    const int chunks = divide_up(s.width, kWarpSize);
    return launch(pool_columns<T, kAdd>, grid_size(s.planes * chunks), dim3(kWarpSize, kColumnWarps), 0, stream, x,
                  addend, pooled, s.height, s.width, chunks, direction == static_cast<int>(Direction::kTop));
  }
  const int64_t rows = s.planes * s.height;
  return launch(pool_rows<T, kAdd>, grid_size(divide_up<int64_t>(rows, kRowWarps)), dim3(kWarpSize, kRowWarps), 0,
                stream, x, addend, pooled, rows, s.width, direction == static_cast<int>(Direction::kLeft));
}

/// pool(x) + pool(other): in one pass when the two run across each other. Otherwise pool(other), exact in T, waits in
/// `pooled` for its addition.
template <class T>
Status launch_two(const T* x, const T* other, T* pooled, const PoolShape& s, int direction, int other_direction,
                  void* stream) {
  if (is_by_column(direction) != is_by_column(other_direction) && s.height <= kMostCrossRows) {
    const bool straight = is_by_column(direction);
    const int vertical = straight ? direction : other_direction;
    const int horizontal = straight ? other_direction : direction;
    return launch(pool_cross<T>, grid_size(s.planes), dim3(kWarpSize, kCrossWarps), s.height * sizeof(int), stream,
                  straight ? x : other, straight ? other : x, pooled, s.height, s.width,
                  vertical == static_cast<int>(Direction::kTop), horizontal == static_cast<int>(Direction::kLeft));
  }
  const Status status = launch_one<T, false>(other, nullptr, pooled, s, other_direction, stream);
  if (status != Status::kOk) return status;
  return launch_one<T, true>(x, pooled, pooled, s, direction, stream);
}

}  // namespace

Status corner_pool_cuda(const void* x, const void* other, DType dtype, const PoolShape& shape, int direction,
                        int other_direction, void* pooled, void* stream) {
  const Status status = check_corner_pool(shape, direction, other ? other_direction : kAddAsItIs);
  if (status != Status::kOk || is_empty(shape)) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const map = static_cast<const T*>(x);
    const T* const addend = static_cast<const T*>(other);
    T* const result = static_cast<T*>(pooled);
    if (!addend) return launch_one<T, false>(map, nullptr, result, shape, direction, stream);
    if (other_direction == kAddAsItIs) return launch_one<T, true>(map, addend, result, shape, direction, stream);
    return launch_two(map, addend, result, shape, direction, other_direction, stream);
  });
}

}  // namespace simple_trt
