// Runs a CUDA grid on the CPU, one block at a time, every thread a fibre with its own stack.
//
// A fibre runs until it meets a barrier or a warp collective, then another one runs, in an order drawn from a seeded
// generator, evenly or with some warps far ahead; so a missing barrier shows as a wrong result under some seed.
// Barriers and collectives really wait, and misuse that hangs or is undefined on a device (a barrier some threads never
// reach, a warp mask that does not match) is an error with an explanation. Shared memory is filled with a pattern
// before each block. Under AddressSanitizer out-of-bounds accesses are found in global, shared and local memory alike.
//
// It says nothing about speed, memory coalescing, memory fences, or the rounding of device intrinsics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace simple_trt::emulator {

/// The built-in variables of the running thread.
struct Position {
  dim3 thread, block, block_size, grid_size;
};
inline Position position;

/// What a lane sees of its warp after a collective.
struct WarpView {
  uint32_t lanes = 0;                 // bit i: lane i took part
  std::array<uint64_t, 32> values{};  // what lane i brought
};

/// Where in a source file a barrier stands.
struct Site {
  const char* file;
  int line;
  bool operator==(const Site& other) const { return line == other.line && file == other.file; }
};

void set_schedule_seed(uint64_t seed);

/// False when a device would refuse the configuration. Throws std::runtime_error when the kernel misuses a barrier.
bool run_grid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& thread_body);

/// The dynamic shared memory of the running block.
void* dynamic_shared();

/// __syncthreads: returns when all threads of the block that have not ended are here.
void wait_for_block(Site site);

/// A warp collective: returns when all lanes of `mask` that have not ended are here with the same mask.
const WarpView& meet_warp(uint32_t mask, uint64_t value, Site site);

/// Ends the block with the error that a device would give for a misaligned access.
[[noreturn]] void fail_misaligned(size_t bytes, Site site);

/// Lane of the running thread in its warp.
unsigned lane();

/// Lets other threads run first, as the schedule wills: called at atomics, where order is up to the hardware.
void maybe_yield();

}  // namespace simple_trt::emulator
