// One example of each op: fields, tensors, and what the CPU kernel makes of them.
#pragma once

#include <NvInfer.h>

#include <cstdint>
#include <string>
#include <vector>

#include "../../../csrc/kernels/dtype.h"

namespace harness {

/// A field as the ONNX parser makes it of an attribute: INT becomes kINT32, FLOAT becomes kFLOAT32.
struct Field {
  std::string name;
  bool is_real;
  int32_t integer;
  float real;
  std::vector<double> refused;  // values that the op must not take

  const void* data() const { return is_real ? static_cast<const void*>(&real) : &integer; }
  nvinfer1::PluginFieldType type() const {
    return is_real ? nvinfer1::PluginFieldType::kFLOAT32 : nvinfer1::PluginFieldType::kINT32;
  }
  nvinfer1::PluginField plugin_field() const { return {name.c_str(), data(), type(), 1}; }
};

/// A tensor in the memory of the process. `letters` are the names of its sizes in the kernel's header: B3N.
struct Tensor {
  const char* letters;
  std::vector<int64_t> dims;
  nvinfer1::DataType type;
  std::vector<unsigned char> bytes;

  nvinfer1::Dims shape() const;
  nvinfer1::PluginTensorDesc desc() const { return {shape(), type, nvinfer1::TensorFormat::kLINEAR, -1.0f}; }
};

struct Case {
  const char* op;
  simple_trt::DType dtype;  // of the maps
  int batch;
  std::vector<Field> fields;  // those that are required first
  int required;
  std::vector<Tensor> inputs;
  int least_inputs;
  std::vector<Tensor> outputs;  // as the CPU kernel fills them
  double tolerance;             // relative and absolute
};

/// All ops with maps of one type. CornerPool comes three times: alone, with another map, with another pool.
std::vector<Case> make_cases(simple_trt::DType dtype, int batch);

/// Whether two cases have the same op, fields and number of inputs, so that one plugin serves both.
bool alike(const Case& a, const Case& b);

/// Whether two tensors of one type are equal, floating-point numbers within the tolerance and NaN to NaN.
bool same(const Tensor& a, const Tensor& b, double tolerance);

}  // namespace harness
