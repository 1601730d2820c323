// Drives every plugin of a library through the life that TensorRT documents for it, and injects faults.
#pragma once

#include <NvInfer.h>

#include <memory>
#include <string>
#include <vector>

#include "../check.h"
#include "cases.h"
#include "memory.h"
#include "stand_ins.h"

namespace harness {

using PluginPointer = std::unique_ptr<nvinfer1::IPluginV3>;

/// What is under test, and what listens to it.
struct Subject {
  nvinfer1::IPluginCreatorV3One* creator(const char* op) const;
  PluginPointer create(const Case& example, nvinfer1::TensorRTPhase phase) const;

  std::vector<nvinfer1::IPluginCreatorV3One*> creators;
  Logger* logger;
  Memory* memory;  // null where kernels cannot run
};

inline nvinfer1::IPluginV3OneCore* core(const PluginPointer& plugin) {
  return static_cast<nvinfer1::IPluginV3OneCore*>(
      plugin->getCapabilityInterface(nvinfer1::PluginCapabilityType::kCORE));
}
inline nvinfer1::IPluginV3OneBuild* build(const PluginPointer& plugin) {
  return static_cast<nvinfer1::IPluginV3OneBuild*>(
      plugin->getCapabilityInterface(nvinfer1::PluginCapabilityType::kBUILD));
}
inline nvinfer1::IPluginV3OneRuntime* runtime(const PluginPointer& plugin) {
  return static_cast<nvinfer1::IPluginV3OneRuntime*>(
      plugin->getCapabilityInterface(nvinfer1::PluginCapabilityType::kRUNTIME));
}

inline int32_t count(const std::vector<Tensor>& tensors) { return static_cast<int32_t>(tensors.size()); }
std::vector<nvinfer1::PluginTensorDesc> descs(const std::vector<Tensor>& tensors);
/// As in a network whose batch is open.
std::vector<nvinfer1::DynamicPluginTensorDesc> open_descs(const std::vector<Tensor>& tensors);
std::vector<nvinfer1::DataType> types(const std::vector<Tensor>& tensors);

/// The tensors of a case in the memory of the kernels.
class Buffers {
 public:
  Buffers(Memory& memory, const Case& example);
  ~Buffers();
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;
  /// Overwrites the outputs, so that what is read afterwards was written by the kernel.
  void spoil_outputs();
  /// What the outputs hold, in tensors like those of the case.
  std::vector<Tensor> read_outputs();
  std::vector<const void*> inputs;
  std::vector<void*> outputs;

 private:
  Memory& memory_;
  const Case& example_;
};

/// Prints every reason that is given.
inline bool verbose = false;

/// Whether the log holds one reason and it names the op.
bool gave_a_reason(const Subject& subject, const char* op);

/// The expression is true, it says that something was refused, and the log has the reason.
#define CHECK_REFUSED(subject, op, refused) \
  do {                                      \
    (subject).logger->errors.clear();       \
    CHECK(refused);                         \
    CHECK(gave_a_reason(subject, op));      \
  } while (false)

void live(const Subject& subject, const Case& example);           // life.cpp
void break_fields(const Subject& subject, const Case& example);   // field_faults.cpp
void break_tensors(const Subject& subject, const Case& example);  // tensor_faults.cpp

}  // namespace harness
