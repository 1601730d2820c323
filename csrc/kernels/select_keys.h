// The best of a list of rank keys in shared memory, in order. Keys differ, so the result does not depend on the order
// in which the threads of the block put them there.
#pragma once

#include "launch.h"
#include "rank_key.h"

namespace simple_trt {

constexpr int kCountedKeys = 128;  // up to this many, counting the greater keys of each is faster than sorting

/// Each key goes to the place that the number of greater ones names.
__device__ inline void select_by_counting(const uint64_t* keys, int count, int limit, uint64_t* best) {
  for (int i = threadIdx.x; i < count; i += blockDim.x) {
    int place = 0;
    for (int other = 0; other < count; ++other) place += keys[other] > keys[i];
    if (place < limit) best[place] = keys[i];
  }
}

/// Bitonic sort, greatest first; `count` is a power of two. Begins and ends with a barrier.
__device__ inline void sort_descending(uint64_t* keys, int count) {
  for (int run = 2; run <= count; run *= 2) {
    for (int step = run / 2; step > 0; step /= 2) {
      __syncthreads();
      for (int i = threadIdx.x; i < count / 2; i += blockDim.x) {
        const int low = 2 * i - (i & (step - 1));
        const uint64_t first = keys[low];
        const uint64_t second = keys[low + step];
        if ((first < second) == ((low & run) == 0)) {
          keys[low] = second;
          keys[low + step] = first;
        }
      }
    }
  }
  __syncthreads();
}

__device__ inline int next_power_of_two(int count) {
  int power = 1;
  while (power < count) power *= 2;
  return power;
}

/// Writes the `limit` greatest of `count` keys to `best`, greatest first, then kNoKey. All threads of the block call
/// it, after a barrier that shows them the keys; another barrier shows them `best`. `keys` is used up and has room for
/// the next power of two.
__device__ inline void select_best(uint64_t* keys, int count, int limit, uint64_t* best) {
  for (int i = count + threadIdx.x; i < limit; i += blockDim.x) best[i] = kNoKey;
  if (count <= kCountedKeys) {
    select_by_counting(keys, count, limit, best);
  } else {
    const int power = next_power_of_two(count);
    for (int i = count + threadIdx.x; i < power; i += blockDim.x) keys[i] = kNoKey;
    sort_descending(keys, power);
    for (int i = threadIdx.x; i < smaller(count, limit); i += blockDim.x) best[i] = keys[i];
  }
  __syncthreads();
}

}  // namespace simple_trt
