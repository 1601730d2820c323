#include "plugin.h"

#include <cstring>
#include <new>

#include "fields.h"
#include "log.h"
#include "tensors.h"

namespace simple_trt {
namespace plugins {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::DimsExprs;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::IDimensionExpr;
using nvinfer1::IPluginV3;
using nvinfer1::PluginTensorDesc;

/// What TensorRT takes as failure is anything but 0.
int32_t to_result(bool ok) { return ok ? 0 : 1; }

const PluginTensorDesc& now(const PluginTensorDesc& desc) { return desc; }
const PluginTensorDesc& now(const DynamicPluginTensorDesc& desc) { return desc.desc; }

template <class Desc>
Tensors tensors_of(const Desc* descs, int count) {
  Tensors tensors{};
  for (; tensors.count < count; ++tensors.count) tensors.descs[tensors.count] = &now(descs[tensors.count]);
  return tensors;
}

/// The dimensions that are constants; -1 for the others.
Dims constants_of(const DimsExprs& shape) {
  Dims dims{};
  dims.nbDims = shape.nbDims;
  for (int i = 0; i < shape.nbDims && i < Dims::MAX_DIMS; ++i) {
    dims.d[i] = shape.d[i] && shape.d[i]->isConstant() ? shape.d[i]->getConstantValue() : -1;
  }
  return dims;
}

/// The expression of a size: that of the first input that has it, else the value of the field or digit.
const IDimensionExpr* expression_of(const Op& op, char letter, const DimsExprs* inputs, int input_count,
                                    const Sizes& fields, nvinfer1::IExprBuilder& builder) {
  if (letter >= '0' && letter <= '9') return builder.constant(letter - '0');
  if (fields[letter] != Sizes::kUnknown) return builder.constant(fields[letter]);
  for (int i = 0; i < input_count; ++i) {
    const char* const shape = op.inputs[i].shape;
    if (const char* const found = std::strchr(shape, letter)) return inputs[i].d[found - shape];
  }
  return nullptr;
}

DType to_dtype(DataType type) {
  if (type == DataType::kHALF) return DType::kFloat16;
  return type == DataType::kBF16 ? DType::kBFloat16 : DType::kFloat32;
}

int64_t volume(const Dims& dims) {
  int64_t cells = 1;
  for (int i = 0; i < dims.nbDims; ++i) cells *= dims.d[i];
  return cells;
}

/// Memory of an empty tensor may be null.
template <class Pointer>
bool check_memory(const Op& op, Table<PortSpec> ports, const Tensors& tensors, const Pointer* memory) {
  for (int i = 0; i < tensors.count; ++i) {
    if (memory[i] == nullptr && volume(tensors.descs[i]->dims) > 0) {
      return refuse(op.name, "the memory of '%s' is null", ports[i].name);
    }
  }
  return true;
}

bool report(const Op& op, Status status) {
  switch (status) {
    case Status::kOk:
      return true;
    case Status::kLaunchFailed:
      return refuse(op.name, "the kernel cannot be launched: no GPU, or no code for this one in this library");
    case Status::kBadShape:
    case Status::kBadArgument:
      break;
  }
  return refuse(op.name, "the kernel refuses the sizes or the fields (status %d)", static_cast<int>(status));
}

}  // namespace

Plugin::Plugin(const Op& op, const FieldValues& values, int input_count) noexcept
    : op_(op), values_(values), input_count_(input_count) {
  for (int i = 0; i < op_.fields.count(); ++i) {
    fields_[i] = to_plugin_field(op_.fields[i], values_[static_cast<std::size_t>(i)]);
  }
  collection_ = {op_.fields.count(), fields_};
  describe(op_, values_, description_, sizeof(description_));
}

nvinfer1::IPluginCapability* Plugin::getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept {
  switch (type) {
    case nvinfer1::PluginCapabilityType::kCORE:
      return static_cast<nvinfer1::IPluginV3OneCore*>(this);
    case nvinfer1::PluginCapabilityType::kBUILD:
      return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
    case nvinfer1::PluginCapabilityType::kRUNTIME:
      return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
  }
  refuse(op_.name, "there is no capability %d", static_cast<int>(type));
  return nullptr;
}

IPluginV3* Plugin::clone() noexcept {
  IPluginV3* const copy = new (std::nothrow) Plugin(op_, values_, input_count_);
  if (copy == nullptr) refuse(op_.name, "no memory for a copy of the plugin");
  return copy;
}

const char* Plugin::getPluginName() const noexcept { return op_.name; }
const char* Plugin::getPluginVersion() const noexcept { return kVersion; }
const char* Plugin::getPluginNamespace() const noexcept { return kNamespace; }
int32_t Plugin::getNbOutputs() const noexcept { return op_.outputs.count(); }
const char* Plugin::getTimingCacheID() noexcept { return description_; }
const char* Plugin::getMetadataString() noexcept { return description_; }
const nvinfer1::PluginFieldCollection* Plugin::getFieldsToSerialize() noexcept { return &collection_; }

int32_t Plugin::getOutputDataTypes(DataType* output_types, int32_t output_count, const DataType* input_types,
                                   int32_t input_count) const noexcept {
  if (output_types == nullptr || input_types == nullptr) {
    return to_result(refuse(op_.name, "getOutputDataTypes: a pointer is null"));
  }
  if (!check_counts(op_, input_count, output_count) || !check_input_types(op_, input_types, input_count)) {
    return to_result(false);
  }
  const DataType maps = input_types[first_map(op_)];
  for (int i = 0; i < output_count; ++i) output_types[i] = output_type(op_.outputs[i], maps);
  return to_result(true);
}

int32_t Plugin::getOutputShapes(const DimsExprs* inputs, int32_t input_count, const DimsExprs*,
                                int32_t shape_input_count, DimsExprs* outputs, int32_t output_count,
                                nvinfer1::IExprBuilder& builder) noexcept {
  if (inputs == nullptr || outputs == nullptr) {
    return to_result(refuse(op_.name, "getOutputShapes: a pointer is null"));
  }
  if (shape_input_count != 0) {
    return to_result(refuse(op_.name, "%d shape inputs, expected none", static_cast<int>(shape_input_count)));
  }
  if (!check_counts(op_, input_count, output_count)) return to_result(false);
  const Sizes fields = sizes_of_fields(op_, values_);
  Dims dims[kMaxPorts];
  Shapes shapes;
  for (int i = 0; i < input_count; ++i) shapes[i] = &(dims[i] = constants_of(inputs[i]));
  Sizes sizes = fields;
  if (!match_shapes(op_, op_.inputs, shapes, input_count, false, sizes)) return to_result(false);
  for (int i = 0; i < output_count; ++i) {
    const char* const shape = op_.outputs[i].shape;
    outputs[i].nbDims = static_cast<int32_t>(std::strlen(shape));
    for (int d = 0; shape[d]; ++d) {
      outputs[i].d[d] = expression_of(op_, shape[d], inputs, input_count, fields, builder);
      if (outputs[i].d[d] == nullptr) return to_result(refuse(op_.name, "no expression for size %c", shape[d]));
    }
  }
  return to_result(true);
}

bool Plugin::supportsFormatCombination(int32_t position, const DynamicPluginTensorDesc* ports, int32_t input_count,
                                       int32_t output_count) noexcept {
  if (ports == nullptr || position < 0 || position >= input_count + output_count) {
    return refuse(op_.name, "supportsFormatCombination: no port %d", static_cast<int>(position));
  }
  if (!check_counts(op_, input_count, output_count)) return false;
  const PluginTensorDesc& desc = ports[position].desc;
  if (desc.format != nvinfer1::TensorFormat::kLINEAR) return false;
  const int deciding = first_map(op_);
  const DataType* const maps = position > deciding ? &ports[deciding].desc.type : nullptr;
  const bool is_input = position < input_count;
  return takes(is_input ? op_.inputs[position] : op_.outputs[position - input_count], desc.type, maps);
}

int32_t Plugin::configurePlugin(const DynamicPluginTensorDesc* inputs, int32_t input_count,
                                const DynamicPluginTensorDesc* outputs, int32_t output_count) noexcept {
  if (inputs == nullptr || outputs == nullptr) {
    return to_result(refuse(op_.name, "configurePlugin: a pointer is null"));
  }
  if (!check_counts(op_, input_count, output_count)) return to_result(false);
  input_count_ = input_count;
  Sizes sizes = sizes_of_fields(op_, values_);
  return to_result(
      check_tensors(op_, values_, tensors_of(inputs, input_count), tensors_of(outputs, output_count), false, sizes));
}

// The kernels need no memory of their own.
std::size_t Plugin::getWorkspaceSize(const DynamicPluginTensorDesc*, int32_t, const DynamicPluginTensorDesc*,
                                     int32_t) const noexcept {
  return 0;
}

int32_t Plugin::onShapeChange(const PluginTensorDesc* inputs, int32_t input_count, const PluginTensorDesc* outputs,
                              int32_t output_count) noexcept {
  if (inputs == nullptr || outputs == nullptr) return to_result(refuse(op_.name, "onShapeChange: a pointer is null"));
  if (!check_counts(op_, input_count, output_count)) return to_result(false);
  input_count_ = input_count;
  Sizes sizes = sizes_of_fields(op_, values_);
  return to_result(
      check_tensors(op_, values_, tensors_of(inputs, input_count), tensors_of(outputs, output_count), true, sizes));
}

int32_t Plugin::enqueue(const PluginTensorDesc* input_descs, const PluginTensorDesc* output_descs,
                        const void* const* inputs, void* const* outputs, void*, cudaStream_t stream) noexcept {
  if (input_descs == nullptr || output_descs == nullptr || inputs == nullptr || outputs == nullptr) {
    return to_result(refuse(op_.name, "enqueue: a pointer is null"));
  }
  if (input_count_ == 0) return to_result(refuse(op_.name, "enqueue before onShapeChange"));
  const Tensors given = tensors_of(input_descs, input_count_);
  const Tensors wanted = tensors_of(output_descs, op_.outputs.count());
  Sizes sizes = sizes_of_fields(op_, values_);
  if (!check_tensors(op_, values_, given, wanted, true, sizes) || !check_memory(op_, op_.inputs, given, inputs) ||
      !check_memory(op_, op_.outputs, wanted, outputs)) {
    return to_result(false);
  }
  const DType dtype = to_dtype(input_descs[first_map(op_)].type);
  return to_result(report(op_, op_.enqueue({sizes, values_, dtype, input_count_, inputs, outputs, stream})));
}

IPluginV3* Plugin::attachToContext(nvinfer1::IPluginResourceContext*) noexcept { return clone(); }

}  // namespace plugins
}  // namespace simple_trt
