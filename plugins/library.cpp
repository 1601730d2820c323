#include "library.h"

#include <cstddef>

#include "creator.h"
#include "log.h"

using namespace simple_trt::plugins;

nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
  static Creator creators[] = {Creator(kCornerPool), Creator(kCenterPool),   Creator(kFindPeaks),
                               Creator(kGroupBoxes), Creator(kCropHeatmaps), Creator(kReadKeypoints)};
  static nvinfer1::IPluginCreatorInterface* const pointers[] = {&creators[0], &creators[1], &creators[2],
                                                                &creators[3], &creators[4], &creators[5]};
  count = static_cast<int32_t>(sizeof(pointers) / sizeof(*pointers));
  return pointers;
}

void setLoggerFinder(nvinfer1::ILoggerFinder* finder) { set_logger_finder(finder); }
