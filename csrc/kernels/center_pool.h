// center_pool: the largest value of each cell's column in one map plus the largest of its row in another.
//
//   column   [B, C, H, W]  fp32, fp16 or bf16
//   row      [B, C, H, W]  same type
//   pooled   [B, C, H, W]  same type: pooled[i, j] = max over i' of column[i', j] + max over j' of row[i, j']
//
// This is Bottom(Top(column)) + Right(Left(row)) of CenterNet's center pooling module (arXiv 1904.08189) in one step.
// The maxima are exact (pool_order.h: NaN wins over every number), the sum is made in fp32 and rounded once, so all
// implementations agree exactly, but for the sign of a zero and the payload of a NaN.
//
// Backward: the whole gradient of a column goes to its bottom-most maximum, that of a row to its right-most (the tie
// rules of the two pools it replaces, chained; -0 and +0 tie). Sums are in fp32, rounded once; their order differs
// between implementations. With a NaN in the input the gradient is finite and lands in the right column or row, no more
// is promised.
//
// Limits: H * W <= 2^30. Contiguous pointers, results apart from inputs; no workspace.
#pragma once

#include "pool_order.h"

namespace simple_trt {

Status center_pool_cpu(const void* column, const void* row, DType dtype, const PoolShape& shape, void* pooled);

/// grad is that of `pooled`; grad_column and grad_row are overwritten. All [B, C, H, W] of one type.
Status center_pool_backward_cpu(const void* grad, const void* column, const void* row, DType dtype,
                                const PoolShape& shape, void* grad_column, void* grad_row);

/// The same on the GPU: device pointers, `stream` a cudaStream_t.
Status center_pool_cuda(const void* column, const void* row, DType dtype, const PoolShape& shape, void* pooled,
                        void* stream);
Status center_pool_backward_cuda(const void* grad, const void* column, const void* row, DType dtype,
                                 const PoolShape& shape, void* grad_column, void* grad_row, void* stream);

}  // namespace simple_trt
