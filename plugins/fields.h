// The fields of an op: checked when a plugin is created, and handed back to be serialised.
#pragma once

#include "op.h"

namespace simple_trt {
namespace plugins {

/// Fills `values` from what TensorRT hands over (null for no fields). False, with the reason logged, for a field that
/// is missing, unknown, there twice, of another type or length, or out of its range. `node` is for the message.
bool read_fields(const Op& op, const char* node, const nvinfer1::PluginFieldCollection* given,
                 FieldValues& values) noexcept;

/// The value as TensorRT stores it; it points into `value`.
nvinfer1::PluginField to_plugin_field(const FieldSpec& spec, const FieldValue& value) noexcept;

/// "FindPeaks/1 threshold=-2.2 top_n=32", cut to the room there is.
void describe(const Op& op, const FieldValues& values, char* text, std::size_t room) noexcept;

}  // namespace plugins
}  // namespace simple_trt
