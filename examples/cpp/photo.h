// A photo in memory, and files that hold one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace example {

struct Photo {
  int height;
  int width;
  std::vector<uint8_t> rgb;  // [height, width, 3]
};

/// Reads a binary PPM (P6, 8 bits) or, where this was compiled with libjpeg, a JPEG. The EXIF orientation is not
/// heeded: a camera's frames have none. Throws Error.
Photo read_photo(const std::string& path);

}  // namespace example
