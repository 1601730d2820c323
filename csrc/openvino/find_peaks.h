#pragma once

#include "../kernels/find_peaks.h"
#include "op.h"

namespace simple_trt::openvino_ops {

class FindPeaks : public Op<FindPeaks, FindPeaksParams> {
 public:
  OPENVINO_OP("FindPeaks", "simple_trt");
  static constexpr std::size_t kInputs = 1;
  using Op::Op;

  bool visit_attributes(ov::AttributeVisitor& visitor) override;
  void infer();
  Status run(ov::TensorVector& outputs, const ov::TensorVector& inputs) const;
};

}  // namespace simple_trt::openvino_ops
