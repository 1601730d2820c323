#pragma once

#include "../kernels/read_keypoints.h"
#include "op.h"

namespace simple_trt::openvino_ops {

class ReadKeypoints : public Op<ReadKeypoints, ReadKeypointsParams> {
 public:
  OPENVINO_OP("ReadKeypoints", "simple_trt");
  static constexpr std::size_t kInputs = 4;
  using Op::Op;

  bool visit_attributes(ov::AttributeVisitor& visitor) override;
  void infer();
  Status run(ov::TensorVector& outputs, const ov::TensorVector& inputs) const;
};

}  // namespace simple_trt::openvino_ops
