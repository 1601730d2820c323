// Python name of letterbox.
#include <array>
#include <memory>

#include "../kernels/letterbox.h"
#include "arrays.h"
#include "core.h"

namespace simple_trt::python {
namespace {

using Channels = std::array<float, 3>;

/// Rows of the image may lie any distance apart; within a row the pixels are packed RGB.
LetterboxParams letterbox_params(const ArrayView& image, int out_h, int out_w, const Channels& mean,
                                 const Channels& std) {
  expect_element(image, Element::kUint8);
  expect_shape(image, {kAny, kAny, 3});
  if (image.strides[1] != 3 || image.strides[2] != 1) {
    throw py::value_error(image.name + ": expected packed RGB rows, got a step of " + std::to_string(image.strides[1]) +
                          " bytes between pixels and " + std::to_string(image.strides[2]) + " between channels");
  }
  LetterboxParams params{image.size(0), image.size(1), image.strides[0], out_h, out_w, {}, {}};
  std::copy(mean.begin(), mean.end(), params.mean);
  std::copy(std.begin(), std.end(), params.std);
  return params;
}

bool has_packed_rows(const py::array& image) {
  return image.ndim() == 3 && image.strides(2) == 1 && image.strides(1) == 3 && image.strides(0) >= 3 * image.shape(1);
}

py::array letterbox(const py::array& photo, int out_h, int out_w, const Channels& mean, const Channels& std) {
  const py::array packed = has_packed_rows(photo) ? photo : contiguous(photo);
  const ArrayView image = host_view(packed, "image");
  const LetterboxParams params = letterbox_params(image, out_h, out_w, mean, std);
  expect_ok(check(params), "letterbox");
  py::array result = new_array({3, out_h, out_w}, "float32");
  const ArrayView out = host_view(result, "out");
  {
    py::gil_scoped_release release;
    const std::unique_ptr<float[]> workspace(new float[letterbox_workspace(params) / sizeof(float)]);
    expect_ok(letterbox_cpu(image.as<uint8_t>(), params, workspace.get(), out.as<float>()), "letterbox");
  }
  return result;
}

#if defined(SIMPLE_TRT_WITH_CUDA)
void letterbox_on_device(const py::object& photo, const py::object& result, const Channels& mean, const Channels& std,
                         uintptr_t stream) {
  const ArrayView image = device_view(photo, "image"), out = device_view(result, "out");
  expect_shape(out, {3, kAny, kAny});
  expect_output(out, out.element, out.shape);
  const LetterboxParams params = letterbox_params(image, out.size(1), out.size(2), mean, std);
  expect_ok(letterbox_cuda(image.as<uint8_t>(), params, map_dtype(out), out.data, stream_of(stream)), "letterbox_cuda");
}
#endif

}  // namespace

void bind_letterbox(py::module_& module) {
  module.def("letterbox", &letterbox, py::arg("image"), py::arg("out_h"), py::arg("out_w"), py::arg("mean"),
             py::arg("std"),
             "Scale a photo [H, W, 3] uint8 into the top-left corner of [3, out_h, out_w] float32 and normalise it.");
#if defined(SIMPLE_TRT_WITH_CUDA)
  module.def("letterbox_cuda", &letterbox_on_device, py::arg("image"), py::arg("out"), py::arg("mean"), py::arg("std"),
             py::arg("stream") = 0, "letterbox on device arrays, into `out` [3, out_h, out_w].");
#endif
}

}  // namespace simple_trt::python
