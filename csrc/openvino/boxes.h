// The time of a node must not tell how many people are in the picture. A kernel is done at once with a box that is not
// there, so it is given another in its place, and its results are blanked.
#pragma once

#include <openvino/runtime/tensor.hpp>
#include <vector>

#include "../kernels/region.h"

namespace simple_trt::openvino_ops {

/// A box in the middle of maps of `height` x `width` cells, whose region is about as large as its crop.
Box middle_box(int height, int width, int crop_h, int crop_w, int stride);

class FilledBoxes {
 public:
  /// `boxes` [B, M, 4], and what takes the place of a box that is not there.
  FilledBoxes(const ov::Tensor& boxes, const Box& substitute);

  const float* data() const { return boxes_.data(); }

  /// Zeros for what `results` [B, M, ...] has of boxes that are not there.
  void blank(ov::Tensor& results) const;

 private:
  std::vector<float> boxes_;
  std::vector<std::size_t> missing_;
};

}  // namespace simple_trt::openvino_ops
