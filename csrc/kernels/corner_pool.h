// corner_pool: running maximum towards one side of the map, optionally plus another map or another map's running
// maximum.
//
//   x        [B, C, H, W]  fp32, fp16 or bf16
//   other    [B, C, H, W]  same type, or null
//   pooled   [B, C, H, W]  same type: pool(x, direction) + (nothing | other | pool(other, other_direction))
//
//   0 top     y[i] = max over i' >= i, scanned from the bottom row upwards
//   1 bottom  y[i] = max over i' <= i, scanned from the top row downwards
//   2 left    y[j] = max over j' >= j, scanned from the right column leftwards
//   3 right   y[j] = max over j' <= j, scanned from the left column rightwards
//
// The name is the side of the box that the pool serves (CornerNet, arXiv 1808.01244; CenterNet, arXiv 1904.08189). The
// maxima are exact (pool_order.h: a NaN poisons everything after it in scan order; -inf is a number like others), the
// sum is made in fp32 and rounded once, so all implementations agree exactly, but for the sign of a zero and the
// payload of a NaN.
//
// Backward: the running maximum is replaced by a strictly greater value only (-0 and +0 tie), so the gradient goes to
// the element first met in scan order. Sums are in fp32, rounded once; their order differs between implementations.
// With a NaN in the input the gradient stays in the right column or row, no more is promised.
//
// Limits: H * W <= 2^30. Contiguous pointers, results apart from inputs; no workspace.
#pragma once

#include "pool_order.h"

namespace simple_trt {

enum class Direction : int { kTop = 0, kBottom, kLeft, kRight };

constexpr int kAddAsItIs = -1;  // an other_direction: `other` is added without pooling

inline Status check_corner_pool(const PoolShape& shape, int direction, int other_direction) {
  const bool directions = direction >= 0 && direction <= 3 && other_direction >= kAddAsItIs && other_direction <= 3;
  return directions ? check(shape) : Status::kBadArgument;
}

/// direction 0 to 3; other_direction -1 to 3, read when `other` is not null.
Status corner_pool_cpu(const void* x, const void* other, DType dtype, const PoolShape& shape, int direction,
                       int other_direction, void* pooled);

/// Gradient of pool(x, direction) alone: grad is that of the pooled map, grad_x is overwritten. The gradient of `other`
/// is the same function of `other` and other_direction, or grad itself when it was added as it is.
Status corner_pool_backward_cpu(const void* grad, const void* x, DType dtype, const PoolShape& shape, int direction,
                                void* grad_x);

/// The same on the GPU: device pointers, `stream` a cudaStream_t.
Status corner_pool_cuda(const void* x, const void* other, DType dtype, const PoolShape& shape, int direction,
                        int other_direction, void* pooled, void* stream);
Status corner_pool_backward_cuda(const void* grad, const void* x, DType dtype, const PoolShape& shape, int direction,
                                 void* grad_x, void* stream);

}  // namespace simple_trt
