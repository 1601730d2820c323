// Device steps that the pools share, on words: two halves or one float at a time.
//
// The larger of two words is that of pool_order.h, element by element, but for the sign of a zero and the payload of a
// NaN. Devices from sm_80 up have it as one instruction; elsewhere it is made from the keys.
#pragma once

#include "pool_order.h"
#include "words.h"

namespace simple_trt {

/// Minus infinity in every element: no maximum is changed by it.
template <class T>
__device__ inline constexpr uint32_t lowest_word();
template <>
__device__ inline constexpr uint32_t lowest_word<float>() {
  return 0xff800000u;
}
template <>
__device__ inline constexpr uint32_t lowest_word<Half>() {
  return 0xfc00fc00u;
}
template <>
__device__ inline constexpr uint32_t lowest_word<BFloat16>() {
  return 0xff80ff80u;
}

template <class T>
__device__ inline uint16_t larger_bits(uint32_t a, uint32_t b) {
  const PoolKey<T> first = key_of(T{static_cast<uint16_t>(a)});
  const PoolKey<T> second = key_of(T{static_cast<uint16_t>(b)});
  return value_of<T>(larger(first, second)).bits;
}

/// The larger elements of two words; a NaN wins.
template <class T>
__device__ inline uint32_t larger_word(uint32_t a, uint32_t b) {
  return static_cast<uint32_t>(larger_bits<T>(a >> 16, b >> 16)) << 16 | larger_bits<T>(a, b);
}
template <>
__device__ inline uint32_t larger_word<float>(uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float larger_value;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(larger_value) : "f"(float_of(a)), "f"(float_of(b)));
  return bits_of(larger_value);
#else
  return bits_of(value_of<float>(larger(key_of(float_of(a)), key_of(float_of(b)))));
#endif
}
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
template <>
__device__ inline uint32_t larger_word<Half>(uint32_t a, uint32_t b) {
  uint32_t larger_values;
  asm("max.NaN.f16x2 %0, %1, %2;" : "=r"(larger_values) : "r"(a), "r"(b));
  return larger_values;
}
template <>
__device__ inline uint32_t larger_word<BFloat16>(uint32_t a, uint32_t b) {
  uint32_t larger_values;
  asm("max.NaN.bf16x2 %0, %1, %2;" : "=r"(larger_values) : "r"(a), "r"(b));
  return larger_values;
}
#endif

template <class T>
__device__ inline Words larger_words(Words a, const Words& b) {
  for (int i = 0; i < kWords; ++i) a.at[i] = larger_word<T>(a.at[i], b.at[i]);
  return a;
}

template <class T>
__device__ inline Words lowest_words() {
  return {{lowest_word<T>(), lowest_word<T>(), lowest_word<T>(), lowest_word<T>()}};
}

/// Sums of two words' elements, as add_rounded makes them.
template <class T>
__device__ inline uint32_t add_word(uint32_t a, uint32_t b) {
  const T high = add_rounded(T{static_cast<uint16_t>(a >> 16)}, T{static_cast<uint16_t>(b >> 16)});
  const T low = add_rounded(T{static_cast<uint16_t>(a)}, T{static_cast<uint16_t>(b)});
  return static_cast<uint32_t>(high.bits) << 16 | low.bits;
}
template <>
__device__ inline uint32_t add_word<float>(uint32_t a, uint32_t b) {
  return bits_of(float_of(a) + float_of(b));
}

template <class T>
__device__ inline Words add_words(Words a, const Words& b) {
  for (int i = 0; i < kWords; ++i) a.at[i] = add_word<T>(a.at[i], b.at[i]);
  return a;
}

/// A word with its elements in reverse order.
template <class T>
__device__ inline uint32_t reversed_word(uint32_t word) {
  return kInWord<T> == 1 ? word : word << 16 | word >> 16;
}

template <class T>
__device__ inline Words reversed(const Words& words) {
  return {{reversed_word<T>(words.at[3]), reversed_word<T>(words.at[2]), reversed_word<T>(words.at[1]),
           reversed_word<T>(words.at[0])}};
}

/// The last element of a word in all its elements.
template <class T>
__device__ inline uint32_t last_of(uint32_t word) {
  return kInWord<T> == 1 ? word : (word & 0xffff0000u) | word >> 16;
}

/// The largest element of a Words, in all elements of a word.
template <class T>
__device__ inline uint32_t largest_of(const Words& words) {
  const uint32_t pair =
      larger_word<T>(larger_word<T>(words.at[0], words.at[1]), larger_word<T>(words.at[2], words.at[3]));
  return larger_word<T>(pair, reversed_word<T>(pair));
}

/// Running maxima of the elements, from the first on.
template <class T>
__device__ inline void scan_words(Words& words) {
  for (int i = 0; i < kWords; ++i) {
    uint32_t& word = words.at[i];
    if (kInWord<T> == 2) word = larger_word<T>(word, word << 16 | (lowest_word<T>() & 0xffffu));
    if (i > 0) word = larger_word<T>(word, last_of<T>(words.at[i - 1]));
  }
}

/// Logarithm of the number of lanes that share a line: enough for `packs` packs, but at most `most`, a power of two.
/// Kernels take the logarithm, because a division costs as much as a scan.
inline int lane_bits(int packs, int most) {
  int bits = 0;
  while (1 << bits < packs && 1 << bits < most) ++bits;
  return bits;
}

/// Running maxima of a line whose packs the next `lanes` lanes of the warp have, in scan order. `carry`, that of all
/// earlier packs in every element, becomes that of these ones too. Every lane of the warp calls it.
template <class T>
__device__ inline void scan_line(Words& words, uint32_t& carry, int lanes) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int place = lane & (lanes - 1);
  scan_words<T>(words);
  uint32_t upto = last_of<T>(words.at[kWords - 1]);
  for (int distance = 1; distance < lanes; distance *= 2) {
    const uint32_t earlier = __shfl_up_sync(kFullWarp, upto, distance);
    if (place >= distance) upto = larger_word<T>(upto, earlier);
  }
  const uint32_t earlier = __shfl_up_sync(kFullWarp, upto, 1);
  const uint32_t before = place > 0 ? larger_word<T>(carry, earlier) : carry;
  for (int i = 0; i < kWords; ++i) words.at[i] = larger_word<T>(words.at[i], before);
  carry = larger_word<T>(carry, __shfl_sync(kFullWarp, upto, lane | (lanes - 1)));
}

/// The elements of `line` from `at` on, the lowest ones where there are none: at most `count` of them.
template <class T, bool kAligned>
__device__ inline Words load_pack(const T* line, int count) {
  if (kAligned && count > 0) return load_words(line);
  Words words = lowest_words<T>();
  SIMPLE_TRT_UNROLL
  for (int i = 0; i < (kAligned ? 0 : kPack<T>); ++i) {
    if (i < count) set_element(words, i, line[i]);
  }
  return words;
}

template <class T, bool kAligned>
__device__ inline void store_pack(T* line, int count, const Words& words) {
  if (kAligned && count > 0) store_words(line, words);
  SIMPLE_TRT_UNROLL
  for (int i = 0; i < (kAligned ? 0 : kPack<T>); ++i) {
    if (i < count) line[i] = element<T>(words, i);
  }
}

}  // namespace simple_trt
