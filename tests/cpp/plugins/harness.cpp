// plugin_harness LIBRARY host|gpu|none [--verbose]
//
//   host  the library's kernels run in the memory of this process (the grid emulator)
//   gpu   they run on GPU 0; without one, nothing is enqueued, and that is said
//   none  nothing is enqueued
#include "harness.h"

#include <dlfcn.h>

#include <cstring>

namespace harness {

nvinfer1::IPluginCreatorV3One* Subject::creator(const char* op) const {
  for (nvinfer1::IPluginCreatorV3One* creator : creators) {
    if (std::strcmp(creator->getPluginName(), op) == 0) return creator;
  }
  std::printf("no creator of %s\n", op);
  std::exit(2);
}

PluginPointer Subject::create(const Case& example, nvinfer1::TensorRTPhase phase) const {
  std::vector<nvinfer1::PluginField> fields;
  for (const Field& field : example.fields) fields.push_back(field.plugin_field());
  const nvinfer1::PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
  return PluginPointer(creator(example.op)->createPlugin("node", &collection, phase));
}

bool gave_a_reason(const Subject& subject, const char* op) {
  const std::vector<std::string>& errors = subject.logger->errors;
  for (std::size_t i = 0; verbose && i < errors.size(); ++i) std::printf("  %s\n", errors[i].c_str());
  return errors.size() == 1 && errors[0].find("simple_trt::" + std::string(op) + ": ") == 0;
}

std::vector<nvinfer1::PluginTensorDesc> descs(const std::vector<Tensor>& tensors) {
  std::vector<nvinfer1::PluginTensorDesc> descs;
  for (const Tensor& tensor : tensors) descs.push_back(tensor.desc());
  return descs;
}

std::vector<nvinfer1::DynamicPluginTensorDesc> open_descs(const std::vector<Tensor>& tensors) {
  std::vector<nvinfer1::DynamicPluginTensorDesc> descs;
  for (const Tensor& tensor : tensors) {
    nvinfer1::DynamicPluginTensorDesc desc{tensor.desc(), tensor.shape(), tensor.shape(), tensor.shape()};
    if (tensor.letters[0] == 'B') {
      desc.desc.dims.d[0] = -1;
      desc.min.d[0] = 1;
      desc.max.d[0] = 8;
    }
    descs.push_back(desc);
  }
  return descs;
}

std::vector<nvinfer1::DataType> types(const std::vector<Tensor>& tensors) {
  std::vector<nvinfer1::DataType> types;
  for (const Tensor& tensor : tensors) types.push_back(tensor.type);
  return types;
}

Buffers::Buffers(Memory& memory, const Case& example) : memory_(memory), example_(example) {
  for (const Tensor& tensor : example.inputs) {
    void* const place = memory.allocate(tensor.bytes.size());
    memory.copy_in(place, tensor.bytes.data(), tensor.bytes.size());
    inputs.push_back(place);
  }
  for (const Tensor& tensor : example.outputs) outputs.push_back(memory.allocate(tensor.bytes.size()));
}

Buffers::~Buffers() {
  for (const void* memory : inputs) memory_.release(const_cast<void*>(memory));
  for (void* memory : outputs) memory_.release(memory);
}

void Buffers::spoil_outputs() {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::vector<unsigned char> pattern(example_.outputs[i].bytes.size(), 0x5a);
    memory_.copy_in(outputs[i], pattern.data(), pattern.size());
  }
}

std::vector<Tensor> Buffers::read_outputs() {
  std::vector<Tensor> results = example_.outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    memory_.copy_out(results[i].bytes.data(), outputs[i], results[i].bytes.size());
  }
  return results;
}

