// What "maximum" means to the pools, as the order of an integer key: comparing keys is exact, associative and
// commutative, so vector lanes, warps and single threads all find the same maximum in whatever order they look.
//
//   -inf < negative numbers < -0 < +0 < positive numbers < +inf < NaN
//
// NaN is the greatest, so it wins over every number and stays (as a NaN; its sign is not kept). That -0 is below +0
// shows only in the sign of a zero.
#pragma once

#include <cstdint>

#include "dtype.h"
#include "host_device.h"
#include "map_size.h"
#include "status.h"

namespace simple_trt {

/// Size of the maps of a pool: `planes` = B * C contiguous planes of [height, width].
struct PoolShape {
  int64_t planes;
  int height;
  int width;
};

inline Status check(const PoolShape& shape) {
  return shape.planes >= 0 && is_map_size(shape.height, shape.width) ? Status::kOk : Status::kBadShape;
}

inline bool is_empty(const PoolShape& shape) { return shape.planes == 0 || shape.height == 0 || shape.width == 0; }

/// Bits and key of an element type. The key is as wide as the element, so that a vector register holds as many.
template <class T>
struct PoolOrder;

template <>
struct PoolOrder<float> {
  using Key = int32_t;
  using Bits = uint32_t;
  static constexpr Bits kInfinity = 0x7f800000;
  static constexpr Key kGreatest = INT32_MAX;
  static constexpr Key kLowest = INT32_MIN;
  static SIMPLE_TRT_HD inline Bits bits(float value) { return bits_of(value); }
  static SIMPLE_TRT_HD inline float value(Bits bits) { return float_of(bits); }
};

template <>
struct PoolOrder<Half> {
  using Key = int16_t;
  using Bits = uint16_t;
  static constexpr Bits kInfinity = 0x7c00;
  static constexpr Key kGreatest = INT16_MAX;
  static constexpr Key kLowest = INT16_MIN;
  static SIMPLE_TRT_HD inline Bits bits(Half value) { return value.bits; }
  static SIMPLE_TRT_HD inline Half value(Bits bits) { return Half{bits}; }
};

template <>
struct PoolOrder<BFloat16> {
  using Key = int16_t;
  using Bits = uint16_t;
  static constexpr Bits kInfinity = 0x7f80;
  static constexpr Key kGreatest = INT16_MAX;
  static constexpr Key kLowest = INT16_MIN;
  static SIMPLE_TRT_HD inline Bits bits(BFloat16 value) { return value.bits; }
  static SIMPLE_TRT_HD inline BFloat16 value(Bits bits) { return BFloat16{bits}; }
};

template <class T>
using PoolKey = typename PoolOrder<T>::Key;

/// Less than the key of every value: the maximum of nothing.
template <class T>
SIMPLE_TRT_HD inline constexpr PoolKey<T> lowest_key() {
  return PoolOrder<T>::kLowest;
}

/// The key of a value: its bits, but those of a negative number (not NaN) turned over, all but the sign, and a NaN's
/// sign removed. One comparison, of what is left without the sign where there was one: compilers make vectors of this
/// form.
template <class T>
SIMPLE_TRT_HD inline PoolKey<T> key_of(T value) {
  using Order = PoolOrder<T>;
  using Bits = typename Order::Bits;
  const Bits bits = Order::bits(value);
  const bool negative_number = static_cast<Bits>(bits ^ static_cast<Bits>(Order::kLowest)) <= Order::kInfinity;
  return static_cast<PoolKey<T>>(negative_number ? bits ^ Order::kGreatest : bits & Order::kGreatest);
}

/// The value whose key this is.
template <class T>
SIMPLE_TRT_HD inline T value_of(PoolKey<T> key) {
  using Order = PoolOrder<T>;
  return Order::value(static_cast<typename Order::Bits>(key < 0 ? key ^ Order::kGreatest : key));
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
