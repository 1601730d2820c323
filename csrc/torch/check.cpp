#include "check.h"

#include <algorithm>

namespace simple_trt::torch_ops {
namespace {

std::string shape_text(const int64_t* sizes, int64_t dims) {
  std::ostringstream out;
  out << "shape [";
  for (int64_t i = 0; i < dims; ++i) out << (i == 0 ? "" : ", ") << sizes[i];
  out << "]";
  return out.str();
}

bool has_shape(const Tensor& tensor, const int64_t* sizes, int64_t dims) {
  const auto actual = tensor.sizes();
  return tensor.dim() == dims && std::equal(sizes, sizes + dims, actual.begin());
}

bool is_real(ScalarType dtype) {
  return dtype == ScalarType::Float || dtype == ScalarType::Half || dtype == ScalarType::BFloat16;
}

}  // namespace

std::string text(int64_t value) { return std::to_string(value); }

std::string text(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

std::string text(const Tensor& value) { return shape_text(value.sizes().data(), value.dim()); }

std::string text(ScalarType value) {
  switch (value) {
    case ScalarType::Float:
      return "float32";
    case ScalarType::Half:
      return "float16";
    case ScalarType::BFloat16:
      return "bfloat16";
    case ScalarType::Double:
      return "float64";
    case ScalarType::Byte:
      return "uint8";
    case ScalarType::Char:
      return "int8";
    case ScalarType::Short:
      return "int16";
    case ScalarType::Int:
      return "int32";
    case ScalarType::Long:
      return "int64";
    case ScalarType::Bool:
      return "bool";
    default:
      return "another dtype";
  }
}

std::string text(torch::stable::Device value) {
  if (value.is_cpu()) return "cpu";
  return (value.is_cuda() ? "cuda:" : "device:") + std::to_string(value.index());
}

void refuse(const char* op, const char* argument, const std::string& expected, const std::string& got) {
  throw std::runtime_error(std::string(op) + ": " + argument + ": expected " + expected + ", got " + got);
}

void Checker::maps(const char* argument, const Tensor& tensor) const {
  that(tensor.dim() == 4, argument, "4 dimensions", tensor);
  that(is_real(tensor.scalar_type()), argument, "float32 or float16 or bfloat16", tensor.scalar_type());
  const int64_t width = std::max<int64_t>(tensor.size(3), 1);
  const bool fits = tensor.size(2) <= INT32_MAX / width && tensor.size(0) <= INT32_MAX && tensor.size(1) <= INT32_MAX;
  that(fits, argument, "sizes below 2^31", tensor);
}

void Checker::boxes(const Tensor& boxes, const char* other, const Tensor& maps) const {
  that(boxes.dim() == 3 && boxes.size(1) <= INT32_MAX, "boxes", "3 dimensions", boxes);
  shape("boxes", boxes, {maps.size(0), boxes.size(1), 4});
  dtype("boxes", boxes, ScalarType::Float);
  device("boxes", boxes, other, maps);
}

void Checker::like(const char* argument, const Tensor& tensor, const char* other, const Tensor& model) const {
  const auto expected = model.sizes();
  if (!has_shape(tensor, expected.data(), model.dim())) refuse(op_, argument, text(model), text(tensor));
  dtype(argument, tensor, model.scalar_type());
  device(argument, tensor, other, model);
}

void Checker::shape(const char* argument, const Tensor& tensor, std::initializer_list<int64_t> expected) const {
  const auto dims = static_cast<int64_t>(expected.size());
  if (!has_shape(tensor, expected.begin(), dims)) {
    refuse(op_, argument, shape_text(expected.begin(), dims), text(tensor));
  }
}

void Checker::dtype(const char* argument, const Tensor& tensor, ScalarType expected) const {
  if (tensor.scalar_type() != expected) refuse(op_, argument, text(expected), text(tensor.scalar_type()));
}

void Checker::device(const char* argument, const Tensor& tensor, const char* other, const Tensor& model) const {
  if (tensor.device() == model.device()) return;
  refuse(op_, argument, std::string("the device of ") + other + ", " + text(model.device()), text(tensor.device()));
}

void Checker::direction(const char* argument, int64_t value) const {
  that(value >= 0 && value <= 3, argument, "0 (top), 1 (bottom), 2 (left) or 3 (right)", value);
}

void Checker::between(const char* argument, int64_t value, int64_t low, int64_t high) const {
  if (value < low || value > high) refuse(op_, argument, text(low) + " to " + text(high), text(value));
}

}  // namespace simple_trt::torch_ops
