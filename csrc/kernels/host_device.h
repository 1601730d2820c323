// Functions that are compiled once for the host and once for the device.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define SIMPLE_TRT_HD __host__ __device__
#else
#define SIMPLE_TRT_HD
#endif

namespace simple_trt {

/// The bits of a float.
SIMPLE_TRT_HD inline uint32_t bits_of(float value) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(value);
#else
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
#endif
}

/// The float with these bits.
SIMPLE_TRT_HD inline float float_of(uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
#endif
}

/// The smaller (larger) of two integers; std::min and std::max are not available on the device.
template <class Integer>
SIMPLE_TRT_HD inline constexpr Integer smaller(Integer a, Integer b) {
  return b < a ? b : a;
}
template <class Integer>
SIMPLE_TRT_HD inline constexpr Integer larger(Integer a, Integer b) {
  return a < b ? b : a;
}

/// Quotient rounded up, for a >= 0 and b > 0.
template <class Integer>
SIMPLE_TRT_HD inline constexpr Integer divide_up(Integer a, Integer b) {
  return (a + b - 1) / b;
}

}  // namespace simple_trt
