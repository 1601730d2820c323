// Sixteen bytes of a map at a time: the widest access that a device has, and the one that keeps most memory in flight.
#pragma once

#include "dtype.h"
#include "launch.h"

namespace simple_trt {

/// Four floats, or eight halves in memory order.
struct Words {
  uint32_t at[4];
};

constexpr int kWords = 4;

/// Elements in a Words.
template <class T>
constexpr int kPack = static_cast<int>(sizeof(Words) / sizeof(T));

/// Elements in one of its 32-bit words.
template <class T>
constexpr int kInWord = static_cast<int>(sizeof(uint32_t) / sizeof(T));

inline bool is_word_aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % sizeof(Words) == 0; }

/// Whether every line of `width` elements starts at a multiple of 16 bytes and ends at one.
template <class T, class... Rest>
bool is_word_aligned(int64_t width, const T* map, const Rest*... rest) {
  return width % kPack<T> == 0 && is_word_aligned(map) && (is_word_aligned(rest) && ...);
}

/// One access; `address` is a multiple of 16.
__device__ inline Words load_words(const void* address) {
#if defined(SIMPLE_TRT_EMULATOR)
  Words words;
  std::memcpy(&words, SIMPLE_TRT_ALIGNED(address, sizeof(Words)), sizeof(words));
  return words;
#else
  const uint4 words = *static_cast<const uint4*>(address);
  return {{words.x, words.y, words.z, words.w}};
#endif
}

__device__ inline void store_words(void* address, const Words& words) {
#if defined(SIMPLE_TRT_EMULATOR)
  std::memcpy(SIMPLE_TRT_ALIGNED(address, sizeof(Words)), &words, sizeof(words));
#else
  *static_cast<uint4*>(address) = make_uint4(words.at[0], words.at[1], words.at[2], words.at[3]);
#endif
}

/// Element `i`; `i` is known when this is compiled, once loops are unrolled.
template <class T>
__device__ inline T element(const Words& words, int i) {
  T value;
  if (sizeof(T) == sizeof(uint32_t)) {
    std::memcpy(&value, &words.at[i], sizeof(T));
  } else {
    const uint16_t bits = static_cast<uint16_t>(words.at[i / 2] >> (i % 2 * 16));
    std::memcpy(&value, &bits, sizeof(T));
  }
  return value;
}

template <class T>
__device__ inline void set_element(Words& words, int i, T value) {
  if (sizeof(T) == sizeof(uint32_t)) {
    std::memcpy(&words.at[i], &value, sizeof(T));
    return;
  }
  uint16_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const int shift = i % 2 * 16;
  words.at[i / 2] = (words.at[i / 2] & ~(0xffffu << shift)) | static_cast<uint32_t>(bits) << shift;
}

}  // namespace simple_trt
