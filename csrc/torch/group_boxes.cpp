#include "../kernels/group_boxes.h"

#include <tuple>

#include "kernels.h"

namespace simple_trt::torch_ops {
namespace {

constexpr int64_t kLargestTopM = 1024;

void check_group_boxes(const Tensor& scores, const Tensor& indices, const Tensor& offsets, int64_t stride,
                       int64_t top_m) {
  const Checker check("group_boxes");
  check.that(scores.dim() == 3 && scores.size(1) == 3, "scores", "[B, 3, N]", scores);
  check.between("scores (its N)", scores.size(2), 1, kMaxGroupPeaks);
  check.dtype("scores", scores, ScalarType::Float);
  check.shape("indices", indices, {scores.size(0), 3, scores.size(2)});
  check.dtype("indices", indices, ScalarType::Int);
  check.maps("offsets", offsets);
  check.shape("offsets", offsets, {scores.size(0), 6, offsets.size(2), offsets.size(3)});
  check.device("indices", indices, "scores", scores);
  check.device("offsets", offsets, "scores", scores);
  check.between("stride", stride, 1, kLargestStride);
  check.between("top_m", top_m, 1, kLargestTopM);
}

GroupBoxesParams group_boxes_params(const Tensor& scores, const Tensor& offsets, int64_t stride, double center_area,
                                    double nms_sigma, int64_t top_m) {
  GroupBoxesParams params{};
  params.batch = static_cast<int>(scores.size(0));
  params.top_n = static_cast<int>(scores.size(2));
  params.height = static_cast<int>(offsets.size(2));
  params.width = static_cast<int>(offsets.size(3));
  params.stride = static_cast<int>(stride);
  params.center_area = static_cast<float>(center_area);
  params.nms_sigma = static_cast<float>(nms_sigma);
  params.top_m = static_cast<int>(top_m);
  return params;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> group_boxes(const Tensor& scores, const Tensor& indices,
                                                       const Tensor& offsets, int64_t stride, double center_area,
                                                       double nms_sigma, int64_t top_m) {
  check_group_boxes(scores, indices, offsets, stride, top_m);
  const Tensor logits = in_order(scores);
  const Tensor cells = in_order(indices);
  const Tensor shifts = in_order(offsets);
  const int64_t batch = scores.size(0);
  const Tensor boxes = new_tensor(scores, {batch, top_m, 4}, ScalarType::Float);
  const Tensor box_scores = new_tensor(scores, {batch, top_m}, ScalarType::Float);
  const Tensor points = new_tensor(scores, {batch, top_m, 3}, ScalarType::Int);
  const Tensor num = new_tensor(scores, {batch}, ScalarType::Int);
  const GroupBoxesOutputs outputs{output<float>(boxes), output<float>(box_scores), output<int32_t>(points),
                                  output<int32_t>(num)};
  call("group_boxes", scores, SIMPLE_TRT_KERNELS(group_boxes), input<float>(logits), input<int32_t>(cells),
       input<void>(shifts), dtype_of(offsets),
       group_boxes_params(scores, offsets, stride, center_area, nms_sigma, top_m), outputs);
  return {boxes, box_scores, points, num};
}

}  // namespace

SIMPLE_TRT_REGISTER(group_boxes)

}  // namespace simple_trt::torch_ops
