// Python names of center_pool and corner_pool.
#include "../kernels/center_pool.h"
#include "../kernels/corner_pool.h"
#include "arrays.h"
#include "core.h"

namespace simple_trt::python {
namespace {

/// The sizes of a map [B, C, H, W].
PoolShape pool_shape(const ArrayView& map) {
  expect_shape(map, {kAny, kAny, kAny, kAny});
  return {map[0] * map[1], map.size(2), map.size(3)};
}

/// Checks that `map` is like the first one: same type and shape, contiguous.
void expect_like(const ArrayView& map, const ArrayView& first) {
  expect_same_element(map, first);
  expect_shape(map, first.shape);
  expect_contiguous(map);
}

py::array center_pool(const py::array& column_array, const py::array& row_array) {
  const py::array columns = contiguous(column_array), rows = contiguous(row_array);
  const ArrayView column = host_view(columns, "column"), row = host_view(rows, "row");
  const PoolShape shape = pool_shape(column);
  expect_like(row, column);
  py::array result = new_array(column.shape, columns);
  const ArrayView pooled = host_view(result, "pooled");
  const DType dtype = map_dtype(column);
  {
    py::gil_scoped_release release;
    expect_ok(center_pool_cpu(column.data, row.data, dtype, shape, pooled.data), "center_pool");
  }
  return result;
}

py::tuple center_pool_backward(const py::array& grad_array, const py::array& column_array, const py::array& row_array) {
  const py::array grads = contiguous(grad_array), columns = contiguous(column_array), rows = contiguous(row_array);
  const ArrayView grad = host_view(grads, "grad"), column = host_view(columns, "column"), row = host_view(rows, "row");
  const PoolShape shape = pool_shape(column);
  expect_like(row, column);
  expect_like(grad, column);
  py::array for_column = new_array(column.shape, columns), for_row = new_array(column.shape, columns);
  const ArrayView grad_column = host_view(for_column, "grad_column"), grad_row = host_view(for_row, "grad_row");
  const DType dtype = map_dtype(column);
  {
    py::gil_scoped_release release;
    expect_ok(center_pool_backward_cpu(grad.data, column.data, row.data, dtype, shape, grad_column.data, grad_row.data),
              "center_pool_backward");
  }
  return py::make_tuple(for_column, for_row);
}

py::array corner_pool(const py::array& x_array, int direction, const std::optional<py::array>& other_array,
                      int other_direction) {
  const py::array xs = contiguous(x_array);
  const py::array others = other_array ? contiguous(*other_array) : py::array();
  const ArrayView x = host_view(xs, "x");
  const PoolShape shape = pool_shape(x);
  const void* other_data = nullptr;
  if (other_array) {
    const ArrayView other = host_view(others, "other");
    expect_like(other, x);
    other_data = other.data;
  }
  py::array result = new_array(x.shape, xs);
  const ArrayView pooled = host_view(result, "pooled");
  const DType dtype = map_dtype(x);
  {
    py::gil_scoped_release release;
    expect_ok(corner_pool_cpu(x.data, other_data, dtype, shape, direction, other_direction, pooled.data),
              "corner_pool");
  }
  return result;
}

py::array corner_pool_backward(const py::array& grad_array, const py::array& x_array, int direction) {
  const py::array grads = contiguous(grad_array), xs = contiguous(x_array);
  const ArrayView grad = host_view(grads, "grad"), x = host_view(xs, "x");
  const PoolShape shape = pool_shape(x);
  expect_like(grad, x);
  py::array result = new_array(x.shape, xs);
  const ArrayView grad_x = host_view(result, "grad_x");
  const DType dtype = map_dtype(x);
  {
    py::gil_scoped_release release;
    expect_ok(corner_pool_backward_cpu(grad.data, x.data, dtype, shape, direction, grad_x.data),
              "corner_pool_backward");
  }
  return result;
}

#if defined(SIMPLE_TRT_WITH_CUDA)

void center_pool_on_device(const py::object& columns, const py::object& rows, const py::object& result,
                           uintptr_t stream) {
  const ArrayView column = device_view(columns, "column"), row = device_view(rows, "row");
  const ArrayView pooled = device_view(result, "pooled");
  const PoolShape shape = pool_shape(column);
  expect_contiguous(column);
  expect_like(row, column);
  expect_output(pooled, column.element, column.shape);
  expect_ok(center_pool_cuda(column.data, row.data, map_dtype(column), shape, pooled.data, stream_of(stream)),
            "center_pool_cuda");
}

void center_pool_backward_on_device(const py::object& grads, const py::object& columns, const py::object& rows,
                                    const py::object& for_column, const py::object& for_row, uintptr_t stream) {
  const ArrayView grad = device_view(grads, "grad"), column = device_view(columns, "column"),
                  row = device_view(rows, "row");
  const ArrayView grad_column = device_view(for_column, "grad_column"), grad_row = device_view(for_row, "grad_row");
  const PoolShape shape = pool_shape(column);
  expect_contiguous(column);
  expect_like(row, column);
  expect_like(grad, column);
  expect_output(grad_column, column.element, column.shape);
  expect_output(grad_row, column.element, column.shape);
  expect_ok(center_pool_backward_cuda(grad.data, column.data, row.data, map_dtype(column), shape, grad_column.data,
                                      grad_row.data, stream_of(stream)),
            "center_pool_backward_cuda");
}

void corner_pool_on_device(const py::object& xs, const py::object& result, int direction,
                           const std::optional<py::object>& others, int other_direction, uintptr_t stream) {
  const ArrayView x = device_view(xs, "x"), pooled = device_view(result, "pooled");
  const PoolShape shape = pool_shape(x);
  expect_contiguous(x);
  expect_output(pooled, x.element, x.shape);
  const void* other_data = nullptr;
  if (others) {
    const ArrayView other = device_view(*others, "other");
    expect_like(other, x);
    other_data = other.data;
  }
  expect_ok(corner_pool_cuda(x.data, other_data, map_dtype(x), shape, direction, other_direction, pooled.data,
                             stream_of(stream)),
            "corner_pool_cuda");
}

void corner_pool_backward_on_device(const py::object& grads, const py::object& xs, const py::object& result,
                                    int direction, uintptr_t stream) {
  const ArrayView grad = device_view(grads, "grad"), x = device_view(xs, "x"), grad_x = device_view(result, "grad_x");
  const PoolShape shape = pool_shape(x);
  expect_contiguous(x);
  expect_like(grad, x);
  expect_output(grad_x, x.element, x.shape);
  expect_ok(
      corner_pool_backward_cuda(grad.data, x.data, map_dtype(x), shape, direction, grad_x.data, stream_of(stream)),
      "corner_pool_backward_cuda");
}

#endif

}  // namespace

void bind_pools(py::module_& module) {
  module.def("center_pool", &center_pool, py::arg("column"), py::arg("row"),
             "Column maxima of one map plus row maxima of another, [B, C, H, W].");
  module.def("center_pool_backward", &center_pool_backward, py::arg("grad"), py::arg("column"), py::arg("row"),
             "Gradients (grad_column, grad_row) of center_pool.");
  module.def(
      "corner_pool", &corner_pool, py::arg("x"), py::arg("direction"), py::arg("other") = py::none(),
      py::arg("other_direction") = kAddAsItIs,
      "Running maximum towards a side (0 top, 1 bottom, 2 left, 3 right), plus another map or its running maximum.");
  module.def("corner_pool_backward", &corner_pool_backward, py::arg("grad"), py::arg("x"), py::arg("direction"),
             "Gradient of one running maximum.");
#if defined(SIMPLE_TRT_WITH_CUDA)
  module.def("center_pool_cuda", &center_pool_on_device, py::arg("column"), py::arg("row"), py::arg("pooled"),
             py::arg("stream") = 0, "center_pool on device arrays, into `pooled`.");
  module.def("center_pool_backward_cuda", &center_pool_backward_on_device, py::arg("grad"), py::arg("column"),
             py::arg("row"), py::arg("grad_column"), py::arg("grad_row"), py::arg("stream") = 0,
             "center_pool_backward on device arrays, into `grad_column` and `grad_row`.");
  module.def("corner_pool_cuda", &corner_pool_on_device, py::arg("x"), py::arg("pooled"), py::arg("direction"),
             py::arg("other") = py::none(), py::arg("other_direction") = kAddAsItIs, py::arg("stream") = 0,
             "corner_pool on device arrays, into `pooled`.");
  module.def("corner_pool_backward_cuda", &corner_pool_backward_on_device, py::arg("grad"), py::arg("x"),
             py::arg("grad_x"), py::arg("direction"), py::arg("stream") = 0,
             "corner_pool_backward on device arrays, into `grad_x`.");
#endif
}

}  // namespace simple_trt::python
