// From a photo and a manifest to the arguments of our letterbox kernel.
#pragma once

#include <algorithm>

#include "../../csrc/kernels/letterbox.h"
#include "error.h"
#include "manifest.h"
#include "photo.h"

namespace example {

inline simple_trt::LetterboxParams letterbox_params(const Photo& photo, const Manifest& manifest) {
  simple_trt::LetterboxParams params{
      photo.height, photo.width, int64_t{3} * photo.width, manifest.height, manifest.width, {}, {}};
  std::copy(manifest.mean.begin(), manifest.mean.end(), params.mean);
  std::copy(manifest.std.begin(), manifest.std.end(), params.std);
  return params;
}

inline void expect_letterboxed(simple_trt::Status status, const Photo& photo) {
  if (status == simple_trt::Status::kOk) return;
  throw Error("a photo of " + std::to_string(photo.width) + "x" + std::to_string(photo.height) +
                  " pixels cannot be letterboxed (status " + std::to_string(static_cast<int>(status)) + ")",
              "give one with sides from 1 to 65536 pixels");
}

}  // namespace example
