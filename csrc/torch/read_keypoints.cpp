#include "../kernels/read_keypoints.h"

#include "kernels.h"

namespace simple_trt::torch_ops {
namespace {

void check_read_keypoints(const Tensor& heatmaps, const Tensor& gated, const Tensor& boxes, const Tensor& prior,
                          int64_t stride, double padding) {
  const Checker check("read_keypoints");
  check.maps("heatmaps", heatmaps);
  check.that(heatmaps.size(2) > 0 && heatmaps.size(3) > 0, "heatmaps", "H and W at least 1", heatmaps);
  check.boxes(boxes, "heatmaps", heatmaps);
  const bool crops = gated.dim() == 5 && gated.size(3) > 0 && gated.size(4) > 0;
  check.that(crops, "gated", "[B, M, K, h, w], h and w at least 1", gated);
  check.shape("gated", gated, {boxes.size(0), boxes.size(1), heatmaps.size(1), gated.size(3), gated.size(4)});
  check.that(gated.size(3) <= INT32_MAX / gated.size(4), "gated", "sizes below 2^31", gated);
  check.dtype("gated", gated, heatmaps.scalar_type());
  check.shape("prior", prior, {heatmaps.size(1), 2});
  check.dtype("prior", prior, ScalarType::Float);
  check.device("gated", gated, "heatmaps", heatmaps);
  check.device("prior", prior, "heatmaps", heatmaps);
  check.between("stride", stride, 1, kLargestStride);
  check.that(padding > 0, "padding", "a number above 0", padding);
}

ReadKeypointsParams read_keypoints_params(const Tensor& heatmaps, const Tensor& gated, int64_t stride, double padding,
                                          double present) {
  ReadKeypointsParams params{};
  params.batch = static_cast<int>(heatmaps.size(0));
  params.boxes = static_cast<int>(gated.size(1));
  params.classes = static_cast<int>(heatmaps.size(1));
  params.height = static_cast<int>(heatmaps.size(2));
  params.width = static_cast<int>(heatmaps.size(3));
  params.crop_h = static_cast<int>(gated.size(3));
  params.crop_w = static_cast<int>(gated.size(4));
  params.stride = static_cast<int>(stride);
  params.padding = static_cast<float>(padding);
  params.present = static_cast<float>(present);
  return params;
}

Tensor read_keypoints(const Tensor& heatmaps, const Tensor& gated, const Tensor& boxes, const Tensor& prior,
                      int64_t stride, double padding, double present) {
  check_read_keypoints(heatmaps, gated, boxes, prior, stride, padding);
  const Tensor maps = in_order(heatmaps);
  const Tensor crops = in_order(gated);
  const Tensor places = in_order(boxes);
  const Tensor means = in_order(prior);
  const Tensor keypoints = new_tensor(heatmaps, {boxes.size(0), boxes.size(1), heatmaps.size(1), 3}, ScalarType::Float);
  call("read_keypoints", heatmaps, SIMPLE_TRT_KERNELS(read_keypoints), input<void>(maps), input<void>(crops),
       input<float>(places), input<float>(means), dtype_of(heatmaps),
       read_keypoints_params(heatmaps, gated, stride, padding, present), output<float>(keypoints));
  return keypoints;
}

}  // namespace

SIMPLE_TRT_REGISTER(read_keypoints)

}  // namespace simple_trt::torch_ops
