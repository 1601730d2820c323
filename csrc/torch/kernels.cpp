#include "kernels.h"

#include <dlfcn.h>

#include <stdexcept>
#include <string>

namespace simple_trt::torch_ops {
namespace {

using CurrentStream = int32_t (*)(int32_t device, void** stream);

/// torch declares this function in CUDA builds only and keeps it in its CUDA library. Looked up at run time, so that
/// one binary serves torch with and without CUDA.
CurrentStream find_current_stream() {
  void* library = dlopen("libtorch_cuda.so", RTLD_NOLOAD | RTLD_LAZY);
  if (library == nullptr) return nullptr;
  return reinterpret_cast<CurrentStream>(dlsym(library, "aoti_torch_get_current_cuda_stream"));
}

const char* reason(Status status) {
  switch (status) {
    case Status::kBadShape:
      return "a size is larger than the kernel takes";
    case Status::kBadArgument:
      return "a setting is outside the range that the kernel takes";
    case Status::kLaunchFailed:
      return "the GPU refused the launch (no code for this device, or no device)";
    case Status::kOk:
      break;
  }
  return "unknown status";
}

}  // namespace

DType dtype_of(const Tensor& maps) {
  switch (maps.scalar_type()) {
    case ScalarType::Half:
      return DType::kFloat16;
    case ScalarType::BFloat16:
      return DType::kBFloat16;
    default:
      return DType::kFloat32;
  }
}

Tensor in_order(const Tensor& tensor) { return tensor.is_contiguous() ? tensor : torch::stable::contiguous(tensor); }

Tensor new_tensor(const Tensor& like, std::initializer_list<int64_t> shape, ScalarType dtype) {
  return torch::stable::empty({shape.begin(), shape.size()}, dtype, std::nullopt, like.device());
}

void* current_stream(int32_t device) {
  static const CurrentStream find = find_current_stream();
  void* stream = nullptr;
  if (find == nullptr || find(device, &stream) != 0) {
    throw std::runtime_error("simple_trt: this torch has no current CUDA stream for device " + std::to_string(device));
  }
  return stream;
}

void throw_unless_ok(const char* op, Status status) {
  if (status != Status::kOk) throw std::runtime_error(std::string(op) + ": " + reason(status));
}

}  // namespace simple_trt::torch_ops
