// clone, output types and shapes, formats, configure, serialise, create for run time, attach, enqueue: in the order in
// which TensorRT's documentation of IPluginV3 tells them.
#include <cstring>

#include "harness.h"

namespace harness {
namespace {

using nvinfer1::DataType;
using nvinfer1::DimsExprs;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::TensorFormat;

void check_names(const Subject& subject, const Case& example, const PluginPointer& plugin) {
  nvinfer1::IPluginCreatorV3One& creator = *subject.creator(example.op);
  CHECK(core(plugin) && build(plugin) && runtime(plugin));
  CHECK(std::strcmp(core(plugin)->getPluginName(), creator.getPluginName()) == 0);
  CHECK(std::strcmp(core(plugin)->getPluginVersion(), creator.getPluginVersion()) == 0);
  CHECK(std::strcmp(core(plugin)->getPluginNamespace(), creator.getPluginNamespace()) == 0);
  CHECK(build(plugin)->getNbOutputs() == count(example.outputs));
  for (const Field& field : example.fields) {
    CHECK(std::strstr(build(plugin)->getMetadataString(), (" " + field.name + "=").c_str()) != nullptr);
  }
}

void check_types(const Case& example, const PluginPointer& plugin) {
  std::vector<DataType> given(example.outputs.size(), DataType::kINT8);
  CHECK(build(plugin)->getOutputDataTypes(given.data(), count(example.outputs), types(example.inputs).data(),
                                          count(example.inputs)) == 0);
  CHECK(given == types(example.outputs));
}

/// With an open batch: it must come through as the expression that it is.
void check_shapes(const Case& example, const PluginPointer& plugin) {
  Expressions expressions;
  const Expression* const batch = expressions.make(example.batch, false);
  std::vector<DimsExprs> inputs(example.inputs.size()), outputs(example.outputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& tensor = example.inputs[i];
    inputs[i].nbDims = tensor.shape().nbDims;
    for (std::size_t d = 0; d < tensor.dims.size(); ++d) {
      inputs[i].d[d] = tensor.letters[d] == 'B' ? batch : expressions.make(tensor.dims[d], true);
    }
  }
  CHECK(build(plugin)->getOutputShapes(inputs.data(), count(example.inputs), nullptr, 0, outputs.data(),
                                       count(example.outputs), expressions) == 0);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& tensor = example.outputs[i];
    CHECK(outputs[i].nbDims == tensor.shape().nbDims);
    for (std::size_t d = 0; d < tensor.dims.size(); ++d) {
      CHECK(static_cast<const Expression*>(outputs[i].d[d])->value == tensor.dims[d]);
      CHECK(outputs[i].d[d]->isConstant() == (tensor.letters[d] != 'B'));
    }
  }
}

const TensorFormat kFormats[] = {TensorFormat::kLINEAR, TensorFormat::kCHW2,  TensorFormat::kHWC8,
                                 TensorFormat::kCHW4,   TensorFormat::kCHW16, TensorFormat::kCHW32,
                                 TensorFormat::kDHWC8,  TensorFormat::kHWC,   TensorFormat::kHWC16};
const DataType kTypes[] = {DataType::kFLOAT, DataType::kHALF, DataType::kINT8, DataType::kINT32, DataType::kBOOL,
                           DataType::kUINT8, DataType::kFP8,  DataType::kBF16, DataType::kINT64, DataType::kINT4};

/// Asks about the ports one after the other, as TensorRT does, and gathers the combinations that are taken to the end.
void find_combinations(const Case& example, const PluginPointer& plugin, std::vector<DynamicPluginTensorDesc>& ports,
                       std::size_t position, std::vector<std::vector<DynamicPluginTensorDesc>>& found) {
  if (found.size() > 3) return;  // too many already: a plugin that takes anything has millions
  if (position == ports.size()) return found.push_back(ports);
  for (const TensorFormat format : kFormats) {
    for (const DataType type : kTypes) {
      ports[position].desc.format = format;
      ports[position].desc.type = type;
      if (build(plugin)->supportsFormatCombination(static_cast<int32_t>(position), ports.data(), count(example.inputs),
                                                   count(example.outputs))) {
        find_combinations(example, plugin, ports, position + 1, found);
      }
    }
  }
}

/// Three combinations are right: float, half and bfloat16 maps, everything else as it always is.
void check_formats(const Case& example, const PluginPointer& plugin) {
  std::vector<DynamicPluginTensorDesc> ports = open_descs(example.inputs);
  for (const DynamicPluginTensorDesc& output : open_descs(example.outputs)) ports.push_back(output);
  std::vector<DataType> wanted = types(example.inputs);
  for (const DataType type : types(example.outputs)) wanted.push_back(type);
  std::vector<std::vector<DynamicPluginTensorDesc>> found;
  find_combinations(example, plugin, ports, 0, found);
  CHECK(found.size() == 3);
  int ours = 0;
  for (const auto& combination : found) {
    bool equal = true;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      CHECK(combination[i].desc.format == TensorFormat::kLINEAR);
      equal &= combination[i].desc.type == wanted[i];
    }
    ours += equal;
  }
  CHECK(ours == 1);
  CHECK(build(plugin)->getFormatCombinationLimit() >= 3);
}

