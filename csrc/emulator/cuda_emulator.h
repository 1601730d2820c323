// The part of CUDA C++ that the kernels use, for a plain C++ compiler: see grid.h for what it checks and what it
// cannot.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "../kernels/host_device.h"
#include "../kernels/status.h"
#include "grid.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
// Blocks run one after another, so one copy will do. Static, so that AddressSanitizer guards its ends.
#define __shared__ static

#define threadIdx (::simple_trt::emulator::position.thread)
#define blockIdx (::simple_trt::emulator::position.block)
#define blockDim (::simple_trt::emulator::position.block_size)
#define gridDim (::simple_trt::emulator::position.grid_size)

#define SIMPLE_TRT_DYNAMIC_SHARED(type, name) \
  type* const name = static_cast<type*>(::simple_trt::emulator::dynamic_shared())

#define SIMPLE_TRT_UNROLL

/// A device stops at an access of `bytes` bytes that does not start at a multiple of them.
#define SIMPLE_TRT_ALIGNED(address, bytes) ::simple_trt::emulator::aligned(address, bytes, SIMPLE_TRT_SITE)

#define SIMPLE_TRT_SITE (::simple_trt::emulator::Site{__FILE__, __LINE__})
#define __syncthreads() ::simple_trt::emulator::wait_for_block(SIMPLE_TRT_SITE)
#define __syncwarp(...) ::simple_trt::emulator::SyncWarp{SIMPLE_TRT_SITE}(__VA_ARGS__)
#define __ballot_sync(mask, predicate) ::simple_trt::emulator::ballot(mask, predicate, SIMPLE_TRT_SITE)
#define __any_sync(mask, predicate) (__ballot_sync(mask, predicate) != 0u)
#define __all_sync(mask, predicate) (__ballot_sync(mask, !(predicate)) == 0u)
#define __shfl_sync(mask, value, source) ::simple_trt::emulator::shuffle(mask, value, source, SIMPLE_TRT_SITE)
#define __shfl_up_sync(mask, value, delta) ::simple_trt::emulator::shuffle_up(mask, value, delta, SIMPLE_TRT_SITE)
#define __shfl_down_sync(mask, value, delta) ::simple_trt::emulator::shuffle_down(mask, value, delta, SIMPLE_TRT_SITE)
#define __shfl_xor_sync(mask, value, bits) ::simple_trt::emulator::shuffle_xor(mask, value, bits, SIMPLE_TRT_SITE)

namespace simple_trt {
namespace emulator {

template <class T>
uint64_t pack(T value) {
  static_assert(sizeof(T) <= 8, "a lane exchanges at most 8 bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(value));
  return bits;
}

/// What `source` brought; a lane that took no part gives garbage, as it may on a device.
template <class T>
T unpack(const WarpView& view, unsigned source) {
  const uint64_t bits = view.lanes >> source & 1u ? view.values[source] : 0xcdcdcdcdcdcdcdcdull;
  T value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

struct SyncWarp {
  Site site;
  void operator()(uint32_t mask = 0xffffffffu) const { meet_warp(mask, 0, site); }
};

inline unsigned ballot(uint32_t mask, bool predicate, Site site) {
  const WarpView& view = meet_warp(mask, predicate, site);
  unsigned votes = 0;
  for (unsigned i = 0; i < 32; ++i) votes |= static_cast<unsigned>(view.lanes >> i & 1u && view.values[i]) << i;
  return votes;
}

template <class T>
T shuffle(uint32_t mask, T value, int source, Site site) {
  return unpack<T>(meet_warp(mask, pack(value), site), static_cast<unsigned>(source) & 31u);
}

template <class T>
T shuffle_up(uint32_t mask, T value, unsigned delta, Site site) {
  const unsigned self = lane();
  return unpack<T>(meet_warp(mask, pack(value), site), self >= delta ? self - delta : self);
}

template <class T>
T shuffle_down(uint32_t mask, T value, unsigned delta, Site site) {
  const unsigned self = lane();
  return unpack<T>(meet_warp(mask, pack(value), site), self + delta < 32 ? self + delta : self);
}

template <class T>
T shuffle_xor(uint32_t mask, T value, int bits, Site site) {
  const unsigned self = lane();
  return unpack<T>(meet_warp(mask, pack(value), site), (self ^ static_cast<unsigned>(bits)) & 31u);
}

template <class T>
T* aligned(T* address, size_t bytes, Site site) {
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0) fail_misaligned(bytes, site);
  return address;
}

template <class T, class Change>
T change_atomically(T* address, const Change& change) {
  maybe_yield();
  const T before = *address;
  *address = change(before);
  return before;
}

}  // namespace emulator

template <class... Parameters, class... Arguments>
Status launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, void* /*stream*/,
              Arguments... arguments) {
  const bool accepted = emulator::run_grid(grid, block, shared_bytes, [&] { kernel(arguments...); });
  return accepted ? Status::kOk : Status::kLaunchFailed;
}

}  // namespace simple_trt

using std::max;
using std::min;

template <class T>
T atomicAdd(T* address, T value) {
  return simple_trt::emulator::change_atomically(address, [=](T before) { return before + value; });
}
template <class T>
T atomicMax(T* address, T value) {
  return simple_trt::emulator::change_atomically(address, [=](T before) { return std::max(before, value); });
}
template <class T>
T atomicMin(T* address, T value) {
  return simple_trt::emulator::change_atomically(address, [=](T before) { return std::min(before, value); });
}
template <class T>
T atomicOr(T* address, T value) {
  return simple_trt::emulator::change_atomically(address, [=](T before) { return before | value; });
}
template <class T>
T atomicExch(T* address, T value) {
  return simple_trt::emulator::change_atomically(address, [=](T) { return value; });
}
template <class T>
T atomicCAS(T* address, T expected, T value) {
  return simple_trt::emulator::change_atomically(address,
                                                 [=](T before) { return before == expected ? value : before; });
}

inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T __ldg(const T* address) {
  return *address;
}

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
inline int __clz(int bits) { return bits ? __builtin_clz(static_cast<unsigned>(bits)) : 32; }
inline int __clzll(long long bits) { return bits ? __builtin_clzll(static_cast<unsigned long long>(bits)) : 64; }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __ffsll(long long bits) { return __builtin_ffsll(bits); }

inline float __int_as_float(int bits) { return simple_trt::float_of(static_cast<uint32_t>(bits)); }
inline int __float_as_int(float value) { return static_cast<int>(simple_trt::bits_of(value)); }
inline float __uint_as_float(unsigned bits) { return simple_trt::float_of(bits); }
inline unsigned __float_as_uint(float value) { return simple_trt::bits_of(value); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
