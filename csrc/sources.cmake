# The one list of what is compiled. The product (CMakeLists.txt, which setup.py calls) and the tests (tests/cpp) read it.
# Paths are relative to the repository.

set(SIMPLE_TRT_CPU_SOURCES
    csrc/kernels/parallel.cpp
    csrc/kernels/letterbox.cpp
    csrc/kernels/center_pool.cpp
    csrc/kernels/corner_pool.cpp
    csrc/kernels/find_peaks.cpp
    csrc/kernels/group_boxes.cpp
    csrc/kernels/crop_heatmaps.cpp
    csrc/kernels/read_keypoints.cpp)

set(SIMPLE_TRT_CUDA_SOURCES
    csrc/kernels/letterbox.cu
    csrc/kernels/center_pool.cu
    csrc/kernels/center_pool_backward.cu
    csrc/kernels/corner_pool.cu
    csrc/kernels/corner_pool_backward.cu
    csrc/kernels/find_peaks.cu
    csrc/kernels/group_boxes.cu
    csrc/kernels/crop_heatmaps.cu
    csrc/kernels/read_keypoints.cu)

# Talks to the CUDA driver, so it is not for the emulator.
set(SIMPLE_TRT_CUDA_DRIVER_SOURCES csrc/kernels/device_count.cu)

set(SIMPLE_TRT_PYTHON_SOURCES
    csrc/python/core.cpp
    csrc/python/arrays.cpp
    csrc/python/bind_letterbox.cpp
    csrc/python/bind_pools.cpp
    csrc/python/bind_decode.cpp)

set(SIMPLE_TRT_TORCH_SOURCES
    csrc/torch/center_pool.cpp
    csrc/torch/check.cpp
    csrc/torch/corner_pool.cpp
    csrc/torch/crop_heatmaps.cpp
    csrc/torch/find_peaks.cpp
    csrc/torch/group_boxes.cpp
    csrc/torch/kernels.cpp
    csrc/torch/letterbox.cpp
    csrc/torch/library.cpp
    csrc/torch/read_keypoints.cpp)

# The kernels anew: their loops run on OpenVINO's threads.
set(SIMPLE_TRT_OPENVINO_SOURCES
    csrc/kernels/find_peaks.cpp
    csrc/kernels/group_boxes.cpp
    csrc/kernels/crop_heatmaps.cpp
    csrc/kernels/read_keypoints.cpp
    csrc/openvino/boxes.cpp
    csrc/openvino/crop_heatmaps.cpp
    csrc/openvino/find_peaks.cpp
    csrc/openvino/group_boxes.cpp
    csrc/openvino/library.cpp
    csrc/openvino/op.cpp
    csrc/openvino/parallel.cpp
    csrc/openvino/read_keypoints.cpp)

set(SIMPLE_TRT_EMULATOR_SOURCES csrc/emulator/grid.cpp)

set(SIMPLE_TRT_PLUGIN_SOURCES
    plugins/center_pool.cpp
    plugins/corner_pool.cpp
    plugins/creator.cpp
    plugins/crop_heatmaps.cpp
    plugins/fields.cpp
    plugins/find_peaks.cpp
    plugins/group_boxes.cpp
    plugins/library.cpp
    plugins/log.cpp
    plugins/plugin.cpp
    plugins/read_keypoints.cpp
    plugins/tensors.cpp)
