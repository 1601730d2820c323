// Creates the plugins of one op.
#pragma once

#include "op.h"

namespace simple_trt {
namespace plugins {

/// Has no state but the tables of its op, so all threads may use it.
class Creator final : public nvinfer1::IPluginCreatorV3One {
 public:
  explicit Creator(const Op& op) noexcept;

  /// Null, with the reason logged, when the fields are not those of the op. Both phases take the same fields.
  nvinfer1::IPluginV3* createPlugin(const char* name, const nvinfer1::PluginFieldCollection* fields,
                                    nvinfer1::TensorRTPhase phase) noexcept override;
  const nvinfer1::PluginFieldCollection* getFieldNames() noexcept override;
  const char* getPluginName() const noexcept override;
  const char* getPluginVersion() const noexcept override;
  const char* getPluginNamespace() const noexcept override;

 private:
  const Op& op_;
  nvinfer1::PluginField fields_[kMaxFields];
  nvinfer1::PluginFieldCollection collection_;
};

}  // namespace plugins
}  // namespace simple_trt
