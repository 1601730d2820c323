// One thread makes one output pixel, all channels, straight from the photo: neighbours read neighbouring bytes, and
// what windows share comes from the caches.
#include "launch.h"
#include "letterbox.h"

namespace simple_trt {
namespace {

constexpr unsigned kBlockWidth = 32;
constexpr unsigned kBlockHeight = 8;

struct Photo {
  const uint8_t* pixels;
  int64_t pitch;
  ResampleAxis down;    // along y
  ResampleAxis across;  // along x
};

struct Target {
  int height;
  int width;
  ContentSize content;
  float mean[3];
  float std[3];
};

struct Color {
  float red, green, blue;
};

/// Weighted sum of one row's part.
__device__ Color resample_row(const Photo& photo, const ResampleWindow& across, int row) {
  const uint8_t* const pixels = photo.pixels + row * photo.pitch;
  Color sum{0.0f, 0.0f, 0.0f};
  for (int pixel = across.begin; pixel < across.end; ++pixel) {
    const float weight = resample_weight(photo.across, across, pixel);
    sum.red += weight * pixels[3 * pixel];
    sum.green += weight * pixels[3 * pixel + 1];
    sum.blue += weight * pixels[3 * pixel + 2];
  }
  return sum;
}

__device__ float total_weight(const ResampleAxis& axis, const ResampleWindow& window) {
  float total = 0.0f;
  for (int pixel = window.begin; pixel < window.end; ++pixel) total += resample_weight(axis, window, pixel);
  return total;
}

__device__ Color resample(const Photo& photo, int x, int y) {
  const ResampleWindow down = resample_window(photo.down, y);
  const ResampleWindow across = resample_window(photo.across, x);
  Color sum{0.0f, 0.0f, 0.0f};
  for (int row = down.begin; row < down.end; ++row) {
    const float weight = resample_weight(photo.down, down, row);
    const Color part = resample_row(photo, across, row);
    sum.red += weight * part.red;
    sum.green += weight * part.green;
    sum.blue += weight * part.blue;
  }
  const float total = total_weight(photo.down, down) * total_weight(photo.across, across);
  return {sum.red / total, sum.green / total, sum.blue / total};
}

template <class T>
__global__ void letterbox_kernel(Photo photo, Target target, T* out) {
  const int x = static_cast<int>(blockIdx.x * kBlockWidth + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * kBlockHeight + threadIdx.y);
  if (x >= target.width || y >= target.height) return;
  const bool filled = x < target.content.width && y < target.content.height;
  const Color color = filled ? resample(photo, x, y) : Color{0.0f, 0.0f, 0.0f};
  const int64_t plane = static_cast<int64_t>(target.height) * target.width;
  T* const cell = out + static_cast<int64_t>(y) * target.width + x;
  cell[0] = from_float<T>(normalise(color.red, target.mean[0], target.std[0]));
  cell[plane] = from_float<T>(normalise(color.green, target.mean[1], target.std[1]));
  cell[2 * plane] = from_float<T>(normalise(color.blue, target.mean[2], target.std[2]));
}

}  // namespace

Status letterbox_cuda(const uint8_t* image, const LetterboxParams& p, DType dtype, void* out, void* stream) {
  const Status status = check(p);
  if (status != Status::kOk) return status;
  const ContentSize content = content_size(p);
  const Photo photo{image, p.pitch, resample_axis(p.in_h, content.height), resample_axis(p.in_w, content.width)};
  const Target target{p.out_h, p.out_w, content, {p.mean[0], p.mean[1], p.mean[2]}, {p.std[0], p.std[1], p.std[2]}};
  const dim3 block(kBlockWidth, kBlockHeight);
  const dim3 grid(divide_up(static_cast<unsigned>(p.out_w), kBlockWidth),
                  divide_up(static_cast<unsigned>(p.out_h), kBlockHeight));
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    return launch(letterbox_kernel<T>, grid, block, 0, stream, photo, target, static_cast<T*>(out));
  });
}

}  // namespace simple_trt
