// From what the network found to people in pixels of the photo.
#pragma once

#include <string>

#include "manifest.h"
#include "network.h"
#include "photo.h"

namespace example {

/// One line of JSON with the keys of `simple-trt run --json`: `width`, `height`, `skeleton`, `people` (best first; each
/// `score`, `box` [left, top, right, bottom], `keypoints` K times [x, y, confidence], `track_id` null) and `speed`
/// (milliseconds by stage). Positions are pixels of the photo, whose first pixel's centre is at 0.5. People with a
/// score below `threshold` are left out. Throws Error when the network's numbers make no sense.
std::string people_json(const Found& found, const Photo& photo, const Manifest& manifest, double threshold,
                        double preprocess_ms, double inference_ms);

}  // namespace example
