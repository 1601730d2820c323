#pragma once

#include "../kernels/crop_heatmaps.h"
#include "op.h"

namespace simple_trt::openvino_ops {

class CropHeatmaps : public Op<CropHeatmaps, CropHeatmapsParams> {
 public:
  OPENVINO_OP("CropHeatmaps", "simple_trt");
  static constexpr std::size_t kInputs = 2;
  using Op::Op;

  bool visit_attributes(ov::AttributeVisitor& visitor) override;
  void infer();
  Status run(ov::TensorVector& outputs, const ov::TensorVector& inputs) const;
};

}  // namespace simple_trt::openvino_ops
