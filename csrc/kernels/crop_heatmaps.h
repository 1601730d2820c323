// crop_heatmaps: the pose heatmaps inside the padded region of every box, resampled to one size.
//
//   heatmaps  [B, K, H, W]     fp32, fp16 or bf16
//   boxes     [B, M, 4]        fp32 xyxy, network-input pixels
//   crops     [B, M, K, h, w]  in the type of heatmaps, accumulated in fp32
//
// The region is the box grown on its shorter side to w:h, then on both by `padding`, about its centre (region.h). Every
// crop cell is the mean of samples x samples bilinear samples at (i + 0.5) / samples of the cell. A sample lies at
// c = position / stride - 0.5 cells; it is 0 where c < -1 or c > size, else c is clamped to [0, size - 1] and both
// neighbours are weighted. NaN and infinities spread to every sample that reads them, with weight 0 too. A box with
// x2 <= x1 or y2 <= y1, or whose region is not finite, gives zeros, and so does an empty map. Nothing is clipped.
// Coordinates are exact (fp32, written order, no fused multiply-add); values agree to 1e-5 of the largest one (fp32).
//
// Source: RoIAlign of Mask R-CNN (arXiv 1703.06870), aligned, with a fixed number of samples; the aspect and the
// padding are those of top-down pose estimation (arXiv 1804.06208). Limits: 1 <= h, w <= 256, W <= 4096, H * W <= 2^30,
// samples 1 or 2, stride >= 1, padding > 0. Contiguous pointers; no workspace.
#pragma once

#include <cmath>
#include <cstdint>

#include "dtype.h"
#include "host_device.h"
#include "map_size.h"
#include "region.h"
#include "status.h"

namespace simple_trt {

constexpr int kMaxCropSide = 256;
constexpr int kMaxSamples = 2;
constexpr int kMaxCropMapWidth = 4096;

struct CropHeatmapsParams {
  int batch;      // B
  int boxes;      // M
  int classes;    // K
  int height;     // H, cells
  int width;      // W, cells
  int stride;     // network-input pixels a cell
  int crop_h;     // h, rows
  int crop_w;     // w, columns
  float padding;  // region size over box size
  int samples;    // per crop cell and axis, 1 or 2
};

Status crop_heatmaps_cpu(const void* heatmaps, const float* boxes, DType dtype, const CropHeatmapsParams& params,
                         void* crops);

/// The same on the GPU: device pointers, `stream` a cudaStream_t.
Status crop_heatmaps_cuda(const void* heatmaps, const float* boxes, DType dtype, const CropHeatmapsParams& params,
                          void* crops, void* stream);

inline Status check(const CropHeatmapsParams& p) {
  const bool sizes = p.batch >= 0 && p.boxes >= 0 && p.classes >= 0 && is_map_size(p.height, p.width) &&
                     p.width <= kMaxCropMapWidth && p.crop_h >= 1 && p.crop_h <= kMaxCropSide && p.crop_w >= 1 &&
                     p.crop_w <= kMaxCropSide;
  if (!sizes) return Status::kBadShape;
  const bool arguments = p.stride >= 1 && p.padding > 0.0f && (p.samples == 1 || p.samples == 2);
  return arguments ? Status::kOk : Status::kBadArgument;
}

/// Two neighbouring cells along one axis and their weights in a crop cell's mean.
struct Sample {
  int lower, upper;
  float lower_weight, upper_weight;
  bool inside;  // else the sample is 0 and must not read its cells
};

/// Sample `index` (of cells * samples) along one axis of a region, over a map of `size` > 0 cells.
SIMPLE_TRT_HD inline Sample place_sample(float corner, float extent, int index, int cells, int samples, int stride,
                                         int size) {
  const float place = (index + 0.5f) / samples;
  const float coordinate = map_position(corner, extent, place, cells, stride) - 0.5f;
  if (!(coordinate >= -1.0f && coordinate <= size)) return {0, 0, 0.0f, 0.0f, false};
  const float low_end = coordinate > 0.0f ? coordinate : 0.0f;
  const float clamped = low_end < size - 1 ? low_end : size - 1;
  const int lower = static_cast<int>(clamped);
  const float fraction = clamped - lower;
  return {lower, smaller(lower + 1, size - 1), (1.0f - fraction) / samples, fraction / samples, true};
}

}  // namespace simple_trt
