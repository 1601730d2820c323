// Whether there is a GPU to run on.
#pragma once

namespace simple_trt {

/// Number of CUDA devices the driver offers; 0 without a driver. Exists only where CUDA code is built.
int cuda_device_count();

}  // namespace simple_trt
