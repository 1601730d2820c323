#include "group_boxes.h"
#include "launch.h"
#include "rank_key.h"
#include "select_keys.h"
#include "warp_max.h"

namespace simple_trt {
namespace {

constexpr int kThreads = 512;
constexpr int kMaxPairs = kMaxGroupPeaks * kMaxGroupPeaks;
constexpr int kNmsWarps = kCandidates / kWarpSize;

/// The three lists of points of one image, N after N: top-left, bottom-right, center.
template <class T>
__device__ void place_points(const float* scores, const int32_t* indices, const T* offsets, const GroupBoxesParams& p,
                             Point* points) {
  const int64_t cells = static_cast<int64_t>(p.height) * p.width;
  for (int at = threadIdx.x; at < 3 * p.top_n; at += blockDim.x) {
    const T* dx = offsets + 2 * (at / p.top_n) * cells;
    points[at] = place_point(scores[at], indices[at], dx, dx + cells, p);
  }
}

/// Appends the keys of the pairs that count, in any order.
__device__ void collect_pairs(const Point* points, const GroupBoxesParams& p, uint64_t* keys, int* count) {
  const Point* centers = points + 2 * p.top_n;
  for (int pair = threadIdx.x; pair < p.top_n * p.top_n; pair += blockDim.x) {
    const Point& top_left = points[pair / p.top_n];
    const Point& bottom_right = points[p.top_n + pair % p.top_n];
    const Box box = box_between(top_left, bottom_right);
    if (!is_box(box)) continue;
    const int center = find_center(centers, p.top_n, box, p.center_area);
    if (center < 0) continue;
    const float score = pair_score(top_left.probability, bottom_right.probability, centers[center].probability);
    keys[atomicAdd(count, 1)] = rank_key(score, pair);
  }
}

__device__ Candidate restore_candidate(uint64_t key, const Point* points, const GroupBoxesParams& p) {
  const int top_left = rank_index(key) / p.top_n;
  const int bottom_right = rank_index(key) % p.top_n;
  const Box box = box_between(points[top_left], points[p.top_n + bottom_right]);
  const int center = find_center(points + 2 * p.top_n, p.top_n, box, p.center_area);
  return {box, rank_value(key), top_left, bottom_right, center};
}

/// The candidate of a warp that has the highest score; its bits, because those of positive numbers have their order.
struct Leader {
  unsigned score_bits;  // 0 where no score is high enough
  int candidate;
};

/// The leader of a warp whose lanes have neighbouring candidates; of equal ones the first.
__device__ Leader leader_of_warp(float score) {
  const unsigned bits = score >= kLowestBoxScore ? bits_of(score) : 0u;
  const unsigned highest = warp_max(bits);
  const unsigned lanes = __ballot_sync(kFullWarp, bits == highest);
  return {highest, static_cast<int>(threadIdx.x) / kWarpSize * kWarpSize + __ffs(static_cast<int>(lanes)) - 1};
}

__device__ Leader first_highest(const Leader* leaders) {
  Leader best = leaders[0];
  for (int warp = 1; warp < kNmsWarps; ++warp) {
    if (leaders[warp].score_bits > best.score_bits) best = leaders[warp];
  }
  return best;
}

/// One candidate a thread, its score in a register; the other threads have left. `leaders` is two lists, used in turn:
/// one barrier a round.
__device__ void soft_nms(const Candidate* candidates, int count, const GroupBoxesParams& p,
                         const GroupBoxesOutputs& image, Leader (*leaders)[kNmsWarps]) {
  const int self = static_cast<int>(threadIdx.x);
  const Candidate own = self < count ? candidates[self] : Candidate{{}, kNoBox, 0, 0, 0};
  float score = own.score;
  int row = 0;
  for (; row < p.top_m; ++row) {
    const Leader leader = leader_of_warp(score);
    if (self % kWarpSize == 0) leaders[row % 2][self / kWarpSize] = leader;
    __syncthreads();
    const Leader best = first_highest(leaders[row % 2]);
    if (best.score_bits == 0u) break;
    if (self == best.candidate) {
      emit(own, score, row, image);
      score = kNoBox;
    } else if (score >= kLowestBoxScore) {
      score *= decay(iou(candidates[best.candidate].box, own.box), p.nms_sigma);
    }
  }
  if (self == 0) *image.num = row;
}

__device__ void clear(const GroupBoxesOutputs& image, int top_m) {
  for (int i = threadIdx.x; i < 4 * top_m; i += blockDim.x) image.boxes[i] = 0.0f;
  for (int i = threadIdx.x; i < 3 * top_m; i += blockDim.x) image.points[i] = 0;
  for (int i = threadIdx.x; i < top_m; i += blockDim.x) image.box_scores[i] = 0.0f;
}

/// One block an image.
template <class T>
__global__ void __launch_bounds__(kThreads)
    group_boxes_kernel(const float* scores, const int32_t* indices, const T* offsets, GroupBoxesParams p,
                       GroupBoxesOutputs outputs) {
  __shared__ Point points[3 * kMaxGroupPeaks];
  __shared__ uint64_t keys[kMaxPairs];
  __shared__ uint64_t best[kCandidates];
  __shared__ Candidate candidates[kCandidates];
  __shared__ Leader leaders[2][kNmsWarps];
  __shared__ int count;
  const int64_t image = blockIdx.x;
  const int64_t list = 3 * p.top_n * image;
  const GroupBoxesOutputs out = outputs.of_image(image, p.top_m);
  const T* maps = offsets + 6 * image * p.height * p.width;

  if (threadIdx.x == 0) count = 0;
  clear(out, p.top_m);
  place_points(scores + list, indices + list, maps, p, points);
  __syncthreads();
  collect_pairs(points, p, keys, &count);
  __syncthreads();
  select_best(keys, count, kCandidates, best);
  const int chosen = smaller(count, kCandidates);
  if (threadIdx.x >= kCandidates) return;
  // The others see it after the first barrier of the suppression.
  if (static_cast<int>(threadIdx.x) < chosen) candidates[threadIdx.x] = restore_candidate(best[threadIdx.x], points, p);
  soft_nms(candidates, chosen, p, out, leaders);
}

}  // namespace

Status group_boxes_cuda(const float* scores, const int32_t* indices, const void* offsets, DType offsets_dtype,
                        const GroupBoxesParams& params, const GroupBoxesOutputs& outputs, void* stream) {
  const Status status = check(params);
  if (status != Status::kOk || params.batch == 0) return status;
  return dispatch(offsets_dtype, [&](auto zero) {
    using T = decltype(zero);
    return launch(group_boxes_kernel<T>, dim3(params.batch), dim3(kThreads), 0, stream, scores, indices,
                  static_cast<const T*>(offsets), params, outputs);
  });
}

}  // namespace simple_trt
