// Scans like the forward pass, and follows the current record, the element that gave the running maximum: each record
// gets the gradients met until the next one.
//   columns  a thread has a column; a warp reads and writes 32 neighbours at a time;
//   rows     a warp has a row; within 32 places a ballot tells the records, and a segmented sum their gradients.
#include "corner_pool.h"
#include "launch.h"
#include "pool_warp.h"

namespace simple_trt {
namespace {

constexpr int kColumnThreads = 128;
constexpr int kRowWarps = 8;

template <class T>
__global__ void spread_columns(const T* grad, const T* x, T* grad_x, int64_t columns, int height, int width,
                               bool upwards) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kColumnThreads + threadIdx.x;
  if (column >= columns) return;
  const int64_t first = column / width * height * width + column % width;
  int best = lowest_key<T>();
  int64_t record = first;
  float sum = 0.0f;
  for (int step = 0; step < height; ++step) {
    const int64_t at = first + static_cast<int64_t>(upwards ? height - 1 - step : step) * width;
    const int key = tie_key_of(x[at]);
    grad_x[at] = from_float<T>(0.0f);
    if (key > best) {
      if (step > 0) grad_x[record] = from_float<T>(sum);
      best = key;
      record = at;
      sum = 0.0f;
    }
    sum += to_float(grad[at]);
  }
  grad_x[record] = from_float<T>(sum);
}

/// A lane whose record mask bit is set (and lane 0) gets the sum from itself to before the next record.
__device__ inline float sum_to_next_record(float value, unsigned records, int lane) {
  const unsigned later = lane < kWarpSize - 1 ? records >> (lane + 1) : 0u;
  const int end = later ? lane + __ffs(static_cast<int>(later)) : kWarpSize;  // lane of the next record
  for (int distance = 1; distance < kWarpSize; distance *= 2) {
    const float further = __shfl_down_sync(kFullWarp, value, distance);
    if (lane + distance < end) value += further;
  }
  return value;
}

template <class T>
__global__ void spread_rows(const T* grad, const T* x, T* grad_x, int64_t rows, int width, bool leftwards) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.y;
  if (row >= rows) return;
  const int lane = static_cast<int>(threadIdx.x);
  const int64_t first = row * width;
  int best = lowest_key<T>();  // of all lanes so far
  int64_t record = first;      // the element that gave it, and its gradient so far
  float sum = 0.0f;
  for (int step = lane; step < width + lane; step += kWarpSize) {
    const bool exists = step < width;
    const int64_t at = first + (leftwards ? width - 1 - step : step);
    const int running = larger(best, warp_running_max(tie_key_at(x, at, exists), threadIdx.x));
    const int earlier = __shfl_up_sync(kFullWarp, running, 1);
    const bool is_record = running > (lane == 0 ? best : earlier);
    const unsigned records = __ballot_sync(kFullWarp, is_record);
    const float part = sum_to_next_record(exists ? to_float(grad[at]) : 0.0f, records, lane);
    const float head = __shfl_sync(kFullWarp, part, 0);
    if (!(records & 1u)) sum += head;  // lane 0 goes on with the record of before
    if (exists) grad_x[at] = from_float<T>(is_record ? part : 0.0f);
    if (records) {
      __syncwarp();  // after the zero that another lane may have written to the old record's place
      if (lane == 0 && best != lowest_key<T>()) grad_x[record] = from_float<T>(sum);
      const int last = kWarpSize - 1 - __clz(static_cast<int>(records));
      const int last_step = step - lane + last;
      record = first + (leftwards ? width - 1 - last_step : last_step);
      sum = __shfl_sync(kFullWarp, part, last);
    }
    best = __shfl_sync(kFullWarp, running, kWarpSize - 1);
  }
  if (lane == 0) grad_x[record] = from_float<T>(sum);
}

template <class T>
Status launch_spread(const T* grad, const T* x, T* grad_x, const PoolShape& s, Direction direction, void* stream) {
  if (direction == Direction::kTop || direction == Direction::kBottom) {
    const int64_t columns = s.planes * s.width;
    return launch(spread_columns<T>, grid_size(divide_up<int64_t>(columns, kColumnThreads)), kColumnThreads, 0, stream,
                  grad, x, grad_x, columns, s.height, s.width, direction == Direction::kTop);
  }
  const int64_t rows = s.planes * s.height;
  return launch(spread_rows<T>, grid_size(divide_up<int64_t>(rows, kRowWarps)), dim3(kWarpSize, kRowWarps), 0, stream,
                grad, x, grad_x, rows, s.width, direction == Direction::kLeft);
}

}  // namespace

Status corner_pool_backward_cuda(const void* grad, const void* x, DType dtype, const PoolShape& shape, int direction,
                                 void* grad_x, void* stream) {
  const Status status = check_corner_pool(shape, direction, kAddAsItIs);
  if (status != Status::kOk || is_empty(shape)) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    return launch_spread(static_cast<const T*>(grad), static_cast<const T*>(x), static_cast<T*>(grad_x), shape,
                         static_cast<Direction>(direction), stream);
  });
}

}  // namespace simple_trt
