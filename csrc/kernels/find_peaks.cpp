#include "find_peaks.h"

#include <algorithm>
#include <cstring>

#include "parallel.h"
#include "rank_key.h"

namespace simple_trt {
namespace {

constexpr int kStrip = 512;  // columns looked at together: three rows of them stay in the first-level cache

/// The best keys so far, greatest first.
class BestKeys {
 public:
  explicit BestKeys(int capacity) : capacity_(capacity) {}

  void offer(uint64_t key) {
    if (count_ == capacity_ && key < keys_[count_ - 1]) return;
    int place = count_ < capacity_ ? count_++ : count_ - 1;
    for (; place > 0 && keys_[place - 1] < key; --place) keys_[place] = keys_[place - 1];
    keys_[place] = key;
  }

  int count() const { return count_; }
  uint64_t operator[](int place) const { return keys_[place]; }

 private:
  uint64_t keys_[kMaxPeaks];
  int capacity_;
  int count_ = 0;
};

/// Part of a row as float, without NaN, with one cell more on each side. `cells[-1]` to `cells[count]` may be read.
class StripRow {
 public:
  template <class T>
  void load(const T* map, int row, int first, int count, const FindPeaksParams& p) {
    if (row < 0 || row >= p.height) return clear(count);
    const T* source = map + static_cast<int64_t>(row) * p.width + first;
    for (int i = 0; i < count; ++i) cells()[i] = without_nan(to_float(source[i]));
    cells()[-1] = first > 0 ? without_nan(to_float(source[-1])) : -INFINITY;
    cells()[count] = first + count < p.width ? without_nan(to_float(source[count])) : -INFINITY;
  }

  bool reaches(float threshold, int count) const {
    int reached = 0;
    for (int i = 0; i < count; ++i) reached |= cells()[i] >= threshold;
    return reached;
  }

  float* cells() { return storage_ + 1; }
  const float* cells() const { return storage_ + 1; }

 private:
  void clear(int count) { std::fill(storage_, storage_ + count + 2, -INFINITY); }

  float storage_[kStrip + 2];
};

/// flags[i] = 1 where cell i of the middle row is a peak.
void flag_peaks(const float* above, const float* middle, const float* below, float threshold, int count,
                uint8_t* flags) {
  for (int i = 0; i < count; ++i) {
    const Neighbours around{above[i - 1],  above[i],     above[i + 1], middle[i - 1],
                            middle[i + 1], below[i - 1], below[i],     below[i + 1]};
    flags[i] = is_first_maximum(middle[i], around) & (middle[i] >= threshold) & (middle[i] > -INFINITY);
  }
}

void offer_flagged(const uint8_t* flags, const float* row, int count, int first_cell, BestKeys& best) {
  for (int i = 0; i < count; ++i) {
    if (flags[i]) best.offer(rank_key(row[i], first_cell + i));
  }
}

template <class T>
void search_strip(const T* map, int first, int count, const FindPeaksParams& p, BestKeys& best) {
  StripRow rows[3];
  uint8_t flags[kStrip];
  rows[2].load(map, -1, first, count, p);
  rows[0].load(map, 0, first, count, p);
  for (int y = 0; y < p.height; ++y) {
    const StripRow& above = rows[(y + 2) % 3];
    const StripRow& middle = rows[y % 3];
    StripRow& below = rows[(y + 1) % 3];
    below.load(map, y + 1, first, count, p);
    if (!middle.reaches(p.threshold, count)) continue;
    flag_peaks(above.cells(), middle.cells(), below.cells(), p.threshold, count, flags);
    offer_flagged(flags, middle.cells(), count, y * p.width + first, best);
  }
}

template <class T>
void search_map(const T* map, const FindPeaksParams& p, float* scores, int32_t* indices) {
  BestKeys best(p.top_n);
  for (int first = 0; first < p.width; first += kStrip) {
    search_strip(map, first, std::min(kStrip, p.width - first), p, best);
  }
  for (int n = 0; n < p.top_n; ++n) {
    indices[n] = n < best.count() ? rank_index(best[n]) : -1;
    scores[n] = n < best.count() ? to_float(map[indices[n]]) : -INFINITY;
  }
}

}  // namespace

Status find_peaks_cpu(const void* maps, DType dtype, const FindPeaksParams& params, float* scores, int32_t* indices) {
  const Status status = check(params);
  if (status != Status::kOk) return status;
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t cells = static_cast<int64_t>(params.height) * params.width;
    const int64_t count = static_cast<int64_t>(params.batch) * params.maps;
    parallel_for(count, 1, [&](int64_t begin, int64_t end, int /*worker*/) {
      for (int64_t m = begin; m < end; ++m) {
        search_map(static_cast<const T*>(maps) + m * cells, params, scores + m * params.top_n,
                   indices + m * params.top_n);
      }
    });
    return Status::kOk;
  });
}

}  // namespace simple_trt
