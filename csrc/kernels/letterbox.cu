// A block makes a tile of the output, one pixel a thread, all channels. It resamples the rows of the photo that the
// tile needs along x, some at a time, into shared memory, where its threads resample them along y: a row's work is done
// once for all output rows that share it, a weight's once for all rows of a thread.
#include "launch.h"
#include "letterbox.h"

namespace simple_trt {
namespace {

constexpr unsigned kBlockWidth = 32;
constexpr unsigned kBlockHeight = 8;
constexpr int kRowsAThread = 2;  // of the photo, at a time
constexpr int kChunkRows = kBlockHeight * kRowsAThread;

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

__device__ inline void add(Color& sum, float weight, const Color& part) {
  sum.red += weight * part.red;
  sum.green += weight * part.green;
  sum.blue += weight * part.blue;
}

/// Weighted sums along x of a thread's rows of a chunk; rows from `end` on are left out.
__device__ void resample_rows(const Photo& photo, const ResampleWindow& across, int first, int end,
                              Color (*chunk)[kBlockWidth]) {
  Color sums[kRowsAThread]{};
  for (int pixel = across.begin; pixel < across.end; ++pixel) {
    const float weight = resample_weight(photo.across, across, pixel);
    for (int i = 0; i < kRowsAThread; ++i) {
      const int row = first + static_cast<int>(threadIdx.y + i * kBlockHeight);
      const uint8_t* const color = photo.pixels + row * photo.pitch + 3 * pixel;
      if (row < end) {
        const Color part{static_cast<float>(color[0]), static_cast<float>(color[1]), static_cast<float>(color[2])};
        add(sums[i], weight, part);
      }
    }
  }
  for (int i = 0; i < kRowsAThread; ++i) chunk[threadIdx.y + i * kBlockHeight][threadIdx.x] = sums[i];
}

__device__ float total_weight(const ResampleAxis& axis, const ResampleWindow& window) {
  float total = 0.0f;
  for (int pixel = window.begin; pixel < window.end; ++pixel) total += resample_weight(axis, window, pixel);
  return total;
}

/// The color at (x, y) of the content. All threads of a block that has output rows first_y to last_y call it, those
/// outside the content with a place on its border.
__device__ Color resample(const Photo& photo, int x, int y, int first_y, int last_y, Color (*chunk)[kBlockWidth]) {
  const ResampleWindow down = resample_window(photo.down, y);
  const ResampleWindow across = resample_window(photo.across, x);
  const int end = resample_window(photo.down, last_y).end;
  Color sum{0.0f, 0.0f, 0.0f};
  for (int first = resample_window(photo.down, first_y).begin; first < end; first += kChunkRows) {
    resample_rows(photo, across, first, end, chunk);
    __syncthreads();
    for (int row = larger(down.begin, first); row < smaller(down.end, first + kChunkRows); ++row) {
      add(sum, resample_weight(photo.down, down, row), chunk[row - first][threadIdx.x]);
    }
    __syncthreads();
  }
  const float total = total_weight(photo.down, down) * total_weight(photo.across, across);
  return {sum.red / total, sum.green / total, sum.blue / total};
}

template <class T>
__global__ void __launch_bounds__(kBlockWidth* kBlockHeight) letterbox_kernel(Photo photo, Target target, T* out) {
  __shared__ Color chunk[kChunkRows][kBlockWidth];
  const int first_x = static_cast<int>(blockIdx.x * kBlockWidth);
  const int first_y = static_cast<int>(blockIdx.y * kBlockHeight);
  const int x = first_x + static_cast<int>(threadIdx.x);
  const int y = first_y + static_cast<int>(threadIdx.y);
  Color color{0.0f, 0.0f, 0.0f};
  if (first_x < target.content.width && first_y < target.content.height) {
    const int last_x = target.content.width - 1;
    const int last_y = smaller(first_y + static_cast<int>(kBlockHeight), target.content.height) - 1;
    const Color resampled = resample(photo, smaller(x, last_x), smaller(y, last_y), first_y, last_y, chunk);
    if (x <= last_x && y <= last_y) color = resampled;
  }
  if (x >= target.width || y >= target.height) return;
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
