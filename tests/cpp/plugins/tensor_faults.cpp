// Tensors that do not fit are refused by every method that is shown them.
#include <cstring>
#include <utility>

#include "harness.h"

namespace harness {
namespace {

using nvinfer1::DataType;
using nvinfer1::DimsExprs;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginTensorDesc;

/// Descriptions of the tensors of a call, and the methods that take them.
struct Tensors {
  const Subject& subject;
  const Case& example;
  const PluginPointer& plugin;
  Buffers* buffers;
  std::vector<PluginTensorDesc> inputs = descs(example.inputs), outputs = descs(example.outputs);

  bool shape_change_fails() const {
    return runtime(plugin)->onShapeChange(inputs.data(), count(example.inputs), outputs.data(),
                                          count(example.outputs)) != 0;
  }
  bool enqueue_fails() const {
    return runtime(plugin)->enqueue(inputs.data(), outputs.data(), buffers->inputs.data(), buffers->outputs.data(),
                                    nullptr, nullptr) != 0;
  }
  bool configuration_fails() const {
    std::vector<DynamicPluginTensorDesc> in, out;
    for (const PluginTensorDesc& desc : inputs) in.push_back({desc, desc.dims, desc.dims, desc.dims});
    for (const PluginTensorDesc& desc : outputs) out.push_back({desc, desc.dims, desc.dims, desc.dims});
    return build(plugin)->configurePlugin(in.data(), count(example.inputs), out.data(), count(example.outputs)) != 0;
  }
  void check_refused() const {
    CHECK_REFUSED(subject, example.op, shape_change_fails());
    CHECK_REFUSED(subject, example.op, configuration_fails());
    if (buffers) CHECK_REFUSED(subject, example.op, enqueue_fails());
  }
};

bool is_shared(const Case& example, char letter) {
  int places = letter >= '0' && letter <= '9' ? 2 : 0;
  for (const Tensor& tensor : example.inputs) places += std::strchr(tensor.letters, letter) != nullptr;
  for (const Tensor& tensor : example.outputs) places += std::strchr(tensor.letters, letter) != nullptr;
  return places > 1;
}

/// Each port in turn, through `change`.
template <class Change>
void for_each_port(const Tensors& right, const Change& change) {
  for (std::size_t port = 0; port < right.inputs.size() + right.outputs.size(); ++port) {
    Tensors wrong = right;
    const bool is_input = port < right.inputs.size();
    const std::size_t index = is_input ? port : port - right.inputs.size();
    const Tensor& tensor = (is_input ? right.example.inputs : right.example.outputs)[index];
    change(wrong, (is_input ? wrong.inputs : wrong.outputs)[index], tensor);
  }
}

void break_ranks(const Tensors& right) {
  for (const int rank : {-1, 0, 1, 2, 3, 4, 5, 6, 8, 9, 1000}) {
    for_each_port(right, [&](Tensors& wrong, PluginTensorDesc& desc, const Tensor& tensor) {
      if (rank == tensor.shape().nbDims) return;
      desc.dims.nbDims = rank;
      wrong.check_refused();
    });
  }
}

void break_sizes(const Tensors& right) {
  for_each_port(right, [](Tensors& wrong, PluginTensorDesc& desc, const Tensor& tensor) {
    for (std::size_t d = 0; d < tensor.dims.size(); ++d) {
      for (const int64_t size : {int64_t{-2}, tensor.dims[d] + 1, int64_t{1} << 31, INT64_MAX}) {
        desc.dims.d[d] = size;
        const bool fits = size == tensor.dims[d] + 1 && !is_shared(wrong.example, tensor.letters[d]);
        if (!fits) wrong.check_refused();
      }
      desc.dims.d[d] = -1;  // not known yet: right while the engine is built, wrong when it runs
      CHECK(!wrong.configuration_fails());
      CHECK_REFUSED(wrong.subject, wrong.example.op, wrong.shape_change_fails());
      desc.dims.d[d] = tensor.dims[d];
    }
  });
}

bool is_map(const Tensor& tensor) { return std::strstr(tensor.letters, "HW") || std::strstr(tensor.letters, "hw"); }

bool is_map_type(DataType type) {
  return type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
}

void break_types_and_formats(const Tensors& right) {
  int maps = 0;
  for (const Tensor& tensor : right.example.inputs) maps += is_map(tensor);
  for (const Tensor& tensor : right.example.outputs) maps += is_map(tensor);
  for_each_port(right, [&](Tensors& wrong, PluginTensorDesc& desc, const Tensor& tensor) {
    for (int type = -1; type <= 12; ++type) {
      desc.type = static_cast<DataType>(type);
      const bool fits = desc.type == tensor.type || (maps == 1 && is_map(tensor) && is_map_type(desc.type));
      if (!fits) wrong.check_refused();
    }
    desc.type = tensor.type;
    for (int format = 1; format <= 12; ++format) {
      desc.format = static_cast<nvinfer1::TensorFormat>(format);
      wrong.check_refused();
    }
  });
}

/// More cells than a kernel counts: the sizes agree with each other, so only the kernel's limit can refuse them.
void break_limits(const Tensors& right) {
  Tensors wrong = right;
  const auto grow = [](std::vector<PluginTensorDesc>& list, const std::vector<Tensor>& tensors) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      const char* const place = std::strstr(tensors[i].letters, "HW");
      if (place) list[i].dims.d[place - tensors[i].letters] = list[i].dims.d[place - tensors[i].letters + 1] = 1 << 16;
    }
  };
  grow(wrong.inputs, wrong.example.inputs);
  grow(wrong.outputs, wrong.example.outputs);
  wrong.check_refused();
}

