#include "read_keypoints.h"

#include "boxes.h"

namespace simple_trt::openvino_ops {

bool ReadKeypoints::visit_attributes(ov::AttributeVisitor& visitor) {
  visitor.on_attribute("stride", params_.stride);
  visitor.on_attribute("padding", params_.padding);
  visitor.on_attribute("present", params_.present);
  return true;
}

void ReadKeypoints::infer() {
  ReadKeypointsParams& p = params_;
  p.batch = size(0, 4, 0);
  p.classes = size(0, 4, 1);
  p.height = size(0, 4, 2);
  p.width = size(0, 4, 3);
  p.boxes = size(1, 5, 1);
  p.crop_h = size(1, 5, 3);
  p.crop_w = size(1, 5, 4);
  expect_maps(0, {p.batch, p.classes, p.height, p.width});
  expect(1, get_input_element_type(0), {p.batch, p.boxes, p.classes, p.crop_h, p.crop_w});
  expect(2, ov::element::f32, {p.batch, p.boxes, 4});
  expect(3, ov::element::f32, {p.classes, 2});
  set_output_type(0, ov::element::f32, ov::PartialShape{p.batch, p.boxes, p.classes, 3});
}

Status ReadKeypoints::run(ov::TensorVector& outputs, const ov::TensorVector& inputs) const {
  const auto& p = params_;
  const FilledBoxes boxes(inputs[2], middle_box(p.height, p.width, p.crop_h, p.crop_w, p.stride));
  const Status status = read_keypoints_cpu(inputs[0].data(), inputs[1].data(), boxes.data(), inputs[3].data<float>(),
                                           dtype_of(inputs[0]), p, outputs[0].data<float>());
  boxes.blank(outputs[0]);
  return status;
}

}  // namespace simple_trt::openvino_ops
