// Tests of the functions that are compiled for the host and for the device alike, on the host.
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "../../csrc/kernels/dtype.h"
#include "../../csrc/kernels/letterbox.h"
#include "../../csrc/kernels/parallel.h"
#include "../../csrc/kernels/pool_order.h"
#include "check.h"

using namespace simple_trt;

namespace {

/// The value of a binary16 or bfloat16 number by the definition of the format.
double by_definition(uint16_t bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const double sign = bits & 0x8000 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  const double significand = exponent ? (1 << fraction_bits) + fraction : fraction;
  return sign * std::ldexp(significand, std::max(exponent, 1) - bias - fraction_bits);
}

template <class T>
void test_load_and_store(int exponent_bits, int fraction_bits) {
  for (int i = 0; i < 0x10000; ++i) {
    const T value{static_cast<uint16_t>(i)};
    const double expected = by_definition(value.bits, exponent_bits, fraction_bits);
    if (std::isnan(expected)) {
      CHECK(std::isnan(to_float(value)));
      CHECK(std::isnan(to_float(from_float<T>(to_float(value)))));
      continue;
    }
    CHECK(to_float(value) == expected);
    CHECK(from_float<T>(to_float(value)).bits == value.bits);
  }
}

/// Between each two neighbouring numbers: just below the middle, the middle (the even one wins), just above.
template <class T>
void test_rounding(uint16_t infinity) {
  for (uint16_t below = 0; below < infinity; ++below) {
    const uint16_t above = static_cast<uint16_t>(below + 1);
    const float low = to_float(T{below});
    // Past the largest number the next step would have been the infinity.
    const float high =
        above == infinity ? low + (low - to_float(T{static_cast<uint16_t>(below - 1)})) : to_float(T{above});
    const float middle = static_cast<float>((static_cast<double>(low) + high) / 2);
    if (!std::isfinite(high) || middle == low) continue;  // bfloat16's largest; a middle that a float cannot hold
    for (const float sign : {1.0f, -1.0f}) {
      const uint16_t sign_bit = sign < 0 ? 0x8000 : 0;
      CHECK(from_float<T>(sign * std::nextafter(middle, low)).bits == (below | sign_bit));
      CHECK(from_float<T>(sign * middle).bits == ((below % 2 ? above : below) | sign_bit));
      CHECK(from_float<T>(sign * std::nextafter(middle, high)).bits == (above | sign_bit));
    }
  }
  const float largest = std::numeric_limits<float>::max();
  CHECK(from_float<T>(largest).bits == infinity);
  CHECK(from_float<T>(-largest).bits == (infinity | 0x8000));
}

template <class T>
void test_pool_order(const std::vector<T>& rising) {
  for (size_t i = 0; i + 1 < rising.size(); ++i) CHECK(key_of(rising[i]) < key_of(rising[i + 1]));
  for (const T& value : rising) {
    CHECK(lowest_key<T>() < key_of(value));
    CHECK(key_of(value_of<T>(key_of(value))) == key_of(value));
    CHECK(std::isnan(to_float(value)) || to_float(value_of<T>(key_of(value))) == to_float(value));
  }
  CHECK(tie_key_of(from_float<T>(-0.0f)) == tie_key_of(from_float<T>(0.0f)));
  CHECK(key_of(from_float<T>(-std::nanf(""))) == key_of(from_float<T>(std::nanf(""))));
}

void test_pool_orders() {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> rising{-infinity, -3e38f, -1.5f, -1.0f, -1e-40f,  -0.0f,        0.0f,
                                  1e-40f,    1.0f,   1.5f,  3e38f, infinity, std::nanf("")};
  test_pool_order(rising);
  std::vector<Half> halves;
  std::vector<BFloat16> bfloats;
  for (const float value :
       {-infinity, -60000.0f, -1.0f, -1e-7f, -0.0f, 0.0f, 1e-7f, 1.0f, 60000.0f, infinity, std::nanf("")}) {
    halves.push_back(from_float<Half>(value));
    bfloats.push_back(from_float<BFloat16>(value));
  }
  test_pool_order(halves);
  test_pool_order(bfloats);
}

LetterboxParams sizes(int in_h, int in_w, int out_h, int out_w) {
  return {in_h, in_w, int64_t{3} * in_w, out_h, out_w, {0, 0, 0}, {1, 1, 1}};
}

void test_content_size() {
  const auto is = [](const LetterboxParams& p, int height, int width) {
    return content_size(p).height == height && content_size(p).width == width;
  };
  CHECK(is(sizes(480, 640, 512, 512), 384, 512));
  CHECK(is(sizes(640, 480, 512, 512), 512, 384));
  CHECK(is(sizes(512, 512, 512, 512), 512, 512));
  CHECK(is(sizes(1, 5000, 512, 512), 1, 512));  // never nothing
  CHECK(is(sizes(5, 1024, 512, 512), 3, 512));  // 2.5 rounds up
  CHECK(is(sizes(1, 1, 256, 512), 256, 256));
}

/// Windows lie inside the input, move forwards, and their weights are positive and symmetric about the centre.
void test_resampling() {
  for (const int in_size : {1, 2, 7, 100, 1023}) {
    for (const int out_size : {1, 3, 64, 257}) {
      const ResampleAxis axis = resample_axis(in_size, out_size);
      int previous = 0;
      for (int place = 0; place < out_size; ++place) {
        const ResampleWindow window = resample_window(axis, place);
        CHECK(window.begin >= previous && window.begin < window.end && window.end <= in_size);
        previous = window.begin;
        float total = 0.0f;
        for (int pixel = window.begin; pixel < window.end; ++pixel) total += resample_weight(axis, window, pixel);
        CHECK(total > 0.0f);
      }
    }
  }
  const ResampleAxis half = resample_axis(8, 4);  // two to one: weights 1 3 3 1 over eight
  const ResampleWindow window = resample_window(half, 1);
  CHECK(window.begin == 1 && window.end == 5);
  CHECK(resample_weight(half, window, 1) == 0.25f && resample_weight(half, window, 2) == 0.75f);
  CHECK(resample_weight(half, window, 3) == 0.75f && resample_weight(half, window, 4) == 0.25f);
}

void test_parallel_for() {
  for (const int workers : {1, 2, 5}) {
    set_parallel_workers(workers);
    for (const int64_t count : {0, 1, 7, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
      std::vector<std::atomic<int>> busy(static_cast<size_t>(workers));
      parallel_for(count, 3, [&](int64_t begin, int64_t end, int worker) {
        CHECK(worker >= 0 && worker < workers && busy[static_cast<size_t>(worker)].fetch_add(1) == 0);
        for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        --busy[static_cast<size_t>(worker)];
      });
      for (const auto& times : seen) CHECK(times == 1);
    }
  }
  set_parallel_workers(0);
}

}  // namespace

int main() {
  test_load_and_store<Half>(5, 10);
  test_load_and_store<BFloat16>(8, 7);
  test_rounding<Half>(0x7c00);
  test_rounding<BFloat16>(0x7f80);
  test_pool_orders();
  test_content_size();
  test_resampling();
  test_parallel_for();
  std::printf("%d checks failed\n", failed_checks);
  return failed_checks ? 1 : 0;
}
