#include "../csrc/kernels/group_boxes.h"

#include "op.h"

namespace simple_trt {
namespace plugins {
namespace {

enum Field { kStride, kCenterArea, kNmsSigma, kTopM };

constexpr FieldSpec kFields[] = {
    integer_field("stride", at_least<1>, "at least 1"),
    real_field("center_area"),
    real_field("nms_sigma"),
    integer_field("top_m", at_least<0>, "at least 0", 'M'),
};
constexpr PortSpec kInputs[] = {
    {"scores", Element::kFloat, "B3N"},
    {"indices", Element::kInt32, "B3N"},
    {"offsets", Element::kMap, "B6HW"},
};
constexpr PortSpec kOutputs[] = {
    {"boxes", Element::kFloat, "BM4"},
    {"box_scores", Element::kFloat, "BM"},
    {"points", Element::kInt32, "BM3"},
    {"num", Element::kInt32, "B"},
};

GroupBoxesParams params_of(const Sizes& s, const FieldValues& fields) {
  return {s['B'], s['N'], s['H'], s['W'], fields[kStride].integer, fields[kCenterArea].real, fields[kNmsSigma].real,
          s['M']};
}

Status check_limits(const Sizes& sizes, const FieldValues& fields) { return check(params_of(sizes, fields)); }

Status enqueue(const Call& call) {
  const GroupBoxesOutputs outputs{call.output<float>(0), call.output<float>(1), call.output<int32_t>(2),
                                  call.output<int32_t>(3)};
  return group_boxes_cuda(call.input<float>(0), call.input<int32_t>(1), call.inputs[2], call.dtype,
                          params_of(call.sizes, call.fields), outputs, call.stream);
}

}  // namespace

const Op kGroupBoxes{"GroupBoxes", kFields, kInputs, 3, kOutputs, check_limits, enqueue};

}  // namespace plugins
}  // namespace simple_trt
