// What the pools are measured against: one thread walks one line from end to end, an element at a time, as the kernels
// of CornerNet's own code do. Same results as corner_pool; nothing of the product uses it.
#include "../csrc/kernels/dtype.h"
#include "../csrc/kernels/launch.h"
#include "../csrc/kernels/pool_order.h"

namespace simple_trt {
namespace {

constexpr int kThreads = 128;

/// Lines of a map, `across` of which lie beside each other, so that a line's elements are as far apart.
struct Lines {
  int64_t count;
  int64_t across;
  int length;
  bool backwards;
};

template <class T>
__global__ void walk_lines(const T* x, const T* addend, T* pooled, Lines lines) {
  const int64_t line = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (line >= lines.count) return;
  const int64_t first = line / lines.across * lines.across * lines.length + line % lines.across;
  PoolKey<T> best = lowest_key<T>();
  for (int i = 0; i < lines.length; ++i) {
    const int64_t at = first + (lines.backwards ? lines.length - 1 - i : i) * lines.across;
    best = larger(best, key_of(x[at]));
    pooled[at] = addend ? add_rounded(value_of<T>(best), addend[at]) : value_of<T>(best);
  }
}

}  // namespace
}  // namespace simple_trt

/// direction as in corner_pool.h; addend may be null. Returns a Status.
extern "C" int serial_corner_pool(const void* x, const void* addend, int dtype, long long planes, int height, int width,
                                  int direction, void* pooled, void* stream) {
  using namespace simple_trt;
  const bool by_column = direction < 2;
  const bool backwards = direction % 2 == 0;  // top and left
  const Lines lines =
      by_column ? Lines{planes * width, width, height, backwards} : Lines{planes * height, 1, width, backwards};
  const dim3 blocks(static_cast<unsigned>(divide_up<int64_t>(lines.count, kThreads)));
  return static_cast<int>(dispatch(static_cast<DType>(dtype), [&](auto zero) {
    using T = decltype(zero);
    return launch(walk_lines<T>, blocks, dim3(kThreads), 0, stream, static_cast<const T*>(x),
                  static_cast<const T*>(addend), static_cast<T*>(pooled), lines);
  }));
}
