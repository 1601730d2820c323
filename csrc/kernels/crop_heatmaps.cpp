#include "crop_heatmaps.h"

#include <algorithm>
#include <cstring>

#include "multiversion.h"
#include "parallel.h"

namespace simple_trt {
namespace {

constexpr int kTogether = 4;  // cells of a crop row

/// The samples of one box along the columns, as arrays [samples][crop_w]. In the crop columns from `first` to `edge`
/// all lie inside the map and read two cells; in the others one may lie outside, or on the last cell.
struct Columns {
  Sample samples[kMaxSamples][kMaxCropSide];
  int32_t lower[kMaxSamples][kMaxCropSide];
  float weights[kMaxSamples][2 * kMaxCropSide];  // of a lower cell, of its upper one, of the next lower cell
  int first, edge;
};

struct Samples {
  Sample rows[kMaxCropSide * kMaxSamples];
  Columns columns;
};

/// The map rows that one crop row is made of: those of its samples that lie inside the map.
template <class T>
struct MapRows {
  const T* lower[kMaxSamples];
  const T* upper[kMaxSamples];
  float lower_weight[kMaxSamples], upper_weight[kMaxSamples];
  int count = 0;
};

// The two cells of four samples, lower and upper in turn; and four sums. The compiler divides them where vectors are
// shorter.
typedef float Pairs __attribute__((vector_size(2 * kTogether * sizeof(float))));
typedef float Sums __attribute__((vector_size(kTogether * sizeof(float))));

void place_rows(const Region& region, const CropHeatmapsParams& p, Samples& samples) {
  for (int i = 0; i < p.crop_h * p.samples; ++i) {
    samples.rows[i] = place_sample(region.y, region.height, i, p.crop_h, p.samples, p.stride, p.height);
  }
}

void place_columns(const Region& region, const CropHeatmapsParams& p, Columns& columns) {
  columns.first = 0;
  columns.edge = p.crop_w;
  for (int i = 0; i < p.crop_w * p.samples; ++i) {
    const Sample sample = place_sample(region.x, region.width, i, p.crop_w, p.samples, p.stride, p.width);
    const int s = i % p.samples, j = i / p.samples;
    columns.samples[s][j] = sample;
    columns.lower[s][j] = sample.lower;
    columns.weights[s][2 * j] = sample.lower_weight;
    columns.weights[s][2 * j + 1] = sample.upper_weight;
    if (sample.inside && sample.lower < sample.upper) continue;
    if (!sample.inside && columns.first >= j) {
      columns.first = j + 1;
    } else {
      columns.edge = std::min(columns.edge, j);
    }
  }
}

template <class T>
SIMPLE_TRT_INLINE MapRows<T> find_rows(const T* map, const Sample* samples, const CropHeatmapsParams& p) {
  MapRows<T> rows;
  for (int s = 0; s < p.samples; ++s) {
    if (!samples[s].inside) continue;
    rows.lower[rows.count] = map + static_cast<int64_t>(samples[s].lower) * p.width;
    rows.upper[rows.count] = map + static_cast<int64_t>(samples[s].upper) * p.width;
    rows.lower_weight[rows.count] = samples[s].lower_weight;
    rows.upper_weight[rows.count++] = samples[s].upper_weight;
  }
  return rows;
}

/// Both cells of a sample are loaded at once: a gather of single cells takes several times as long.
SIMPLE_TRT_INLINE void load_pairs(const float* row, const int32_t* lower, Pairs& pairs) {
  typedef double Words __attribute__((vector_size(sizeof(Pairs))));
  double words[kTogether];
  for (int i = 0; i < kTogether; ++i) std::memcpy(words + i, row + lower[i], sizeof(double));
  pairs = (Pairs)Words{words[0], words[1], words[2], words[3]};
}

template <class T>
SIMPLE_TRT_INLINE void load_pairs(const T* row, const int32_t* lower, Pairs& pairs) {
  float cells[2 * kTogether];
  for (int i = 0; i < 2 * kTogether; ++i) cells[i] = to_float(row[lower[i / 2] + i % 2]);
  std::memcpy(&pairs, cells, sizeof(pairs));
}

SIMPLE_TRT_INLINE void add_pairs(const Pairs& pairs, Sums& sums) {
#if defined(__clang__) || __GNUC__ >= 12
  sums += __builtin_shufflevector(pairs, pairs, 0, 2, 4, 6) + __builtin_shufflevector(pairs, pairs, 1, 3, 5, 7);
#else
  for (int i = 0; i < kTogether; ++i) sums[i] += pairs[2 * i] + pairs[2 * i + 1];
#endif
}

/// The crop cells in columns j to j + 3.
template <int kSamples, class T>
SIMPLE_TRT_INLINE void make_four(const MapRows<T>& rows, const Columns& columns, int j, T* cells) {
  Sums sums = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int s = 0; s < kSamples; ++s) {
    Pairs line = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f}, lower, upper, weights;
    for (int r = 0; r < kSamples; ++r) {
      load_pairs(rows.lower[r], columns.lower[s] + j, lower);
      load_pairs(rows.upper[r], columns.lower[s] + j, upper);
      line += lower * rows.lower_weight[r] + upper * rows.upper_weight[r];
    }
    std::memcpy(&weights, columns.weights[s] + 2 * j, sizeof(weights));
    add_pairs(line * weights, sums);
  }
  for (int i = 0; i < kTogether; ++i) cells[i] = from_float<T>(sums[i]);
}

template <class T>
SIMPLE_TRT_INLINE float line_at(const MapRows<T>& rows, int column) {
  float sum = 0.0f;
  for (int r = 0; r < rows.count; ++r) {
    sum +=
        to_float(rows.lower[r][column]) * rows.lower_weight[r] + to_float(rows.upper[r][column]) * rows.upper_weight[r];
  }
  return sum;
}

template <class T>
SIMPLE_TRT_INLINE T make_one(const MapRows<T>& rows, const Columns& columns, int samples, int j) {
  float sum = 0.0f;
  for (int s = 0; s < samples; ++s) {
    const Sample& sample = columns.samples[s][j];
    if (!sample.inside) continue;
    sum += line_at(rows, sample.lower) * sample.lower_weight + line_at(rows, sample.upper) * sample.upper_weight;
  }
  return from_float<T>(sum);
}

/// Rows first, then columns: the mean over a grid of samples is separable.
template <int kSamples, class T>
SIMPLE_TRT_MULTIVERSION void crop_map(const T* map, const Samples& samples, const CropHeatmapsParams& p, T* crop) {
  const Columns& columns = samples.columns;
  for (int y = 0; y < p.crop_h; ++y, crop += p.crop_w) {
    const MapRows<T> rows = find_rows(map, samples.rows + y * kSamples, p);
    const int edge = rows.count == kSamples ? columns.edge : 0;
    int x = 0;
    for (; x < columns.first; ++x) crop[x] = make_one(rows, columns, kSamples, x);
    for (; x + kTogether <= edge; x += kTogether) make_four<kSamples>(rows, columns, x, crop + x);
    for (; x < p.crop_w; ++x) crop[x] = make_one(rows, columns, kSamples, x);
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
  place_columns(region, p, samples.columns);
  const auto crop_one = p.samples == 1 ? crop_map<1, T> : crop_map<2, T>;
  for (int k = 0; k < p.classes; ++k) crop_one(maps + k * map_cells, samples, p, crops + k * crop_cells);
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
