#include "cases.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "../../../csrc/kernels/center_pool.h"
#include "../../../csrc/kernels/corner_pool.h"
#include "../../../csrc/kernels/crop_heatmaps.h"
#include "../../../csrc/kernels/find_peaks.h"
#include "../../../csrc/kernels/group_boxes.h"
#include "../../../csrc/kernels/read_keypoints.h"
#include "../check.h"

namespace harness {
namespace {

using namespace simple_trt;
using nvinfer1::DataType;

constexpr int kHeight = 13, kWidth = 37;  // odd, so that no row is aligned
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr double kNaNField = std::numeric_limits<double>::quiet_NaN();

DataType to_type(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return DataType::kFLOAT;
    case DType::kFloat16:
      return DataType::kHALF;
    case DType::kBFloat16:
      break;
  }
  return DataType::kBF16;
}

std::size_t element_bytes(DataType type) { return type == DataType::kFLOAT || type == DataType::kINT32 ? 4 : 2; }

Tensor blank(const char* letters, std::vector<int64_t> dims, DataType type) {
  std::size_t count = 1;
  for (const int64_t dim : dims) count *= static_cast<std::size_t>(dim);
  return {letters, std::move(dims), type, std::vector<unsigned char>(count * element_bytes(type))};
}

void store(Tensor& tensor, std::size_t index, float value) {
  unsigned char* const place = &tensor.bytes[index * element_bytes(tensor.type)];
  const Half half = from_float<Half>(value);
  const BFloat16 bfloat = from_float<BFloat16>(value);
  if (tensor.type == DataType::kFLOAT) std::memcpy(place, &value, 4);
  if (tensor.type == DataType::kHALF) std::memcpy(place, &half, 2);
  if (tensor.type == DataType::kBF16) std::memcpy(place, &bfloat, 2);
}

double load(const Tensor& tensor, std::size_t index) {
  const unsigned char* const place = &tensor.bytes[index * element_bytes(tensor.type)];
  float real;
  int32_t integer;
  uint16_t bits;
  if (tensor.type == DataType::kFLOAT) return std::memcpy(&real, place, 4), static_cast<double>(real);
  if (tensor.type == DataType::kINT32) return std::memcpy(&integer, place, 4), static_cast<double>(integer);
  std::memcpy(&bits, place, 2);
  const float value = tensor.type == DataType::kHALF ? to_float(Half{bits}) : to_float(BFloat16{bits});
  return static_cast<double>(value);
}

/// Normal numbers, the same at every run.
Tensor random(const char* letters, std::vector<int64_t> dims, DataType type, unsigned seed, float scale, float shift) {
  Tensor tensor = blank(letters, std::move(dims), type);
  std::mt19937 generator(seed);
  const std::size_t count = tensor.bytes.size() / element_bytes(type);
  for (std::size_t i = 0; i < count; ++i) {
    const float uniform = static_cast<float>(generator() >> 8) / 16777216.0f;
    store(tensor, i, scale * (2.0f * uniform - 1.0f) + shift);
  }
  return tensor;
}

Tensor maps(const char* letters, int batch, int channels, DType dtype, unsigned seed) {
  Tensor tensor = random(letters, {batch, channels, kHeight, kWidth}, to_type(dtype), seed, 4.0f, 0.0f);
  if (batch) store(tensor, 5, kNaN);
  return tensor;
}

/// Boxes around the map of stride 4, the last one empty.
Tensor boxes(int batch, int count) {
  Tensor tensor = blank("BM4", {batch, count, 4}, DataType::kFLOAT);
  for (int i = 0; i < batch * count; ++i) {
    const float x = static_cast<float>(7 * i), size = i % count == count - 1 ? 0.0f : 30.0f + static_cast<float>(i);
    const float corners[] = {x, 2.5f, x + size, 2.5f + size};
    for (std::size_t k = 0; k < 4; ++k) store(tensor, static_cast<std::size_t>(i) * 4 + k, corners[k]);
  }
  return tensor;
}

Field integer(const char* name, int32_t value, std::vector<double> refused) {
  return {name, false, value, 0.0f, std::move(refused)};
}
Field real(const char* name, float value, std::vector<double> refused = {}) {
  return {name, true, 0, value, std::move(refused)};
}

template <class T = void>
const T* in(const Case& example, std::size_t index) {
  return reinterpret_cast<const T*>(example.inputs[index].bytes.data());
}
template <class T = void>
T* out(Case& example, std::size_t index) {
  return reinterpret_cast<T*>(example.outputs[index].bytes.data());
}

PoolShape pool_shape(int batch) { return {int64_t{batch} * 3, kHeight, kWidth}; }

Case corner_pool(DType dtype, int batch, int direction, int other_direction, bool has_other) {
  Case c{"CornerPool", dtype, batch, {}, 1, {}, 1, {}, 0.0};
  c.fields = {integer("direction", direction, {-1, 4}), integer("other_direction", other_direction, {-2, 4})};
  c.inputs = {maps("BCHW", batch, 3, dtype, 1)};
  if (has_other) c.inputs.push_back(maps("BCHW", batch, 3, dtype, 2));
  c.outputs = {blank("BCHW", c.inputs[0].dims, c.inputs[0].type)};
  CHECK(corner_pool_cpu(in(c, 0), has_other ? in(c, 1) : nullptr, dtype, pool_shape(batch), direction, other_direction,
                        out(c, 0)) == Status::kOk);
  return c;
}

Case center_pool(DType dtype, int batch) {
  Case c{"CenterPool", dtype, batch, {}, 0, {}, 2, {}, 0.0};
  c.inputs = {maps("BCHW", batch, 3, dtype, 3), maps("BCHW", batch, 3, dtype, 4)};
  c.outputs = {blank("BCHW", c.inputs[0].dims, c.inputs[0].type)};
  CHECK(center_pool_cpu(in(c, 0), in(c, 1), dtype, pool_shape(batch), out(c, 0)) == Status::kOk);
  return c;
}

Case find_peaks(DType dtype, int batch) {
  Case c{"FindPeaks", dtype, batch, {}, 2, {}, 1, {}, 0.0};
  c.fields = {real("threshold", -2.5f), integer("top_n", 9, {0, 65, -1})};
  c.inputs = {maps("BMHW", batch, 3, dtype, 5)};
  c.outputs = {blank("BMN", {batch, 3, 9}, DataType::kFLOAT), blank("BMN", {batch, 3, 9}, DataType::kINT32)};
  CHECK(find_peaks_cpu(in(c, 0), dtype, {batch, 3, kHeight, kWidth, -2.5f, 9}, out<float>(c, 0), out<int32_t>(c, 1)) ==
        Status::kOk);
  return c;
}

Case group_boxes(DType dtype, int batch) {
  const Case peaks = find_peaks(dtype, batch);
  Case c{"GroupBoxes", dtype, batch, {}, 4, {}, 3, {}, 1e-5};
  c.fields = {integer("stride", 4, {0, -4}), real("center_area", 22500.0f), real("nms_sigma", 0.5f),
              integer("top_m", 11, {-1})};
  c.inputs = {peaks.outputs[0], peaks.outputs[1], random("B6HW", {batch, 6, kHeight, kWidth}, to_type(dtype), 6, 1, 0)};
  c.inputs[0].letters = c.inputs[1].letters = "B3N";
  c.outputs = {blank("BM4", {batch, 11, 4}, DataType::kFLOAT), blank("BM", {batch, 11}, DataType::kFLOAT),
               blank("BM3", {batch, 11, 3}, DataType::kINT32), blank("B", {batch}, DataType::kINT32)};
  CHECK(group_boxes_cpu(in<float>(c, 0), in<int32_t>(c, 1), in(c, 2), dtype,
                        {batch, 9, kHeight, kWidth, 4, 22500.0f, 0.5f, 11},
                        {out<float>(c, 0), out<float>(c, 1), out<int32_t>(c, 2), out<int32_t>(c, 3)}) == Status::kOk);
  return c;
}

Case crop_heatmaps(DType dtype, int batch) {
  // fp16 and bf16 results are rounded after sums that may differ in the last bit.
  const double tolerance = dtype == DType::kFloat32 ? 1e-5 : 0.02;
  Case c{"CropHeatmaps", dtype, batch, {}, 5, {}, 2, {}, tolerance};
  c.fields = {integer("stride", 4, {0}), integer("crop_h", 8, {0, 257}), integer("crop_w", 6, {0, 257}),
              real("padding", 1.25f, {0, -1, kNaNField}), integer("samples", 2, {0, 3})};
  c.inputs = {maps("BKHW", batch, 5, dtype, 7), boxes(batch, 4)};
  c.outputs = {blank("BMKhw", {batch, 4, 5, 8, 6}, to_type(dtype))};
  CHECK(crop_heatmaps_cpu(in(c, 0), in<float>(c, 1), dtype, {batch, 4, 5, kHeight, kWidth, 4, 8, 6, 1.25f, 2},
                          out(c, 0)) == Status::kOk);
  return c;
}

Case read_keypoints(DType dtype, int batch) {
  const Case crops = crop_heatmaps(dtype, batch);
  Case c{"ReadKeypoints", dtype, batch, {}, 3, {}, 4, {}, 0.0};
  c.fields = {integer("stride", 4, {0}), real("padding", 1.25f, {0, -2}), real("present", 0.05f)};
  c.inputs = {crops.inputs[0], crops.outputs[0], crops.inputs[1],
              random("K2", {5, 2}, DataType::kFLOAT, 8, 0.5f, 0.5f)};
  c.outputs = {blank("BMK3", {batch, 4, 5, 3}, DataType::kFLOAT)};
  CHECK(read_keypoints_cpu(in(c, 0), in(c, 1), in<float>(c, 2), in<float>(c, 3), dtype,
                           {batch, 4, 5, kHeight, kWidth, 8, 6, 4, 1.25f, 0.05f}, out<float>(c, 0)) == Status::kOk);
  return c;
}

}  // namespace

