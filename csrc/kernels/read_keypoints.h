// read_keypoints: one position a keypoint class for every box. The gated crop says where to look, the full heatmap says
// where the keypoint is.
//
//   heatmaps   [B, K, H, W]     fp32, fp16 or bf16, raw pose heatmaps (not clamped)
//   gated      [B, M, K, h, w]  same type, crops of the heatmaps (crop_heatmaps) times the grouping gate
//   boxes      [B, M, 4]        fp32 xyxy, network-input pixels
//   prior      [K, 2]           fp32, mean place (x, y) of each keypoint in the box, 0..1
//   keypoints  [B, M, K, 3]     fp32 (x, y, confidence), network-input pixels
//
// Where to look. m is the largest value of the gated crop of a box and class, at its lowest linear cell. If m is not
// above 0.001 the keypoint is at box corner + prior * box size, with confidence 0. Else the centre of that crop cell
// falls in a heatmap cell, clamped to the map.
//
// What is read. The largest value of the 3x3 window around that cell, inside the map, at its lowest linear cell, is the
// keypoint's cell (u, v). Its position is x = stride * (u + 0.5 + 0.25 s) with s the sign of (right - left), 0 where
// they are equal, where one is NaN, and at the border of the map; y alike. Its confidence is the value clamped to 0..1
// if m >= `present`, else m.
//
// NaN counts as -inf. A box without a region (empty or not finite, see region.h) gives zeros. Arithmetic is fp32 in the
// written order without fused multiply-add: all implementations agree exactly.
//
// Source: SIMPLE (AAAI 2021) for reading a person's own peaks; the quarter shift is that of the stacked hourglass
// (arXiv 1603.06937). Limits: h, w >= 1, h * w <= 2^30, H, W >= 1, H * W <= 2^30, stride >= 1, padding > 0. Contiguous
// pointers; no workspace.
#pragma once

#include <cmath>
#include <cstdint>

#include "dtype.h"
#include "host_device.h"
#include "map_size.h"
#include "rank_key.h"
#include "region.h"
#include "status.h"

namespace simple_trt {

constexpr float kNoActivation = 1e-3f;

struct ReadKeypointsParams {
  int batch;      // B
  int boxes;      // M
  int classes;    // K
  int height;     // H, cells
  int width;      // W, cells
  int crop_h;     // h, rows
  int crop_w;     // w, columns
  int stride;     // network-input pixels a cell
  float padding;  // as given to crop_heatmaps
  float present;  // least m of a keypoint whose confidence is read from the heatmap
};

Status read_keypoints_cpu(const void* heatmaps, const void* gated, const float* boxes, const float* prior, DType dtype,
                          const ReadKeypointsParams& params, float* keypoints);

/// The same on the GPU: device pointers, `stream` a cudaStream_t.
Status read_keypoints_cuda(const void* heatmaps, const void* gated, const float* boxes, const float* prior, DType dtype,
                           const ReadKeypointsParams& params, float* keypoints, void* stream);

inline Status check(const ReadKeypointsParams& p) {
  const bool sizes = p.batch >= 0 && p.boxes >= 0 && p.classes >= 0 && p.height >= 1 && p.width >= 1 && p.crop_h >= 1 &&
                     p.crop_w >= 1 && is_map_size(p.height, p.width) && is_map_size(p.crop_h, p.crop_w);
  if (!sizes) return Status::kBadShape;
  return p.stride >= 1 && p.padding > 0.0f ? Status::kOk : Status::kBadArgument;
}

struct Keypoint {
  float x, y, confidence;
};

/// The map cell, along one axis, under the centre of a crop cell; clamped to the map.
SIMPLE_TRT_HD inline int nearest_cell(float corner, float extent, int crop_cell, int cells, int stride, int size) {
  const float cell = floorf(map_position(corner, extent, crop_cell + 0.5f, cells, stride));
  if (!(cell > 0.0f)) return 0;
  return cell < size - 1 ? static_cast<int>(cell) : size - 1;
}

/// Position of a cell centre moved a quarter of a cell towards the greater neighbour; NaN neighbours move nothing.
SIMPLE_TRT_HD inline float shifted_centre(int cell, float before, float after, int stride) {
  const float sign = static_cast<float>(after > before) - static_cast<float>(after < before);
  return stride * (cell + 0.5f + 0.25f * sign);
}

/// Position along one axis of cell `cell` of a line of `size` cells that are `step` apart; `line` points at the cell.
template <class T>
SIMPLE_TRT_HD inline float refine(const T* line, int cell, int size, int64_t step, int stride) {
  const bool at_border = cell == 0 || cell == size - 1;
  const float before = at_border ? 0.0f : to_float(line[-step]);
  const float after = at_border ? 0.0f : to_float(line[step]);
  return shifted_centre(cell, before, after, stride);
}

/// The keypoint at linear cell `cell` of the heatmap, whose gated activation is `strongest`.
template <class T>
SIMPLE_TRT_HD inline Keypoint keypoint_at(const T* heatmap, int cell, float strongest, const ReadKeypointsParams& p) {
  const T* here = heatmap + cell;
  const float value = to_float(*here);
  const float clamped = value > 0.0f ? (value < 1.0f ? value : 1.0f) : 0.0f;
  return {refine(here, cell % p.width, p.width, 1, p.stride), refine(here, cell / p.width, p.height, p.width, p.stride),
          strongest >= p.present ? clamped : strongest};
}

/// Where the keypoint is in an average person of this box.
SIMPLE_TRT_HD inline Keypoint mean_place(const Box& box, const float* prior) {
  return {box.x1 + prior[0] * (box.x2 - box.x1), box.y1 + prior[1] * (box.y2 - box.y1), 0.0f};
}

}  // namespace simple_trt
