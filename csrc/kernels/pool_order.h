// What "maximum" means to the pools, as the order of an integer key: comparing keys is exact, associative and commutative,
// so vector lanes, warps and single threads all find the same maximum in whatever order they look.
//
//   -inf < negative numbers < -0 < +0 < positive numbers < +inf < NaN
//
// NaN is the greatest, so it wins over every number and stays (as a NaN; its payload is not kept). That -0 is below +0 shows
// only in the sign of a zero.
#pragma once

#include <cstdint>

#include "dtype.h"
#include "host_device.h"

namespace simple_trt {

/// Size of the maps of a pool: `planes` = B * C contiguous planes of [height, width].
struct PoolShape {
  int64_t planes;
  int height;
  int width;
};

inline Status check(const PoolShape& shape) {
  const bool sizes = shape.planes >= 0 && shape.height >= 0 && shape.width >= 0 &&
                     static_cast<int64_t>(shape.height) * shape.width <= INT32_MAX;
  return sizes ? Status::kOk : Status::kBadShape;
}

inline bool is_empty(const PoolShape& shape) { return shape.planes == 0 || shape.height == 0 || shape.width == 0; }

/// The key of an element type: as wide as the element, so that a vector register holds as many.
template <class T>
struct PoolOrder;

template <>
struct PoolOrder<float> {
  using Key = int32_t;
  using Bits = uint32_t;
  static constexpr Bits kInfinity = 0x7f800000u;
  static SIMPLE_TRT_HD inline Bits bits(float value) { return bits_of(value); }
  static SIMPLE_TRT_HD inline float value(Bits bits) { return float_of(bits); }
};

template <>
struct PoolOrder<Half> {
  using Key = int16_t;
  using Bits = uint16_t;
  static constexpr Bits kInfinity = 0x7c00u;
  static SIMPLE_TRT_HD inline Bits bits(Half value) { return value.bits; }
  static SIMPLE_TRT_HD inline Half value(Bits bits) { return Half{bits}; }
};

template <>
struct PoolOrder<BFloat16> {
  using Key = int16_t;
  using Bits = uint16_t;
  static constexpr Bits kInfinity = 0x7f80u;
  static SIMPLE_TRT_HD inline Bits bits(BFloat16 value) { return value.bits; }
  static SIMPLE_TRT_HD inline BFloat16 value(Bits bits) { return BFloat16{bits}; }
};

template <class T>
using PoolKey = typename PoolOrder<T>::Key;

/// Less than the key of every value: the maximum of nothing.
template <class T>
SIMPLE_TRT_HD inline constexpr PoolKey<T> lowest_key() {
  return static_cast<PoolKey<T>>(static_cast<typename PoolOrder<T>::Bits>(~(~typename PoolOrder<T>::Bits{0} >> 1)));
}

/// The key of a value. Its own inverse on the bits of numbers: negative numbers have all bits but the sign turned over.
template <class T>
SIMPLE_TRT_HD inline PoolKey<T> key_of(T value) {
  using Bits = typename PoolOrder<T>::Bits;
  using Key = PoolKey<T>;
  constexpr Key kGreatest = static_cast<Key>(static_cast<Bits>(~Bits{0}) >> 1);
  const Key bits = static_cast<Key>(PoolOrder<T>::bits(value));
  const Key magnitude = static_cast<Key>(bits & kGreatest);
  const Key key = bits < 0 ? static_cast<Key>(bits ^ kGreatest) : bits;
  return magnitude > static_cast<Key>(PoolOrder<T>::kInfinity) ? kGreatest : key;
}

/// The value whose key this is.
template <class T>
SIMPLE_TRT_HD inline T value_of(PoolKey<T> key) {
  using Bits = typename PoolOrder<T>::Bits;
  constexpr PoolKey<T> kGreatest = static_cast<PoolKey<T>>(static_cast<Bits>(~Bits{0}) >> 1);
  return PoolOrder<T>::value(static_cast<Bits>(key < 0 ? key ^ kGreatest : key));
}

/// The key by which the backward pass compares: there -0 and +0 are equal, and equal elements are a tie.
template <class T>
SIMPLE_TRT_HD inline PoolKey<T> tie_key_of(T value) {
  const PoolKey<T> key = key_of(value);
  return key == -1 ? PoolKey<T>{0} : key;  // -1 is the key of -0
}

/// Sum of two pooled values: in float, rounded once.
template <class T>
SIMPLE_TRT_HD inline T add_rounded(T a, T b) {
  return from_float<T>(to_float(a) + to_float(b));
}

}  // namespace simple_trt
