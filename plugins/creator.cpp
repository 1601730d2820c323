#include "creator.h"

#include <cstdio>
#include <new>

#include "fields.h"
#include "log.h"
#include "plugin.h"

namespace simple_trt {
namespace plugins {

Creator::Creator(const Op& op) noexcept : op_(op) {
  for (int i = 0; i < op_.fields.count(); ++i) fields_[i] = {op_.fields[i].name, nullptr, op_.fields[i].type, 1};
  collection_ = {op_.fields.count(), fields_};
}

nvinfer1::IPluginV3* Creator::createPlugin(const char* name, const nvinfer1::PluginFieldCollection* fields,
                                           nvinfer1::TensorRTPhase) noexcept {
  char node[200];  // as much as leaves room for the reason
  std::snprintf(node, sizeof(node), "%s", name ? name : "(unnamed)");
  FieldValues values{};
  if (!read_fields(op_, node, fields, values)) return nullptr;
  const int input_count = op_.least_inputs == op_.inputs.count() ? op_.least_inputs : 0;
  nvinfer1::IPluginV3* const plugin = new (std::nothrow) Plugin(op_, values, input_count);
  if (plugin == nullptr) refuse(op_.name, "%s: no memory for the plugin", node);
  return plugin;
}

const nvinfer1::PluginFieldCollection* Creator::getFieldNames() noexcept { return &collection_; }
const char* Creator::getPluginName() const noexcept { return op_.name; }
const char* Creator::getPluginVersion() const noexcept { return kVersion; }
const char* Creator::getPluginNamespace() const noexcept { return kNamespace; }

}  // namespace plugins
}  // namespace simple_trt
