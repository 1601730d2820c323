#include "arrays.h"

#include <pybind11/stl.h>

#include <climits>

namespace simple_trt::python {
namespace {

const char* element_name(Element element) {
  switch (element) {
    case Element::kFloat32:
      return "float32";
    case Element::kFloat16:
      return "float16";
    case Element::kBFloat16:
      return "bfloat16";
    case Element::kInt32:
      return "int32";
    case Element::kUint8:
      return "uint8";
  }
  return "unknown";
}

int64_t element_size(Element element) {
  switch (element) {
    case Element::kFloat32:
    case Element::kInt32:
      return 4;
    case Element::kFloat16:
    case Element::kBFloat16:
      return 2;
    case Element::kUint8:
      return 1;
  }
  return 0;
}

Element element_of(const std::string& typestr, const char* name) {
  const std::string kind = typestr.substr(1);  // without the byte order
  const bool native = typestr[0] != '>';
  if (native && kind == "f4") return Element::kFloat32;
  if (native && kind == "f2") return Element::kFloat16;
  if (native && kind == "V2") return Element::kBFloat16;
  if (native && kind == "i4") return Element::kInt32;
  if (kind == "u1") return Element::kUint8;
  throw py::type_error(std::string(name) + ": expected float32, float16, bfloat16, int32 or uint8, got type '" +
                       typestr + "'");
}

std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape, Element element) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = element_size(element);
  for (size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

std::string describe(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    text += (axis ? ", " : "") + (shape[axis] == kAny ? std::string("any") : std::to_string(shape[axis]));
  }
  return text + "]";
}

bool fits(const std::vector<int64_t>& shape, const std::vector<int64_t>& wanted) {
  if (shape.size() != wanted.size()) return false;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (wanted[axis] != kAny && shape[axis] != wanted[axis]) return false;
  }
  return true;
}

/// Reads the dictionary of the array interface protocol, host or device.
ArrayView view_of(const py::object& array, const char* interface, const char* name) {
  const py::object found = py::getattr(array, interface, py::none());
  if (found.is_none()) {
    throw py::type_error(std::string(name) + ": expected an object with " + interface + ", got " +
                         py::str(py::type::of(array).attr("__name__")).cast<std::string>());
  }
  const py::dict fields = found;
  const auto data = fields["data"].cast<std::pair<uintptr_t, bool>>();
  ArrayView view;
  view.name = name;
  view.element = element_of(fields["typestr"].cast<std::string>(), name);
  view.shape = fields["shape"].cast<std::vector<int64_t>>();
  view.data = reinterpret_cast<void*>(data.first);
  view.writable = !data.second;
  const bool strided = fields.contains("strides") && !fields["strides"].is_none();
  view.strides =
      strided ? fields["strides"].cast<std::vector<int64_t>>() : contiguous_strides(view.shape, view.element);
  return view;
}

}  // namespace

int ArrayView::size(size_t axis) const {
  if (shape[axis] > INT_MAX) {
    throw py::value_error(name + ": expected fewer than 2^31 elements along axis " + std::to_string(axis) + ", got " +
                          std::to_string(shape[axis]));
  }
  return static_cast<int>(shape[axis]);
}

ArrayView host_view(const py::array& array, const char* name) { return view_of(array, "__array_interface__", name); }

ArrayView device_view(const py::object& array, const char* name) {
#if defined(SIMPLE_TRT_EMULATOR)
  return view_of(array, "__array_interface__", name);
#else
  return view_of(array, "__cuda_array_interface__", name);
#endif
}

py::array contiguous(const py::array& array) { return py::array::ensure(array, py::array::c_style); }

py::array new_array(const std::vector<int64_t>& shape, const py::array& like) { return py::array(like.dtype(), shape); }

py::array new_array(const std::vector<int64_t>& shape, const char* dtype) { return py::array(py::dtype(dtype), shape); }

void expect_shape(const ArrayView& view, const std::vector<int64_t>& shape) {
  if (fits(view.shape, shape)) return;
  throw py::value_error(view.name + ": expected shape " + describe(shape) + ", got " + describe(view.shape));
}

void expect_element(const ArrayView& view, Element element) {
  if (view.element == element) return;
  throw py::value_error(view.name + ": expected " + element_name(element) + ", got " + element_name(view.element));
}

void expect_same_element(const ArrayView& view, const ArrayView& like) { expect_element(view, like.element); }

void expect_contiguous(const ArrayView& view) {
  for (const int64_t size : view.shape) {
    if (size == 0) return;
  }
  const std::vector<int64_t> wanted = contiguous_strides(view.shape, view.element);
  for (size_t axis = 0; axis < view.shape.size(); ++axis) {
    if (view.shape[axis] != 1 && view.strides[axis] != wanted[axis]) {
      throw py::value_error(view.name + ": expected a C-contiguous array, got strides " + describe(view.strides));
    }
  }
}

void expect_output(const ArrayView& view, Element element, const std::vector<int64_t>& shape) {
  expect_element(view, element);
  expect_shape(view, shape);
  expect_contiguous(view);
  if (!view.writable) throw py::value_error(view.name + ": expected a writable array, got a read-only one");
}

DType map_dtype(const ArrayView& view) {
  switch (view.element) {
    case Element::kFloat32:
      return DType::kFloat32;
    case Element::kFloat16:
      return DType::kFloat16;
    case Element::kBFloat16:
      return DType::kBFloat16;
    default:
      throw py::value_error(view.name + ": expected float32, float16 or bfloat16, got " + element_name(view.element));
  }
}

void expect_ok(Status status, const char* op) {
  switch (status) {
    case Status::kOk:
      return;
    case Status::kBadShape:
      throw py::value_error(std::string(op) + ": expected sizes within the op's limits, got a size outside them");
    case Status::kBadArgument:
      throw py::value_error(std::string(op) + ": expected arguments within the op's limits, got one outside them");
    case Status::kLaunchFailed:
      throw std::runtime_error(std::string(op) + ": the CUDA launch failed (is there a GPU this build has code for?)");
  }
}

}  // namespace simple_trt::python
