#include "letterbox.h"

#include <algorithm>

#include "multiversion.h"
#include "parallel.h"

namespace simple_trt {
namespace {

constexpr int kStrip = 1024;             // values of a row worked on at a time: they stay in the first cache
constexpr int64_t kGrainWork = 1 << 16;  // multiply-adds below which a thread costs more than it brings
constexpr int kRowPadding = 16;          // floats: the horizontal pass reads one pixel as four values

/// Pixels along a row that an output column is made of, and where their weights are.
struct Span {
  int begin;
  int count;
};

/// The caller's workspace: the horizontal filter, then a row of vertically resampled values for each worker.
struct Workspace {
  int most_taps;     // weights a column
  int64_t row_size;  // floats a worker
  float* weights;    // [content_w, most_taps]
  Span* spans;       // [content_w]
  float* rows;       // [workers, row_size]
  size_t bytes;
};

Workspace lay_out(const LetterboxParams& p, void* memory) {
  const int width = content_size(p).width;
  const ResampleAxis axis = resample_axis(p.in_w, width);
  Workspace w{};
  w.most_taps = smaller(static_cast<int>(2.0f * axis.support) + 2, p.in_w);
  w.row_size = divide_up<int64_t>(int64_t{3} * p.in_w + kRowPadding, kRowPadding) * kRowPadding;
  const int64_t weights = int64_t{width} * w.most_taps;
  const int64_t rows = parallel_workers() * w.row_size;
  w.bytes = static_cast<size_t>(weights + rows) * sizeof(float) + static_cast<size_t>(width) * sizeof(Span);
  w.weights = static_cast<float*>(memory);
  if (memory) {
    w.rows = w.weights + weights;
    w.spans = reinterpret_cast<Span*>(w.rows + rows);
  }
  return w;
}

float total_weight(const ResampleAxis& axis, const ResampleWindow& window) {
  float total = 0.0f;
  for (int pixel = window.begin; pixel < window.end; ++pixel) total += resample_weight(axis, window, pixel);
  return total;
}

void make_horizontal_filter(const ResampleAxis& axis, int width, const Workspace& workspace) {
  for (int x = 0; x < width; ++x) {
    const ResampleWindow window = resample_window(axis, x);
    const float total = total_weight(axis, window);
    float* const weights = workspace.weights + int64_t{x} * workspace.most_taps;
    for (int pixel = window.begin; pixel < window.end; ++pixel) {
      weights[pixel - window.begin] = resample_weight(axis, window, pixel) / total;
    }
    workspace.spans[x] = {window.begin, window.end - window.begin};
  }
}

/// Weighted sum of image rows into `row` [3 * in_w], channels interleaved as in the image.
SIMPLE_TRT_INLINE void resample_vertically(const uint8_t* image, const LetterboxParams& p, const ResampleAxis& axis,
                                           int y, float* row) {
  const ResampleWindow window = resample_window(axis, y);
  const float total = total_weight(axis, window);
  const int values = 3 * p.in_w;
  for (int begin = 0; begin < values; begin += kStrip) {
    const int count = std::min(kStrip, values - begin);
    std::fill(row + begin, row + begin + count, 0.0f);
    for (int pixel = window.begin; pixel < window.end; ++pixel) {
      const float weight = resample_weight(axis, window, pixel) / total;
      const uint8_t* const source = image + pixel * p.pitch + begin;
      for (int i = 0; i < count; ++i) row[begin + i] += weight * source[i];
    }
  }
}

/// Weighted sums of pixels of `row` into the three planes, from `out` on. A pixel is read as four values, the last of
/// which belongs to its neighbour and is dropped: so its three channels are added as one vector.
SIMPLE_TRT_INLINE void resample_horizontally(const float* row, const Workspace& workspace, int width, int64_t plane,
                                             float* out) {
  for (int x = 0; x < width; ++x) {
    const Span span = workspace.spans[x];
    const float* const weights = workspace.weights + int64_t{x} * workspace.most_taps;
    const float* const pixels = row + int64_t{3} * span.begin;
    float sum[4] = {};
    for (int tap = 0; tap < span.count; ++tap) {
      for (int channel = 0; channel < 4; ++channel) sum[channel] += weights[tap] * pixels[3 * tap + channel];
    }
    for (int channel = 0; channel < 3; ++channel) out[channel * plane + x] = sum[channel];
  }
}

/// One row of the three output planes.
SIMPLE_TRT_MULTIVERSION void make_row(const uint8_t* image, const LetterboxParams& p, const ContentSize& content, int y,
                                      const Workspace& workspace, float* scratch, float* out) {
  const int64_t plane = int64_t{p.out_h} * p.out_w;
  const int filled = y < content.height ? content.width : 0;
  if (filled > 0) {
    resample_vertically(image, p, resample_axis(p.in_h, content.height), y, scratch);
    resample_horizontally(scratch, workspace, filled, plane, out);
  }
  for (int channel = 0; channel < 3; ++channel) {
    float* const values = out + channel * plane;
    std::fill(values + filled, values + p.out_w, 0.0f);
    for (int x = 0; x < p.out_w; ++x) values[x] = normalise(values[x], p.mean[channel], p.std[channel]);
  }
}

}  // namespace

size_t letterbox_workspace(const LetterboxParams& params) {
  return check(params) == Status::kOk ? lay_out(params, nullptr).bytes : 0;
}

Status letterbox_cpu(const uint8_t* image, const LetterboxParams& params, void* workspace_memory, float* out) {
  const Status status = check(params);
  if (status != Status::kOk) return status;
  const ContentSize content = content_size(params);
  const Workspace workspace = lay_out(params, workspace_memory);
  make_horizontal_filter(resample_axis(params.in_w, content.width), content.width, workspace);
  for (int worker = 0; worker < parallel_workers(); ++worker) {
    float* const padding = workspace.rows + worker * workspace.row_size + int64_t{3} * params.in_w;
    std::fill(padding, workspace.rows + (worker + 1) * workspace.row_size, 0.0f);
  }
  const int64_t work_a_row = int64_t{6} * params.in_w * divide_up(params.in_h, content.height);
  parallel_for(params.out_h, divide_up(kGrainWork, work_a_row), [&](int64_t begin, int64_t end, int worker) {
    float* const scratch = workspace.rows + worker * workspace.row_size;
    for (int64_t y = begin; y < end; ++y) {
      make_row(image, params, content, static_cast<int>(y), workspace, scratch, out + y * params.out_w);
    }
  });
  return Status::kOk;
}

}  // namespace simple_trt
