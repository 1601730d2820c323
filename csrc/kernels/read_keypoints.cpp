#include "read_keypoints.h"

#include <algorithm>

#include "multiversion.h"
#include "parallel.h"

namespace simple_trt {
namespace {

constexpr int kLanes = 32;     // running maxima side by side, for the compiler to keep in vector registers
constexpr int kStretch = 128;  // values between two looks at them

struct Strongest {
  float value;
  int cell;
};

/// The largest of `count` values, NaN ignored; -inf if there is none.
template <class T>
SIMPLE_TRT_INLINE float largest(const T* values, int count) {
  float lanes[kLanes];
  std::fill(lanes, lanes + kLanes, -INFINITY);
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float value = to_float(values[i + lane]);
      lanes[lane] = value > lanes[lane] ? value : lanes[lane];  // false for NaN
    }
  }
  for (; i < count; ++i) lanes[0] = to_float(values[i]) > lanes[0] ? to_float(values[i]) : lanes[0];
  return *std::max_element(lanes, lanes + kLanes);
}

/// The largest value, NaN ignored, at the lowest cell that has it; (-inf, 0) if there is none.
template <class T>
SIMPLE_TRT_MULTIVERSION Strongest find_strongest(const T* values, int count) {
  Strongest best{-INFINITY, 0};
  int stretch = 0;
  for (int first = 0; first < count; first += kStretch) {
    const float value = largest(values + first, std::min(kStretch, count - first));
    if (!(value > best.value)) continue;
    best.value = value;
    stretch = first;
  }
  if (best.value == -INFINITY) return best;
  best.cell = stretch;
  while (to_float(values[best.cell]) != best.value) ++best.cell;
  return best;
}

/// The linear cell of the largest value in the 3x3 window around cell (x, y), inside the map.
template <class T>
int window_maximum(const T* heatmap, int x, int y, const ReadKeypointsParams& p) {
  uint64_t best = kNoKey;
  for (int v = larger(y - 1, 0); v <= smaller(y + 1, p.height - 1); ++v) {
    for (int u = larger(x - 1, 0); u <= smaller(x + 1, p.width - 1); ++u) {
      const int cell = v * p.width + u;
      best = std::max(best, rank_key(without_nan(to_float(heatmap[cell])), cell));
    }
  }
  return rank_index(best);
}

template <class T>
Keypoint read_one(const T* heatmap, const T* gated, const Box& box, const Region& region, const float* prior,
                  const ReadKeypointsParams& p) {
  const Strongest strongest = find_strongest(gated, p.crop_h * p.crop_w);
  if (!(strongest.value > kNoActivation)) return mean_place(box, prior);
  const int row = strongest.cell / p.crop_w, column = strongest.cell % p.crop_w;
  const int x = nearest_cell(region.x, region.width, column, p.crop_w, p.stride, p.width);
  const int y = nearest_cell(region.y, region.height, row, p.crop_h, p.stride, p.height);
  return keypoint_at(heatmap, window_maximum(heatmap, x, y, p), strongest.value, p);
}

/// `maps`: the K heatmaps of the box's image; `gated`: the K crops of the box; `keypoints`: its K rows of 3.
template <class T>
void read_box(const T* maps, const T* gated, const float* corners, const float* prior, const ReadKeypointsParams& p,
              float* keypoints) {
  const Box box{corners[0], corners[1], corners[2], corners[3]};
  const Region region = padded_region(box, p.crop_h, p.crop_w, p.padding);
  const int64_t map_cells = static_cast<int64_t>(p.height) * p.width;
  const int64_t crop_cells = static_cast<int64_t>(p.crop_h) * p.crop_w;
  for (int k = 0; k < p.classes; ++k) {
    Keypoint keypoint{0.0f, 0.0f, 0.0f};
    if (region.exists) {
      keypoint = read_one(maps + k * map_cells, gated + k * crop_cells, box, region, prior + 2 * k, p);
    }
    keypoints[3 * k] = keypoint.x;
    keypoints[3 * k + 1] = keypoint.y;
    keypoints[3 * k + 2] = keypoint.confidence;
  }
}

}  // namespace

Status read_keypoints_cpu(const void* heatmaps, const void* gated, const float* boxes, const float* prior, DType dtype,
                          const ReadKeypointsParams& params, float* keypoints) {
  const Status status = check(params);
  if (status != Status::kOk) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t image_cells = static_cast<int64_t>(params.classes) * params.height * params.width;
    const int64_t box_cells = static_cast<int64_t>(params.classes) * params.crop_h * params.crop_w;
    const int64_t count = static_cast<int64_t>(params.batch) * params.boxes;
    parallel_for(count, 1, [&](int64_t begin, int64_t end, int /*worker*/) {
      for (int64_t m = begin; m < end; ++m) {
        read_box(static_cast<const T*>(heatmaps) + m / params.boxes * image_cells,
                 static_cast<const T*>(gated) + m * box_cells, boxes + 4 * m, prior, params,
                 keypoints + 3 * params.classes * m);
      }
    });
    return Status::kOk;
  });
}

}  // namespace simple_trt
