// What a .cu file includes to define and launch kernels: the CUDA runtime under nvcc, the grid emulator under a C++
// compiler.
#pragma once

#include "host_device.h"
#include "status.h"

#if defined(SIMPLE_TRT_EMULATOR)
#include "../emulator/cuda_emulator.h"
#else
#include <cuda_runtime.h>

/// Before a loop over an array that must live in registers: indices have to be known when it is compiled.
#define SIMPLE_TRT_UNROLL _Pragma("unroll")

/// Declares `name`, an array of `type` in the dynamic shared memory of the block (16-byte aligned, the same bytes
/// wherever it is declared; its size is the launch's `shared_bytes`).
#define SIMPLE_TRT_DYNAMIC_SHARED(type, name)                           \
  extern __shared__ __align__(16) unsigned char dynamic_shared_bytes[]; \
  type* const name = reinterpret_cast<type*>(dynamic_shared_bytes)

namespace simple_trt {
namespace internal {
template <class T>
struct Exactly {
  using type = T;  // keeps a parameter out of template deduction: arguments convert to what the kernel takes
};
}  // namespace internal

/// Launches `kernel` on `stream` (a cudaStream_t, null for the default stream). An empty grid is an error: return
/// early.
template <class... Parameters>
Status launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, void* stream,
              typename internal::Exactly<Parameters>::type... arguments) {
  void* pointers[] = {const_cast<void*>(static_cast<const void*>(&arguments))...};
  const cudaError_t error = cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers, shared_bytes,
                                             static_cast<cudaStream_t>(stream));
  if (error == cudaSuccess) return Status::kOk;
  cudaGetLastError();  // reported by the status: must not surface again in somebody else's check
  return Status::kLaunchFailed;
}

}  // namespace simple_trt
#endif

namespace simple_trt {

constexpr int kWarpSize = 32;
constexpr unsigned kFullWarp = 0xffffffffu;
constexpr size_t kMaxSharedBytes = 48 << 10;  // what every device grants a block without being asked

/// Blocks of a one-dimensional grid, or 0 when there are more than a grid may have.
inline unsigned grid_size(int64_t blocks) { return blocks <= INT32_MAX ? static_cast<unsigned>(blocks) : 0u; }

}  // namespace simple_trt
