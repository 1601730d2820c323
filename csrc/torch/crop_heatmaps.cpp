#include "../kernels/crop_heatmaps.h"

#include "kernels.h"

namespace simple_trt::torch_ops {
namespace {

void check_crop_heatmaps(const Tensor& heatmaps, const Tensor& boxes, int64_t stride, int64_t crop_h, int64_t crop_w,
                         double padding, int64_t samples) {
  const Checker check("crop_heatmaps");
  check.maps("heatmaps", heatmaps);
  check.boxes(boxes, "heatmaps", heatmaps);
  check.between("stride", stride, 1, kLargestStride);
  check.between("heatmaps (its W)", heatmaps.size(3), 0, kMaxCropMapWidth);
  check.between("crop_h", crop_h, 1, kMaxCropSide);
  check.between("crop_w", crop_w, 1, kMaxCropSide);
  check.that(padding > 0, "padding", "a number above 0", padding);
  check.between("samples", samples, 1, kMaxSamples);
}

Tensor crop_heatmaps(const Tensor& heatmaps, const Tensor& boxes, int64_t stride, int64_t crop_h, int64_t crop_w,
                     double padding, int64_t samples) {
  check_crop_heatmaps(heatmaps, boxes, stride, crop_h, crop_w, padding, samples);
  CropHeatmapsParams params{};
  params.batch = static_cast<int>(heatmaps.size(0));
  params.boxes = static_cast<int>(boxes.size(1));
  params.classes = static_cast<int>(heatmaps.size(1));
  params.height = static_cast<int>(heatmaps.size(2));
  params.width = static_cast<int>(heatmaps.size(3));
  params.stride = static_cast<int>(stride);
  params.crop_h = static_cast<int>(crop_h);
  params.crop_w = static_cast<int>(crop_w);
  params.padding = static_cast<float>(padding);
  params.samples = static_cast<int>(samples);
  const Tensor maps = in_order(heatmaps);
  const Tensor places = in_order(boxes);
  const Tensor crops =
      new_tensor(heatmaps, {heatmaps.size(0), boxes.size(1), heatmaps.size(1), crop_h, crop_w}, heatmaps.scalar_type());
  call("crop_heatmaps", heatmaps, SIMPLE_TRT_KERNELS(crop_heatmaps), input<void>(maps), input<float>(places),
       dtype_of(heatmaps), params, output<void>(crops));
  return crops;
}

}  // namespace

SIMPLE_TRT_REGISTER(crop_heatmaps)

}  // namespace simple_trt::torch_ops