nvinfer1::Dims Tensor::shape() const {
  nvinfer1::Dims shape{};
  shape.nbDims = static_cast<int32_t>(dims.size());
  for (std::size_t i = 0; i < dims.size(); ++i) shape.d[i] = dims[i];
  return shape;
}

std::vector<Case> make_cases(DType dtype, int batch) {
  return {corner_pool(dtype, batch, 2, kAddAsItIs, false),
          corner_pool(dtype, batch, 1, kAddAsItIs, true),
          corner_pool(dtype, batch, 0, 3, true),
          center_pool(dtype, batch),
          find_peaks(dtype, batch),
          group_boxes(dtype, batch),
          crop_heatmaps(dtype, batch),
          read_keypoints(dtype, batch)};
}

bool alike(const Case& a, const Case& b) {
  bool equal = std::strcmp(a.op, b.op) == 0 && a.inputs.size() == b.inputs.size();
  for (std::size_t i = 0; equal && i < a.fields.size(); ++i) {
    equal = std::memcmp(a.fields[i].data(), b.fields[i].data(), 4) == 0;
  }
  return equal;
}

bool same(const Tensor& a, const Tensor& b, double tolerance) {
  if (a.type != b.type || a.dims != b.dims) return false;
  const double allowed = a.type == DataType::kINT32 ? 0.0 : tolerance;
  for (std::size_t i = 0; i < a.bytes.size() / element_bytes(a.type); ++i) {
    const double x = load(a, i), y = load(b, i);
    const bool equal = x == y || (std::isnan(x) && std::isnan(y));  // infinities too
    if (!equal && !(std::fabs(x - y) <= allowed * (1.0 + std::fabs(y)))) return false;
  }
  return true;
}

}  // namespace harness
