// The loops of the kernels on OpenVINO's own threads, in place of the pool of csrc/kernels/parallel.cpp: these are
// awake when a node follows another one, and are as many as the model was compiled for.
#include "../kernels/parallel.h"

#include <algorithm>
#include <openvino/core/parallel.hpp>

namespace simple_trt {

int parallel_workers() { return std::max(1, parallel_get_max_threads()); }

void internal::run_ranges(int64_t count, int64_t grain, RangeFunction function, const void* body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t grains = (count + grain - 1) / grain;
  const int64_t workers = std::min<int64_t>(parallel_workers(), grains);
  ov::parallel_nt_static(static_cast<int>(workers), [&](int worker, int /*workers*/) {
    const int64_t begin = grains * worker / workers * grain;
    const int64_t end = std::min(grains * (worker + 1) / workers * grain, count);
    function(body, begin, end, worker);
  });
}

}  // namespace simple_trt
