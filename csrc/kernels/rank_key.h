// The order "value descending, then index ascending" as one unsigned 64-bit integer: the greater key comes first.
// Keys of different indices differ, so any way of sorting them gives the same order on every device.
#pragma once

#include <cmath>
#include <cstdint>

#include "host_device.h"

namespace simple_trt {

/// Less than the key of every number: an empty place.
constexpr uint64_t kNoKey = 0;

/// Maps a number (not NaN) to an unsigned integer of the same order; -0 and +0 are equal.
SIMPLE_TRT_HD inline uint32_t ordered_bits(float value) {
  const uint32_t bits = bits_of(value + 0.0f);  // -0 becomes +0
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/// Key of a number (not NaN) at a non-negative index.
SIMPLE_TRT_HD inline uint64_t rank_key(float value, int32_t index) {
  return (static_cast<uint64_t>(ordered_bits(value)) << 32) | static_cast<uint32_t>(~index);
}

/// The index that `rank_key` was given.
SIMPLE_TRT_HD inline int32_t rank_index(uint64_t key) { return static_cast<int32_t>(~static_cast<uint32_t>(key)); }

/// The value that `rank_key` was given; +0 for -0.
SIMPLE_TRT_HD inline float rank_value(uint64_t key) {
  const uint32_t bits = static_cast<uint32_t>(key >> 32);
  return float_of(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
}

/// NaN as minus infinity, every other value as it is.
SIMPLE_TRT_HD inline float without_nan(float value) { return value == value ? value : -INFINITY; }

}  // namespace simple_trt
