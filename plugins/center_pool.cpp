#include "../csrc/kernels/center_pool.h"

#include "op.h"

namespace simple_trt {
namespace plugins {
namespace {

constexpr PortSpec kInputs[] = {{"column", Element::kMap, "BCHW"}, {"row", Element::kMap, "BCHW"}};
constexpr PortSpec kOutputs[] = {{"pooled", Element::kMap, "BCHW"}};

PoolShape shape_of(const Sizes& sizes) { return {int64_t{sizes['B']} * sizes['C'], sizes['H'], sizes['W']}; }

Status check_limits(const Sizes& sizes, const FieldValues&) { return check(shape_of(sizes)); }

Status enqueue(const Call& call) {
  return center_pool_cuda(call.inputs[0], call.inputs[1], call.dtype, shape_of(call.sizes), call.outputs[0],
                          call.stream);
}

}  // namespace

const Op kCenterPool{"CenterPool", {}, kInputs, 2, kOutputs, check_limits, enqueue};

}  // namespace plugins
}  // namespace simple_trt
