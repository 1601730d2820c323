#include "../kernels/letterbox.h"

#include <algorithm>
#include <vector>

#include "kernels.h"

namespace simple_trt::torch_ops {
namespace {

constexpr int64_t kLargestSide = 65536;

void check_letterbox(const Tensor& image, int64_t out_h, int64_t out_w, const std::vector<double>& mean,
                     const std::vector<double>& std) {
  const Checker check("letterbox");
  check.that(image.dim() == 3 && image.size(2) == 3 && image.numel() > 0, "image", "[H, W, 3], H and W at least 1",
             image);
  check.dtype("image", image, ScalarType::Byte);
  check.that(std::max(image.size(0), image.size(1)) <= kLargestSide, "image", "sides of at most 65536", image);
  check.between("out_h", out_h, 1, kLargestSide);
  check.between("out_w", out_w, 1, kLargestSide);
  check.that(mean.size() == 3, "mean", "3 numbers", static_cast<int64_t>(mean.size()));
  check.that(std.size() == 3, "std", "3 numbers", static_cast<int64_t>(std.size()));
  for (double value : std) check.that(value > 0, "std", "numbers above 0", value);
}

/// Rows may be padded (a part of a larger picture, a decoder's buffer); pixels within a row must follow each other.
Tensor with_whole_rows(const Tensor& image) {
  const bool whole = image.stride(2) == 1 && image.stride(1) == 3 && image.stride(0) >= 3 * image.size(1);
  return whole ? image : in_order(image);
}

Tensor letterbox(const Tensor& image, int64_t out_h, int64_t out_w, const std::vector<double>& mean,
                 const std::vector<double>& std) {
  check_letterbox(image, out_h, out_w, mean, std);
  const Tensor rows = with_whole_rows(image);
  LetterboxParams params{};
  params.in_h = static_cast<int>(image.size(0));
  params.in_w = static_cast<int>(image.size(1));
  params.pitch = rows.stride(0);
  params.out_h = static_cast<int>(out_h);
  params.out_w = static_cast<int>(out_w);
  std::copy(mean.begin(), mean.end(), params.mean);
  std::copy(std.begin(), std.end(), params.std);
  const Tensor out = new_tensor(image, {3, out_h, out_w}, ScalarType::Float);
#if defined(SIMPLE_TRT_WITH_CUDA)
  if (image.is_cuda()) {
    const torch::stable::accelerator::DeviceGuard guard(image.get_device_index());
    throw_unless_ok("letterbox", letterbox_cuda(input<uint8_t>(rows), params, DType::kFloat32, output<void>(out),
                                                current_stream(image.get_device_index())));
    return out;
  }
#endif
  const Tensor workspace = new_tensor(image, {static_cast<int64_t>(letterbox_workspace(params))}, ScalarType::Byte);
  throw_unless_ok("letterbox",
                  letterbox_cpu(input<uint8_t>(rows), params, output<void>(workspace), output<float>(out)));
  return out;
}

}  // namespace

SIMPLE_TRT_REGISTER(letterbox)

}  // namespace simple_trt::torch_ops
