// Engines for an NVIDIA GPU, through TensorRT 10 or 11.
#include <NvInferRuntime.h>
#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "../../csrc/kernels/letterbox.h"
#include "error.h"
#include "files.h"
#include "letterbox_params.h"
#include "network.h"

namespace example {
namespace {

constexpr char kPluginsFile[] = "libsimple_trt_plugins.so";
constexpr char kHashPrefix[] = "sha256:";

void expect(cudaError_t status, const std::string& what) {
  if (status != cudaSuccess) {
    throw Error(what + ": " + cudaGetErrorString(status), "see 'simple-trt doctor', or nvidia-smi");
  }
}

/// Keeps what TensorRT complained about last.
class Log final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override {
    if (severity <= Severity::kERROR) last_words_ = message;
  }
  const std::string& last_words() const { return last_words_; }

 private:
  std::string last_words_ = "it gave no reason";
};

/// Device memory that frees itself.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { cudaFree(data_); }
  /// At least `bytes` of memory; what was in it may be lost.
  void* reserve(size_t bytes) {
    if (bytes > bytes_) {
      cudaFree(data_);
      data_ = nullptr;
      bytes_ = 0;
      expect(cudaMalloc(&data_, bytes), "no " + std::to_string(bytes) + " bytes of GPU memory");
      bytes_ = bytes;
    }
    return data_;
  }
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

std::string library_version() {
  const int version = getInferLibVersion();  // major * 10000 + minor * 100 + patch
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

Error mismatch(const Engine& engine, const std::string& field, const std::string& built, const std::string& here) {
  return Error("'" + engine.path + "' cannot run here: field '" + field + "' of its manifest is " + built +
                   ", this machine has " + here,
               "build the engine on this machine: simple-trt build");
}

void check_version(const Engine& engine) {
  const auto built = engine.manifest.versions.find("tensorrt");
  const std::string version = built == engine.manifest.versions.end() ? "nothing" : built->second;
  const std::string here = library_version();
  // A fourth number, the build's, is not told by the library.
  if (version != here && version.compare(0, here.size() + 1, here + ".") != 0) {
    throw mismatch(engine, "versions.tensorrt", version, here);
  }
  if (engine.manifest.version_compatible) {
    throw Error("'" + engine.path + "' is version-compatible: it carries a runtime, which this program does not run",
                "build it without --version-compatible");
  }
}

void check_gpu(const Engine& engine) {
  cudaDeviceProp gpu{};
  expect(cudaGetDeviceProperties(&gpu, 0), "no NVIDIA GPU can be used");
  const Manifest& manifest = engine.manifest;
  const std::string sm = "SM" + std::to_string(gpu.major) + std::to_string(gpu.minor);
  if (manifest.hardware_compatibility_level == "ampere+") {
    if (gpu.major < 8) throw mismatch(engine, "device.hardware_compatibility_level", "ampere+", sm);
    return;
  }
  if (manifest.compute_capability != sm) {
    throw mismatch(engine, "device.compute_capability", manifest.compute_capability, sm);
  }
  if (manifest.hardware_compatibility_level != "same-compute-capability" && manifest.gpu != gpu.name) {
    throw mismatch(engine, "device.gpu", manifest.gpu, gpu.name);
  }
}

/// A plugin library is code: only the one that the engine was built with may be loaded.
void check_plugins(const Engine& engine, const std::string& plugins) {
  if (engine.manifest.lowering != "plugin") return;
  if (plugins.empty()) {
    throw Error("'" + engine.path + "' needs our plugins", std::string("add --plugins /path/to/") + kPluginsFile);
  }
  const auto built = engine.manifest.versions.find(kPluginsFile);
  const std::string expected = built == engine.manifest.versions.end() ? "nothing" : built->second;
  const std::string got = kHashPrefix + sha256(read_file(plugins));
  if (expected != got) throw mismatch(engine, std::string("versions.") + kPluginsFile, expected, got);
}

void load_plugins(const std::string& plugins, const Log& log) {
  if (!getPluginRegistry()->loadLibrary(plugins.c_str())) {
    throw Error("TensorRT " + library_version() + " cannot load '" + plugins + "': " + log.last_words(),
                "build it with the headers of this TensorRT, see plugins/README.md");
  }
}

size_t bytes_of(nvinfer1::DataType type) {
  switch (type) {
    case nvinfer1::DataType::kFLOAT:
    case nvinfer1::DataType::kINT32:
      return 4;
    default:
      throw Error("an input or output is neither float nor int32", "build the engine again: simple-trt build");
  }
}

class TensorRt final : public Network {
 public:
  TensorRt(const Engine& engine, const std::string& plugins) : manifest_(engine.manifest) {
    check_version(engine);
    check_plugins(engine, plugins);
    runtime_.reset(nvinfer1::createInferRuntime(log_));
    if (!runtime_) throw refusal("cannot start");
    check_gpu(engine);
    if (manifest_.lowering == "plugin") load_plugins(plugins, log_);
    engine_.reset(runtime_->deserializeCudaEngine(engine.plan.data(), engine.plan.size()));
    if (!engine_) throw refusal("refuses '" + engine.path + "'");
    context_.reset(engine_->createExecutionContext());
    if (!context_) throw refusal("cannot make room for '" + engine.path + "'");
    expect(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "no stream");
    bind();
    check_image(engine);
  }
  ~TensorRt() override {
    if (stream_) cudaStreamDestroy(stream_);
  }

  void prepare(const Photo& photo) override {
    void* const pixels = photo_.reserve(photo.rgb.size());
    expect(cudaMemcpyAsync(pixels, photo.rgb.data(), photo.rgb.size(), cudaMemcpyHostToDevice, stream_),
           "copy to the GPU");
    expect_letterboxed(
        simple_trt::letterbox_cuda(static_cast<const uint8_t*>(pixels), letterbox_params(photo, manifest_),
                                   simple_trt::DType::kFloat32, tensors_.at("image").data(), stream_),
        photo);
    expect(cudaStreamSynchronize(stream_), "letterbox");
  }

  Found infer() override {
    if (!context_->enqueueV3(stream_)) throw refusal("cannot run the engine");
    const nvinfer1::Dims shape = engine_->getTensorShape("keypoints");  // [batch, rows, K, 3]
    Found found{};
    found.rows = static_cast<int>(shape.d[1]);
    found.joints = static_cast<int>(shape.d[2]);
    found.boxes.resize(size_t{4} * found.rows);
    found.scores.resize(found.rows);
    found.keypoints.resize(size_t{3} * found.rows * found.joints);
    fetch("num", &found.count, sizeof(int32_t));
    fetch("boxes", found.boxes.data(), found.boxes.size() * sizeof(float));
    fetch("scores", found.scores.data(), found.scores.size() * sizeof(float));
    fetch("keypoints", found.keypoints.data(), found.keypoints.size() * sizeof(float));
    expect(cudaStreamSynchronize(stream_), "inference");
    return found;
  }

 private:
  /// Gives every input and output memory of its own; it starts as zeros, as the unused pictures of a batch are.
  void bind() {
    for (int i = 0; i < engine_->getNbIOTensors(); ++i) {
      const char* const name = engine_->getIOTensorName(i);
      const nvinfer1::Dims shape = engine_->getTensorShape(name);
      size_t bytes = bytes_of(engine_->getTensorDataType(name));
      for (int d = 0; d < shape.nbDims; ++d) bytes *= static_cast<size_t>(shape.d[d]);
      void* const memory = tensors_[name].reserve(bytes);
      expect(cudaMemset(memory, 0, bytes), "clearing GPU memory");
      if (!context_->setTensorAddress(name, memory)) throw refusal(std::string("does not take memory for ") + name);
    }
  }

  void check_image(const Engine& engine) {
    const nvinfer1::Dims shape = engine_->getTensorShape("image");
    const bool fits = shape.nbDims == 4 && shape.d[0] == manifest_.batch && shape.d[1] == 3 &&
                      shape.d[2] == manifest_.height && shape.d[3] == manifest_.width;
    if (!fits) throw Error("input 'image' of '" + engine.path + "' has not the size of its manifest", "build it again");
  }

  void fetch(const char* name, void* to, size_t bytes) {
    const auto tensor = tensors_.find(name);
    if (tensor == tensors_.end()) throw Error(std::string("the engine has no output '") + name + "'", "build it again");
    expect(cudaMemcpyAsync(to, tensor->second.data(), bytes, cudaMemcpyDeviceToHost, stream_), "copy from the GPU");
  }

  Error refusal(const std::string& what) const {
    return Error("TensorRT " + library_version() + " " + what + ": " + log_.last_words(),
                 "see 'simple-trt doctor'; build the engine on this machine: simple-trt build");
  }

  // The order is the order of life: TensorRT wants the context gone before its engine, and the engine before its
  // runtime.
  Manifest manifest_;
  Log log_;
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
  std::map<std::string, Buffer> tensors_;
  Buffer photo_;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
};

}  // namespace

std::unique_ptr<Network> open_tensorrt(const Engine& engine, const std::string& plugins) {
  return std::make_unique<TensorRt>(engine, plugins);
}

}  // namespace example
