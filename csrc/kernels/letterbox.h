// letterbox: a photo becomes the network's input: scaled into the top-left corner, the rest black, normalised.
//
//   image  [H, W, 3]           uint8 RGB, rows `pitch` bytes apart
//   out    [3, out_h, out_w]   fp32 (CUDA: fp32, fp16 or bf16)
//
// The content fills content_h x content_w cells: scale = min(out_w / W, out_h / H), sides round half up, at least 1. It
// is resampled with half-pixel centres and a triangle filter that widens when it shrinks (antialiased bilinear); then
// (v / 255 - mean) / std per channel. Outside the content v is 0. To come back: x_image = x_out * (W / content_w), y
// likewise.
//
// Implementations agree to 2e-5 in fp32; the filter's centre is rounded to float as PyTorch's antialiased interpolate
// does, which matters on large photos. Limits: all sides 1 to 65536, std not 0.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "dtype.h"
#include "host_device.h"
#include "status.h"

namespace simple_trt {

struct LetterboxParams {
  int in_h;       // H
  int in_w;       // W
  int64_t pitch;  // bytes from one row to the next, at least 3 * W
  int out_h;
  int out_w;
  float mean[3];  // of values in 0..1
  float std[3];
};

/// Bytes of workspace that letterbox_cpu needs (for the number of threads set at the time); 0 for params it refuses.
size_t letterbox_workspace(const LetterboxParams& params);

/// `workspace` is aligned for float and may be used by one call at a time.
Status letterbox_cpu(const uint8_t* image, const LetterboxParams& params, void* workspace, float* out);

/// The same on the GPU: device pointers, `stream` a cudaStream_t; no workspace.
Status letterbox_cuda(const uint8_t* image, const LetterboxParams& params, DType dtype, void* out, void* stream);

inline Status check(const LetterboxParams& p) {
  const auto is_side = [](int size) { return size >= 1 && size <= 65536; };
  const bool sizes = is_side(p.in_h) && is_side(p.in_w) && is_side(p.out_h) && is_side(p.out_w);
  if (!sizes || p.pitch < int64_t{3} * p.in_w) return Status::kBadShape;
  return p.std[0] != 0.0f && p.std[1] != 0.0f && p.std[2] != 0.0f ? Status::kOk : Status::kBadArgument;
}

/// Cells that the photo fills.
struct ContentSize {
  int height;
  int width;
};

inline int round_within(double size, int largest) {
  return static_cast<int>(std::fmin(std::fmax(std::floor(size + 0.5), 1.0), largest));
}

inline ContentSize content_size(const LetterboxParams& p) {
  const double scale = std::fmin(static_cast<double>(p.out_w) / p.in_w, static_cast<double>(p.out_h) / p.in_h);
  return {round_within(p.in_h * scale, p.out_h), round_within(p.in_w * scale, p.out_w)};
}

/// The resampling filter along one axis.
struct ResampleAxis {
  int in_size;
  float scale;    // input pixels an output pixel
  float support;  // half the filter's width, input pixels
  float inverse;  // filter units an input pixel
};

inline ResampleAxis resample_axis(int in_size, int out_size) {
  const float scale = static_cast<float>(in_size) / static_cast<float>(out_size);
  return {in_size, scale, scale >= 1.0f ? scale : 1.0f, scale >= 1.0f ? 1.0f / scale : 1.0f};
}

/// Input pixels [begin, end) that an output pixel is made of; `center` is its centre in the input.
struct ResampleWindow {
  float center;
  int begin;
  int end;
};

SIMPLE_TRT_HD inline ResampleWindow resample_window(const ResampleAxis& axis, int place) {
  const float center = static_cast<float>(axis.scale * (place + 0.5));
  const int begin = static_cast<int>(center - axis.support + 0.5f);
  const int end = static_cast<int>(center + axis.support + 0.5f);
  return {center, larger(begin, 0), smaller(end, axis.in_size)};
}

/// Weight, not yet normalised, of one input pixel of the window.
SIMPLE_TRT_HD inline float resample_weight(const ResampleAxis& axis, const ResampleWindow& window, int pixel) {
  const float distance = (pixel - window.center + 0.5f) * axis.inverse;
  const float magnitude = distance < 0.0f ? -distance : distance;
  return magnitude < 1.0f ? 1.0f - magnitude : 0.0f;
}

/// v in 0..255 to the network's input.
SIMPLE_TRT_HD inline float normalise(float v, float mean, float std) { return (v / 255.0f - mean) / std; }

}  // namespace simple_trt
