#include "launch.h"
#include "rank_key.h"
#include "read_keypoints.h"
#include "warp_max.h"
#include "words.h"

namespace simple_trt {
namespace {

constexpr int kWarpsPerBlock = 4;
constexpr int kLoads = 4;  // of 16 bytes, in flight a lane

/// The largest value that a lane has met, at its first cell; cells come in rising order. NaN is met by no comparison.
struct Strongest {
  float value = -INFINITY;
  int cell = 0;

  __device__ void meet(float other, int at) {
    if (other > value) {
      value = other;
      cell = at;
    }
  }
};

/// Key of the largest value of a gated crop, found by one warp; the same in every lane.
template <class T, bool kAligned>
__device__ uint64_t strongest_cell(const T* gated, int count) {
  const int lane = threadIdx.x % kWarpSize;
  Strongest best;
  for (int first = lane; !kAligned && first < count; first += kWarpSize) best.meet(to_float(gated[first]), first);
  for (int first = lane * kPack<T>; kAligned && first < count; first += kLoads * kWarpSize * kPack<T>) {
    Words loads[kLoads];
    for (int i = 0; i < kLoads; ++i) {
      const int at = first + i * kWarpSize * kPack<T>;
      if (at < count) loads[i] = load_words(gated + at);
    }
    for (int i = 0; i < kLoads; ++i) {
      const int at = first + i * kWarpSize * kPack<T>;
      for (int e = 0; at < count && e < kPack<T>; ++e) best.meet(to_float(element<T>(loads[i], e)), at + e);
    }
  }
  return warp_max(rank_key(best.value, best.cell));
}

/// The linear cell of the largest value in the 3x3 window around cell (x, y), inside the map: one lane a cell.
template <class T>
__device__ int window_maximum(const T* heatmap, int x, int y, const ReadKeypointsParams& p) {
  const int lane = threadIdx.x % kWarpSize;
  const int u = x + lane % 3 - 1;
  const int v = y + lane / 3 - 1;
  uint64_t key = kNoKey;
  if (lane < 9 && u >= 0 && u < p.width && v >= 0 && v < p.height) {
    const int cell = v * p.width + u;
    key = rank_key(without_nan(to_float(heatmap[cell])), cell);
  }
  return rank_index(warp_max(key));
}

template <class T, bool kAligned>
__device__ Keypoint read_one(const T* heatmap, const T* gated, const Box& box, const Region& region, const float* prior,
                             const ReadKeypointsParams& p) {
  const uint64_t strongest = strongest_cell<T, kAligned>(gated, p.crop_h * p.crop_w);
  if (!(rank_value(strongest) > kNoActivation)) return mean_place(box, prior);
  const int row = rank_index(strongest) / p.crop_w;
  const int column = rank_index(strongest) % p.crop_w;
  const int x = nearest_cell(region.x, region.width, column, p.crop_w, p.stride, p.width);
  const int y = nearest_cell(region.y, region.height, row, p.crop_h, p.stride, p.height);
  return keypoint_at(heatmap, window_maximum(heatmap, x, y, p), rank_value(strongest), p);
}

/// One warp a keypoint: item = (b * M + m) * K + k.
template <class T, bool kAligned>
__global__ void __launch_bounds__(kWarpsPerBlock* kWarpSize)
    read_keypoints_kernel(const T* heatmaps, const T* gated, const float* boxes, const float* prior,
                          ReadKeypointsParams p, int64_t items, float* keypoints) {
  const int64_t item = static_cast<int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / kWarpSize;
  if (item >= items) return;
  const int64_t box_index = item / p.classes;
  const int k = static_cast<int>(item % p.classes);
  const int64_t plane = box_index / p.boxes * p.classes + k;
  const float* corners = boxes + 4 * box_index;
  const Box box{corners[0], corners[1], corners[2], corners[3]};
  const Region region = padded_region(box, p.crop_h, p.crop_w, p.padding);
  Keypoint keypoint{0.0f, 0.0f, 0.0f};
  if (region.exists) {
    keypoint = read_one<T, kAligned>(heatmaps + plane * p.height * p.width, gated + item * p.crop_h * p.crop_w, box,
                                     region, prior + 2 * k, p);
  }
  if (threadIdx.x % kWarpSize != 0) return;
  keypoints[3 * item] = keypoint.x;
  keypoints[3 * item + 1] = keypoint.y;
  keypoints[3 * item + 2] = keypoint.confidence;
}

}  // namespace

Status read_keypoints_cuda(const void* heatmaps, const void* gated, const float* boxes, const float* prior, DType dtype,
                           const ReadKeypointsParams& params, float* keypoints, void* stream) {
  const Status status = check(params);
  if (status != Status::kOk) return status;
  const int64_t items = static_cast<int64_t>(params.batch) * params.boxes * params.classes;
  const int64_t blocks = divide_up<int64_t>(items, kWarpsPerBlock);
  if (blocks == 0) return Status::kOk;
  if (blocks > INT32_MAX) return Status::kBadShape;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const crops = static_cast<const T*>(gated);
    const auto kernel = is_word_aligned<T>(params.crop_h * params.crop_w, crops) ? read_keypoints_kernel<T, true>
                                                                                 : read_keypoints_kernel<T, false>;
    return launch(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kWarpsPerBlock * kWarpSize), 0, stream,
                  static_cast<const T*>(heatmaps), crops, boxes, prior, params, items, keypoints);
  });
}

}  // namespace simple_trt