void break_memory(const Tensors& right) {
  Buffers& buffers = *right.buffers;
  for (auto& memory : buffers.inputs) {
    const void* const kept = std::exchange(memory, nullptr);
    CHECK_REFUSED(right.subject, right.example.op, right.enqueue_fails());
    memory = kept;
  }
  for (auto& memory : buffers.outputs) {
    void* const kept = std::exchange(memory, nullptr);
    CHECK_REFUSED(right.subject, right.example.op, right.enqueue_fails());
    memory = kept;
  }
  CHECK(!right.enqueue_fails());
}

void break_pointers(const Tensors& t) {
  const int32_t n = count(t.example.inputs), m = count(t.example.outputs);
  const char* const op = t.example.op;
  nvinfer1::IPluginV3OneRuntime& run = *runtime(t.plugin);
  nvinfer1::IPluginV3OneBuild& at_build = *build(t.plugin);
  const std::vector<DynamicPluginTensorDesc> in = open_descs(t.example.inputs), out = open_descs(t.example.outputs);
  const std::vector<DataType> input_types = types(t.example.inputs);
  std::vector<DataType> output_types(t.example.outputs.size());
  const void* inputs[4] = {};
  void* outputs[4] = {};
  CHECK_REFUSED(t.subject, op, run.onShapeChange(nullptr, n, t.outputs.data(), m) != 0);
  CHECK_REFUSED(t.subject, op, run.onShapeChange(t.inputs.data(), n, nullptr, m) != 0);
  CHECK_REFUSED(t.subject, op, run.enqueue(nullptr, t.outputs.data(), inputs, outputs, nullptr, nullptr) != 0);
  CHECK_REFUSED(t.subject, op, run.enqueue(t.inputs.data(), nullptr, inputs, outputs, nullptr, nullptr) != 0);
  CHECK_REFUSED(t.subject, op, run.enqueue(t.inputs.data(), t.outputs.data(), nullptr, outputs, nullptr, nullptr) != 0);
  CHECK_REFUSED(t.subject, op, run.enqueue(t.inputs.data(), t.outputs.data(), inputs, nullptr, nullptr, nullptr) != 0);
  CHECK_REFUSED(t.subject, op, at_build.configurePlugin(nullptr, n, out.data(), m) != 0);
  CHECK_REFUSED(t.subject, op, at_build.configurePlugin(in.data(), n, nullptr, m) != 0);
  CHECK_REFUSED(t.subject, op, at_build.getOutputDataTypes(nullptr, m, input_types.data(), n) != 0);
  CHECK_REFUSED(t.subject, op, at_build.getOutputDataTypes(output_types.data(), m, nullptr, n) != 0);
  CHECK_REFUSED(t.subject, op, !at_build.supportsFormatCombination(0, nullptr, n, m));
  CHECK_REFUSED(t.subject, op, !at_build.supportsFormatCombination(-1, in.data(), n, m));
  CHECK_REFUSED(t.subject, op, !at_build.supportsFormatCombination(n + m, in.data(), n, m));
  CHECK_REFUSED(t.subject, op, !t.plugin->getCapabilityInterface(static_cast<nvinfer1::PluginCapabilityType>(7)));
}

