#include "find_peaks.h"
#include "launch.h"
#include "rank_key.h"
#include "select_keys.h"
#include "words.h"

namespace simple_trt {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kCapacity = 4096;    // keys held at a time, a power of two
constexpr int kCellsAThread = 16;  // loaded before it looks at them

/// Value of a neighbour: -inf outside the map and for NaN.
template <class T>
__device__ inline float neighbour(const T* map, int x, int y, const FindPeaksParams& p) {
  const bool inside = x >= 0 && x < p.width && y >= 0 && y < p.height;
  return inside ? without_nan(to_float(map[y * p.width + x])) : -INFINITY;
}

/// Whether a cell that passes the threshold is a peak.
template <class T>
__device__ inline bool is_peak(const T* map, int cell, float value, const FindPeaksParams& p) {
  const int x = cell % p.width;
  const int y = cell / p.width;
  const Neighbours around{neighbour(map, x - 1, y - 1, p), neighbour(map, x, y - 1, p),
                          neighbour(map, x + 1, y - 1, p), neighbour(map, x - 1, y, p),
                          neighbour(map, x + 1, y, p),     neighbour(map, x - 1, y + 1, p),
                          neighbour(map, x, y + 1, p),     neighbour(map, x + 1, y + 1, p)};
  return is_first_maximum(value, around);
}

/// Which of the cells at `first`, `first + step`, ... before `end` pass the threshold, a bit each.
template <class T>
__device__ unsigned passing_cells(const T* map, int first, int step, int end, float threshold) {
  unsigned bits = 0;
  for (int i = 0; i < kCellsAThread; ++i) {
    const int cell = first + i * step;
    const float value = cell < end ? to_float(map[cell]) : -INFINITY;
    bits |= static_cast<unsigned>(value >= threshold && value > -INFINITY) << i;
  }
  return bits;
}

/// The same of packs of cells: bit i is that of place i % kPack of pack i / kPack.
template <class T>
__device__ unsigned passing_packs(const T* map, int first, int step, int end, float threshold) {
  constexpr int kLoads = kCellsAThread / kPack<T>;
  Words loads[kLoads];
  for (int i = 0; i < kLoads; ++i) {
    if (first + i * step < end) loads[i] = load_words(map + first + i * step);
  }
  unsigned bits = 0;
  for (int i = 0; i < kCellsAThread; ++i) {
    if (first + i / kPack<T> * step >= end) break;
    const float value = to_float(element<T>(loads[i / kPack<T>], i % kPack<T>));
    bits |= static_cast<unsigned>(value >= threshold && value > -INFINITY) << i;
  }
  return bits;
}

/// Appends the peaks among the cells [first, end) to `keys`, in any order.
template <class T, bool kAligned>
__device__ void collect_peaks(const T* map, int first, int end, const FindPeaksParams& p, uint64_t* keys, int* count) {
  constexpr int kTogether = kAligned ? kPack<T> : 1;  // neighbouring cells of a thread
  const int step = kTogether * static_cast<int>(blockDim.x);
  for (int own = first + kTogether * static_cast<int>(threadIdx.x); own < end;
       own += kCellsAThread / kTogether * step) {
    unsigned bits =
        kAligned ? passing_packs(map, own, step, end, p.threshold) : passing_cells(map, own, step, end, p.threshold);
    for (; bits != 0; bits &= bits - 1) {
      const int i = __ffs(static_cast<int>(bits)) - 1;
      const int cell = own + i / kTogether * step + i % kTogether;
      const float value = to_float(map[cell]);
      if (is_peak(map, cell, value, p)) keys[atomicAdd(count, 1)] = rank_key(value, cell);
    }
  }
}

/// Keeps only the best keys of the list when `incoming` more might not fit. Begins and ends with a barrier.
__device__ void make_room(int incoming, int top_n, uint64_t* keys, int* count, uint64_t* best) {
  __syncthreads();
  const int held = *count;
  __syncthreads();
  if (held + incoming <= kCapacity) return;
  select_best(keys, held, top_n, best);
  for (int i = threadIdx.x; i < top_n; i += blockDim.x) keys[i] = best[i];
  if (threadIdx.x == 0) *count = smaller(held, top_n);
  __syncthreads();
}

/// One block a map. `round` cells are looked at between two looks at the room in the list; they hold at most kCapacity
/// peaks where they are the whole map, else at most kCapacity - N.
template <class T, bool kAligned>
__global__ void __launch_bounds__(kMaxThreads, 1)
    find_peaks_kernel(const T* maps, FindPeaksParams p, int round, float* scores, int32_t* indices) {
  __shared__ uint64_t keys[kCapacity];
  __shared__ uint64_t best[kMaxPeaks];
  __shared__ int count;
  const int cells = p.height * p.width;
  const T* map = maps + static_cast<int64_t>(blockIdx.x) * cells;
  if (threadIdx.x == 0) count = 0;
  for (int first = 0; first < cells; first += round) {
    make_room(first > 0 ? round : 0, p.top_n, keys, &count, best);
    collect_peaks<T, kAligned>(map, first, smaller(first + round, cells), p, keys, &count);
  }
  __syncthreads();
  select_best(keys, count, p.top_n, best);
  for (int n = threadIdx.x; n < p.top_n; n += blockDim.x) {
    const int64_t at = static_cast<int64_t>(blockIdx.x) * p.top_n + n;
    indices[at] = best[n] == kNoKey ? -1 : rank_index(best[n]);
    scores[at] = best[n] == kNoKey ? -INFINITY : to_float(map[rank_index(best[n])]);
  }
}

/// Peaks do not touch, so a map has at most one in every 2x2 cells.
int cells_per_round(const FindPeaksParams& p) {
  const int64_t most = static_cast<int64_t>(divide_up(p.height, 2)) * divide_up(p.width, 2);
  return most <= kCapacity ? larger(p.height * p.width, 1) : kCapacity - kMaxPeaks;  // whole packs
}

}  // namespace

Status find_peaks_cuda(const void* maps, DType dtype, const FindPeaksParams& params, float* scores, int32_t* indices,
                       void* stream) {
  const Status status = check(params);
  if (status != Status::kOk) return status;
  const int64_t blocks = static_cast<int64_t>(params.batch) * params.maps;
  if (blocks == 0) return Status::kOk;
  if (blocks > INT32_MAX) return Status::kBadShape;
  const int warps = divide_up(divide_up(params.height * params.width, kCellsAThread), kWarpSize);
  const int threads = smaller(kMaxThreads, larger(2, warps) * kWarpSize);
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const first = static_cast<const T*>(maps);
    const bool aligned = is_word_aligned<T>(static_cast<int64_t>(params.height) * params.width, first);
    return launch(aligned ? find_peaks_kernel<T, true> : find_peaks_kernel<T, false>,
                  dim3(static_cast<unsigned>(blocks)), dim3(threads), 0, stream, first, params, cells_per_round(params),
                  scores, indices);
  });
}

}  // namespace simple_trt
