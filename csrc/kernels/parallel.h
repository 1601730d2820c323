// Splits a loop of a CPU kernel over a small pool of threads.
#pragma once

#include <cstdint>

namespace simple_trt {

/// Threads a loop may run on, the caller's own included (at least 1): the environment variable SIMPLE_TRT_THREADS when
/// set, else the processors this process may use. Fixed for the life of the process unless `set_parallel_workers` is
/// called.
int parallel_workers();

/// Overrides the number of threads; 0 returns to the default. Not to be called while kernels run.
void set_parallel_workers(int workers);

namespace internal {
using RangeFunction = void (*)(const void* body, int64_t begin, int64_t end, int worker);
void run_ranges(int64_t count, int64_t grain, RangeFunction function, const void* body);
}  // namespace internal

/// Calls `body(begin, end, worker)` on disjoint ranges that cover [0, count). A range has at least `grain` items (the
/// last may have fewer); `worker` is in [0, parallel_workers()) and no two calls at the same time share it, so it can
/// choose a workspace. Runs in the caller alone when there is one grain of work only or another loop has the pool. Safe
/// in a child after fork(): it gets its own pool. `body` must not throw.
template <class Body>
void parallel_for(int64_t count, int64_t grain, const Body& body) {
  internal::run_ranges(
      count, grain,
      [](const void* self, int64_t begin, int64_t end, int worker) {
        (*static_cast<const Body*>(self))(begin, end, worker);
      },
      &body);
}

}  // namespace simple_trt
