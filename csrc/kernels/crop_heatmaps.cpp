#include "crop_heatmaps.h"

#include <algorithm>

#include "parallel.h"

namespace simple_trt {
namespace {

/// Where the samples of one box lie: `rows` has crop_h * samples entries, `columns` crop_w * samples.
struct Samples {
  Sample rows[kMaxCropSide * kMaxSamples];
  Sample columns[kMaxCropSide * kMaxSamples];
  int first_column, end_column;  // the map columns that are read
};

void place_samples(const Region& region, const CropHeatmapsParams& p, Samples& samples) {
  for (int i = 0; i < p.crop_h * p.samples; ++i) {
    samples.rows[i] = place_sample(region.y, region.height, i, p.crop_h, p.samples, p.stride, p.height);
  }
  samples.first_column = p.width;
  samples.end_column = 0;
  for (int i = 0; i < p.crop_w * p.samples; ++i) {
    const Sample sample = place_sample(region.x, region.width, i, p.crop_w, p.samples, p.stride, p.width);
    samples.columns[i] = sample;
    if (!sample.inside) continue;
    samples.first_column = std::min(samples.first_column, sample.lower);
    samples.end_column = std::max(samples.end_column, sample.upper + 1);
  }
}

/// Adds one sample of the rows to `line`, the map row in the making.
template <class T>
void add_row_sample(const T* map, const Sample& sample, const CropHeatmapsParams& p, int first, int end, float* line) {
  if (!sample.inside) return;
  const T* lower = map + static_cast<int64_t>(sample.lower) * p.width;
  const T* upper = map + static_cast<int64_t>(sample.upper) * p.width;
  for (int x = first; x < end; ++x) {
    line[x] += to_float(lower[x]) * sample.lower_weight + to_float(upper[x]) * sample.upper_weight;
  }
}

template <class T>
void resample_columns(const float* line, const Sample* columns, const CropHeatmapsParams& p, T* crop_row) {
  for (int j = 0; j < p.crop_w; ++j) {
    float sum = 0.0f;
    for (int s = 0; s < p.samples; ++s) {
      const Sample& sample = columns[j * p.samples + s];
      if (sample.inside) sum += line[sample.lower] * sample.lower_weight + line[sample.upper] * sample.upper_weight;
    }
    crop_row[j] = from_float<T>(sum);
  }
}

/// Rows first, then columns: the mean over a grid of samples is separable.
template <class T>
void crop_map(const T* map, const Samples& samples, const CropHeatmapsParams& p, T* crop) {
  float line[kMaxCropMapWidth];
  for (int i = 0; i < p.crop_h; ++i) {
    std::fill(line + samples.first_column, line + std::max(samples.first_column, samples.end_column), 0.0f);
    for (int s = 0; s < p.samples; ++s) {
      add_row_sample(map, samples.rows[i * p.samples + s], p, samples.first_column, samples.end_column, line);
    }
    resample_columns(line, samples.columns, p, crop + static_cast<int64_t>(i) * p.crop_w);
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
  place_samples(region, p, samples);
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
