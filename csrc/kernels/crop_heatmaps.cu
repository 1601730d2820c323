#include "crop_heatmaps.h"
#include "launch.h"

namespace simple_trt {
namespace {

constexpr int kThreads = 256;

/// One bilinear sample, weighted.
template <class T>
__device__ inline float read_sample(const T* map, const Sample& row, const Sample& column, int width) {
  const T* lower = map + static_cast<int64_t>(row.lower) * width;
  const T* upper = map + static_cast<int64_t>(row.upper) * width;
  const float left =
      to_float(lower[column.lower]) * row.lower_weight + to_float(upper[column.lower]) * row.upper_weight;
  const float right =
      to_float(lower[column.upper]) * row.lower_weight + to_float(upper[column.upper]) * row.upper_weight;
  return left * column.lower_weight + right * column.upper_weight;
}

/// The mean of the samples of crop cell (i, j).
template <class T>
__device__ inline float crop_cell(const T* map, const Region& region, int i, int j, const CropHeatmapsParams& p) {
  float sum = 0.0f;
  for (int a = 0; a < p.samples; ++a) {
    const Sample row =
        place_sample(region.y, region.height, i * p.samples + a, p.crop_h, p.samples, p.stride, p.height);
    if (!row.inside) continue;
    for (int b = 0; b < p.samples; ++b) {
      const Sample column =
          place_sample(region.x, region.width, j * p.samples + b, p.crop_w, p.samples, p.stride, p.width);
      if (column.inside) sum += read_sample(map, row, column, p.width);
    }
  }
  return sum;
}

/// One thread a crop cell; `chunks` blocks a crop, so that a block belongs to one box and one class.
template <class T>
__global__ void __launch_bounds__(kThreads)
    crop_heatmaps_kernel(const T* heatmaps, const float* boxes, CropHeatmapsParams p, int chunks, T* crops) {
  const int crop = blockIdx.x / chunks;
  const int cell = blockIdx.x % chunks * kThreads + threadIdx.x;
  const int cells = p.crop_h * p.crop_w;
  if (cell >= cells) return;
  const int box_index = crop / p.classes;
  const int64_t plane = static_cast<int64_t>(box_index / p.boxes) * p.classes + crop % p.classes;
  const float* corners = boxes + static_cast<int64_t>(4) * box_index;
  const Box box{corners[0], corners[1], corners[2], corners[3]};
  const Region region = padded_region(box, p.crop_h, p.crop_w, p.padding);
  const T* map = heatmaps + plane * p.height * p.width;
  const bool readable = region.exists && p.height > 0 && p.width > 0;
  const float value = readable ? crop_cell(map, region, cell / p.crop_w, cell % p.crop_w, p) : 0.0f;
  crops[static_cast<int64_t>(crop) * cells + cell] = from_float<T>(value);
}

}  // namespace

Status crop_heatmaps_cuda(const void* heatmaps, const float* boxes, DType dtype, const CropHeatmapsParams& params,
                          void* crops, void* stream) {
  const Status status = check(params);
  if (status != Status::kOk) return status;
  const int chunks = divide_up(params.crop_h * params.crop_w, kThreads);
  const int64_t blocks = static_cast<int64_t>(params.batch) * params.boxes * params.classes * chunks;
  if (blocks == 0) return Status::kOk;
  if (blocks > INT32_MAX) return Status::kBadShape;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    return launch(crop_heatmaps_kernel<T>, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, stream,
                  static_cast<const T*>(heatmaps), boxes, params, chunks, static_cast<T*>(crops));
  });
}

}  // namespace simple_trt