void check_configuration(const Case& example, const PluginPointer& plugin) {
  const auto inputs = open_descs(example.inputs), outputs = open_descs(example.outputs);
  CHECK(build(plugin)->configurePlugin(inputs.data(), count(example.inputs), outputs.data(), count(example.outputs)) ==
        0);
  CHECK(build(plugin)->getWorkspaceSize(inputs.data(), count(example.inputs), outputs.data(), count(example.outputs)) ==
        0);
  CHECK(build(plugin)->getNbTactics() == 0);
  CHECK(std::strcmp(build(plugin)->getTimingCacheID(), build(plugin)->getMetadataString()) == 0);
}

/// Through bytes of its own, as through an engine file: the plugin that wrote the fields is gone when they are read.
PluginPointer through_a_file(const Subject& subject, const Case& example, PluginPointer plugin) {
  struct Saved {
    std::string name, data;
    nvinfer1::PluginFieldType type;
  };
  std::vector<Saved> file;
  const nvinfer1::PluginFieldCollection* const fields = runtime(plugin)->getFieldsToSerialize();
  for (int i = 0; i < fields->nbFields; ++i) {
    const nvinfer1::PluginField& field = fields->fields[i];
    CHECK(field.length == 1);
    file.push_back({field.name, std::string(static_cast<const char*>(field.data), 4), field.type});
  }
  CHECK(file.size() == example.fields.size());
  for (const Saved& saved : file) {
    bool found = false;
    for (const Field& field : example.fields) {
      found |= field.name == saved.name && field.type() == saved.type &&
               std::memcmp(field.data(), saved.data.data(), 4) == 0;
    }
    CHECK(found);
  }
  plugin.reset();
  std::vector<nvinfer1::PluginField> read;
  for (const Saved& saved : file) read.emplace_back(saved.name.c_str(), saved.data.data(), saved.type, 1);
  const nvinfer1::PluginFieldCollection collection{static_cast<int32_t>(read.size()), read.data()};
  return PluginPointer(
      subject.creator(example.op)->createPlugin("read", &collection, nvinfer1::TensorRTPhase::kRUNTIME));
}

void execute(const Subject& subject, const Case& example, const PluginPointer& plugin) {
  const auto inputs = descs(example.inputs), outputs = descs(example.outputs);
  CHECK(runtime(plugin)->onShapeChange(inputs.data(), count(example.inputs), outputs.data(), count(example.outputs)) ==
        0);
  if (subject.memory == nullptr) return;
  Buffers buffers(*subject.memory, example);
  for (int repetition = 0; repetition < 2; ++repetition) {
    buffers.spoil_outputs();
    CHECK(runtime(plugin)->enqueue(inputs.data(), outputs.data(), buffers.inputs.data(), buffers.outputs.data(),
                                   nullptr, nullptr) == 0);
    const std::vector<Tensor> results = buffers.read_outputs();
    for (std::size_t i = 0; i < results.size(); ++i) {
      const bool right = same(results[i], example.outputs[i], example.tolerance);
      CHECK(right);
      if (!right)
        std::printf("  output %zu of %s, dtype %d, batch %d\n", i, example.op, static_cast<int>(example.dtype),
                    example.batch);
    }
  }
}

}  // namespace

void live(const Subject& subject, const Case& example) {
  subject.logger->errors.clear();
  PluginPointer original = subject.create(example, nvinfer1::TensorRTPhase::kBUILD);
  CHECK(original);
  PluginPointer plugin(original->clone());
  original.reset();  // a clone stands by itself
  check_names(subject, example, plugin);
  check_types(example, plugin);
  check_shapes(example, plugin);
  check_formats(example, plugin);
  check_configuration(example, plugin);
  execute(subject, example, PluginPointer(plugin->clone()));  // the builder times it
  const PluginPointer read = through_a_file(subject, example, std::move(plugin));
  CHECK(read);
  ResourceContext context;
  const PluginPointer first(runtime(read)->attachToContext(&context));
  const PluginPointer second(runtime(read)->attachToContext(nullptr));
  CHECK(first && second && first != second);
  check_names(subject, example, first);
  execute(subject, example, first);
  execute(subject, example, second);
  // Then the same context with another batch, and none at all.
  for (const int batch : {1, 0}) {
    for (const Case& other : make_cases(example.dtype, batch)) {
      if (alike(other, example)) execute(subject, other, first);
    }
  }
  CHECK(subject.logger->errors.empty());
}

}  // namespace harness
