// find_peaks: the highest local maxima of each point map.
//
//   maps     [B, M', H, W]  logits, fp32, fp16 or bf16, compared after exact conversion to fp32. NaN counts as -inf.
//   scores   [B, M', N]     fp32, the raw logits of the peaks, padded with -inf
//   indices  [B, M', N]     int32, linear cells y * W + x of the peaks, padded with -1
//
// A cell is a peak iff its value is at least `threshold` (a logit) and greater than -inf, no cell of its 3x3
// neighbourhood is greater and no equal one has a smaller linear index; cells outside the map are no neighbours. So a
// constant map has one peak, cell 0. Peaks are ordered by value descending, then linear cell ascending; -0 equals +0.
// All implementations agree exactly. H * W may be less than N, or 0. A NaN threshold finds nothing.
//
// Source: the 3x3 non-maximum suppression of CenterNet (arXiv 1904.08189), on logits, with a rule for ties.
// Limits: 1 <= N <= 64, H * W <= 2^30. Contiguous pointers; no workspace.
#pragma once

#include <cmath>
#include <cstdint>

#include "dtype.h"
#include "host_device.h"
#include "map_size.h"
#include "status.h"

namespace simple_trt {

constexpr int kMaxPeaks = 64;

struct FindPeaksParams {
  int batch;        // B
  int maps;         // M'
  int height;       // H, cells
  int width;        // W, cells
  float threshold;  // least logit of a peak
  int top_n;        // N
};

Status find_peaks_cpu(const void* maps, DType dtype, const FindPeaksParams& params, float* scores, int32_t* indices);

/// The same on the GPU: device pointers, `stream` a cudaStream_t.
Status find_peaks_cuda(const void* maps, DType dtype, const FindPeaksParams& params, float* scores, int32_t* indices,
                       void* stream);

inline Status check(const FindPeaksParams& p) {
  const bool sizes = p.batch >= 0 && p.maps >= 0 && is_map_size(p.height, p.width);
  if (!sizes) return Status::kBadShape;
  return p.top_n >= 1 && p.top_n <= kMaxPeaks ? Status::kOk : Status::kBadArgument;
}

/// The values around a cell; -inf outside the map, no NaN.
struct Neighbours {
  float above_left, above, above_right, left;   // smaller linear index
  float right, below_left, below, below_right;  // greater linear index
};

SIMPLE_TRT_HD inline float greater_of(float a, float b) { return a > b ? a : b; }

/// Whether a cell that passes the threshold (and is not NaN or -inf) is a peak. Without branches, so that loops
/// vectorise.
SIMPLE_TRT_HD inline bool is_first_maximum(float value, const Neighbours& n) {
  const float earlier = greater_of(greater_of(n.above_left, n.above), greater_of(n.above_right, n.left));
  const float later = greater_of(greater_of(n.right, n.below_left), greater_of(n.below, n.below_right));
  return (value > earlier) & (value >= later);
}

}  // namespace simple_trt
