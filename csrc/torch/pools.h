// What the torch ops of both pools share.
#pragma once

#include "../kernels/pool_order.h"
#include "kernels.h"

namespace simple_trt::torch_ops {

/// The size of checked maps [B, C, H, W].
inline PoolShape pool_shape(const Tensor& maps) {
  return {maps.size(0) * maps.size(1), static_cast<int>(maps.size(2)), static_cast<int>(maps.size(3))};
}

/// An uninitialised contiguous map like a checked one.
inline Tensor new_map(const Tensor& maps) {
  return new_tensor(maps, {maps.size(0), maps.size(1), maps.size(2), maps.size(3)}, maps.scalar_type());
}

}  // namespace simple_trt::torch_ops
