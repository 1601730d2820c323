#include "network.h"

#include "error.h"

namespace example {
namespace {

[[noreturn]] [[maybe_unused]] void refuse(const Engine& engine, const std::string& library) {
  throw Error(
      "'" + engine.path + "' is an engine for " + engine.manifest.target + ", and this program was built without it",
      "build it again where " + library + " is found, see examples/cpp/README.md");
}

}  // namespace

std::unique_ptr<Network> open_network(const Engine& engine, [[maybe_unused]] const std::string& plugins) {
  if (engine.manifest.target == "cpu") {
#if defined(EXAMPLE_WITH_OPENVINO)
    return open_openvino(engine);
#else
    refuse(engine, "OpenVINO");
#endif
  }
  if (engine.manifest.target == "tensorrt") {
#if defined(EXAMPLE_WITH_TENSORRT)
    return open_tensorrt(engine, plugins);
#else
    refuse(engine, "TensorRT");
#endif
  }
  throw Error("'" + engine.path + "' is an engine for " + engine.manifest.target, "build one for tensorrt or cpu");
}

}  // namespace example
