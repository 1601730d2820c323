// The padded region of a box, as crop_heatmaps resamples it and read_keypoints reads it back. All arithmetic is fp32 in
// the written order without fused multiply-add: samples and cells are chosen by comparing its results.
#pragma once

#include <cmath>

#include "host_device.h"

namespace simple_trt {

/// Box xyxy in network-input pixels, continuous.
struct Box {
  float x1, y1, x2, y2;
};

/// Where a crop lies, in network-input pixels. An empty or non-finite box has no region.
struct Region {
  float x, y, width, height;
  bool exists;
};

SIMPLE_TRT_HD inline bool is_finite(float value) { return value - value == 0.0f; }

/// Grows the box on its shorter side to the aspect of the crop, then on both by `padding`, about its centre.
SIMPLE_TRT_HD inline Region padded_region(const Box& box, int crop_h, int crop_w, float padding) {
  const float width = box.x2 - box.x1;
  const float height = box.y2 - box.y1;
  const float wide = height * crop_w / crop_h;
  const float high = width * crop_h / crop_w;
  const float grown_width = (width > wide ? width : wide) * padding;
  const float grown_height = (height > high ? height : high) * padding;
  const float x = (box.x1 + box.x2) * 0.5f - grown_width * 0.5f;
  const float y = (box.y1 + box.y2) * 0.5f - grown_height * 0.5f;
  const bool finite = is_finite(x) && is_finite(y) && is_finite(grown_width) && is_finite(grown_height);
  return {x, y, grown_width, grown_height, width > 0.0f && height > 0.0f && finite};
}

/// Continuous map position, in cells, of `place` (in crop cells, of `cells`) along one axis of a region.
SIMPLE_TRT_HD inline float map_position(float corner, float size, float place, int cells, int stride) {
  return corner / stride + place * size / (stride * cells);
}

}  // namespace simple_trt
