// How large a map may be.
#pragma once

#include <cstdint>

namespace simple_trt {

/// Most cells of a map: a linear cell is an int, with room left to step beyond the end.
constexpr int64_t kMaxMapCells = int64_t{1} << 30;

inline bool is_map_size(int height, int width) {
  return height >= 0 && width >= 0 && static_cast<int64_t>(height) * width <= kMaxMapCells;
}

}  // namespace simple_trt
