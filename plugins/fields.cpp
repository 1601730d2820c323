#include "fields.h"

#include <cstdio>
#include <cstring>

#include "log.h"

namespace simple_trt {
namespace plugins {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

const char* type_name(PluginFieldType type) {
  return type == PluginFieldType::kFLOAT32 ? "a 32-bit float" : "a 32-bit integer";
}

int find_field(const Op& op, const char* name) {
  for (int i = 0; i < op.fields.count(); ++i) {
    if (std::strcmp(op.fields[i].name, name) == 0) return i;
  }
  return -1;
}

template <class T>
double load(const void* data) {
  T value;
  std::memcpy(&value, data, sizeof(value));
  return static_cast<double>(value);
}

/// An integer may come in 64 bits, as ONNX has it.
bool read_number(const FieldSpec& spec, const PluginField& field, double& number) {
  if (field.type == PluginFieldType::kFLOAT32 && field.type == spec.type) {
    number = load<float>(field.data);
  } else if (field.type == PluginFieldType::kINT32 && field.type == spec.type) {
    number = load<int32_t>(field.data);
  } else if (field.type == PluginFieldType::kINT64 && spec.type == PluginFieldType::kINT32) {
    number = load<int64_t>(field.data);
  } else {
    return false;
  }
  return true;
}

FieldValue to_value(const FieldSpec& spec, double number) {
  if (spec.type == PluginFieldType::kFLOAT32) return {0, static_cast<float>(number)};
  return {static_cast<int32_t>(number), 0.0f};
}

bool read_field(const Op& op, const char* node, const FieldSpec& spec, const PluginField& field, FieldValue& value) {
  if (field.data == nullptr) return refuse(op.name, "%s: field '%s' has no data", node, spec.name);
  if (field.length != 1) {
    return refuse(op.name, "%s: field '%s' has %d values, expected 1", node, spec.name, static_cast<int>(field.length));
  }
  double number = 0.0;
  if (!read_number(spec, field, number)) {
    return refuse(op.name, "%s: field '%s' has PluginFieldType %d, expected %s", node, spec.name,
                  static_cast<int>(field.type), type_name(spec.type));
  }
  const bool fits = spec.type != PluginFieldType::kINT32 || (number >= INT32_MIN && number <= INT32_MAX);
  if (!fits || !spec.allows(number)) {
    return refuse(op.name, "%s: field '%s' is %.9g, expected %s", node, spec.name, number, spec.range);
  }
  value = to_value(spec, number);
  return true;
}

}  // namespace

bool read_fields(const Op& op, const char* node, const nvinfer1::PluginFieldCollection* given,
                 FieldValues& values) noexcept {
  const int count = given ? given->nbFields : 0;
  if (count < 0 || (count > 0 && given->fields == nullptr)) {
    return refuse(op.name, "%s: the collection of fields is broken: %d fields at %p", node, count,
                  static_cast<const void*>(given->fields));
  }
  bool seen[kMaxFields] = {};
  for (int i = 0; i < count; ++i) {
    const PluginField& field = given->fields[i];
    const char* const name = field.name ? field.name : "(null)";
    const int place = find_field(op, name);
    if (place < 0) return refuse(op.name, "%s: unknown field '%.100s'", node, name);
    if (seen[place]) return refuse(op.name, "%s: field '%s' is there twice", node, name);
    seen[place] = true;
    if (!read_field(op, node, op.fields[place], field, values[static_cast<size_t>(place)])) return false;
  }
  for (int i = 0; i < op.fields.count(); ++i) {
    const FieldSpec& spec = op.fields[i];
    if (!seen[i] && spec.required) return refuse(op.name, "%s: field '%s' is missing", node, spec.name);
    if (!seen[i]) values[static_cast<size_t>(i)] = to_value(spec, spec.fallback);
  }
  return true;
}

PluginField to_plugin_field(const FieldSpec& spec, const FieldValue& value) noexcept {
  const void* const data = spec.type == PluginFieldType::kFLOAT32 ? static_cast<const void*>(&value.real)
                                                                  : static_cast<const void*>(&value.integer);
  return {spec.name, data, spec.type, 1};
}

void describe(const Op& op, const FieldValues& values, char* text, std::size_t room) noexcept {
  std::size_t used = static_cast<std::size_t>(std::snprintf(text, room, "%s/%s", op.name, kVersion));
  for (int i = 0; i < op.fields.count() && used < room; ++i) {
    const FieldValue& value = values[static_cast<std::size_t>(i)];
    const bool is_real = op.fields[i].type == PluginFieldType::kFLOAT32;
    const int written = is_real ? std::snprintf(text + used, room - used, " %s=%.9g", op.fields[i].name, value.real)
                                : std::snprintf(text + used, room - used, " %s=%d", op.fields[i].name, value.integer);
    used += static_cast<std::size_t>(written);
  }
}

}  // namespace plugins
}  // namespace simple_trt
