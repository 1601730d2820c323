#include "manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "canonical.h"
#include "error.h"
#include "files.h"

namespace example {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr uint64_t kMaxManifestBytes = 1 << 20;
constexpr int kMaxSide = 16384;
constexpr int kMaxBatch = 4096;
constexpr char kSeal[] = "manifest_sha256";

/// `values[name]` as a T; Error names the field.
template <class T>
T field(const Json& values, const std::string& name) {
  try {
    return values.at(name).get<T>();
  } catch (const Json::exception&) {
    throw Error("field '" + name + "' is missing or of a wrong type", "build the engine again: simple-trt build");
  }
}

int whole_number(const Json& value, const std::string& name, int largest) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() < 1 || value.get<uint64_t>() > uint64_t(largest)) {
    throw Error("field '" + name + "': expected a whole number from 1 to " + std::to_string(largest) + ", got " +
                    value.dump().substr(0, 40),
                "build the engine again: simple-trt build");
  }
  return value.get<int>();
}

void read_preprocessing(const Json& values, Manifest& manifest) {
  manifest.mean = field<std::array<float, 3>>(values, "mean");
  manifest.std = field<std::array<float, 3>>(values, "std");
  const bool positive = std::all_of(manifest.std.begin(), manifest.std.end(), [](float v) { return v > 0; });
  if (!positive || field<std::string>(values, "color") != "RGB" ||
      field<std::string>(values, "letterbox") != "top-left") {
    throw Error("field 'preprocessing' asks for what this program does not do", "take a newer version of it");
  }
}

void read_device(const Json& values, Manifest& manifest) {
  manifest.gpu = values.value("gpu", "");
  manifest.compute_capability = values.value("compute_capability", "");
  manifest.hardware_compatibility_level = values.value("hardware_compatibility_level", "none");
  manifest.version_compatible = values.value("version_compatible", false);
}

Manifest parse(const std::string& text) {
  const std::string canonical = canonical_object(text, kSeal);
  const Json values = Json::parse(text);
  if (field<int>(values, "format") != kFormat)
    throw Error("it has another format than 1", "take a newer version of this program");
  if (field<std::string>(values, kSeal) != sha256(canonical)) {
    throw Error(std::string("field '") + kSeal + "' does not fit the others: it was changed after the build",
                "copy both files again, or build the engine again");
  }
  Manifest manifest{};
  manifest.name = field<std::string>(values, "name");
  manifest.target = field<std::string>(values, "target");
  manifest.precision = field<std::string>(values, "precision");
  manifest.lowering = field<std::string>(values, "lowering");
  manifest.skeleton = field<std::string>(values, "skeleton");
  manifest.build_command = field<std::string>(values, "build_command");
  manifest.batch = whole_number(field<Json>(values, "batch"), "batch", kMaxBatch);
  const auto size = field<std::array<Json, 2>>(values, "size");
  manifest.height = whole_number(size[0], "size", kMaxSide);
  manifest.width = whole_number(size[1], "size", kMaxSide);
  manifest.versions = field<std::map<std::string, std::string>>(values, "versions");
  read_preprocessing(field<Json>(values, "preprocessing"), manifest);
  read_device(field<Json::object_t>(values, "device"), manifest);
  const Json plan = field<Json>(values, "plan");
  manifest.plan_sha256 = field<std::string>(plan, "sha256");
  manifest.plan_bytes = field<uint64_t>(plan, "bytes");
  return manifest;
}

Manifest read_manifest(const std::string& path) {
  const std::string text = read_file(path, kMaxManifestBytes);
  try {
    return parse(text);
  } catch (const Error& error) {
    throw Error("manifest '" + path + "': " + error.what(), error.cure);
  } catch (const Json::exception& error) {
    throw Error("manifest '" + path + "': " + error.what(), "build the engine again: simple-trt build");
  }
}

}  // namespace

Engine read_engine(const std::string& path) {
  Engine engine{read_manifest(path + ".json"), path, ""};
  const std::string cure = "copy both files again, or build the engine again: simple-trt build";
  engine.plan = read_file(path);
  if (engine.plan.size() != engine.manifest.plan_bytes) {
    throw Error("'" + path + "' is not the plan of its manifest: field 'plan.bytes' expected " +
                    std::to_string(engine.manifest.plan_bytes) + ", got " + std::to_string(engine.plan.size()),
                cure);
  }
  if (sha256(engine.plan) != engine.manifest.plan_sha256) {
    throw Error("'" + path + "' is not the plan of its manifest: field 'plan.sha256' does not fit", cure);
  }
  return engine;
}

}  // namespace example
