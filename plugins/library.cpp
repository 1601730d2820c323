#include "library.h"

#include <cstddef>

#include "creator.h"
#include "log.h"

using namespace simple_trt::plugins;

#define SIMPLE_TRT_TEXT_OF(macro) #macro
#define SIMPLE_TRT_TEXT(macro) SIMPLE_TRT_TEXT_OF(macro)

// Read from the file before it is loaded: ILoggerFinder is not the same in TensorRT 10 and 11, so one must not be given
// to a library made for the other.
[[gnu::used]] static const char kMadeFor[] =
    "simple_trt plugins for TensorRT " SIMPLE_TRT_TEXT(NV_TENSORRT_MAJOR) "." SIMPLE_TRT_TEXT(NV_TENSORRT_MINOR);

nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
  static Creator creators[] = {Creator(kCornerPool), Creator(kCenterPool),   Creator(kFindPeaks),
                               Creator(kGroupBoxes), Creator(kCropHeatmaps), Creator(kReadKeypoints)};
  static nvinfer1::IPluginCreatorInterface* const pointers[] = {&creators[0], &creators[1], &creators[2],
                                                                &creators[3], &creators[4], &creators[5]};
  count = static_cast<int32_t>(sizeof(pointers) / sizeof(*pointers));
  return pointers;
}

void setLoggerFinder(nvinfer1::ILoggerFinder* finder) { set_logger_finder(finder); }
