#include "people.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "error.h"
#include "letterbox_params.h"

namespace example {
namespace {

using Json = nlohmann::ordered_json;

double rounded(double value, double steps) { return std::nearbyint(value * steps) / steps; }

/// Leads from the network's input back to the photo.
struct ToPhoto {
  double x;  // pixels of the photo for one of the input
  double y;
  double width;
  double height;
  double clipped_x(float value) const { return std::clamp(value * x, 0.0, width); }
  double clipped_y(float value) const { return std::clamp(value * y, 0.0, height); }
};

ToPhoto to_photo(const Photo& photo, const Manifest& manifest) {
  const simple_trt::ContentSize content = simple_trt::content_size(letterbox_params(photo, manifest));
  return {double(photo.width) / content.width, double(photo.height) / content.height, double(photo.width),
          double(photo.height)};
}

Json keypoints_of(const Found& found, int row, const ToPhoto& way) {
  Json keypoints = Json::array();
  for (int joint = 0; joint < found.joints; ++joint) {
    const float* const point = &found.keypoints[(size_t(row) * found.joints + joint) * 3];
    keypoints.push_back({rounded(point[0] * way.x, 100), rounded(point[1] * way.y, 100), rounded(point[2], 10000)});
  }
  return keypoints;
}

/// The rows of people to show, best first: rows whose box lies outside the photo are no people.
std::vector<int> rows_to_show(const Found& found, const ToPhoto& way, double threshold) {
  std::vector<int> rows;
  for (int row = 0; row < found.count; ++row) {
    const float* const box = &found.boxes[size_t(row) * 4];
    const bool inside = way.clipped_x(box[2]) > way.clipped_x(box[0]) && way.clipped_y(box[3]) > way.clipped_y(box[1]);
    if (inside && found.scores[row] >= threshold) rows.push_back(row);
  }
  std::stable_sort(rows.begin(), rows.end(), [&](int a, int b) { return found.scores[a] > found.scores[b]; });
  return rows;
}

void check(const Found& found) {
  const auto finite = [](const std::vector<float>& values, size_t count) {
    return std::all_of(values.begin(), values.begin() + count, [](float v) { return std::isfinite(v); });
  };
  const bool counted = found.count >= 0 && found.count <= found.rows;
  if (!counted || !finite(found.boxes, size_t(found.count) * 4) || !finite(found.scores, size_t(found.count)) ||
      !finite(found.keypoints, size_t(found.count) * found.joints * 3)) {
    throw Error("the engine returned numbers that make no sense", "build it again, in a higher precision");
  }
}

}  // namespace

std::string people_json(const Found& found, const Photo& photo, const Manifest& manifest, double threshold,
                        double preprocess_ms, double inference_ms) {
  check(found);
  const ToPhoto way = to_photo(photo, manifest);
  Json people = Json::array();
  for (const int row : rows_to_show(found, way, threshold)) {
    const float* const box = &found.boxes[size_t(row) * 4];
    people.push_back({{"score", rounded(found.scores[row], 10000)},
                      {"box", Json::array({rounded(way.clipped_x(box[0]), 100), rounded(way.clipped_y(box[1]), 100),
                                           rounded(way.clipped_x(box[2]), 100), rounded(way.clipped_y(box[3]), 100)})},
                      {"keypoints", keypoints_of(found, row, way)},
                      {"track_id", nullptr}});
  }
  const Json speed = {{"preprocess", rounded(preprocess_ms, 1000)}, {"inference", rounded(inference_ms, 1000)}};
  return Json({{"width", photo.width},
               {"height", photo.height},
               {"skeleton", manifest.skeleton},
               {"people", people},
               {"speed", speed}})
      .dump();
}

}  // namespace example
