// Checks of the tensors that TensorRT offers against the tables of an op. Each returns false, with the reason logged,
// for what does not fit.
#pragma once

#include "op.h"

namespace simple_trt {
namespace plugins {

using Shapes = const nvinfer1::Dims* [kMaxPorts];

/// The inputs or the outputs of one call.
struct Tensors {
  const nvinfer1::PluginTensorDesc* descs[kMaxPorts];
  int count;
};

/// The sizes that are fields.
Sizes sizes_of_fields(const Op& op, const FieldValues& values) noexcept;

/// The first input that is a map: its type is that of all maps.
int first_map(const Op& op) noexcept;

/// Whether a port takes a type; `maps` is the type of the op's maps, or null where this port decides it.
bool takes(const PortSpec& port, nvinfer1::DataType type, const nvinfer1::DataType* maps) noexcept;

nvinfer1::DataType output_type(const PortSpec& port, nvinfer1::DataType maps) noexcept;

bool check_counts(const Op& op, int inputs, int outputs) noexcept;

/// The types of the first `count` inputs.
bool check_input_types(const Op& op, const nvinfer1::DataType* types, int count) noexcept;

/// Adds the sizes of `count` tensors to `sizes`. Every tensor must have its rank and agree with what is known. A
/// dimension of -1, not known yet, is passed over unless `complete`.
bool match_shapes(const Op& op, Table<PortSpec> ports, const Shapes& shapes, int count, bool complete,
                  Sizes& sizes) noexcept;

/// All that can be said of the tensors: types, formats, shapes, and the limits of the kernel (csrc/kernels/<op>.h).
/// `sizes` holds those of the fields and gets the rest.
bool check_tensors(const Op& op, const FieldValues& values, const Tensors& inputs, const Tensors& outputs,
                   bool complete, Sizes& sizes) noexcept;

}  // namespace plugins
}  // namespace simple_trt
