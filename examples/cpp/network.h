// A network that is ready to run, whatever runs it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "manifest.h"
#include "photo.h"

namespace example {

/// What the network found in one photo, in pixels of its input.
struct Found {
  int rows;                      // places for people
  int joints;                    // K
  int count;                     // rows that are filled, the first ones
  std::vector<float> boxes;      // [rows, 4] left, top, right, bottom
  std::vector<float> scores;     // [rows]
  std::vector<float> keypoints;  // [rows, K, 3] x, y, confidence
};

class Network {
 public:
  virtual ~Network() = default;
  /// Letterboxes and normalises the photo into the first picture of the network's input.
  virtual void prepare(const Photo& photo) = 0;
  /// Runs the network on what was prepared.
  virtual Found infer() = 0;
};

/// Opens an engine with the library that its target names. `plugins` is the path of the plugin library, needed for the
/// lowering `plugin` alone. Throws Error when this program was built without that library, or it refuses the engine.
std::unique_ptr<Network> open_network(const Engine& engine, const std::string& plugins);

std::unique_ptr<Network> open_openvino(const Engine& engine);
std::unique_ptr<Network> open_tensorrt(const Engine& engine, const std::string& plugins);

}  // namespace example
