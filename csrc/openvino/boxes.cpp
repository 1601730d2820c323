#include "boxes.h"

#include <cstring>

namespace simple_trt::openvino_ops {

Box middle_box(int height, int width, int crop_h, int crop_w, int stride) {
  const float x = 0.5f * width * stride, y = 0.5f * height * stride;
  const float across = 0.4f * crop_w * stride, down = 0.4f * crop_h * stride;
  return {x - across, y - down, x + across, y + down};
}

FilledBoxes::FilledBoxes(const ov::Tensor& boxes, const Box& substitute)
    : boxes_(boxes.data<float>(), boxes.data<float>() + boxes.get_size()) {
  for (std::size_t m = 0; m < boxes_.size() / 4; ++m) {
    float* box = boxes_.data() + 4 * m;
    if (box[0] < box[2] && box[1] < box[3]) continue;
    missing_.push_back(m);
    std::memcpy(box, &substitute, sizeof(substitute));
  }
}

void FilledBoxes::blank(ov::Tensor& results) const {
  if (missing_.empty()) return;
  const std::size_t bytes = results.get_byte_size() / (boxes_.size() / 4);
  for (const std::size_t m : missing_) std::memset(static_cast<char*>(results.data()) + m * bytes, 0, bytes);
}

}  // namespace simple_trt::openvino_ops
