#include "op.h"

namespace simple_trt::openvino_ops {

MapType map_type(const ov::element::Type& type) {
  if (type == ov::element::f32) return {true, DType::kFloat32};
  if (type == ov::element::f16) return {true, DType::kFloat16};
  return {type == ov::element::bf16, DType::kBFloat16};
}

}  // namespace simple_trt::openvino_ops
