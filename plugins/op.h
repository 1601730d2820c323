// What TensorRT has to know about an op, as tables: each <op>.cpp of this folder fills one `Op`, everything else here
// is common.
//
// A shape is a word, one letter a dimension, as in the kernel's header: "B3N" is [B, 3, N]. Digits are what they say,
// letters are sizes: the same letter is the same size in every tensor of the op. A size that is in no input comes from
// a field.
#pragma once

#include <NvInferRuntime.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "../csrc/kernels/dtype.h"
#include "../csrc/kernels/status.h"

namespace simple_trt {
namespace plugins {

constexpr const char* kNamespace = "simple_trt";
constexpr const char* kVersion = "1";
constexpr int kMaxFields = 8;
constexpr int kMaxPorts = 4;  // inputs of an op, or outputs

/// An array that is known when compiling, or nothing.
template <class T>
class Table {
 public:
  constexpr Table() = default;
  template <std::size_t kCount>
  constexpr Table(const T (&items)[kCount]) : items_(items), count_(static_cast<int>(kCount)) {}

  constexpr const T* begin() const { return items_; }
  constexpr const T* end() const { return items_ + count_; }
  constexpr const T& operator[](int index) const { return items_[index]; }
  constexpr int count() const { return count_; }

 private:
  const T* items_ = nullptr;
  int count_ = 0;
};

/// A number that the node carries: an attribute in ONNX, a PluginField in TensorRT, of the same name.
struct FieldSpec {
  const char* name;
  nvinfer1::PluginFieldType type;  // kINT32 or kFLOAT32
  bool (*allows)(double value);
  const char* range;  // what `allows` allows, in words
  char size;          // the size that the field is, or 0
  bool required;
  int fallback;  // the value of a field that is not required and not there
};

/// An input or output. The maps of an op share one type: float, half or bfloat16.
enum class Element { kMap, kFloat, kInt32 };
struct PortSpec {
  const char* name;
  Element element;
  const char* shape;
};

struct FieldValue {
  int32_t integer;
  float real;
};
using FieldValues = std::array<FieldValue, kMaxFields>;  // in the order of Op::fields

/// The value of each letter; kUnknown where no tensor and no field has told.
class Sizes {
 public:
  static constexpr int kUnknown = -1;
  Sizes() { values_.fill(kUnknown); }
  int operator[](char letter) const { return values_[place(letter)]; }
  int& operator[](char letter) { return values_[place(letter)]; }

  /// Gives every unknown size this value.
  void assume(int value) {
    for (int& size : values_) size = size == kUnknown ? value : size;
  }

 private:
  static std::size_t place(char letter) { return static_cast<std::size_t>(letter - 'A') % 64; }
  std::array<int, 64> values_;
};

/// One execution: sizes and types have been checked.
struct Call {
  const Sizes& sizes;
  const FieldValues& fields;
  DType dtype;  // of the maps
  int input_count;
  const void* const* inputs;
  void* const* outputs;
  void* stream;  // a cudaStream_t

  template <class T>
  const T* input(int index) const {
    return static_cast<const T*>(inputs[index]);
  }
  template <class T>
  T* output(int index) const {
    return static_cast<T*>(outputs[index]);
  }
};

struct Op {
  const char* name;
  Table<FieldSpec> fields;
  Table<PortSpec> inputs;
  int least_inputs;  // the inputs after these may be left out
  Table<PortSpec> outputs;
  Status (*check)(const Sizes& sizes, const FieldValues& fields);  ///< the limits of the kernel
  Status (*enqueue)(const Call& call);
};

template <int kLeast, int kMost>
bool between(double value) {
  return value >= kLeast && value <= kMost;
}
template <int kLeast>
bool at_least(double value) {
  return value >= kLeast;
}
inline bool above_zero(double value) { return value > 0; }
inline bool any(double) { return true; }

constexpr FieldSpec integer_field(const char* name, bool (*allows)(double), const char* range, char size = 0) {
  return {name, nvinfer1::PluginFieldType::kINT32, allows, range, size, true, 0};
}
constexpr FieldSpec integer_field_or(int fallback, const char* name, bool (*allows)(double), const char* range) {
  return {name, nvinfer1::PluginFieldType::kINT32, allows, range, 0, false, fallback};
}
constexpr FieldSpec real_field(const char* name, bool (*allows)(double) = any, const char* range = "any number") {
  return {name, nvinfer1::PluginFieldType::kFLOAT32, allows, range, 0, true, 0};
}

extern const Op kCornerPool, kCenterPool, kFindPeaks, kGroupBoxes, kCropHeatmaps, kReadKeypoints;

}  // namespace plugins
}  // namespace simple_trt
