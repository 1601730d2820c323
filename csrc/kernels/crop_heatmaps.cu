#include "crop_heatmaps.h"
#include "launch.h"

namespace simple_trt {
namespace {

constexpr int kThreads = 256;

/// A Sample in 16 bytes. Along y, cells are counted by the first cell of their row.
struct alignas(16) Tap {
  int lower;  // kOutside where the sample is 0 and must not read its cells
  int upper;
  float lower_weight;
  float upper_weight;
};

constexpr int kOutside = -1;

__device__ inline Tap make_tap(const Sample& sample, int step) {
  return {sample.inside ? sample.lower * step : kOutside, sample.upper * step, sample.lower_weight,
          sample.upper_weight};
}

/// One bilinear sample, weighted.
template <class T>
__device__ inline float read_sample(const T* map, const Tap& row, const Tap& column) {
  const T* lower = map + row.lower;
  const T* upper = map + row.upper;
  const float left =
      to_float(lower[column.lower]) * row.lower_weight + to_float(upper[column.lower]) * row.upper_weight;
  const float right =
      to_float(lower[column.upper]) * row.lower_weight + to_float(upper[column.upper]) * row.upper_weight;
  return left * column.lower_weight + right * column.upper_weight;
}

/// The mean of the samples of a crop cell, whose taps these are.
template <int kSamples, class T>
__device__ inline float crop_cell(const T* map, const Tap* rows, const Tap* columns) {
  float sum = 0.0f;
  for (int a = 0; a < kSamples; ++a) {
    const Tap row = rows[a];
    for (int b = 0; b < kSamples; ++b) {
      const Tap column = columns[b];
      if (row.lower != kOutside && column.lower != kOutside) sum += read_sample(map, row, column);
    }
  }
  return sum;
}

/// The taps of all rows of a crop, then of all columns: they are those of every cell and cost as much as one.
template <int kSamples>
__device__ inline void place_taps(const Region& region, const CropHeatmapsParams& p, Tap* taps) {
  const int of_rows = p.crop_h * kSamples;
  for (int i = threadIdx.x; i < of_rows + p.crop_w * kSamples; i += kThreads) {
    const bool is_row = i < of_rows;
    const Sample sample =
        place_sample(is_row ? region.y : region.x, is_row ? region.height : region.width, is_row ? i : i - of_rows,
                     is_row ? p.crop_h : p.crop_w, kSamples, p.stride, is_row ? p.height : p.width);
    taps[i] = make_tap(sample, is_row ? p.width : 1);
  }
}

/// A block has one class of one box. Dynamic shared memory: its taps.
template <class T, int kSamples>
__global__ void __launch_bounds__(kThreads)
    crop_heatmaps_kernel(const T* heatmaps, const float* boxes, CropHeatmapsParams p, T* crops) {
  SIMPLE_TRT_DYNAMIC_SHARED(Tap, taps);
  const int crop = static_cast<int>(blockIdx.x);
  const int box_index = crop / p.classes;
  const int64_t plane = static_cast<int64_t>(box_index / p.boxes) * p.classes + crop % p.classes;
  const float* corners = boxes + static_cast<int64_t>(4) * box_index;
  const Box box{corners[0], corners[1], corners[2], corners[3]};
  const Region region = padded_region(box, p.crop_h, p.crop_w, p.padding);
  const bool readable = region.exists && p.height > 0 && p.width > 0;
  if (readable) place_taps<kSamples>(region, p, taps);
  __syncthreads();
  const T* map = heatmaps + plane * p.height * p.width;
  const int cells = p.crop_h * p.crop_w;
  for (int cell = threadIdx.x; cell < cells; cell += kThreads) {
    const Tap* rows = taps + cell / p.crop_w * kSamples;
    const Tap* columns = taps + (p.crop_h + cell % p.crop_w) * kSamples;
    const float value = readable ? crop_cell<kSamples>(map, rows, columns) : 0.0f;
    crops[static_cast<int64_t>(crop) * cells + cell] = from_float<T>(value);
  }
}

}  // namespace

Status crop_heatmaps_cuda(const void* heatmaps, const float* boxes, DType dtype, const CropHeatmapsParams& params,
                          void* crops, void* stream) {
  const Status status = check(params);
  if (status != Status::kOk) return status;
  const int64_t blocks = static_cast<int64_t>(params.batch) * params.boxes * params.classes;
  if (blocks == 0) return Status::kOk;
  if (blocks > INT32_MAX) return Status::kBadShape;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto kernel = params.samples == 1 ? crop_heatmaps_kernel<T, 1> : crop_heatmaps_kernel<T, 2>;
    const size_t taps = static_cast<size_t>(params.samples) * (params.crop_h + params.crop_w);
    return launch(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), taps * sizeof(Tap), stream,
                  static_cast<const T*>(heatmaps), boxes, params, static_cast<T*>(crops));
  });
}

}  // namespace simple_trt
