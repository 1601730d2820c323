#pragma once

#include "../kernels/group_boxes.h"
#include "op.h"

namespace simple_trt::openvino_ops {

class GroupBoxes : public Op<GroupBoxes, GroupBoxesParams> {
 public:
  OPENVINO_OP("GroupBoxes", "simple_trt");
  static constexpr std::size_t kInputs = 3;
  using Op::Op;

  bool visit_attributes(ov::AttributeVisitor& visitor) override;
  void infer();
  Status run(ov::TensorVector& outputs, const ov::TensorVector& inputs) const;
};

}  // namespace simple_trt::openvino_ops
