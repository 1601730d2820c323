#include "../kernels/corner_pool.h"

#include <optional>

#include "pools.h"

namespace simple_trt::torch_ops {
namespace {

void check_corner_pool(const Tensor& x, int64_t direction, const std::optional<Tensor>& other,
                       int64_t other_direction) {
  const Checker check("corner_pool");
  check.maps("x", x);
  check.direction("direction", direction);
  if (other_direction != kAddAsItIs) {
    check.direction("other_direction", other_direction);
    if (!other.has_value()) refuse("corner_pool", "other", "a map to pool", "None");
  }
  if (other.has_value()) check.like("other", *other, "x", x);
}

Tensor corner_pool(const Tensor& x, int64_t direction, const std::optional<Tensor>& other, int64_t other_direction) {
  check_corner_pool(x, direction, other, other_direction);
  const Tensor first = in_order(x);
  const Tensor second = other.has_value() ? in_order(*other) : first;
  const Tensor pooled = new_map(x);
  call("corner_pool", x, SIMPLE_TRT_KERNELS(corner_pool), input<void>(first),
       other.has_value() ? input<void>(second) : nullptr, dtype_of(x), pool_shape(x), static_cast<int>(direction),
       static_cast<int>(other_direction), output<void>(pooled));
  return pooled;
}

Tensor corner_pool_backward(const Tensor& grad, const Tensor& x, int64_t direction) {
  const Checker check("corner_pool_backward");
  check.maps("x", x);
  check.like("grad", grad, "x", x);
  check.direction("direction", direction);
  const Tensor grads = in_order(grad);
  const Tensor map = in_order(x);
  const Tensor grad_x = new_map(x);
  call("corner_pool_backward", x, SIMPLE_TRT_KERNELS(corner_pool_backward), input<void>(grads), input<void>(map),
       dtype_of(x), pool_shape(x), static_cast<int>(direction), output<void>(grad_x));
  return grad_x;
}

}  // namespace

SIMPLE_TRT_REGISTER(corner_pool)
SIMPLE_TRT_REGISTER(corner_pool_backward)

}  // namespace simple_trt::torch_ops
