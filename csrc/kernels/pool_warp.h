// Device steps that the kernels of both pools share. Keys are held as int whatever their width.
#pragma once

#include "launch.h"
#include "pool_order.h"

namespace simple_trt {

/// The key of x[at], or the lowest key where there is no element.
template <class T>
__device__ inline int key_at(const T* x, int64_t at, bool exists) {
  return exists ? key_of(x[at]) : lowest_key<T>();
}
template <class T>
__device__ inline int tie_key_at(const T* x, int64_t at, bool exists) {
  return exists ? tie_key_of(x[at]) : lowest_key<T>();
}

template <class T>
__device__ inline T value_of_int(int key) {
  return value_of<T>(static_cast<PoolKey<T>>(key));
}

/// Lane i gets the largest key of lanes 0 to i. Every lane of the warp calls it.
__device__ inline int warp_running_max(int key, unsigned lane) {
  for (unsigned distance = 1; distance < kWarpSize; distance *= 2) {
    const int earlier = __shfl_up_sync(kFullWarp, key, distance);
    if (lane >= distance) key = larger(key, earlier);
  }
  return key;
}

}  // namespace simple_trt
