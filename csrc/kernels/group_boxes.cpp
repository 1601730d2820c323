#include "group_boxes.h"

#include <algorithm>
#include <functional>

#include "parallel.h"
#include "rank_key.h"

namespace simple_trt {
namespace {

enum Kind { kTopLeft = 0, kBottomRight, kCenter };

/// The three lists of points of one image.
struct Points {
  Point of[3][kMaxGroupPeaks];

  Box box(int pair, int n) const { return box_between(of[kTopLeft][pair / n], of[kBottomRight][pair % n]); }
};

template <class T>
Points place_points(const float* scores, const int32_t* indices, const T* offsets, const GroupBoxesParams& p) {
  const int64_t cells = static_cast<int64_t>(p.height) * p.width;
  Points points;
  for (int kind = 0; kind < 3; ++kind) {
    const T* dx = offsets + 2 * kind * cells;
    for (int n = 0; n < p.top_n; ++n) {
      const int at = kind * p.top_n + n;
      points.of[kind][n] = place_point(scores[at], indices[at], dx, dx + cells, p);
    }
  }
  return points;
}

/// Keys of the pairs that count, in no order; `centers[pair]` is the rank of the center of each of them.
int collect_pairs(const Points& points, const GroupBoxesParams& p, uint64_t* keys, int8_t* centers) {
  int count = 0;
  for (int pair = 0; pair < p.top_n * p.top_n; ++pair) {
    const Box box = points.box(pair, p.top_n);
    if (!is_box(box)) continue;
    const int center = find_center(points.of[kCenter], p.top_n, box, p.center_area);
    if (center < 0) continue;
    const float score =
        pair_score(points.of[kTopLeft][pair / p.top_n].probability, points.of[kBottomRight][pair % p.top_n].probability,
                   points.of[kCenter][center].probability);
    centers[pair] = static_cast<int8_t>(center);
    keys[count++] = rank_key(score, pair);
  }
  return count;
}

/// The best pairs, in order.
int choose_candidates(const Points& points, const GroupBoxesParams& p, Candidate* candidates) {
  uint64_t keys[kMaxGroupPeaks * kMaxGroupPeaks];
  int8_t centers[kMaxGroupPeaks * kMaxGroupPeaks];
  const int pairs = collect_pairs(points, p, keys, centers);
  const int count = std::min(pairs, kCandidates);
  std::partial_sort(keys, keys + count, keys + pairs, std::greater<>());
  for (int c = 0; c < count; ++c) {
    const int pair = rank_index(keys[c]);
    candidates[c] = {points.box(pair, p.top_n), rank_value(keys[c]), pair / p.top_n, pair % p.top_n, centers[pair]};
  }
  return count;
}

/// Emits up to `top_m` candidates and returns how many.
int soft_nms(Candidate* candidates, int count, const GroupBoxesParams& p, const GroupBoxesOutputs& out) {
  for (int row = 0; row < p.top_m; ++row) {
    Candidate* best = std::max_element(candidates, candidates + count,
                                       [](const Candidate& a, const Candidate& b) { return a.score < b.score; });
    if (best == candidates + count || best->score < kLowestBoxScore) return row;
    emit(*best, best->score, row, out);
    best->score = kNoBox;
    for (Candidate* other = candidates; other < candidates + count; ++other) {
      if (other->score >= kLowestBoxScore) other->score *= decay(iou(best->box, other->box), p.nms_sigma);
    }
  }
  return p.top_m;
}

void clear(const GroupBoxesOutputs& out, int first_row, int top_m) {
  std::fill(out.boxes + 4 * first_row, out.boxes + 4 * top_m, 0.0f);
  std::fill(out.box_scores + first_row, out.box_scores + top_m, 0.0f);
  std::fill(out.points + 3 * first_row, out.points + 3 * top_m, 0);
}

template <class T>
void group_image(const float* scores, const int32_t* indices, const T* offsets, const GroupBoxesParams& p,
                 const GroupBoxesOutputs& out) {
  Candidate candidates[kCandidates];
  const Points points = place_points(scores, indices, offsets, p);
  const int count = choose_candidates(points, p, candidates);
  *out.num = soft_nms(candidates, count, p, out);
  clear(out, *out.num, p.top_m);
}

}  // namespace

Status group_boxes_cpu(const float* scores, const int32_t* indices, const void* offsets, DType offsets_dtype,
                       const GroupBoxesParams& params, const GroupBoxesOutputs& outputs) {
  const Status status = check(params);
  if (status != Status::kOk) return status;
  return dispatch(offsets_dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t cells = static_cast<int64_t>(params.height) * params.width;
    const T* maps = static_cast<const T*>(offsets);
    parallel_for(params.batch, 1, [&](int64_t begin, int64_t end, int /*worker*/) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t list = 3 * params.top_n * b;
        group_image(scores + list, indices + list, maps + 6 * cells * b, params, outputs.of_image(b, params.top_m));
      }
    });
    return Status::kOk;
  });
}

}  // namespace simple_trt
