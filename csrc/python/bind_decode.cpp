// Python names of find_peaks, group_boxes, crop_heatmaps and read_keypoints.
#include "../kernels/crop_heatmaps.h"
#include "../kernels/find_peaks.h"
#include "../kernels/group_boxes.h"
#include "../kernels/read_keypoints.h"
#include "arrays.h"
#include "core.h"

namespace simple_trt::python {
namespace {

FindPeaksParams find_peaks_params(const ArrayView& maps, float threshold, int top_n) {
  expect_shape(maps, {kAny, kAny, kAny, kAny});
  expect_contiguous(maps);
  const FindPeaksParams params{maps.size(0), maps.size(1), maps.size(2), maps.size(3), threshold, top_n};
  expect_ok(check(params), "find_peaks");
  return params;
}

py::tuple find_peaks(const py::array& map_array, float threshold, int top_n) {
  const py::array packed = contiguous(map_array);
  const ArrayView maps = host_view(packed, "maps");
  const FindPeaksParams params = find_peaks_params(maps, threshold, top_n);
  const py::array score_array = new_array({maps[0], maps[1], top_n}, "float32");
  const py::array index_array = new_array({maps[0], maps[1], top_n}, "int32");
  const ArrayView scores = host_view(score_array, "scores"), indices = host_view(index_array, "indices");
  const DType dtype = map_dtype(maps);
  {
    py::gil_scoped_release release;
    expect_ok(find_peaks_cpu(maps.data, dtype, params, scores.as<float>(), indices.as<int32_t>()), "find_peaks");
  }
  return py::make_tuple(score_array, index_array);
}

/// N, H, W from the arrays, whose shapes it checks.
GroupBoxesParams group_boxes_params(const ArrayView& scores, const ArrayView& indices, const ArrayView& offsets,
                                    int stride, float center_area, float nms_sigma, int top_m) {
  expect_element(scores, Element::kFloat32);
  expect_element(indices, Element::kInt32);
  expect_shape(scores, {kAny, 3, kAny});
  expect_shape(indices, scores.shape);
  expect_shape(offsets, {scores[0], 6, kAny, kAny});
  for (const ArrayView* view : {&scores, &indices, &offsets}) expect_contiguous(*view);
  const GroupBoxesParams params{scores.size(0), scores.size(2), offsets.size(2), offsets.size(3),
                                stride,         center_area,    nms_sigma,       top_m};
  expect_ok(check(params), "group_boxes");
  return params;
}

GroupBoxesOutputs group_boxes_outputs(const ArrayView& boxes, const ArrayView& box_scores, const ArrayView& points,
                                      const ArrayView& num) {
  return {boxes.as<float>(), box_scores.as<float>(), points.as<int32_t>(), num.as<int32_t>()};
}

py::tuple group_boxes(const py::array& score_array, const py::array& index_array, const py::array& offset_array,
                      int stride, float center_area, float nms_sigma, int top_m) {
  const py::array packed_scores = contiguous(score_array), packed_indices = contiguous(index_array);
  const py::array packed_offsets = contiguous(offset_array);
  const ArrayView scores = host_view(packed_scores, "scores"), indices = host_view(packed_indices, "indices");
  const ArrayView offsets = host_view(packed_offsets, "offsets");
  const GroupBoxesParams params = group_boxes_params(scores, indices, offsets, stride, center_area, nms_sigma, top_m);
  const py::array boxes = new_array({scores[0], top_m, 4}, "float32"),
                  box_scores = new_array({scores[0], top_m}, "float32");
  const py::array points = new_array({scores[0], top_m, 3}, "int32"), num = new_array({scores[0]}, "int32");
  const GroupBoxesOutputs outputs = group_boxes_outputs(host_view(boxes, "boxes"), host_view(box_scores, "box_scores"),
                                                        host_view(points, "points"), host_view(num, "num"));
  const DType dtype = map_dtype(offsets);
  {
    py::gil_scoped_release release;
    expect_ok(group_boxes_cpu(scores.as<float>(), indices.as<int32_t>(), offsets.data, dtype, params, outputs),
              "group_boxes");
  }
  return py::make_tuple(boxes, box_scores, points, num);
}

CropHeatmapsParams crop_heatmaps_params(const ArrayView& heatmaps, const ArrayView& boxes, int stride, int crop_h,
                                        int crop_w, float padding, int samples) {
  expect_element(boxes, Element::kFloat32);
  expect_shape(heatmaps, {kAny, kAny, kAny, kAny});
  expect_shape(boxes, {heatmaps[0], kAny, 4});
  for (const ArrayView* view : {&heatmaps, &boxes}) expect_contiguous(*view);
  const CropHeatmapsParams params{heatmaps.size(0), boxes.size(1), heatmaps.size(1), heatmaps.size(2), heatmaps.size(3),
                                  stride,           crop_h,        crop_w,           padding,          samples};
  expect_ok(check(params), "crop_heatmaps");
  return params;
}

py::array crop_heatmaps(const py::array& heatmap_array, const py::array& box_array, int stride, int crop_h, int crop_w,
                        float padding, int samples) {
  const py::array packed_heatmaps = contiguous(heatmap_array), packed_boxes = contiguous(box_array);
  const ArrayView heatmaps = host_view(packed_heatmaps, "heatmaps"), boxes = host_view(packed_boxes, "boxes");
  const CropHeatmapsParams params = crop_heatmaps_params(heatmaps, boxes, stride, crop_h, crop_w, padding, samples);
  py::array crop_array = new_array({boxes[0], boxes[1], heatmaps[1], crop_h, crop_w}, packed_heatmaps);
  const ArrayView crops = host_view(crop_array, "crops");
  const DType dtype = map_dtype(heatmaps);
  {
    py::gil_scoped_release release;
    expect_ok(crop_heatmaps_cpu(heatmaps.data, boxes.as<float>(), dtype, params, crops.data), "crop_heatmaps");
  }
  return crop_array;
}

/// B, M, K, H, W, h, w from the arrays, whose shapes it checks.
ReadKeypointsParams read_keypoints_params(const ArrayView& heatmaps, const ArrayView& gated, const ArrayView& boxes,
                                          const ArrayView& prior, int stride, float padding, float present) {
  expect_same_element(gated, heatmaps);
  expect_element(boxes, Element::kFloat32);
  expect_element(prior, Element::kFloat32);
  expect_shape(heatmaps, {kAny, kAny, kAny, kAny});
  expect_shape(gated, {heatmaps[0], kAny, heatmaps[1], kAny, kAny});
  expect_shape(boxes, {heatmaps[0], gated[1], 4});
  expect_shape(prior, {heatmaps[1], 2});
  for (const ArrayView* view : {&heatmaps, &gated, &boxes, &prior}) expect_contiguous(*view);
  const ReadKeypointsParams params{heatmaps.size(0), gated.size(1), heatmaps.size(1), heatmaps.size(2),
                                   heatmaps.size(3), gated.size(3), gated.size(4),    stride,
                                   padding,          present};
  expect_ok(check(params), "read_keypoints");
  return params;
}

py::array read_keypoints(const py::array& heatmap_array, const py::array& gated_array, const py::array& box_array,
                         const py::array& prior_array, int stride, float padding, float present) {
  const py::array packed_heatmaps = contiguous(heatmap_array), packed_gated = contiguous(gated_array);
  const py::array packed_boxes = contiguous(box_array), packed_prior = contiguous(prior_array);
  const ArrayView heatmaps = host_view(packed_heatmaps, "heatmaps"), gated = host_view(packed_gated, "gated");
  const ArrayView boxes = host_view(packed_boxes, "boxes"), prior = host_view(packed_prior, "prior");
  const ReadKeypointsParams params = read_keypoints_params(heatmaps, gated, boxes, prior, stride, padding, present);
  py::array keypoint_array = new_array({gated[0], gated[1], gated[2], 3}, "float32");
  const ArrayView keypoints = host_view(keypoint_array, "keypoints");
  const DType dtype = map_dtype(heatmaps);
  {
    py::gil_scoped_release release;
    expect_ok(read_keypoints_cpu(heatmaps.data, gated.data, boxes.as<float>(), prior.as<float>(), dtype, params,
                                 keypoints.as<float>()),
              "read_keypoints");
  }
  return keypoint_array;
}

#if defined(SIMPLE_TRT_WITH_CUDA)

void find_peaks_on_device(const py::object& map_array, const py::object& score_array, const py::object& index_array,
                          float threshold, uintptr_t stream) {
  const ArrayView maps = device_view(map_array, "maps");
  const ArrayView scores = device_view(score_array, "scores"), indices = device_view(index_array, "indices");
  expect_shape(scores, {kAny, kAny, kAny});
  const FindPeaksParams params = find_peaks_params(maps, threshold, scores.size(2));
  expect_output(scores, Element::kFloat32, {maps[0], maps[1], params.top_n});
  expect_output(indices, Element::kInt32, scores.shape);
  expect_ok(
      find_peaks_cuda(maps.data, map_dtype(maps), params, scores.as<float>(), indices.as<int32_t>(), stream_of(stream)),
      "find_peaks_cuda");
}

void group_boxes_on_device(const py::object& score_array, const py::object& index_array, const py::object& offset_array,
                           const py::object& box_array, const py::object& box_score_array,
                           const py::object& point_array, const py::object& num_array, int stride, float center_area,
                           float nms_sigma, uintptr_t stream) {
  const ArrayView scores = device_view(score_array, "scores"), indices = device_view(index_array, "indices");
  const ArrayView offsets = device_view(offset_array, "offsets"), boxes = device_view(box_array, "boxes");
  const ArrayView box_scores = device_view(box_score_array, "box_scores"), points = device_view(point_array, "points");
  const ArrayView num = device_view(num_array, "num");
  expect_shape(boxes, {kAny, kAny, 4});
  const GroupBoxesParams params =
      group_boxes_params(scores, indices, offsets, stride, center_area, nms_sigma, boxes.size(1));
  expect_output(boxes, Element::kFloat32, {scores[0], params.top_m, 4});
  expect_output(box_scores, Element::kFloat32, {scores[0], params.top_m});
  expect_output(points, Element::kInt32, {scores[0], params.top_m, 3});
  expect_output(num, Element::kInt32, {scores[0]});
  expect_ok(group_boxes_cuda(scores.as<float>(), indices.as<int32_t>(), offsets.data, map_dtype(offsets), params,
                             group_boxes_outputs(boxes, box_scores, points, num), stream_of(stream)),
            "group_boxes_cuda");
}

void crop_heatmaps_on_device(const py::object& heatmap_array, const py::object& box_array, const py::object& crop_array,
                             int stride, float padding, int samples, uintptr_t stream) {
  const ArrayView heatmaps = device_view(heatmap_array, "heatmaps"), boxes = device_view(box_array, "boxes");
  const ArrayView crops = device_view(crop_array, "crops");
  expect_shape(crops, {kAny, kAny, kAny, kAny, kAny});
  const CropHeatmapsParams params =
      crop_heatmaps_params(heatmaps, boxes, stride, crops.size(3), crops.size(4), padding, samples);
  expect_output(crops, heatmaps.element, {boxes[0], boxes[1], heatmaps[1], params.crop_h, params.crop_w});
  expect_ok(
      crop_heatmaps_cuda(heatmaps.data, boxes.as<float>(), map_dtype(heatmaps), params, crops.data, stream_of(stream)),
      "crop_heatmaps_cuda");
}

void read_keypoints_on_device(const py::object& heatmap_array, const py::object& gated_array,
                              const py::object& box_array, const py::object& prior_array,
                              const py::object& keypoint_array, int stride, float padding, float present,
                              uintptr_t stream) {
  const ArrayView heatmaps = device_view(heatmap_array, "heatmaps"), gated = device_view(gated_array, "gated");
  const ArrayView boxes = device_view(box_array, "boxes"), prior = device_view(prior_array, "prior");
  const ArrayView keypoints = device_view(keypoint_array, "keypoints");
  const ReadKeypointsParams params = read_keypoints_params(heatmaps, gated, boxes, prior, stride, padding, present);
  expect_output(keypoints, Element::kFloat32, {gated[0], gated[1], gated[2], 3});
  expect_ok(read_keypoints_cuda(heatmaps.data, gated.data, boxes.as<float>(), prior.as<float>(), map_dtype(heatmaps),
                                params, keypoints.as<float>(), stream_of(stream)),
            "read_keypoints_cuda");
}

void bind_on_device(py::module_& module) {
  module.def("find_peaks_cuda", &find_peaks_on_device, py::arg("maps"), py::arg("scores"), py::arg("indices"),
             py::arg("threshold"), py::arg("stream") = 0, "find_peaks on device arrays, into `scores` and `indices`.");
  module.def("group_boxes_cuda", &group_boxes_on_device, py::arg("scores"), py::arg("indices"), py::arg("offsets"),
             py::arg("boxes"), py::arg("box_scores"), py::arg("points"), py::arg("num"), py::arg("stride"),
             py::arg("center_area"), py::arg("nms_sigma"), py::arg("stream") = 0,
             "group_boxes on device arrays, into `boxes`, `box_scores`, `points` and `num`.");
  module.def("crop_heatmaps_cuda", &crop_heatmaps_on_device, py::arg("heatmaps"), py::arg("boxes"), py::arg("crops"),
             py::arg("stride"), py::arg("padding"), py::arg("samples"), py::arg("stream") = 0,
             "crop_heatmaps on device arrays, into `crops`.");
  module.def("read_keypoints_cuda", &read_keypoints_on_device, py::arg("heatmaps"), py::arg("gated"), py::arg("boxes"),
             py::arg("prior"), py::arg("keypoints"), py::arg("stride"), py::arg("padding"), py::arg("present"),
             py::arg("stream") = 0, "read_keypoints on device arrays, into `keypoints`.");
}

#endif

}  // namespace

void bind_decode(py::module_& module) {
  module.def("find_peaks", &find_peaks, py::arg("maps"), py::arg("threshold"), py::arg("top_n"),
             "Scores and linear cells of the highest local maxima of each map [B, M', H, W].");
  module.def("group_boxes", &group_boxes, py::arg("scores"), py::arg("indices"), py::arg("offsets"), py::arg("stride"),
             py::arg("center_area"), py::arg("nms_sigma"), py::arg("top_m"),
             "Boxes, their scores, the ranks of their three points, and their number, from corner and center peaks.");
  module.def("crop_heatmaps", &crop_heatmaps, py::arg("heatmaps"), py::arg("boxes"), py::arg("stride"),
             py::arg("crop_h"), py::arg("crop_w"), py::arg("padding"), py::arg("samples"),
             "The heatmaps [B, K, H, W] inside each box's padded region, resampled to [B, M, K, crop_h, crop_w].");
  module.def("read_keypoints", &read_keypoints, py::arg("heatmaps"), py::arg("gated"), py::arg("boxes"),
             py::arg("prior"), py::arg("stride"), py::arg("padding"), py::arg("present"),
             "x, y and confidence of each keypoint of each box, [B, M, K, 3].");
#if defined(SIMPLE_TRT_WITH_CUDA)
  bind_on_device(module);
#endif
}

}  // namespace simple_trt::python
