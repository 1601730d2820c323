// The kernels of a pool, from a source file in which a test has changed something, as a C function on host memory.
#include MUTANT_SOURCE

#include <cstdio>
#include <exception>

#include "../../csrc/emulator/grid.h"
#include "../../csrc/kernels/center_pool.h"
#include "../../csrc/kernels/corner_pool.h"

/// Pools one plane [height, width] of `a` and `b` (backward: the gradient and the map) into `out`, under one order of
/// threads; 0 when that went well.
extern "C" int pool(const float* a, const float* b, float* out, int height, int width, int direction,
                    int other_direction, unsigned long long seed) {
  using namespace simple_trt;
  const PoolShape shape{1, height, width};
  emulator::set_schedule_seed(seed);
  try {
#if defined(MUTANT_IS_CORNER_POOL)
    return static_cast<int>(corner_pool_cuda(a, b, DType::kFloat32, shape, direction, other_direction, out, nullptr));
#elif defined(MUTANT_IS_CORNER_POOL_BACKWARD)
    static_cast<void>(other_direction);
    return static_cast<int>(corner_pool_backward_cuda(a, b, DType::kFloat32, shape, direction, out, nullptr));
#else
    static_cast<void>(direction + other_direction);
    return static_cast<int>(center_pool_cuda(a, b, DType::kFloat32, shape, out, nullptr));
#endif
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return -1;
  }
}
