// A kernel other than a pool, from a source file in which a test has changed something, as a C function on host memory.
#include MUTANT_SOURCE

#include <cstdio>
#include <exception>

#include "../../csrc/emulator/grid.h"
#include "../../csrc/kernels/crop_heatmaps.h"
#include "../../csrc/kernels/find_peaks.h"
#include "../../csrc/kernels/group_boxes.h"
#include "../../csrc/kernels/letterbox.h"

namespace simple_trt {
namespace {

/// `arrays`: inputs, then outputs, of one image and fp32; `sizes` as each branch reads them.
Status run_kernel(void* const* arrays, const int* sizes) {
  const auto floats = [&](int i) { return static_cast<float*>(arrays[i]); };
  const auto integers = [&](int i) { return static_cast<int32_t*>(arrays[i]); };
#if defined(MUTANT_IS_FIND_PEAKS)
  const FindPeaksParams params{1, 1, sizes[0], sizes[1], -INFINITY, sizes[2]};
  return find_peaks_cuda(arrays[0], DType::kFloat32, params, floats(1), integers(2), nullptr);
#elif defined(MUTANT_IS_GROUP_BOXES)
  const GroupBoxesParams params{1, sizes[0], sizes[1], sizes[2], 4, 22500.0f, 0.5f, sizes[3]};
  const GroupBoxesOutputs outputs{floats(3), floats(4), integers(5), integers(6)};
  return group_boxes_cuda(floats(0), integers(1), arrays[2], DType::kFloat32, params, outputs, nullptr);
#elif defined(MUTANT_IS_LETTERBOX)
  const LetterboxParams params{sizes[0], sizes[1], 3 * sizes[1], sizes[2], sizes[3], {0, 0, 0}, {1, 1, 1}};
  return letterbox_cuda(static_cast<const uint8_t*>(arrays[0]), params, DType::kFloat32, arrays[1], nullptr);
#else
  const CropHeatmapsParams params{1, sizes[0], sizes[1], sizes[2], sizes[3], 4, sizes[4], sizes[5], 1.25f, 2};
  return crop_heatmaps_cuda(arrays[0], floats(1), DType::kFloat32, params, arrays[2], nullptr);
#endif
}

}  // namespace
}  // namespace simple_trt

/// Runs the kernel under one order of threads; 0 when that went well.
extern "C" int run(void* const* arrays, const int* sizes, unsigned long long seed) {
  simple_trt::emulator::set_schedule_seed(seed);
  try {
    return static_cast<int>(simple_trt::run_kernel(arrays, sizes));
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return -1;
  }
}
