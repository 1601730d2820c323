// Memory that kernels may use: that of the process for the emulated ones, that of the GPU for the real ones.
#pragma once

#include <cstddef>
#include <memory>

namespace harness {

class Memory {
 public:
  virtual ~Memory() = default;
  /// 256-byte aligned, as TensorRT's; null for no bytes.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void copy_in(void* memory, const void* from, std::size_t bytes) = 0;
  /// Waits for everything that was launched.
  virtual void copy_out(void* to, const void* memory, std::size_t bytes) = 0;
};

std::unique_ptr<Memory> host_memory();

/// That of GPU 0, through the driver, which is loaded here. Null where there is no driver or no GPU.
std::unique_ptr<Memory> gpu_memory();

}  // namespace harness
