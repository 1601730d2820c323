// Element types of the maps, and their exact conversion to and from float on the host, on the device and in the
// emulator.
#pragma once

#include "host_device.h"
#include "status.h"

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace simple_trt {

enum class DType : int { kFloat32 = 0, kFloat16, kBFloat16 };

/// IEEE binary16 and bfloat16 as stored. Arithmetic is done in float: load with `to_float`, store with `from_float`.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

SIMPLE_TRT_HD inline float to_float(float value) { return value; }

/// Exact for every input; a NaN stays a NaN.
SIMPLE_TRT_HD inline float to_float(Half value) {
#if defined(__CUDA_ARCH__)
  return __half2float(__ushort_as_half(value.bits));
#else
  // Branch-free, so that loops over it vectorise.
  const uint32_t magnitude = static_cast<uint32_t>(value.bits & 0x7fffu) << 13;
  const uint32_t rebias = magnitude >= 0x0f800000u ? 224u << 23 : 112u << 23;  // inf and NaN keep an all-ones exponent
  // A subnormal m * 2^-24 is the distance of (2^-14 + m * 2^-24) from 2^-14; this never meets a subnormal float, so the
  // processor's flush-to-zero mode does not matter.
  const uint32_t subnormal = bits_of(float_of(magnitude | 0x38800000u) - float_of(0x38800000u));
  const uint32_t unsigned_bits = magnitude < 0x00800000u ? subnormal : magnitude + rebias;
  return float_of(unsigned_bits | static_cast<uint32_t>(value.bits & 0x8000u) << 16);
#endif
}

/// Exact for every input; a NaN stays a NaN.
SIMPLE_TRT_HD inline float to_float(BFloat16 value) { return float_of(static_cast<uint32_t>(value.bits) << 16); }

/// Rounds to nearest, ties to even; overflow gives an infinity; a NaN stays a NaN.
template <class T>
SIMPLE_TRT_HD inline T from_float(float value);

template <>
SIMPLE_TRT_HD inline float from_float<float>(float value) {
  return value;
}

template <>
SIMPLE_TRT_HD inline Half from_float<Half>(float value) {
#if defined(__CUDA_ARCH__)
  return Half{__half_as_ushort(__float2half_rn(value))};
#else
  const uint32_t bits = bits_of(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  // Adding 0.5, whose unit in the last place is 2^-24, makes the processor round to a multiple of the smallest Half.
  const uint32_t subnormal = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude - (112u << 23) + 0x0fffu + (magnitude >> 13 & 1u)) >> 13;
  const uint32_t finite = magnitude < 0x38800000u ? subnormal : normal;  // below 2^-14
  const uint32_t number = magnitude >= 0x477ff000u ? 0x7c00u : finite;   // 65520 and above round to infinity
  const uint32_t result = magnitude > 0x7f800000u ? 0x7e00u : number;    // NaN
  return Half{static_cast<uint16_t>(result | (bits >> 16 & 0x8000u))};
#endif
}

template <>
SIMPLE_TRT_HD inline BFloat16 from_float<BFloat16>(float value) {
#if defined(__CUDA_ARCH__)
  return BFloat16{__bfloat16_as_ushort(__float2bfloat16_rn(value))};
#else
  const uint32_t bits = bits_of(value);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  const uint32_t nan = (bits >> 16) | 0x0040u;
  return BFloat16{static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded)};
#endif
}

/// Calls `body` with a value of the C++ type of `dtype`: `dispatch(dtype, [&](auto zero) { using T = decltype(zero);
/// ... })`. `body` returns a Status; an unknown dtype gives kBadArgument.
template <class Body>
Status dispatch(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kFloat32:
      return body(float{});
    case DType::kFloat16:
      return body(Half{});
    case DType::kBFloat16:
      return body(BFloat16{});
  }
  return Status::kBadArgument;
}

}  // namespace simple_trt
