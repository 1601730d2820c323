// The manifest beside every engine, as far as a program that runs engines needs it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

namespace example {

struct Manifest {
  std::string name;
  std::string target;     // cpu, tensorrt, tensorrt-rtx
  std::string precision;  // fp32, fp16, bf16, int8
  std::string lowering;   // plain, plugin
  std::string skeleton;
  int batch;
  int height;  // of the network's input, pixels
  int width;
  std::array<float, 3> mean;
  std::array<float, 3> std;
  std::map<std::string, std::string> versions;  // library -> version at build time
  std::string gpu;                              // what the plan was compiled for; empty where any GPU will do
  std::string compute_capability;               // SM87
  std::string hardware_compatibility_level;     // none, ampere+, same-compute-capability
  bool version_compatible;
  std::string plan_sha256;
  uint64_t plan_bytes;
  std::string build_command;
};

/// An engine whose bytes are those that its manifest was written for.
struct Engine {
  Manifest manifest;
  std::string path;
  std::string plan;
};

/// Reads `path` and `path`.json. Throws Error when one is missing, when a field is not what it must be, when the
/// manifest was changed after the build, or when the plan is not the one that was built: nothing of it has been looked
/// at then.
Engine read_engine(const std::string& path);

}  // namespace example
