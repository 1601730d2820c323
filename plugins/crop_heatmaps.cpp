#include "../csrc/kernels/crop_heatmaps.h"

#include "op.h"

namespace simple_trt {
namespace plugins {
namespace {

enum Field { kStride, kCropH, kCropW, kPadding, kSamples };

constexpr FieldSpec kFields[] = {
    integer_field("stride", at_least<1>, "at least 1"),
    integer_field("crop_h", between<1, kMaxCropSide>, "1 to 256", 'h'),
    integer_field("crop_w", between<1, kMaxCropSide>, "1 to 256", 'w'),
    real_field("padding", above_zero, "above 0"),
    integer_field("samples", between<1, kMaxSamples>, "1 or 2"),
};
constexpr PortSpec kInputs[] = {{"heatmaps", Element::kMap, "BKHW"}, {"boxes", Element::kFloat, "BM4"}};
constexpr PortSpec kOutputs[] = {{"crops", Element::kMap, "BMKhw"}};

CropHeatmapsParams params_of(const Sizes& s, const FieldValues& fields) {
  return {s['B'],
          s['M'],
          s['K'],
          s['H'],
          s['W'],
          fields[kStride].integer,
          s['h'],
          s['w'],
          fields[kPadding].real,
          fields[kSamples].integer};
}

Status check_limits(const Sizes& sizes, const FieldValues& fields) { return check(params_of(sizes, fields)); }

Status enqueue(const Call& call) {
  return crop_heatmaps_cuda(call.inputs[0], call.input<float>(1), call.dtype, params_of(call.sizes, call.fields),
                            call.outputs[0], call.stream);
}

}  // namespace

const Op kCropHeatmaps{"CropHeatmaps", kFields, kInputs, 2, kOutputs, check_limits, enqueue};

}  // namespace plugins
}  // namespace simple_trt
