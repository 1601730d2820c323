#include "../kernels/find_peaks.h"

#include <tuple>

#include "kernels.h"

namespace simple_trt::torch_ops {
namespace {

std::tuple<Tensor, Tensor> find_peaks(const Tensor& maps, double threshold, int64_t top_n) {
  const Checker check("find_peaks");
  check.maps("maps", maps);
  check.between("top_n", top_n, 1, kMaxPeaks);
  const Tensor values = in_order(maps);
  FindPeaksParams params{};
  params.batch = static_cast<int>(maps.size(0));
  params.maps = static_cast<int>(maps.size(1));
  params.height = static_cast<int>(maps.size(2));
  params.width = static_cast<int>(maps.size(3));
  params.threshold = static_cast<float>(threshold);
  params.top_n = static_cast<int>(top_n);
  const Tensor scores = new_tensor(maps, {maps.size(0), maps.size(1), top_n}, ScalarType::Float);
  const Tensor indices = new_tensor(maps, {maps.size(0), maps.size(1), top_n}, ScalarType::Int);
  call("find_peaks", maps, SIMPLE_TRT_KERNELS(find_peaks), input<void>(values), dtype_of(maps), params,
       output<float>(scores), output<int32_t>(indices));
  return {scores, indices};
}

}  // namespace

SIMPLE_TRT_REGISTER(find_peaks)

}  // namespace simple_trt::torch_ops
