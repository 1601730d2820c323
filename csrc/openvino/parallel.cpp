// The loops of the kernels on OpenVINO's own threads, in place of the pool of csrc/kernels/parallel.cpp: these are
// awake when a node follows another one, and are as many as the model was compiled for.
#include "../kernels/parallel.h"

#include <algorithm>
#include <atomic>
#include <openvino/core/parallel.hpp>

namespace simple_trt {

int parallel_workers() { return std::max(1, parallel_get_max_threads()); }

void internal::run_ranges(int64_t count, int64_t grain, RangeFunction function, const void* body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t grains = (count + grain - 1) / grain;
  const int workers = static_cast<int>(std::min<int64_t>(parallel_workers(), grains));
  const int64_t shares = std::min<int64_t>(grains, 4 * workers);  // a few ranges a thread, to even out
  const int64_t step = std::max(grain, (count + shares - 1) / shares);
  std::atomic<int64_t> next{0};
  ov::parallel_nt_static(workers, [&](int worker, int /*workers*/) {
    for (int64_t begin = next.fetch_add(step); begin < count; begin = next.fetch_add(step)) {
      function(body, begin, std::min(begin + step, count), worker);
    }
  });
}

}  // namespace simple_trt
