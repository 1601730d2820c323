#include "corner_pool.h"

#include "parallel.h"
#include "pool_lines.h"

namespace simple_trt {
namespace {

/// One plane [height, width] to pool; `addend` may be `pooled` itself.
template <class T>
struct Plane {
  const T* x;
  const T* addend;
  T* pooled;
  int height;
  int width;
};

template <class T, bool kAdd>
SIMPLE_TRT_INLINE void put(const Plane<T>& plane, int64_t at, const PoolKey<T>* best, int count) {
  if (kAdd) {
    put_sums(best, plane.addend + at, plane.pooled + at, count);
  } else {
    put_values(best, plane.pooled + at, count);
  }
}

/// Top and bottom: all columns of a strip advance together, row by row.
template <class T, bool kAdd>
SIMPLE_TRT_INLINE void pool_columns(const Plane<T>& plane, bool upwards) {
  for (int begin = 0; begin < plane.width; begin += kStrip) {
    const int count = std::min(kStrip, plane.width - begin);
    PoolKey<T> best[kStrip];
    std::fill(best, best + kStrip, lowest_key<T>());
    for (int step = 0; step < plane.height; ++step) {
      const int64_t at = static_cast<int64_t>(upwards ? plane.height - 1 - step : step) * plane.width + begin;
      raise_keys(best, plane.x + at, count);
      put<T, kAdd>(plane, at, best, count);
    }
  }
}

/// Left and right: row by row, part by part.
template <class T, bool kAdd>
SIMPLE_TRT_INLINE void pool_rows(const Plane<T>& plane, bool leftwards) {
  LineScan<T> scan;
  for (int row = 0; row < plane.height; ++row) {
    scan.start();
    for (int done = 0; done < plane.width; done += kStrip) {
      const int count = std::min(kStrip, plane.width - done);
      const int64_t at = static_cast<int64_t>(row) * plane.width + (leftwards ? plane.width - done - count : done);
      const T* const x = plane.x + at;
      PoolKey<T>* const keys = scan.places();
      if (leftwards) {
        for (int i = 0; i < count; ++i) keys[i] = key_of(x[count - 1 - i]);
      } else {
        for (int i = 0; i < count; ++i) keys[i] = key_of(x[i]);
      }
      const PoolKey<T>* best = scan.run(count);
      PoolKey<T> in_place[kStrip];
      if (leftwards) {
        std::reverse_copy(best, best + count, in_place);
        best = in_place;
      }
      put<T, kAdd>(plane, at, best, count);
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
      return pool_rows<T, kAdd>(plane, /*leftwards=*/true);
    case Direction::kRight:
      return pool_rows<T, kAdd>(plane, /*leftwards=*/false);
  }
}

/// pool(x) + (nothing | other | pool(other)). The pool of `other` is exact in T, so it may wait in `pooled` for its
/// addition.
template <class T>
void corner_pool_plane(const T* x, const T* other, T* pooled, const PoolShape& shape, int direction,
                       int other_direction) {
  const Plane<T> alone{x, nullptr, pooled, shape.height, shape.width};
  if (!other) return pool_plane<T, false>(alone, static_cast<Direction>(direction));
  if (other_direction != kAddAsItIs) {
    pool_plane<T, false>({other, nullptr, pooled, shape.height, shape.width}, static_cast<Direction>(other_direction));
  }
  const T* const addend = other_direction == kAddAsItIs ? other : pooled;
  pool_plane<T, true>({x, addend, pooled, shape.height, shape.width}, static_cast<Direction>(direction));
}

/// Gives `sum` to an element that is marked as a record, else 0, and returns what is left to give.
template <class T>
SIMPLE_TRT_INLINE float deliver(float sum, T& element) {
  const bool is_record = to_float(element) != 0.0f;
  element = from_float<T>(is_record ? sum : 0.0f);
  return is_record ? 0.0f : sum;
}

/// Backwards: first marks in grad_x which elements are records, that is strictly greater than all scanned before; then,
/// against the scan order, gives each record the gradients met since the record before. Top and bottom:
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
      const int64_t at = row_of(step) + begin;
      SIMPLE_TRT_INDEPENDENT
      for (int i = 0; i < count; ++i) {
        const PoolKey<T> key = tie_key_of(x[at + i]);
        grad_x[at + i] = from_float<T>(key > best[i] ? 1.0f : 0.0f);
        best[i] = larger(best[i], key);
      }
    }
    for (int step = shape.height - 1; step >= 0; --step) {
      const int64_t at = row_of(step) + begin;
      SIMPLE_TRT_INDEPENDENT
      for (int i = 0; i < count; ++i) sum[i] = deliver(sum[i] + to_float(grad[at + i]), grad_x[at + i]);
    }
  }
}

/// Left and right, one row.
template <class T>
SIMPLE_TRT_INLINE void spread_row(const T* grad, const T* x, T* grad_x, int width, bool leftwards) {
  LineScan<T> scan;
  scan.start();
  for (int done = 0; done < width; done += kStrip) {
    const int count = std::min(kStrip, width - done);
    for (int i = 0; i < count; ++i) scan.places()[i] = tie_key_of(x[leftwards ? width - 1 - done - i : done + i]);
    const PoolKey<T>* const best = scan.run(count);
    for (int i = 0; i < count; ++i) {
      grad_x[leftwards ? width - 1 - done - i : done + i] = from_float<T>(best[i] > best[i - 1] ? 1.0f : 0.0f);
    }
  }
  float sum = 0.0f;
  for (int i = 0; i < width; ++i) {
    const int place = leftwards ? i : width - 1 - i;
    sum = deliver(sum + to_float(grad[place]), grad_x[place]);
  }
}

template <class T>
SIMPLE_TRT_MULTIVERSION void spread_plane(const T* grad, const T* x, T* grad_x, const PoolShape& shape,
                                          Direction direction) {
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
        corner_pool_plane(static_cast<const T*>(x) + plane * size, addend, static_cast<T*>(pooled) + plane * size,
                          shape, direction, other_direction);
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
        spread_plane(static_cast<const T*>(grad) + at, static_cast<const T*>(x) + at, static_cast<T*>(grad_x) + at,
                     shape, static_cast<Direction>(direction));
      }
    });
    return Status::kOk;
  });
}

}  // namespace simple_trt
