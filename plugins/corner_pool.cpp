#include "../csrc/kernels/corner_pool.h"

#include "op.h"

namespace simple_trt {
namespace plugins {
namespace {

enum Field { kDirection, kOtherDirection };

constexpr FieldSpec kFields[] = {
    integer_field("direction", between<0, 3>, "0 to 3"),
    integer_field_or(kAddAsItIs, "other_direction", between<kAddAsItIs, 3>, "-1 to 3"),
};
constexpr PortSpec kInputs[] = {{"x", Element::kMap, "BCHW"}, {"other", Element::kMap, "BCHW"}};
constexpr PortSpec kOutputs[] = {{"pooled", Element::kMap, "BCHW"}};

PoolShape shape_of(const Sizes& sizes) { return {int64_t{sizes['B']} * sizes['C'], sizes['H'], sizes['W']}; }

Status check_limits(const Sizes& sizes, const FieldValues& fields) {
  return check_corner_pool(shape_of(sizes), fields[kDirection].integer, fields[kOtherDirection].integer);
}

Status enqueue(const Call& call) {
  const void* const other = call.input_count > 1 ? call.inputs[1] : nullptr;
  return corner_pool_cuda(call.inputs[0], other, call.dtype, shape_of(call.sizes), call.fields[kDirection].integer,
                          call.fields[kOtherDirection].integer, call.outputs[0], call.stream);
}

}  // namespace

const Op kCornerPool{"CornerPool", kFields, kInputs, 1, kOutputs, check_limits, enqueue};

}  // namespace plugins
}  // namespace simple_trt
