// group_boxes: corner peaks pair up into boxes where a center peak agrees, then Gaussian soft-NMS.
//
//   scores      [B, 3, N]     fp32 logits of the top-left, bottom-right and center peaks (find_peaks)
//   indices     [B, 3, N]     int32 linear cells of these peaks, -1 where there is none
//   offsets     [B, 6, H, W]  fp32, fp16 or bf16, in cells: top-left dx, dy, bottom-right dx, dy, center dx, dy
//   boxes       [B, M, 4]     fp32 xyxy, network-input pixels, not clipped
//   box_scores  [B, M]        fp32, as decayed when emitted
//   points      [B, M, 3]     int32 ranks (places in N) of the top-left, bottom-right and center peak
//   num         [B]           int32 boxes found; unused rows of the others are 0
//
// Points. A point lies at (stride * (u + dx), stride * (v + dy)). It counts iff its index is a cell of the map, its
// logit is neither NaN nor -inf, and its position is finite.
//
// Pairs. Pair (i, j) of top-left i and bottom-right j counts iff it is at least 1 px wide and high, its area is finite,
// and a center that counts lies in its central region, bounds included. Per axis that region reaches from
// ((n+1) a + (n-1) b) / 2n to ((n-1) a + (n+1) b) / 2n, with n = 3 if the area is at most `center_area` px^2, else 5.
// Of several such centers the lowest rank serves; one center may serve several pairs. The pair's score is
// ((p_tl + p_br) + p_ct) / 3 with p = 1 / (1 + exp(-logit)).
//
// Boxes. The best 128 pairs by (score descending, pair index i * N + j ascending) are the candidates. Then up to M
// times the candidate with the highest current score (ties: the better candidate) is emitted with that score and
// leaves, and the score of every other is multiplied by exp(-iou^2 / nms_sigma). The end is where the highest is below
// 0.001. nms_sigma <= 0 or NaN suppresses nothing.
//
// Arithmetic is fp32 in the written order without fused multiply-add. The two exponentials are made in fp64 and the
// result (p, the decay) is rounded once: one ulp there would reorder boxes whose points have swapped scores. So all
// implementations agree in points, order and num; boxes and scores to 1e-5 relative.
//
// Sources: CenterNet (arXiv 1904.08189) for the central region and the score, SIMPLE (AAAI 2021) for N = M = 32,
// soft-NMS (arXiv 1704.04503). Limits: 1 <= N <= 64, M >= 0, stride >= 1, H * W <= 2^30. Contiguous pointers; no
// workspace.
#pragma once

#include <cmath>
#include <cstdint>

#include "dtype.h"
#include "host_device.h"
#include "map_size.h"
#include "region.h"
#include "status.h"

namespace simple_trt {

constexpr int kMaxGroupPeaks = 64;
constexpr int kCandidates = 128;
constexpr float kLowestBoxScore = 0.001f;
constexpr float kNoBox = -1.0f;  // score of what is rejected or already emitted

struct GroupBoxesParams {
  int batch;          // B
  int top_n;          // N, peaks a map
  int height;         // H, cells
  int width;          // W, cells
  int stride;         // network-input pixels a cell
  float center_area;  // px^2, largest area whose central region is a third
  float nms_sigma;    // soft-NMS width
  int top_m;          // M, boxes an image
};

/// Pointers to the outputs of the whole batch, or of one image.
struct GroupBoxesOutputs {
  float* boxes;
  float* box_scores;
  int32_t* points;
  int32_t* num;

