#include "center_pool.h"

#include <algorithm>

#include "multiversion.h"
#include "parallel.h"

namespace simple_trt {
namespace {

constexpr int kStrip = 256;                  // columns worked on at a time: they stay in the first cache
constexpr int64_t kGrainElements = 1 << 14;  // below this a thread costs more than it brings
constexpr int kPartialSums = 16;             // of a row: independent, so that they are added as vectors

template <class T>
SIMPLE_TRT_INLINE void spread_row_maximum(const T* row, T* pooled, int width) {
  PoolKey<T> best = lowest_key<T>();
  for (int i = 0; i < width; ++i) best = larger(best, key_of(row[i]));
  std::fill(pooled, pooled + width, value_of<T>(best));
}

/// Adds the column maxima to what is in `pooled`.
template <class T>
SIMPLE_TRT_INLINE void add_column_maxima(const T* column, T* pooled, const PoolShape& shape) {
  for (int begin = 0; begin < shape.width; begin += kStrip) {
    const int count = std::min(kStrip, shape.width - begin);
    PoolKey<T> best[kStrip];
    std::fill(best, best + kStrip, lowest_key<T>());
    for (int row = 0; row < shape.height; ++row) {
      const T* const values = column + static_cast<int64_t>(row) * shape.width + begin;
      for (int i = 0; i < count; ++i) best[i] = larger(best[i], key_of(values[i]));
    }
    for (int row = 0; row < shape.height; ++row) {
      T* const sums = pooled + static_cast<int64_t>(row) * shape.width + begin;
      for (int i = 0; i < count; ++i) sums[i] = add_rounded(value_of<T>(best[i]), sums[i]);
    }
  }
}

/// A row maximum is exact in T, so it may wait in `pooled` for its addition.
template <class T>
SIMPLE_TRT_MULTIVERSION void pool_plane(const T* column, const T* row, T* pooled, const PoolShape& shape) {
  for (int i = 0; i < shape.height; ++i) {
    const int64_t at = static_cast<int64_t>(i) * shape.width;
    spread_row_maximum(row + at, pooled + at, shape.width);
  }
  add_column_maxima(column, pooled, shape);
}

/// Gives the gradient of each column to its bottom-most maximum.
template <class T>
SIMPLE_TRT_MULTIVERSION void gather_columns(const T* grad, const T* column, T* grad_column, const PoolShape& shape) {
  std::fill(grad_column, grad_column + static_cast<int64_t>(shape.height) * shape.width, from_float<T>(0.0f));
  for (int begin = 0; begin < shape.width; begin += kStrip) {
    const int count = std::min(kStrip, shape.width - begin);
    PoolKey<T> best[kStrip];
    int32_t best_row[kStrip] = {};
    float sum[kStrip] = {};
    std::fill(best, best + kStrip, lowest_key<T>());
    for (int row = 0; row < shape.height; ++row) {
      const int64_t at = static_cast<int64_t>(row) * shape.width + begin;
      for (int i = 0; i < count; ++i) {
        const PoolKey<T> key = tie_key_of(column[at + i]);
        best_row[i] = key >= best[i] ? row : best_row[i];
        best[i] = larger(best[i], key);
        sum[i] += to_float(grad[at + i]);
      }
    }
    for (int i = 0; i < count; ++i) {
      grad_column[static_cast<int64_t>(best_row[i]) * shape.width + begin + i] = from_float<T>(sum[i]);
    }
  }
}

/// Gives the gradient of a row to its right-most maximum.
template <class T>
SIMPLE_TRT_INLINE void gather_row(const T* grad, const T* row, T* grad_row, int width) {
  PoolKey<T> best = lowest_key<T>();
  for (int i = 0; i < width; ++i) best = larger(best, tie_key_of(row[i]));
  int last = 0;
  for (int i = 0; i < width; ++i) last = tie_key_of(row[i]) == best ? i : last;
  float partial[kPartialSums] = {};
  const int whole = width / kPartialSums * kPartialSums;
  for (int i = 0; i < whole; i += kPartialSums) {
    for (int lane = 0; lane < kPartialSums; ++lane) partial[lane] += to_float(grad[i + lane]);
  }
  for (int i = whole; i < width; ++i) partial[0] += to_float(grad[i]);
  float sum = 0.0f;
  for (const float part : partial) sum += part;
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
        pool_plane(static_cast<const T*>(column) + at, static_cast<const T*>(row) + at, static_cast<T*>(pooled) + at, shape);
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
