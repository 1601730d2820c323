// From a checked torch call to a kernel call: contiguous tensors, new results, the current stream, the status.
#pragma once

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <type_traits>

#include "../kernels/dtype.h"
#include "../kernels/status.h"
#include "check.h"

// The entry points of one op for `call`; a library without CUDA code has only the first.
#if defined(SIMPLE_TRT_WITH_CUDA)
#define SIMPLE_TRT_KERNELS(op) &simple_trt::op##_cpu, &simple_trt::op##_cuda
#else
#define SIMPLE_TRT_KERNELS(op) &simple_trt::op##_cpu, nullptr
#endif

// Registers a kernel for the devices that the library has code for.
#if defined(SIMPLE_TRT_WITH_CUDA)
#define SIMPLE_TRT_REGISTER(op)                                                              \
  STABLE_TORCH_LIBRARY_IMPL(simple_trt, CPU, library) { library.impl(#op, TORCH_BOX(&op)); } \
  STABLE_TORCH_LIBRARY_IMPL(simple_trt, CUDA, library) { library.impl(#op, TORCH_BOX(&op)); }
#else
#define SIMPLE_TRT_REGISTER(op) \
  STABLE_TORCH_LIBRARY_IMPL(simple_trt, CPU, library) { library.impl(#op, TORCH_BOX(&op)); }
#endif

namespace simple_trt::torch_ops {

/// The kernels' name of a checked map's dtype.
DType dtype_of(const Tensor& maps);

/// The tensor itself, or a copy if its memory is not in order.
Tensor in_order(const Tensor& tensor);

/// An uninitialised contiguous tensor on the device of `like`.
Tensor new_tensor(const Tensor& like, std::initializer_list<int64_t> shape, ScalarType dtype);

/// The current stream of a CUDA device, a cudaStream_t. Throws where torch has no CUDA.
void* current_stream(int32_t device);

/// Throws std::runtime_error unless `status` is kOk.
void throw_unless_ok(const char* op, Status status);

/// Calls the CPU kernel, or the CUDA kernel on the current stream of the device of `on`; throws if it fails.
template <class Cpu, class Cuda, class... Arguments>
void call(const char* op, const Tensor& on, Cpu cpu, [[maybe_unused]] Cuda cuda, const Arguments&... arguments) {
  if constexpr (!std::is_null_pointer_v<Cuda>) {
    if (on.is_cuda()) {
      const torch::stable::accelerator::DeviceGuard guard(on.get_device_index());
      return throw_unless_ok(op, cuda(arguments..., current_stream(on.get_device_index())));
    }
  }
  throw_unless_ok(op, cpu(arguments...));
}

template <class T>
const T* input(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <class T>
T* output(const Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

}  // namespace simple_trt::torch_ops
