#include "../csrc/kernels/read_keypoints.h"

#include "op.h"

namespace simple_trt {
namespace plugins {
namespace {

enum Field { kStride, kPadding, kPresent };

constexpr FieldSpec kFields[] = {
    integer_field("stride", at_least<1>, "at least 1"),
    real_field("padding", above_zero, "above 0"),
    real_field("present"),
};
constexpr PortSpec kInputs[] = {
    {"heatmaps", Element::kMap, "BKHW"},
    {"gated", Element::kMap, "BMKhw"},
    {"boxes", Element::kFloat, "BM4"},
    {"prior", Element::kFloat, "K2"},
};
constexpr PortSpec kOutputs[] = {{"keypoints", Element::kFloat, "BMK3"}};

ReadKeypointsParams params_of(const Sizes& s, const FieldValues& fields) {
  return {s['B'],
          s['M'],
          s['K'],
          s['H'],
          s['W'],
          s['h'],
          s['w'],
          fields[kStride].integer,
          fields[kPadding].real,
          fields[kPresent].real};
}

Status check_limits(const Sizes& sizes, const FieldValues& fields) { return check(params_of(sizes, fields)); }

Status enqueue(const Call& call) {
  return read_keypoints_cuda(call.inputs[0], call.inputs[1], call.input<float>(2), call.input<float>(3), call.dtype,
                             params_of(call.sizes, call.fields), call.output<float>(0), call.stream);
}

}  // namespace

const Op kReadKeypoints{"ReadKeypoints", kFields, kInputs, 4, kOutputs, check_limits, enqueue};

}  // namespace plugins
}  // namespace simple_trt
