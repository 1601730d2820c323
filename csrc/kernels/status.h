// What every kernel entry point returns.
#pragma once

namespace simple_trt {

/// Result of a kernel call. Kernels never throw, allocate or synchronise: a failure is told by this alone.
enum class Status : int {
  kOk = 0,
  kBadShape,      ///< a size is negative, too large for the kernel, or does not fit another one
  kBadArgument,   ///< a scalar argument is outside its documented range
  kLaunchFailed,  ///< the CUDA runtime refused the launch (no device, no code for this device, bad configuration)
};

}  // namespace simple_trt
