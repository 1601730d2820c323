#include "find_peaks.h"

namespace simple_trt::openvino_ops {

bool FindPeaks::visit_attributes(ov::AttributeVisitor& visitor) {
  visitor.on_attribute("threshold", params_.threshold);
  visitor.on_attribute("top_n", params_.top_n);
  return true;
}

void FindPeaks::infer() {
  FindPeaksParams& p = params_;
  p.batch = size(0, 4, 0);
  p.maps = size(0, 4, 1);
  p.height = size(0, 4, 2);
  p.width = size(0, 4, 3);
  expect_maps(0, {p.batch, p.maps, p.height, p.width});
  set_output_type(0, ov::element::f32, ov::PartialShape{p.batch, p.maps, p.top_n});
  set_output_type(1, ov::element::i32, ov::PartialShape{p.batch, p.maps, p.top_n});
}

Status FindPeaks::run(ov::TensorVector& outputs, const ov::TensorVector& inputs) const {
  return find_peaks_cpu(inputs[0].data(), dtype_of(inputs[0]), params_, outputs[0].data<float>(),
                        outputs[1].data<int32_t>());
}

}  // namespace simple_trt::openvino_ops
