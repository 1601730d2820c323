// Memory is read and written once, 16 bytes a thread at a time, whatever the scan direction:
//   rows     the lanes of a line scan it with shuffles, as many lines to a warp as fit;
//   columns  a block has a strip of columns; a thread holds four rows of a pack, and the maxima of what is before them
//            come from the warp by shuffles, from other warps through shared memory;
//   cross    both at once, of two maps, for two pools and their sum: a block has a plane.
#include "corner_pool.h"
#include "launch.h"
#include "pool_words.h"

namespace simple_trt {
namespace {

constexpr int kRowThreads = 256;
constexpr int kColumnThreads = 256;
constexpr int kColumnLanes = 8;  // 128 bytes: a line of the caches
constexpr int kColumnRows = 4;   // of a thread: loads in flight
constexpr int kCrossThreads = 512;
constexpr int kCrossRows = 2;         // of each of two maps
constexpr int kMostCrossRows = 8192;  // whose running maxima fit the shared memory beside the static one

/// A map's place of scan step `step` of `size`.
__device__ inline int place_of(int step, int size, bool backwards) { return backwards ? size - 1 - step : step; }

/// Rows of a pack, in scan order.
template <int kRows>
struct Tile {
  Words rows[kRows];
};

/// What the tiles of a thread are made of: its pack among the columns, and how many elements that has.
struct PackPlace {
  int64_t first;  // element of the map: row 0 of the pack
  int count;      // 0 where there is none
};

template <class T>
__device__ inline PackPlace place_pack(int64_t plane, int pack, int width) {
  const int at = pack * kPack<T>;
  return {plane + at, pack < 0 ? 0 : smaller(width - at, kPack<T>)};
}

template <class T, bool kAligned, int kRows>
__device__ inline void load_tile(Tile<kRows>& tile, const T* map, const PackPlace& pack, int first, int height,
                                 int width, bool upwards) {
  SIMPLE_TRT_UNROLL
  for (int i = 0; i < kRows; ++i) {
    const int64_t row = place_of(first + i, height, upwards);
    const int count = first + i < height ? pack.count : 0;
    tile.rows[i] = load_pack<T, kAligned>(map + pack.first + row * width, count);
  }
}

template <class T, bool kAligned, int kRows>
__device__ inline void store_tile(T* map, const Tile<kRows>& tile, const PackPlace& pack, int first, int height,
                                  int width, bool upwards) {
  SIMPLE_TRT_UNROLL
  for (int i = 0; i < kRows; ++i) {
    const int64_t row = place_of(first + i, height, upwards);
    const int count = first + i < height ? pack.count : 0;
    store_pack<T, kAligned>(map + pack.first + row * width, count, tile.rows[i]);
  }
}

/// The largest of a pack's columns above this thread's rows: `carry` and the earlier threads' `run`. `carry` becomes
/// that of the whole tile of the block. Between two calls there must be a barrier.
template <class T>
__device__ inline Words before_this_thread(const Words& run, int lanes, Words (*warps)[kWarpSize], Words& carry) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  Words upto = run;
  for (int distance = lanes; distance < kWarpSize; distance *= 2) {
    for (int i = 0; i < kWords; ++i) {
      const uint32_t earlier = __shfl_up_sync(kFullWarp, upto.at[i], distance);
      if (lane >= distance) upto.at[i] = larger_word<T>(upto.at[i], earlier);
    }
  }
  Words before = lowest_words<T>();
  for (int i = 0; i < kWords; ++i) {
    const uint32_t earlier = __shfl_up_sync(kFullWarp, upto.at[i], lanes);
    if (lane >= lanes) before.at[i] = earlier;
  }
  if (lane >= kWarpSize - lanes) warps[warp][lane & (lanes - 1)] = upto;
  __syncthreads();
  for (int other = 0; other < static_cast<int>(blockDim.x) / kWarpSize; ++other) {
    if (other == warp) before = larger_words<T>(before, carry);
    carry = larger_words<T>(carry, warps[other][lane & (lanes - 1)]);
  }
  return before;
}

/// Running maxima down a tile, from `carry` on, which goes on to the next one.
template <class T, int kRows>
__device__ inline void scan_tile(Tile<kRows>& tile, int lanes, Words (*warps)[kWarpSize], Words& carry) {
  for (int i = 1; i < kRows; ++i) tile.rows[i] = larger_words<T>(tile.rows[i], tile.rows[i - 1]);
  const Words before = before_this_thread<T>(tile.rows[kRows - 1], lanes, warps, carry);
  for (int i = 0; i < kRows; ++i) tile.rows[i] = larger_words<T>(tile.rows[i], before);
}

/// `addend` may be null, or `pooled` itself.
template <class T, bool kAligned>
__global__ void __launch_bounds__(kColumnThreads)
    pool_columns(const T* x, const T* addend, T* pooled, int height, int width, int bits, int strips, bool upwards) {
  __shared__ Words warps[kColumnThreads / kWarpSize][kWarpSize];
  const int lanes = 1 << bits;
  const int tile_rows = (kColumnThreads >> bits) * kColumnRows;
  const int own_first = (static_cast<int>(threadIdx.x) >> bits) * kColumnRows;
  const int64_t plane = static_cast<int64_t>(blockIdx.x / strips) * height * width;
  const int column = static_cast<int>(blockIdx.x % strips) * lanes + (static_cast<int>(threadIdx.x) & (lanes - 1));
  const PackPlace pack = place_pack<T>(plane, column, width);
  Words carry = lowest_words<T>();
  for (int begin = 0; begin < height; begin += tile_rows) {
    const int first = begin + own_first;
    Tile<kColumnRows> tile, added{};
    load_tile<T, kAligned>(tile, x, pack, first, height, width, upwards);
    if (addend) load_tile<T, kAligned>(added, addend, pack, first, height, width, upwards);
    if (begin > 0) __syncthreads();  // `warps` is free again
    scan_tile<T>(tile, lanes, warps, carry);
    for (int i = 0; addend && i < kColumnRows; ++i) tile.rows[i] = add_words<T>(tile.rows[i], added.rows[i]);
    store_tile<T, kAligned>(pooled, tile, pack, first, height, width, upwards);
  }
}

/// Running maxima along a line from either end.
template <class T>
__device__ inline Words scan_either_way(const Words& words, uint32_t& carry, int lanes, bool leftwards) {
  Words in_order = leftwards ? reversed<T>(words) : words;
  scan_line<T>(in_order, carry, lanes);
  return leftwards ? reversed<T>(in_order) : in_order;
}

template <class T, bool kAligned>
__global__ void __launch_bounds__(kRowThreads)
    pool_rows(const T* x, const T* addend, T* pooled, int64_t rows, int width, int bits, bool leftwards) {
  const int lanes = 1 << bits;
  const int64_t row =
      static_cast<int64_t>(blockIdx.x) * (kRowThreads >> bits) + (static_cast<int>(threadIdx.x) >> bits);
  const int packs = row < rows ? divide_up(width, kPack<T>) : 0;  // lanes without a row go along: they shuffle
  uint32_t carry = lowest_word<T>();
  for (int begin = 0; begin < divide_up(width, kPack<T>); begin += lanes) {
    const int step = begin + (static_cast<int>(threadIdx.x) & (lanes - 1));
    const PackPlace pack = place_pack<T>(row * width, step < packs ? place_of(step, packs, leftwards) : -1, width);
    const Words words = load_pack<T, kAligned>(x + pack.first, pack.count);
    Words added{};
    if (addend) added = load_pack<T, kAligned>(addend + pack.first, pack.count);
    Words result = scan_either_way<T>(words, carry, lanes, leftwards);
    if (addend) result = add_words<T>(result, added);
    store_pack<T, kAligned>(pooled + pack.first, pack.count, result);
  }
}

/// pool(by_column) + pool(by_row). Strips of columns come in the rows' scan order; dynamic shared memory, where there
/// are several: one word for each row, its running maximum so far.
template <class T, bool kAligned>
__global__ void __launch_bounds__(kCrossThreads, 2)
    pool_cross(const T* by_column, const T* by_row, T* pooled, int height, int width, int bits, bool upwards,
               bool leftwards) {
  __shared__ Words warps[kCrossThreads / kWarpSize][kWarpSize];
  SIMPLE_TRT_DYNAMIC_SHARED(uint32_t, row_best);
  const int lanes = 1 << bits;
  const int lane = static_cast<int>(threadIdx.x) & (lanes - 1);
  const int tile_rows = (kCrossThreads >> bits) * kCrossRows;
  const int own_first = (static_cast<int>(threadIdx.x) >> bits) * kCrossRows;
  const int packs = divide_up(width, kPack<T>);
  const int64_t plane = static_cast<int64_t>(blockIdx.x) * height * width;
  for (int strip = 0; strip < packs; strip += lanes) {
    const int step = strip + lane;
    const PackPlace pack = place_pack<T>(plane, step < packs ? place_of(step, packs, leftwards) : -1, width);
    Words carry = lowest_words<T>();
    for (int begin = 0; begin < height; begin += tile_rows) {
      const int first = begin + own_first;
      Tile<kCrossRows> down, across;
      load_tile<T, kAligned>(down, by_column, pack, first, height, width, upwards);
      load_tile<T, kAligned>(across, by_row, pack, first, height, width, upwards);
      if (strip + begin > 0) __syncthreads();  // `warps` is free again
      scan_tile<T>(down, lanes, warps, carry);
      SIMPLE_TRT_UNROLL
      for (int i = 0; i < kCrossRows; ++i) {
        const bool goes_on = packs > lanes && first + i < height;
        uint32_t row_carry = goes_on && strip > 0 ? row_best[first + i] : lowest_word<T>();
        const Words row = scan_either_way<T>(across.rows[i], row_carry, lanes, leftwards);
        if (goes_on) __syncwarp();  // all lanes of the row, which are a warp's, have read its maximum
        if (goes_on && lane == 0) row_best[first + i] = row_carry;
        down.rows[i] = add_words<T>(down.rows[i], row);
      }
      store_tile<T, kAligned>(pooled, down, pack, first, height, width, upwards);
    }
  }
}

bool is_by_column(int direction) {
  return direction == static_cast<int>(Direction::kTop) || direction == static_cast<int>(Direction::kBottom);
}

/// pool(x) + (addend, unless null, which may be `pooled` itself).
template <class T, bool kAligned>
Status launch_one(const T* x, const T* addend, T* pooled, const PoolShape& s, int direction, void* stream) {
  const int packs = divide_up(s.width, kPack<T>);
  if (is_by_column(direction)) {
    const int bits = lane_bits(packs, kColumnLanes);
    const int strips = divide_up(packs, 1 << bits);
    return launch(pool_columns<T, kAligned>, grid_size(s.planes * strips), kColumnThreads, 0, stream, x, addend, pooled,
                  s.height, s.width, bits, strips, direction == static_cast<int>(Direction::kTop));
  }
  const int64_t rows = s.planes * s.height;
  const int bits = lane_bits(packs, kWarpSize);
  return launch(pool_rows<T, kAligned>, grid_size(divide_up<int64_t>(rows, kRowThreads >> bits)), kRowThreads, 0,
                stream, x, addend, pooled, rows, s.width, bits, direction == static_cast<int>(Direction::kLeft));
}

/// pool(x) + pool(other): in one pass when the two run across each other. Otherwise pool(other), exact in T, waits in
/// `pooled` for its addition.
template <class T, bool kAligned>
Status launch_two(const T* x, const T* other, T* pooled, const PoolShape& s, int direction, int other_direction,
                  void* stream) {
  const int packs = divide_up(s.width, kPack<T>);
  const bool fits_a_warp = packs <= kWarpSize;
  if (is_by_column(direction) != is_by_column(other_direction) && (fits_a_warp || s.height <= kMostCrossRows)) {
    const bool straight = is_by_column(direction);
    const int vertical = straight ? direction : other_direction;
    const int horizontal = straight ? other_direction : direction;
    return launch(pool_cross<T, kAligned>, grid_size(s.planes), kCrossThreads,
                  fits_a_warp ? 0 : s.height * sizeof(uint32_t), stream, straight ? x : other, straight ? other : x,
                  pooled, s.height, s.width, lane_bits(packs, kWarpSize), vertical == static_cast<int>(Direction::kTop),
                  horizontal == static_cast<int>(Direction::kLeft));
  }
  const Status status = launch_one<T, kAligned>(other, nullptr, pooled, s, other_direction, stream);
  if (status != Status::kOk) return status;
  return launch_one<T, kAligned>(x, pooled, pooled, s, direction, stream);
}

template <class T, bool kAligned>
Status launch_pool(const T* x, const T* other, T* pooled, const PoolShape& shape, int direction, int other_direction,
                   void* stream) {
  if (!other || other_direction == kAddAsItIs) {
    return launch_one<T, kAligned>(x, other, pooled, shape, direction, stream);
  }
  return launch_two<T, kAligned>(x, other, pooled, shape, direction, other_direction, stream);
}

}  // namespace

Status corner_pool_cuda(const void* x, const void* other, DType dtype, const PoolShape& shape, int direction,
                        int other_direction, void* pooled, void* stream) {
  const Status status = check_corner_pool(shape, direction, other ? other_direction : kAddAsItIs);
  if (status != Status::kOk || is_empty(shape)) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const map = static_cast<const T*>(x);
    const T* const second = static_cast<const T*>(other);
    T* const result = static_cast<T*>(pooled);
    return is_word_aligned<T>(shape.width, map, second, result)
               ? launch_pool<T, true>(map, second, result, shape, direction, other_direction, stream)
               : launch_pool<T, false>(map, second, result, shape, direction, other_direction, stream);
  });
}

}  // namespace simple_trt