namespace {

template <class Function>
Function find(void* library, const char* name) {
  void* const symbol = library ? dlsym(library, name) : nullptr;
  if (symbol == nullptr) {
    std::printf("%s\n", dlerror());
    std::exit(2);
  }
  Function function;
  std::memcpy(&function, &symbol, sizeof(symbol));
  return function;
}

std::vector<nvinfer1::IPluginCreatorV3One*> creators_of(void* library) {
  const auto get = find<nvinfer1::IPluginCreatorInterface* const* (*)(int32_t&)>(library, "getCreators");
  int32_t count = 0;
  nvinfer1::IPluginCreatorInterface* const* const interfaces = get(count);
  std::vector<nvinfer1::IPluginCreatorV3One*> creators;
  for (int32_t i = 0; i < count; ++i) {
    CHECK(std::strcmp(interfaces[i]->getInterfaceInfo().kind, "PLUGIN CREATOR_V3ONE") == 0);
    creators.push_back(static_cast<nvinfer1::IPluginCreatorV3One*>(interfaces[i]));
    CHECK(std::strcmp(creators.back()->getPluginNamespace(), "simple_trt") == 0);
    CHECK(std::strcmp(creators.back()->getPluginVersion(), "1") == 0);
  }
  CHECK(creators.size() == 6);
  return creators;
}

/// What is declared is what the exporter writes: the parser hands over no other attribute.
void check_declared_fields(const Subject& subject, const Case& example) {
  const nvinfer1::PluginFieldCollection* const declared = subject.creator(example.op)->getFieldNames();
  CHECK(declared->nbFields == static_cast<int>(example.fields.size()));
  for (const Field& field : example.fields) {
    bool found = false;
    for (int i = 0; i < declared->nbFields; ++i) {
      found |= field.name == declared->fields[i].name && field.type() == declared->fields[i].type;
    }
    CHECK(found);
  }
}

/// A refusal must come through without a logger, and with a finder that throws.
void refuse_without_logger(const Subject& subject, LoggerFinder& finder, void (*set)(nvinfer1::ILoggerFinder*)) {
  const nvinfer1::PluginFieldCollection broken{-1, nullptr};
  const auto is_refused = [&] {
    return !subject.creators[0]->createPlugin("node", &broken, nvinfer1::TensorRTPhase::kBUILD);
  };
  finder.throws = true;
  CHECK(is_refused());
  finder.throws = false;
  finder.logger = nullptr;
  CHECK(is_refused());
  set(nullptr);
  CHECK(is_refused());
}

std::unique_ptr<Memory> memory_of(const char* kind) {
  if (std::strcmp(kind, "host") == 0) return host_memory();
  if (std::strcmp(kind, "gpu") != 0) return nullptr;
  std::unique_ptr<Memory> memory = gpu_memory();
  if (!memory) std::printf("no GPU: nothing is enqueued\n");
  return memory;
}

void drive(const char* path, const char* kind) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  Logger logger;
  LoggerFinder finder;
  finder.logger = &logger;
  const auto set = find<void (*)(nvinfer1::ILoggerFinder*)>(library, "setLoggerFinder");
  set(&finder);
  const std::unique_ptr<Memory> memory = memory_of(kind);
  const Subject subject{creators_of(library), &logger, memory.get()};
  int lives = 0;
  for (const auto dtype : {simple_trt::DType::kFloat32, simple_trt::DType::kFloat16, simple_trt::DType::kBFloat16}) {
    for (const Case& example : make_cases(dtype, 2)) {
      check_declared_fields(subject, example);
      live(subject, example);
      break_fields(subject, example);
      break_tensors(subject, example);
      ++lives;
    }
  }
  refuse_without_logger(subject, finder, set);
  std::printf("%d lives, %s, %d checks failed\n", lives, memory ? "enqueued" : "not enqueued", failed_checks);
}

}  // namespace
}  // namespace harness

int main(int count, char** arguments) {
  if (count < 3) {
    std::printf("usage: plugin_harness LIBRARY host|gpu|none [--verbose]\n");
    return 2;
  }
  harness::verbose = count > 3;
  harness::drive(arguments[1], arguments[2]);
  return failed_checks ? 1 : 0;
}
