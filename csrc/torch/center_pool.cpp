#include "../kernels/center_pool.h"

#include <tuple>

#include "pools.h"

namespace simple_trt::torch_ops {
namespace {

Tensor center_pool(const Tensor& column, const Tensor& row) {
  const Checker check("center_pool");
  check.maps("column", column);
  check.like("row", row, "column", column);
  const Tensor columns = in_order(column);
  const Tensor rows = in_order(row);
  const Tensor pooled = new_map(column);
  call("center_pool", column, SIMPLE_TRT_KERNELS(center_pool), input<void>(columns), input<void>(rows),
       dtype_of(column), pool_shape(column), output<void>(pooled));
  return pooled;
}

std::tuple<Tensor, Tensor> center_pool_backward(const Tensor& grad, const Tensor& column, const Tensor& row) {
  const Checker check("center_pool_backward");
  check.maps("column", column);
  check.like("row", row, "column", column);
  check.like("grad", grad, "column", column);
  const Tensor grads = in_order(grad);
  const Tensor columns = in_order(column);
  const Tensor rows = in_order(row);
  const Tensor grad_column = new_map(column);
  const Tensor grad_row = new_map(row);
  call("center_pool_backward", column, SIMPLE_TRT_KERNELS(center_pool_backward), input<void>(grads),
       input<void>(columns), input<void>(rows), dtype_of(column), pool_shape(column), output<void>(grad_column),
       output<void>(grad_row));
  return {grad_column, grad_row};
}

}  // namespace

SIMPLE_TRT_REGISTER(center_pool)
SIMPLE_TRT_REGISTER(center_pool_backward)

}  // namespace simple_trt::torch_ops
