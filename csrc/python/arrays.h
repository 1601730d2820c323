// Arrays that Python hands over, checked: NumPy arrays on the host, and on the device whatever offers
// __cuda_array_interface__ (CuPy, Numba, PyTorch...).
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "../kernels/dtype.h"
#include "../kernels/status.h"

namespace simple_trt::python {

namespace py = pybind11;

enum class Element { kFloat32, kFloat16, kBFloat16, kInt32, kUint8 };

/// Memory named by a Python object, which must outlive the view. `name` is the argument's, for messages.
struct ArrayView {
  std::string name;
  Element element;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // bytes
  void* data;
  bool writable;

  int64_t operator[](size_t axis) const { return shape[axis]; }
  int size(size_t axis) const;  // ValueError when it does not fit an int
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

constexpr int64_t kAny = -1;

/// View of a NumPy array, or of a device array. TypeError for what is neither or has another element type than those
/// above (bfloat16 is the 2-byte void type of ml_dtypes). In an emulator build a device array is a NumPy array.
ArrayView host_view(const py::array& array, const char* name);
ArrayView device_view(const py::object& array, const char* name);

/// The array itself, or a C-contiguous copy of it.
py::array contiguous(const py::array& array);

/// A new array of the same type as `like`, or of the NumPy type `dtype` ("float32", "int32"...).
py::array new_array(const std::vector<int64_t>& shape, const py::array& like);
py::array new_array(const std::vector<int64_t>& shape, const char* dtype);

/// Checks, each a ValueError with what was expected and what was got. kAny in `shape` fits every size.
void expect_shape(const ArrayView& view, const std::vector<int64_t>& shape);
void expect_element(const ArrayView& view, Element element);
void expect_same_element(const ArrayView& view, const ArrayView& like);
void expect_contiguous(const ArrayView& view);
void expect_output(const ArrayView& view, Element element, const std::vector<int64_t>& shape);  // contiguous, writable

/// The type of a map: float32, float16 or bfloat16.
DType map_dtype(const ArrayView& view);

/// ValueError or RuntimeError unless the kernel succeeded.
void expect_ok(Status status, const char* op);

}  // namespace simple_trt::python
