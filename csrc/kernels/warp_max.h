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

}  // namespace simple_trt
