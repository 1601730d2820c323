// Scans like the forward pass, and follows the current record, the element that gave the running maximum: each record
// gets the gradients met until the next one.
//   columns  a block has 32 columns; its warps take consecutive runs of rows, hold them in registers, and learn through
//            shared memory what is before them and how far their last records reach;
//   rows     a warp has a row; within 32 places a ballot tells the records, and a segmented sum their gradients.
#include "corner_pool.h"
#include "launch.h"
#include "pool_warp.h"

namespace simple_trt {
namespace {

constexpr int kColumnWarps = 8;
constexpr int kRowsAWarp = 8;  // of a run: loads in flight
constexpr int kNoRecord = -1;
constexpr int kRowWarps = 8;

/// A column in scan order.
struct Column {
  int64_t first;  // element of the map: its row 0
  int64_t width;
  int height;
  bool upwards;
  bool exists;

  __device__ int64_t at(int step) const { return first + (upwards ? height - 1 - step : step) * width; }
};

/// What a run of rows leaves open.
struct Run {
  float head;  // sum of the gradients before its first record, or of all
  int record;  // step of its last record
  float tail;  // sum of the gradients from there on
};

/// Writes the gradients of a run's rows but that of its last record. `before`: the largest key of earlier rows.
template <class T>
__device__ Run spread_run(const int* keys, float* grads, int before, int begin, const Column& column, T* grad_x) {
  unsigned records = 0;
  for (int i = 0; i < kRowsAWarp; ++i) {
    if (keys[i] > before) records |= 1u << i;
    before = larger(before, keys[i]);
  }
  Run run{0.0f, kNoRecord, 0.0f};
  for (int i = kRowsAWarp - 1; i >= 0; --i) {
    run.head += grads[i];
    const bool is_record = records >> i & 1u;
    const bool is_last = is_record && run.record == kNoRecord;
    if (is_last) {
      run.record = begin + i;
      run.tail = run.head;
    } else if (column.exists && begin + i < column.height) {
      grad_x[column.at(begin + i)] = from_float<T>(is_record ? run.head : 0.0f);
    }
    if (is_record) run.head = 0.0f;
  }
  return run;
}

/// The record that the next gradients belong to.
struct OpenRecord {
  int step = kNoRecord;
  float sum = 0.0f;
};

/// Takes the runs of a tile in scan order and writes the gradients of their last records, and again that of the record
/// of earlier tiles, as far as they are known. One warp does this, in every tile the same one.
template <class T>
__device__ void close_records(OpenRecord& open, const Run (*runs)[kWarpSize], const Column& column, T* grad_x) {
  for (int warp = 0; warp <= kColumnWarps; ++warp) {
    const Run run = warp < kColumnWarps ? runs[warp][threadIdx.x] : Run{0.0f, kNoRecord, 0.0f};
    open.sum += run.head;
    if (run.record == kNoRecord && warp < kColumnWarps) continue;
    if (open.step != kNoRecord && column.exists) grad_x[column.at(open.step)] = from_float<T>(open.sum);
    if (warp < kColumnWarps) open = {run.record, run.tail};
  }
}

template <class T>
__global__ void __launch_bounds__(kWarpSize* kColumnWarps)
    spread_columns(const T* grad, const T* x, T* grad_x, int height, int width, int chunks, bool upwards) {
  __shared__ int bests[kColumnWarps][kWarpSize];
  __shared__ Run runs[kColumnWarps][kWarpSize];
  const int lane = static_cast<int>(threadIdx.x);
  const int warp = static_cast<int>(threadIdx.y);
  const int own = static_cast<int>(blockIdx.x % chunks) * kWarpSize + lane;
  const int64_t plane = static_cast<int64_t>(blockIdx.x / chunks) * height * width;
  const Column column{plane + own, width, height, upwards, own < width};
  int best = lowest_key<T>();
  OpenRecord open;
  for (int tile = 0; tile < height; tile += kColumnWarps * kRowsAWarp) {
    const int begin = tile + warp * kRowsAWarp;
    int keys[kRowsAWarp];
    float grads[kRowsAWarp];
    int highest = lowest_key<T>();
    for (int i = 0; i < kRowsAWarp; ++i) {
      const bool exists = column.exists && begin + i < height;
      keys[i] = tie_key_at(x, column.at(begin + i), exists);
      grads[i] = exists ? to_float(grad[column.at(begin + i)]) : 0.0f;
      highest = larger(highest, keys[i]);
    }
    bests[warp][lane] = highest;
    __syncthreads();
    int before = best;
    for (int other = 0; other < kColumnWarps; ++other) {
      if (other == warp) before = best;
      best = larger(best, bests[other][lane]);
    }
    runs[warp][lane] = spread_run(keys, grads, before, begin, column, grad_x);
    __syncthreads();
    if (warp == 0) close_records(open, runs, column, grad_x);
  }
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
    const int chunks = divide_up(s.width, kWarpSize);
    return launch(spread_columns<T>, grid_size(s.planes * chunks), dim3(kWarpSize, kColumnWarps), 0, stream, grad, x,
                  grad_x, s.height, s.width, chunks, direction == Direction::kTop);
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
