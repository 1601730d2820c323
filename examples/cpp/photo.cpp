#include "photo.h"

#include <cstdio>
#include <cstring>

#include "error.h"
#include "files.h"

#if defined(EXAMPLE_WITH_JPEG)
#include <jpeglib.h>
#endif

namespace example {
namespace {

constexpr uint64_t kMaxBytes = 512 << 20;
constexpr int64_t kMaxPixels = 100'000'000;
constexpr char kCure[] = "give a JPEG or a binary PPM (P6) of 8 bits";

Photo empty_photo(const std::string& path, int64_t height, int64_t width) {
  if (height < 1 || width < 1 || height > 65536 || width > 65536 || height * width > kMaxPixels) {
    throw Error("'" + path + "' has " + std::to_string(width) + "x" + std::to_string(height) + " pixels",
                "scale it: at most 100 megapixels are read, and at least one is needed");
  }
  return {static_cast<int>(height), static_cast<int>(width),
          std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
}

Photo read_ppm(const std::string& path, const std::string& bytes) {
  int width = 0, height = 0, largest = 0, header = 0;
  // %n does not count as a field: it stands behind the one white-space character after the last number.
  if (std::sscanf(bytes.c_str(), "P6 %9d %9d %9d%n", &width, &height, &largest, &header) != 3 || largest != 255) {
    throw Error("'" + path + "' is no binary PPM of 8 bits", kCure);
  }
  Photo photo = empty_photo(path, height, width);
  const size_t begin = static_cast<size_t>(header) + 1;
  if (bytes.size() < begin + photo.rgb.size()) throw Error("'" + path + "' is cut short", "copy it again");
  std::memcpy(photo.rgb.data(), bytes.data() + begin, photo.rgb.size());
  return photo;
}

#if defined(EXAMPLE_WITH_JPEG)
/// libjpeg's own way with errors ends the program.
void fail(j_common_ptr info) {
  char message[JMSG_LENGTH_MAX];
  info->err->format_message(info, message);
  throw Error(message, "copy the file again");
}

void count_warning(j_common_ptr info, int level) {
  if (level < 0) fail(info);  // a photo that is cut short is a warning to libjpeg, and an error to us
}

struct Decoder {
  jpeg_error_mgr errors{};
  jpeg_decompress_struct info{};
  Decoder() {
    info.err = jpeg_std_error(&errors);
    errors.error_exit = fail;
    errors.emit_message = count_warning;
    jpeg_create_decompress(&info);
  }
  ~Decoder() { jpeg_destroy_decompress(&info); }
};

Photo read_jpeg(const std::string& path, const std::string& bytes) {
  Decoder decoder;
  jpeg_decompress_struct& info = decoder.info;
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  Photo photo = empty_photo(path, info.output_height, info.output_width);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = photo.rgb.data() + size_t{3} * info.output_scanline * info.output_width;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  return photo;
}
#endif

}  // namespace

Photo read_photo(const std::string& path) {
  const std::string bytes = read_file(path, kMaxBytes);
#if defined(EXAMPLE_WITH_JPEG)
  if (bytes.compare(0, 2, "\xff\xd8") == 0) return read_jpeg(path, bytes);
#endif
  if (bytes.compare(0, 2, "P6") == 0) return read_ppm(path, bytes);
  throw Error("'" + path + "' is no photo that this program reads", kCure);
}

}  // namespace example
