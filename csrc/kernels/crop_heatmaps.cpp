#include "crop_heatmaps.h"

#include <algorithm>

#include "multiversion.h"
#include "parallel.h"

namespace simple_trt {
namespace {

/// The samples of one box. Those of the columns are kept as arrays [samples][crop_w], so that a loop over a crop row
/// vectorises: the upper neighbour is the next cell of a line, which is why a line repeats its last cell, and a sample
/// outside the map reads the two zeros after that.
struct Samples {
  Sample rows[kMaxCropSide * kMaxSamples];
  int32_t lower[kMaxSamples][kMaxCropSide];
  float lower_weight[kMaxSamples][kMaxCropSide];
  float upper_weight[kMaxSamples][kMaxCropSide];
  int first_column, end_column;  // the map columns that are read
};

void place_rows(const Region& region, const CropHeatmapsParams& p, Samples& samples) {
  for (int i = 0; i < p.crop_h * p.samples; ++i) {
    samples.rows[i] = place_sample(region.y, region.height, i, p.crop_h, p.samples, p.stride, p.height);
  }
}

void place_columns(const Region& region, const CropHeatmapsParams& p, Samples& samples) {
  samples.first_column = p.width;
  samples.end_column = 0;
  for (int i = 0; i < p.crop_w * p.samples; ++i) {
    const Sample sample = place_sample(region.x, region.width, i, p.crop_w, p.samples, p.stride, p.width);
    const int s = i % p.samples, j = i / p.samples;
    samples.lower[s][j] = sample.inside ? sample.lower : p.width + 1;
    samples.lower_weight[s][j] = sample.lower_weight;
    samples.upper_weight[s][j] = sample.upper_weight;
    if (!sample.inside) continue;
    samples.first_column = std::min(samples.first_column, sample.lower);
    samples.end_column = std::max(samples.end_column, sample.upper + 1);
  }
}

/// Adds one sample of the rows to `line`, the map row in the making.
template <class T>
SIMPLE_TRT_INLINE void add_row_sample(const T* map, const Sample& sample, int width, int first, int end, float* line) {
  if (!sample.inside) return;
  const T* lower = map + static_cast<int64_t>(sample.lower) * width;
  const T* upper = map + static_cast<int64_t>(sample.upper) * width;
  for (int x = first; x < end; ++x) {
    line[x] += to_float(lower[x]) * sample.lower_weight + to_float(upper[x]) * sample.upper_weight;
  }
}

template <class T>
SIMPLE_TRT_INLINE void resample_columns(const float* line, const Samples& samples, const CropHeatmapsParams& p,
                                        T* crop_row) {
  float sums[kMaxCropSide];
  std::fill(sums, sums + p.crop_w, 0.0f);
  for (int s = 0; s < p.samples; ++s) {
    const int32_t* lower = samples.lower[s];
    for (int j = 0; j < p.crop_w; ++j) {
      sums[j] += line[lower[j]] * samples.lower_weight[s][j] + line[lower[j] + 1] * samples.upper_weight[s][j];
    }
  }
  for (int j = 0; j < p.crop_w; ++j) crop_row[j] = from_float<T>(sums[j]);
}

/// Rows first, then columns: the mean over a grid of samples is separable.
template <class T>
SIMPLE_TRT_MULTIVERSION void crop_map(const T* map, const Samples& samples, const CropHeatmapsParams& p, T* crop) {
  float line[kMaxCropMapWidth + 3];
  const int first = samples.first_column, end = samples.end_column;
  for (int i = 0; i < p.crop_h; ++i) {
    std::fill(line + first, line + std::max(first, end), 0.0f);
    for (int s = 0; s < p.samples; ++s) {
      add_row_sample(map, samples.rows[i * p.samples + s], p.width, first, end, line);
    }
    line[p.width] = end == p.width ? line[p.width - 1] : 0.0f;
    line[p.width + 1] = line[p.width + 2] = 0.0f;
    resample_columns(line, samples, p, crop + static_cast<int64_t>(i) * p.crop_w);
  }
}

/// `maps`: the K heatmaps of the box's image; `crops`: the K crops of the box.
template <class T>
void crop_box(const T* maps, const float* corners, const CropHeatmapsParams& p, T* crops) {
  const int64_t map_cells = static_cast<int64_t>(p.height) * p.width;
  const int64_t crop_cells = static_cast<int64_t>(p.crop_h) * p.crop_w;
  const Box box{corners[0], corners[1], corners[2], corners[3]};
  const Region region = padded_region(box, p.crop_h, p.crop_w, p.padding);
  if (!region.exists || map_cells == 0) {
    std::fill(crops, crops + p.classes * crop_cells, from_float<T>(0.0f));
    return;
  }
  Samples samples;
  place_rows(region, p, samples);
  place_columns(region, p, samples);
  for (int k = 0; k < p.classes; ++k) crop_map(maps + k * map_cells, samples, p, crops + k * crop_cells);
}

}  // namespace

Status crop_heatmaps_cpu(const void* heatmaps, const float* boxes, DType dtype, const CropHeatmapsParams& params,
                         void* crops) {
  const Status status = check(params);
  if (status != Status::kOk) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t image_cells = static_cast<int64_t>(params.classes) * params.height * params.width;
    const int64_t box_cells = static_cast<int64_t>(params.classes) * params.crop_h * params.crop_w;
    const int64_t count = static_cast<int64_t>(params.batch) * params.boxes;
    parallel_for(count, 1, [&](int64_t begin, int64_t end, int /*worker*/) {
      for (int64_t m = begin; m < end; ++m) {
        crop_box(static_cast<const T*>(heatmaps) + m / params.boxes * image_cells, boxes + 4 * m, params,
                 static_cast<T*>(crops) + m * box_cells);
      }
    });
    return Status::kOk;
  });
}

}  // namespace simple_trt
