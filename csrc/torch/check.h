// What the ops accept. Every refusal is a RuntimeError in Python: "<op>: <argument>: expected <what>, got <value>".
// simple_trt/ops/checks.py says the same for tracing; tests hold both to one wording.
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string>

#include "../kernels/dtype.h"

namespace simple_trt::torch_ops {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t kLargestStride = 4096;

/// How a value reads in a message.
std::string text(int64_t value);
std::string text(double value);
std::string text(const Tensor& value);  // its shape
std::string text(ScalarType value);
std::string text(torch::stable::Device value);

/// Throws std::runtime_error with the message.
[[noreturn]] void refuse(const char* op, const char* argument, const std::string& expected, const std::string& got);

/// The questions that the checks of one op ask.
class Checker {
 public:
  explicit Checker(const char* op) : op_(op) {}

  template <class Got>
  void that(bool holds, const char* argument, const char* expected, const Got& got) const {
    if (!holds) refuse(op_, argument, expected, text(got));
  }

  /// [B, C, H, W] of an element type that the kernels know, H * W below 2^31.
  void maps(const char* argument, const Tensor& tensor) const;

  /// [B, M, 4] float32 on the device of `maps`.
  void boxes(const Tensor& boxes, const char* other, const Tensor& maps) const;

  /// Same shape, dtype and device as `model`.
  void like(const char* argument, const Tensor& tensor, const char* other, const Tensor& model) const;

  void shape(const char* argument, const Tensor& tensor, std::initializer_list<int64_t> expected) const;
  void dtype(const char* argument, const Tensor& tensor, ScalarType expected) const;
  void device(const char* argument, const Tensor& tensor, const char* other, const Tensor& model) const;
  void direction(const char* argument, int64_t value) const;
  void between(const char* argument, int64_t value, int64_t low, int64_t high) const;

 private:
  const char* op_;
};

}  // namespace simple_trt::torch_ops
