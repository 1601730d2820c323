// The largest value of a warp.
#pragma once

#include "launch.h"

namespace simple_trt {

/// Every lane of the warp calls it and gets the largest `value`.
template <class T>
__device__ inline T warp_max(T value) {
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value = larger(value, __shfl_xor_sync(kFullWarp, value, distance));
  }
  return value;
}

/// The same by the one instruction that devices from sm_80 up have for it.
__device__ inline unsigned warp_max(unsigned value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  return __reduce_max_sync(kFullWarp, value);
#else
  return warp_max<unsigned>(value);
#endif
}

}  // namespace simple_trt
