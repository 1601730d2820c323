// Steps of the CPU pools on runs of neighbouring elements. Each is a loop (or a few) that vectorises for every element
// type.
#pragma once

#include <algorithm>

#include "multiversion.h"
#include "pool_order.h"

namespace simple_trt {

constexpr int kStrip = 256;                  // elements of a line worked on at a time: they stay in the first cache
constexpr int64_t kGrainElements = 1 << 14;  // below this a thread costs more than it brings

/// Elements in the widest vectors.
template <class T>
constexpr int kLanes = 64 / static_cast<int>(sizeof(T));

/// keys = the largest of keys and x, element by element.
template <class T>
SIMPLE_TRT_INLINE void raise_keys(PoolKey<T>* keys, const T* x, int count) {
  SIMPLE_TRT_INDEPENDENT
  for (int i = 0; i < count; ++i) keys[i] = larger(keys[i], key_of(x[i]));
}

/// out = the values of the keys.
template <class T>
SIMPLE_TRT_INLINE void put_values(const PoolKey<T>* keys, T* out, int count) {
  SIMPLE_TRT_INDEPENDENT
  for (int i = 0; i < count; ++i) out[i] = value_of<T>(keys[i]);
}

/// out = the values of the keys + addend, which may be `out` itself. At most kStrip elements.
template <class T>
SIMPLE_TRT_INLINE void put_sums(const PoolKey<T>* keys, const T* addend, T* out, int count) {
  float sums[kStrip];
  SIMPLE_TRT_INDEPENDENT
  for (int i = 0; i < count; ++i) sums[i] = to_float(value_of<T>(keys[i]));
  SIMPLE_TRT_INDEPENDENT
  for (int i = 0; i < count; ++i) sums[i] += to_float(addend[i]);
  SIMPLE_TRT_INDEPENDENT
  for (int i = 0; i < count; ++i) out[i] = from_float<T>(sums[i]);
}

/// Running maxima of a line, part by part. Log-step windows of kLanes places, then one sweep that takes kLanes places
/// at a time from the kLanes before: about half the operations of log-step alone, and all of them on whole vectors.
template <class T>
class LineScan {
 public:
  using Key = PoolKey<T>;

  /// Forgets what came before.
  SIMPLE_TRT_INLINE void start() { std::fill(buffers_[0], buffers_[0] + kLanes<T>, lowest_key<T>()); }

  /// Where to put up to kStrip keys, in scan order.
  SIMPLE_TRT_INLINE Key* places() { return buffers_[0] + kLanes<T>; }

  /// Turns the `count` keys into running maxima, earlier parts included. The element before the first is the maximum of
  /// the earlier parts, the lowest key at the start.
  SIMPLE_TRT_INLINE const Key* run(int count) {
    const int padded = divide_up(count, kLanes<T>) * kLanes<T>;
    std::fill(places() + count, places() + padded, lowest_key<T>());
    std::copy(buffers_[0], buffers_[0] + kLanes<T>, buffers_[1]);  // what came before counts in every window
    int from = 0;
    for (int distance = 1; distance < kLanes<T>; distance *= 2, from = 1 - from) combine(from, distance, padded);
    combine_in_order(from, padded);
    std::copy(buffers_[1 - from], buffers_[1 - from] + kLanes<T> + count, result_);
    std::fill(buffers_[0], buffers_[0] + kLanes<T>, result_[kLanes<T> + count - 1]);
    return result_ + kLanes<T>;
  }

 private:
  SIMPLE_TRT_INLINE void combine(int from, int distance, int padded) {
    const Key* const source = buffers_[from] + kLanes<T>;
    Key* const target = buffers_[1 - from] + kLanes<T>;
    SIMPLE_TRT_INDEPENDENT
    for (int i = 0; i < padded; ++i) target[i] = larger(source[i], source[i - distance]);
  }

  SIMPLE_TRT_INLINE void combine_in_order(int from, int padded) {
    const Key* const window = buffers_[from] + kLanes<T>;
    Key* const target = buffers_[1 - from] + kLanes<T>;
    for (int i = 0; i < padded; i += kLanes<T>) {
      SIMPLE_TRT_INDEPENDENT
      for (int lane = 0; lane < kLanes<T>; ++lane)
        target[i + lane] = larger(window[i + lane], target[i + lane - kLanes<T>]);
    }
  }

  alignas(64) Key buffers_[2][kLanes<T> + kStrip];
  alignas(64) Key result_[kLanes<T> + kStrip];
};

}  // namespace simple_trt