  SIMPLE_TRT_HD GroupBoxesOutputs of_image(int64_t image, int top_m) const {
    const int64_t row = image * top_m;
    return {boxes + 4 * row, box_scores + row, points + 3 * row, num + image};
  }
};

Status group_boxes_cpu(const float* scores, const int32_t* indices, const void* offsets, DType offsets_dtype,
                       const GroupBoxesParams& params, const GroupBoxesOutputs& outputs);

/// The same on the GPU: device pointers, `stream` a cudaStream_t.
Status group_boxes_cuda(const float* scores, const int32_t* indices, const void* offsets, DType offsets_dtype,
                        const GroupBoxesParams& params, const GroupBoxesOutputs& outputs, void* stream);

inline Status check(const GroupBoxesParams& p) {
  const bool sizes = p.batch >= 0 && is_map_size(p.height, p.width);
  if (!sizes) return Status::kBadShape;
  const bool arguments = p.top_n >= 1 && p.top_n <= kMaxGroupPeaks && p.top_m >= 0 && p.stride >= 1;
  return arguments ? Status::kOk : Status::kBadArgument;
}

/// A peak at its refined place, network-input pixels. x and y are NaN for a point that does not count.
struct Point {
  float x, y, probability;
};

SIMPLE_TRT_HD inline float sigmoid(float logit) {
  return static_cast<float>(1.0 / (1.0 + exp(-static_cast<double>(logit))));
}

/// `dx`, `dy`: the first cell of the two offset maps of the point's kind.
template <class T>
SIMPLE_TRT_HD inline Point place_point(float score, int32_t index, const T* dx, const T* dy,
                                       const GroupBoxesParams& p) {
  const bool counts = index >= 0 && index < p.height * p.width && score > -INFINITY;
  if (!counts) return {NAN, NAN, 0.0f};
  const float x = (index % p.width + to_float(dx[index])) * p.stride;
  const float y = (index / p.width + to_float(dy[index])) * p.stride;
  if (!is_finite(x) || !is_finite(y)) return {NAN, NAN, 0.0f};
  return {x, y, sigmoid(score)};
}

SIMPLE_TRT_HD inline float area(const Box& box) { return (box.x2 - box.x1) * (box.y2 - box.y1); }

/// Whether a pair makes a box at all (NaN corners do not).
SIMPLE_TRT_HD inline bool is_box(const Box& box) {
  return box.x2 - box.x1 >= 1.0f && box.y2 - box.y1 >= 1.0f && is_finite(area(box));
}

/// The middle third, or fifth of a box larger than `center_area`.
SIMPLE_TRT_HD inline Box central_region(const Box& box, float center_area) {
  const float n = area(box) <= center_area ? 3.0f : 5.0f;
  return {((n + 1) * box.x1 + (n - 1) * box.x2) / (2 * n), ((n + 1) * box.y1 + (n - 1) * box.y2) / (2 * n),
          ((n - 1) * box.x1 + (n + 1) * box.x2) / (2 * n), ((n - 1) * box.y1 + (n + 1) * box.y2) / (2 * n)};
}

SIMPLE_TRT_HD inline bool is_inside(const Box& region, float x, float y) {
  return (x >= region.x1) & (x <= region.x2) & (y >= region.y1) & (y <= region.y2);
}

SIMPLE_TRT_HD inline float pair_score(float top_left, float bottom_right, float center) {
  return ((top_left + bottom_right) + center) / 3.0f;
}

/// Rank of the best center inside the central region of `box`, -1 if there is none. Without branches: centers are few.
SIMPLE_TRT_HD inline int find_center(const Point* centers, int count, const Box& box, float center_area) {
  const Box region = central_region(box, center_area);
  int found = -1;
  for (int n = count - 1; n >= 0; --n) found = is_inside(region, centers[n].x, centers[n].y) ? n : found;
  return found;
}

/// Intersection over union of two boxes of finite area.
SIMPLE_TRT_HD inline float iou(const Box& a, const Box& b) {
  const float width = (a.x2 < b.x2 ? a.x2 : b.x2) - (a.x1 > b.x1 ? a.x1 : b.x1);
  const float height = (a.y2 < b.y2 ? a.y2 : b.y2) - (a.y1 > b.y1 ? a.y1 : b.y1);
  const float shared = (width > 0 ? width : 0.0f) * (height > 0 ? height : 0.0f);
  return shared / (area(a) + area(b) - shared);
}

/// By how much emitting one box lowers the score of another that overlaps it by `overlap`.
SIMPLE_TRT_HD inline float decay(float overlap, float nms_sigma) {
  if (!(nms_sigma > 0) || overlap == 0) return 1.0f;
  return static_cast<float>(exp(static_cast<double>(-(overlap * overlap) / nms_sigma)));
}

/// A pair that may become a box; `score` is its current score.
struct Candidate {
  Box box;
  float score;
  int32_t top_left, bottom_right, center;
};

SIMPLE_TRT_HD inline Box box_between(const Point& top_left, const Point& bottom_right) {
  return {top_left.x, top_left.y, bottom_right.x, bottom_right.y};
}

/// Writes one row of the outputs of an image.
SIMPLE_TRT_HD inline void emit(const Candidate& candidate, float score, int row, const GroupBoxesOutputs& image) {
  float* box = image.boxes + 4 * row;
  box[0] = candidate.box.x1;
  box[1] = candidate.box.y1;
  box[2] = candidate.box.x2;
  box[3] = candidate.box.y2;
  image.box_scores[row] = score;
  int32_t* point = image.points + 3 * row;
  point[0] = candidate.top_left;
  point[1] = candidate.bottom_right;
  point[2] = candidate.center;
}

}  // namespace simple_trt
