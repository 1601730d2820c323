#include "center_pool.h"

#include "parallel.h"
#include "pool_lines.h"

namespace simple_trt {
namespace {

template <class T>
SIMPLE_TRT_INLINE PoolKey<T> row_maximum(const T* row, int width) {
  PoolKey<T> best[kLanes<T>];
  std::fill(best, best + kLanes<T>, lowest_key<T>());
  const int whole = width / kLanes<T> * kLanes<T>;
  for (int i = 0; i < whole; i += kLanes<T>) raise_keys(best, row + i, kLanes<T>);
  raise_keys(best, row + whole, width - whole);
  return *std::max_element(best, best + kLanes<T>);
}

/// Writes the sums of one strip of columns. The row maxima wait in the first column of `pooled`.
template <class T>
SIMPLE_TRT_INLINE void pool_strip(const T* column, T* pooled, int begin, const PoolShape& shape) {
  const int count = std::min(kStrip, shape.width - begin);
  PoolKey<T> best[kStrip];
  std::fill(best, best + kStrip, lowest_key<T>());
  for (int row = 0; row < shape.height; ++row) {
    raise_keys(best, column + static_cast<int64_t>(row) * shape.width + begin, count);
  }
  float maxima[kStrip];
  SIMPLE_TRT_INDEPENDENT
  for (int i = 0; i < count; ++i) maxima[i] = to_float(value_of<T>(best[i]));
  for (int row = 0; row < shape.height; ++row) {
    T* const line = pooled + static_cast<int64_t>(row) * shape.width;
    const float of_row = to_float(line[0]);
    T* const sums = line + begin;
    SIMPLE_TRT_INDEPENDENT
    for (int i = 0; i < count; ++i) sums[i] = from_float<T>(maxima[i] + of_row);
  }
}

/// A row maximum is exact in T, so it may wait in the row's first place: the strip that holds it is written last.
template <class T>
SIMPLE_TRT_MULTIVERSION void pool_plane(const T* column, const T* row, T* pooled, const PoolShape& shape) {
  for (int i = 0; i < shape.height; ++i) {
    const int64_t at = static_cast<int64_t>(i) * shape.width;
    pooled[at] = value_of<T>(row_maximum(row + at, shape.width));
  }
  for (int begin = (shape.width - 1) / kStrip * kStrip; begin >= 0; begin -= kStrip) {
    pool_strip(column, pooled, begin, shape);
  }
}

/// The last maxima and the gradient sums of `kCount` lines that lie side by side.
template <class T, int kCount>
struct Lines {
  PoolKey<T> best[kCount];
  int32_t place[kCount] = {};
  float sum[kCount] = {};

  SIMPLE_TRT_INLINE Lines() { std::fill(best, best + kCount, lowest_key<T>()); }

  /// Takes the next element of each of the first `count` lines.
  SIMPLE_TRT_INLINE void take(const T* map, const T* grad, int32_t at, int count) {
    SIMPLE_TRT_INDEPENDENT
    for (int i = 0; i < count; ++i) {
      const PoolKey<T> key = tie_key_of(map[i]);
      place[i] = key >= best[i] ? at : place[i];
      best[i] = larger(best[i], key);
    }
    SIMPLE_TRT_INDEPENDENT
    for (int i = 0; i < count; ++i) sum[i] += to_float(grad[i]);
  }
};

/// Gives the gradient of each column to its bottom-most maximum.
template <class T>
SIMPLE_TRT_MULTIVERSION void gather_columns(const T* grad, const T* column, T* grad_column, const PoolShape& shape) {
  std::fill(grad_column, grad_column + static_cast<int64_t>(shape.height) * shape.width, from_float<T>(0.0f));
  for (int begin = 0; begin < shape.width; begin += kStrip) {
    const int count = std::min(kStrip, shape.width - begin);
    Lines<T, kStrip> columns;
    for (int row = 0; row < shape.height; ++row) {
      const int64_t at = static_cast<int64_t>(row) * shape.width + begin;
      columns.take(column + at, grad + at, row, count);
    }
    for (int i = 0; i < count; ++i) {
      grad_column[static_cast<int64_t>(columns.place[i]) * shape.width + begin + i] = from_float<T>(columns.sum[i]);
    }
  }
}

/// Gives the gradient of a row to its right-most maximum. The row is looked at as `kLanes` interleaved lines.
template <class T>
SIMPLE_TRT_INLINE void gather_row(const T* grad, const T* row, T* grad_row, int width) {
  Lines<T, kLanes<T>> lines;
  for (int i = 0; i < width; i += kLanes<T>) lines.take(row + i, grad + i, i, std::min(kLanes<T>, width - i));
  int last = 0;
  PoolKey<T> best = lowest_key<T>();
  float sum = 0.0f;
  for (int lane = 0; lane < kLanes<T>; ++lane) {
    const int place = lines.place[lane] + lane;
    if (lines.best[lane] > best || (lines.best[lane] == best && place > last)) last = place;
    best = larger(best, lines.best[lane]);
    sum += lines.sum[lane];
  }
  std::fill(grad_row, grad_row + width, from_float<T>(0.0f));
  grad_row[last] = from_float<T>(sum);
}

template <class T>
SIMPLE_TRT_MULTIVERSION void gather_rows(const T* grad, const T* row, T* grad_row, const PoolShape& shape) {
  for (int i = 0; i < shape.height; ++i) {
    const int64_t at = static_cast<int64_t>(i) * shape.width;
    gather_row(grad + at, row + at, grad_row + at, shape.width);
  }
}

}  // namespace

Status center_pool_cpu(const void* column, const void* row, DType dtype, const PoolShape& shape, void* pooled) {
  const Status status = check(shape);
  if (status != Status::kOk || is_empty(shape)) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t size = int64_t{shape.height} * shape.width;
    parallel_for(shape.planes, divide_up(kGrainElements, size), [&](int64_t begin, int64_t end, int) {
      for (int64_t at = begin * size; at < end * size; at += size) {
        pool_plane(static_cast<const T*>(column) + at, static_cast<const T*>(row) + at, static_cast<T*>(pooled) + at,
                   shape);
      }
    });
    return Status::kOk;
  });
}

Status center_pool_backward_cpu(const void* grad, const void* column, const void* row, DType dtype,
                                const PoolShape& shape, void* grad_column, void* grad_row) {
  const Status status = check(shape);
  if (status != Status::kOk || is_empty(shape)) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t size = int64_t{shape.height} * shape.width;
    parallel_for(shape.planes, divide_up(kGrainElements, size), [&](int64_t begin, int64_t end, int) {
      for (int64_t at = begin * size; at < end * size; at += size) {
        const T* const gradient = static_cast<const T*>(grad) + at;
        gather_columns(gradient, static_cast<const T*>(column) + at, static_cast<T*>(grad_column) + at, shape);
        gather_rows(gradient, static_cast<const T*>(row) + at, static_cast<T*>(grad_row) + at, shape);
      }
    });
    return Status::kOk;
  });
}

}  // namespace simple_trt
