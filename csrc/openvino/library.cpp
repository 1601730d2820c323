// What OpenVINO asks the library for: the kinds of nodes in it.
#include <openvino/core/extension.hpp>
#include <openvino/core/op_extension.hpp>

#include "crop_heatmaps.h"
#include "find_peaks.h"
#include "group_boxes.h"
#include "read_keypoints.h"

namespace ops = simple_trt::openvino_ops;

OPENVINO_CREATE_EXTENSIONS(std::vector<ov::Extension::Ptr>({
    std::make_shared<ov::OpExtension<ops::FindPeaks>>(),
    std::make_shared<ov::OpExtension<ops::GroupBoxes>>(),
    std::make_shared<ov::OpExtension<ops::CropHeatmaps>>(),
    std::make_shared<ov::OpExtension<ops::ReadKeypoints>>(),
}));
