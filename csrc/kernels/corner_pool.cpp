#include "corner_pool.h"

#include <algorithm>

#include "multiversion.h"
#include "parallel.h"

namespace simple_trt {
namespace {

constexpr int kStrip = 256;              // columns (or places of a row) worked on at a time: they stay in the first cache
constexpr int64_t kGrainElements = 1 << 14;  // below this a thread costs more than it brings

/// One plane [height, width] to pool; `addend` may be null, and may be `pooled` itself.
template <class T>
struct Plane {
  const T* x;
  const T* addend;
  T* pooled;
  int height;
  int width;
};

/// Top and bottom: all columns of a strip advance together, row by row.
template <class T, bool kAdd>
SIMPLE_TRT_INLINE void pool_columns(const Plane<T>& plane, bool upwards) {
  for (int begin = 0; begin < plane.width; begin += kStrip) {
    const int count = std::min(kStrip, plane.width - begin);
    PoolKey<T> best[kStrip];
    std::fill(best, best + kStrip, lowest_key<T>());
    for (int step = 0; step < plane.height; ++step) {
      const int64_t row = static_cast<int64_t>(upwards ? plane.height - 1 - step : step) * plane.width + begin;
      const T* const x = plane.x + row;
      const T* const addend = kAdd ? plane.addend + row : nullptr;
      T* const pooled = plane.pooled + row;
      for (int i = 0; i < count; ++i) {
        best[i] = larger(best[i], key_of(x[i]));
        pooled[i] = kAdd ? add_rounded(value_of<T>(best[i]), addend[i]) : value_of<T>(best[i]);
      }
    }
  }
}

/// Running maxima of part of a row, in scan order. Log-step windows of kLanes places, then one sweep that takes kLanes places
/// at a time from the kLanes before: about half the operations of log-step alone, and all of them on whole vectors.
template <class T>
class RowScan {
 public:
  using Key = PoolKey<T>;
  static constexpr int kLanes = 64 / static_cast<int>(sizeof(T));  // places in the widest vectors

  /// Where to put up to `kStrip` keys, in scan order.
  SIMPLE_TRT_INLINE Key* places() { return buffers_[0] + kLanes; }

  SIMPLE_TRT_INLINE void start() { std::fill(buffers_[0], buffers_[0] + kLanes, lowest_key<T>()); }

  /// Turns the first `count` keys into running maxima, those of earlier parts included, and returns them.
  SIMPLE_TRT_INLINE const Key* run(int count) {
    const int padded = divide_up(count, kLanes) * kLanes;
    std::fill(places() + count, places() + padded, lowest_key<T>());
    std::copy(buffers_[0], buffers_[0] + kLanes, buffers_[1]);  // what came before counts in every window
    int from = 0;
    for (int distance = 1; distance < kLanes; distance *= 2, from = 1 - from) combine(from, distance, padded);
    combine_in_order(from, padded);
    carry(1 - from, count);
    return buffers_[1 - from] + kLanes;
  }

 private:
  SIMPLE_TRT_INLINE void combine(int from, int distance, int padded) {
    const Key* const source = buffers_[from] + kLanes;
    Key* const target = buffers_[1 - from] + kLanes;
    for (int i = 0; i < padded; ++i) target[i] = larger(source[i], source[i - distance]);
  }

  SIMPLE_TRT_INLINE void combine_in_order(int from, int padded) {
    const Key* const window = buffers_[from] + kLanes;
    Key* const target = buffers_[1 - from] + kLanes;
    for (int i = 0; i < padded; i += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) target[i + lane] = larger(window[i + lane], target[i + lane - kLanes]);
    }
  }

  SIMPLE_TRT_INLINE void carry(int result, int count) {
    std::fill(buffers_[0], buffers_[0] + kLanes, buffers_[result][kLanes + count - 1]);
  }

