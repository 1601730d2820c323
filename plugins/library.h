// What TensorRT looks for in a plugin library. These two are all that the library exports.
#pragma once

#include <NvInferRuntime.h>

#define SIMPLE_TRT_EXPORT extern "C" __attribute__((visibility("default")))

/// The creators of all plugins, for as long as the library is loaded; `count` becomes how many they are.
SIMPLE_TRT_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count);

/// Called before anything else, so that what a plugin has to say reaches the logger of its caller.
SIMPLE_TRT_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder);
