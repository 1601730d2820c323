#include "group_boxes.h"

namespace simple_trt::openvino_ops {

bool GroupBoxes::visit_attributes(ov::AttributeVisitor& visitor) {
  visitor.on_attribute("stride", params_.stride);
  visitor.on_attribute("center_area", params_.center_area);
  visitor.on_attribute("nms_sigma", params_.nms_sigma);
  visitor.on_attribute("top_m", params_.top_m);
  return true;
}

void GroupBoxes::infer() {
  GroupBoxesParams& p = params_;
  p.batch = size(0, 3, 0);
  p.top_n = size(0, 3, 2);
  p.height = size(2, 4, 2);
  p.width = size(2, 4, 3);
  expect(0, ov::element::f32, {p.batch, 3, p.top_n});
  expect(1, ov::element::i32, {p.batch, 3, p.top_n});
  expect_maps(2, {p.batch, 6, p.height, p.width});
  set_output_type(0, ov::element::f32, ov::PartialShape{p.batch, p.top_m, 4});
  set_output_type(1, ov::element::f32, ov::PartialShape{p.batch, p.top_m});
  set_output_type(2, ov::element::i32, ov::PartialShape{p.batch, p.top_m, 3});
  set_output_type(3, ov::element::i32, ov::PartialShape{p.batch});
}

Status GroupBoxes::run(ov::TensorVector& outputs, const ov::TensorVector& inputs) const {
  const GroupBoxesOutputs found{outputs[0].data<float>(), outputs[1].data<float>(), outputs[2].data<int32_t>(),
                                outputs[3].data<int32_t>()};
  return group_boxes_cpu(inputs[0].data<float>(), inputs[1].data<int32_t>(), inputs[2].data(), dtype_of(inputs[2]),
                         params_, found);
}

}  // namespace simple_trt::openvino_ops