  alignas(64) Key buffers_[2][kLanes + kStrip];
};

/// Left and right: row by row, part by part.
template <class T, bool kAdd, bool kLeftwards>
SIMPLE_TRT_INLINE void pool_rows(const Plane<T>& plane) {
  RowScan<T> scan;
  for (int row = 0; row < plane.height; ++row) {
    scan.start();
    for (int done = 0; done < plane.width; done += kStrip) {
      const int count = std::min(kStrip, plane.width - done);
      const int64_t first = static_cast<int64_t>(row) * plane.width + (kLeftwards ? plane.width - done - count : done);
      PoolKey<T>* const keys = scan.places();
      for (int i = 0; i < count; ++i) keys[i] = key_of(plane.x[first + (kLeftwards ? count - 1 - i : i)]);
      const PoolKey<T>* const best = scan.run(count);
      for (int i = 0; i < count; ++i) {
        const T value = value_of<T>(best[kLeftwards ? count - 1 - i : i]);
        plane.pooled[first + i] = kAdd ? add_rounded(value, plane.addend[first + i]) : value;
      }
    }
  }
}

template <class T, bool kAdd>
SIMPLE_TRT_MULTIVERSION void pool_plane(const Plane<T>& plane, Direction direction) {
  switch (direction) {
    case Direction::kTop:
      return pool_columns<T, kAdd>(plane, /*upwards=*/true);
    case Direction::kBottom:
      return pool_columns<T, kAdd>(plane, /*upwards=*/false);
    case Direction::kLeft:
      return pool_rows<T, kAdd, /*kLeftwards=*/true>(plane);
    case Direction::kRight:
      return pool_rows<T, kAdd, /*kLeftwards=*/false>(plane);
  }
}

/// pool(x) + (nothing | other | pool(other)). The pool of `other` is exact in T, so it may wait in `pooled` for its addition.
template <class T>
void corner_pool_plane(const T* x, const T* other, T* pooled, const PoolShape& shape, int direction, int other_direction) {
  const Plane<T> alone{x, nullptr, pooled, shape.height, shape.width};
  if (!other) return pool_plane<T, false>(alone, static_cast<Direction>(direction));
  if (other_direction != kAddAsItIs) {
    pool_plane<T, false>({other, nullptr, pooled, shape.height, shape.width}, static_cast<Direction>(other_direction));
  }
  const T* const addend = other_direction == kAddAsItIs ? other : pooled;
  pool_plane<T, true>({x, addend, pooled, shape.height, shape.width}, static_cast<Direction>(direction));
}

/// Top and bottom, backwards: first marks in grad_x which elements are records, that is strictly greater than all scanned
/// before; then, against the scan order, gives each record the gradients met since the record before.
template <class T>
SIMPLE_TRT_INLINE void spread_columns(const T* grad, const T* x, T* grad_x, const PoolShape& shape, bool upwards) {
  const auto row_of = [&](int step) {
    return static_cast<int64_t>(upwards ? shape.height - 1 - step : step) * shape.width;
  };
  for (int begin = 0; begin < shape.width; begin += kStrip) {
    const int count = std::min(kStrip, shape.width - begin);
    PoolKey<T> best[kStrip];
    float sum[kStrip] = {};
    std::fill(best, best + kStrip, lowest_key<T>());
    for (int step = 0; step < shape.height; ++step) {
      const int64_t row = row_of(step) + begin;
      for (int i = 0; i < count; ++i) {
        const PoolKey<T> key = tie_key_of(x[row + i]);
        grad_x[row + i] = from_float<T>(key > best[i] ? 1.0f : 0.0f);
        best[i] = larger(best[i], key);
      }
    }
    for (int step = shape.height - 1; step >= 0; --step) {
      const int64_t row = row_of(step) + begin;
      for (int i = 0; i < count; ++i) {
        const float total = sum[i] + to_float(grad[row + i]);
        const bool is_record = to_float(grad_x[row + i]) != 0.0f;
        grad_x[row + i] = from_float<T>(is_record ? total : 0.0f);
        sum[i] = is_record ? 0.0f : total;
      }
    }
  }
}

/// Left and right, backwards: gathers the gradient of the current record, and delivers it when the next one comes.
template <class T>
SIMPLE_TRT_INLINE void spread_row(const T* grad, const T* x, T* grad_x, int width, bool leftwards) {
  PoolKey<T> best = lowest_key<T>();
  int record = 0;
  float sum = 0.0f;
  for (int step = 0; step < width; ++step) {
    const int place = leftwards ? width - 1 - step : step;
    const PoolKey<T> key = tie_key_of(x[place]);
    grad_x[place] = from_float<T>(0.0f);
    if (key > best) {
      grad_x[record] = from_float<T>(sum);  // the first time this is a zero for place 0, overwritten in its turn
      best = key;
      record = place;
      sum = 0.0f;
    }
    sum += to_float(grad[place]);
  }
  grad_x[record] = from_float<T>(sum);
}

template <class T>
SIMPLE_TRT_MULTIVERSION void spread_plane(const T* grad, const T* x, T* grad_x, const PoolShape& shape, Direction direction) {
  if (direction == Direction::kTop || direction == Direction::kBottom) {
    return spread_columns(grad, x, grad_x, shape, direction == Direction::kTop);
  }
  for (int row = 0; row < shape.height; ++row) {
    const int64_t at = static_cast<int64_t>(row) * shape.width;
    spread_row(grad + at, x + at, grad_x + at, shape.width, direction == Direction::kLeft);
  }
}

}  // namespace

Status corner_pool_cpu(const void* x, const void* other, DType dtype, const PoolShape& shape, int direction,
                       int other_direction, void* pooled) {
  const Status status = check_corner_pool(shape, direction, other ? other_direction : kAddAsItIs);
  if (status != Status::kOk || is_empty(shape)) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t size = int64_t{shape.height} * shape.width;
    parallel_for(shape.planes, divide_up(kGrainElements, size), [&](int64_t begin, int64_t end, int) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const T* const addend = other ? static_cast<const T*>(other) + plane * size : nullptr;
        corner_pool_plane(static_cast<const T*>(x) + plane * size, addend, static_cast<T*>(pooled) + plane * size, shape,
                          direction, other_direction);
      }
    });
    return Status::kOk;
  });
}

Status corner_pool_backward_cpu(const void* grad, const void* x, DType dtype, const PoolShape& shape, int direction,
                                void* grad_x) {
  const Status status = check_corner_pool(shape, direction, kAddAsItIs);
  if (status != Status::kOk || is_empty(shape)) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t size = int64_t{shape.height} * shape.width;
    parallel_for(shape.planes, divide_up(kGrainElements, size), [&](int64_t begin, int64_t end, int) {
      for (int64_t at = begin * size; at < end * size; at += size) {
        spread_plane(static_cast<const T*>(grad) + at, static_cast<const T*>(x) + at, static_cast<T*>(grad_x) + at, shape,
                     static_cast<Direction>(direction));
      }
    });
    return Status::kOk;
  });
}

}  // namespace simple_trt
