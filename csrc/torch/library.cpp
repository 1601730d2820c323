// The signatures of the ops. simple_trt/ops/schemas.py has the same for registrations made from Python.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(simple_trt, library) {
  library.def("letterbox(Tensor image, int out_h, int out_w, float[3] mean, float[3] std) -> Tensor");
  library.def("center_pool(Tensor column, Tensor row) -> Tensor");
  library.def("center_pool_backward(Tensor grad, Tensor column, Tensor row) -> (Tensor, Tensor)");
  library.def("corner_pool(Tensor x, int direction, Tensor? other=None, int other_direction=-1) -> Tensor");
  library.def("corner_pool_backward(Tensor grad, Tensor x, int direction) -> Tensor");
  library.def("find_peaks(Tensor maps, float threshold, int top_n) -> (Tensor scores, Tensor indices)");
  library.def(
      "group_boxes(Tensor scores, Tensor indices, Tensor offsets, int stride, float center_area, float nms_sigma, "
      "int top_m) -> (Tensor boxes, Tensor box_scores, Tensor points, Tensor num)");
  library.def(
      "crop_heatmaps(Tensor heatmaps, Tensor boxes, int stride, int crop_h, int crop_w, float padding, int samples) "
      "-> Tensor");
  library.def(
      "read_keypoints(Tensor heatmaps, Tensor gated, Tensor boxes, Tensor prior, int stride, float padding, "
      "float present) -> Tensor keypoints");
}
