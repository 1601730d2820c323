// Engines for the CPU, through OpenVINO.
#include <openvino/openvino.hpp>

#include "../../csrc/kernels/letterbox.h"
#include "error.h"
#include "letterbox_params.h"
#include "network.h"

namespace example {
namespace {

class OpenVino final : public Network {
 public:
  explicit OpenVino(const Engine& engine) : manifest_(engine.manifest) {
    // Read from the bytes that were hashed, not from the file again.
    auto model = core_.read_model(engine.plan, ov::Tensor());
    const ov::Shape shape{size_t(manifest_.batch), 3, size_t(manifest_.height), size_t(manifest_.width)};
    if (model->input("image").get_partial_shape().is_dynamic()) model->reshape(ov::PartialShape(shape));
    if (model->input("image").get_shape() != shape) {
      throw Error("input 'image' of '" + engine.path + "' has not the size of its manifest", "build the engine again");
    }
    request_ = core_
                   .compile_model(model, "CPU", ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                                  ov::hint::inference_precision(arithmetic()))
                   .create_infer_request();
  }

  void prepare(const Photo& photo) override {
    ov::Tensor image = request_.get_tensor("image");
    const simple_trt::LetterboxParams params = letterbox_params(photo, manifest_);
    workspace_.resize(simple_trt::letterbox_workspace(params) / sizeof(float) + 1);
    expect_letterboxed(simple_trt::letterbox_cpu(photo.rgb.data(), params, workspace_.data(), image.data<float>()),
                       photo);
  }

  Found infer() override {
    request_.infer();
    const ov::Shape keypoints = request_.get_tensor("keypoints").get_shape();  // [batch, rows, K, 3]
    Found found{};
    found.rows = static_cast<int>(keypoints.at(1));
    found.joints = static_cast<int>(keypoints.at(2));
    found.count = request_.get_tensor("num").data<int32_t>()[0];
    found.boxes = first("boxes");
    found.scores = first("scores");
    found.keypoints = first("keypoints");
    return found;
  }

 private:
  /// An output's values for the first picture of the batch.
  std::vector<float> first(const std::string& name) {
    const ov::Tensor tensor = request_.get_tensor(name);
    const float* const values = tensor.data<const float>();
    return {values, values + tensor.get_size() / tensor.get_shape().at(0)};
  }

  /// The arithmetic of the graph's floating-point part: bf16 where the engine allows it and the CPU has it.
  ov::element::Type arithmetic() {
    const auto offered = core_.get_property("CPU", ov::device::capabilities);
    const bool has_bf16 = std::find(offered.begin(), offered.end(), ov::device::capability::BF16) != offered.end();
    const bool allowed = manifest_.precision == "bf16" || manifest_.precision == "int8";
    return allowed && has_bf16 ? ov::element::bf16 : ov::element::f32;
  }

  Manifest manifest_;
  ov::Core core_;
  ov::InferRequest request_;
  std::vector<float> workspace_;
};

}  // namespace

std::unique_ptr<Network> open_openvino(const Engine& engine) {
  try {
    return std::make_unique<OpenVino>(engine);
  } catch (const ov::Exception& error) {
    throw Error("OpenVINO refuses '" + engine.path + "': " + error.what(), "build the engine again");
  }
}

}  // namespace example
