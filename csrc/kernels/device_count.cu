#include <cuda_runtime.h>

#include "device_count.h"

int simple_trt::cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();  // "no driver" is an answer here: it must not surface in somebody else's check
  return 0;
}