void break_counts(const Tensors& t) {
  const int32_t n = count(t.example.inputs), m = count(t.example.outputs);
  std::vector<DynamicPluginTensorDesc> in = open_descs(t.example.inputs), out = open_descs(t.example.outputs);
  in.resize(16, in[0]);
  out.resize(16, out[0]);
  const std::vector<DataType> input_types(16, t.example.inputs[0].type);
  std::vector<DataType> output_types(16);
  std::vector<PluginTensorDesc> inputs(16, t.inputs[0]), outputs(16, t.outputs[0]);
  const auto refuse_counts = [&](int32_t input_count, int32_t output_count) {
    nvinfer1::IPluginV3OneBuild& at_build = *build(t.plugin);
    const char* const op = t.example.op;
    CHECK_REFUSED(t.subject, op, at_build.configurePlugin(in.data(), input_count, out.data(), output_count) != 0);
    CHECK_REFUSED(t.subject, op,
                  at_build.getOutputDataTypes(output_types.data(), output_count, input_types.data(), input_count) != 0);
    CHECK_REFUSED(t.subject, op, !at_build.supportsFormatCombination(0, in.data(), input_count, output_count));
    CHECK_REFUSED(t.subject, op,
                  runtime(t.plugin)->onShapeChange(inputs.data(), input_count, outputs.data(), output_count) != 0);
  };
  for (const int32_t wrong : {t.example.least_inputs - 1, 5, 16}) refuse_counts(wrong, m);
  for (const int32_t wrong : {0, m - 1, m + 1, 16}) refuse_counts(n, wrong);
}

void break_expressions(const Tensors& t) {
  Expressions expressions;
  std::vector<DimsExprs> inputs(t.example.inputs.size()), outputs(8);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i].nbDims = t.example.inputs[i].shape().nbDims;
    for (std::size_t d = 0; d < t.example.inputs[i].dims.size(); ++d) {
      inputs[i].d[d] = expressions.make(t.example.inputs[i].dims[d], true);
    }
  }
  const int32_t n = count(t.example.inputs), m = count(t.example.outputs);
  const char* const op = t.example.op;
  nvinfer1::IPluginV3OneBuild& at_build = *build(t.plugin);
  const auto fails = [&](const DimsExprs* in, int32_t shape_inputs, DimsExprs* out) {
    return at_build.getOutputShapes(in, n, nullptr, shape_inputs, out, m, expressions) != 0;
  };
  CHECK(!fails(inputs.data(), 0, outputs.data()));
  CHECK_REFUSED(t.subject, op, fails(nullptr, 0, outputs.data()));
  CHECK_REFUSED(t.subject, op, fails(inputs.data(), 0, nullptr));
  CHECK_REFUSED(t.subject, op, fails(inputs.data(), 1, outputs.data()));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (const int rank : {-1, 0, inputs[i].nbDims - 1, inputs[i].nbDims + 1, 100}) {
      const int32_t kept = std::exchange(inputs[i].nbDims, rank);
      CHECK_REFUSED(t.subject, op, fails(inputs.data(), 0, outputs.data()));
      inputs[i].nbDims = kept;
    }
  }
}

}  // namespace

void break_tensors(const Subject& subject, const Case& example) {
  const PluginPointer plugin = subject.create(example, nvinfer1::TensorRTPhase::kBUILD);
  std::unique_ptr<Buffers> buffers;
  if (subject.memory) buffers = std::make_unique<Buffers>(*subject.memory, example);
  const Tensors right{subject, example, plugin, buffers.get()};
  if (buffers && example.op == std::string("CornerPool")) {
    CHECK_REFUSED(subject, example.op, right.enqueue_fails());  // one map or two? nobody has told it
    CHECK(subject.logger->errors[0].find("before onShapeChange") != std::string::npos);
  }
  CHECK(!right.configuration_fails() && !right.shape_change_fails());
  break_pointers(right);
  break_counts(right);
  break_expressions(right);
  CHECK(!right.shape_change_fails());
  break_ranks(right);
  break_sizes(right);
  break_types_and_formats(right);
  break_limits(right);
  if (buffers) break_memory(right);
}

}  // namespace harness
