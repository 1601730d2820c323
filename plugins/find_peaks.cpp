#include "../csrc/kernels/find_peaks.h"

#include "op.h"

namespace simple_trt {
namespace plugins {
namespace {

enum Field { kThreshold, kTopN };

constexpr FieldSpec kFields[] = {
    real_field("threshold"),
    integer_field("top_n", between<1, kMaxPeaks>, "1 to 64", 'N'),
};
constexpr PortSpec kInputs[] = {{"maps", Element::kMap, "BMHW"}};
constexpr PortSpec kOutputs[] = {{"scores", Element::kFloat, "BMN"}, {"indices", Element::kInt32, "BMN"}};

FindPeaksParams params_of(const Sizes& s, const FieldValues& fields) {
  return {s['B'], s['M'], s['H'], s['W'], fields[kThreshold].real, s['N']};
}

Status check_limits(const Sizes& sizes, const FieldValues& fields) { return check(params_of(sizes, fields)); }

Status enqueue(const Call& call) {
  return find_peaks_cuda(call.inputs[0], call.dtype, params_of(call.sizes, call.fields), call.output<float>(0),
                         call.output<int32_t>(1), call.stream);
}

}  // namespace

const Op kFindPeaks{"FindPeaks", kFields, kInputs, 1, kOutputs, check_limits, enqueue};

}  // namespace plugins
}  // namespace simple_trt
