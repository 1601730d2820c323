#include "crop_heatmaps.h"

#include "boxes.h"

namespace simple_trt::openvino_ops {

bool CropHeatmaps::visit_attributes(ov::AttributeVisitor& visitor) {
  visitor.on_attribute("stride", params_.stride);
  visitor.on_attribute("crop_h", params_.crop_h);
  visitor.on_attribute("crop_w", params_.crop_w);
  visitor.on_attribute("padding", params_.padding);
  visitor.on_attribute("samples", params_.samples);
  return true;
}

void CropHeatmaps::infer() {
  CropHeatmapsParams& p = params_;
  p.batch = size(0, 4, 0);
  p.classes = size(0, 4, 1);
  p.height = size(0, 4, 2);
  p.width = size(0, 4, 3);
  p.boxes = size(1, 3, 1);
  expect_maps(0, {p.batch, p.classes, p.height, p.width});
  expect(1, ov::element::f32, {p.batch, p.boxes, 4});
  set_output_type(0, get_input_element_type(0), ov::PartialShape{p.batch, p.boxes, p.classes, p.crop_h, p.crop_w});
}

Status CropHeatmaps::run(ov::TensorVector& outputs, const ov::TensorVector& inputs) const {
  const auto& p = params_;
  const FilledBoxes boxes(inputs[1], middle_box(p.height, p.width, p.crop_h, p.crop_w, p.stride));
  const Status status = crop_heatmaps_cpu(inputs[0].data(), boxes.data(), dtype_of(inputs[0]), p, outputs[0].data());
  boxes.blank(outputs[0]);
  return status;
}

}  // namespace simple_trt::openvino_ops
