#include "tensors.h"

#include <cstdio>
#include <cstring>

#include "log.h"

namespace simple_trt {
namespace plugins {
namespace {

using nvinfer1::DataType;

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

constexpr std::size_t kTextRoom = 160;
using Text = char[kTextRoom];

/// Appends to `text`, whose first `used` characters are written; returns how many are now.
template <class... Arguments>
std::size_t append(Text& text, std::size_t used, const char* format, Arguments... arguments) {
  if (used >= kTextRoom) return used;
  return used + static_cast<std::size_t>(std::snprintf(text + used, kTextRoom - used, format, arguments...));
}

void write_dims(const nvinfer1::Dims& dims, Text& text) {
  std::size_t used = append(text, 0, "%s", "[");
  const int count = dims.nbDims < nvinfer1::Dims::MAX_DIMS ? dims.nbDims : nvinfer1::Dims::MAX_DIMS;
  for (int i = 0; i < count; ++i) used = append(text, used, i ? ", %lld" : "%lld", static_cast<long long>(dims.d[i]));
  append(text, used, "%s", "]");
}

/// "[B, 3, N] with B = 1", the sizes known so far.
void write_expected(const char* shape, const Sizes& sizes, Text& text) {
  std::size_t used = append(text, 0, "%s", "[");
  for (const char* letter = shape; *letter; ++letter)
    used = append(text, used, letter == shape ? "%c" : ", %c", *letter);
  used = append(text, used, "%s", "]");
  const char* word = "with";
  for (const char* letter = shape; *letter; ++letter) {
    if (is_digit(*letter) || sizes[*letter] == Sizes::kUnknown) continue;
    used = append(text, used, " %s %c = %d", word, *letter, sizes[*letter]);
    word = "and";
  }
}

bool match_dim(char letter, int64_t dim, bool complete, Sizes& sizes) {
  if (dim == -1 && !complete) return true;
  if (dim < 0 || dim > INT32_MAX) return false;
  if (is_digit(letter)) return dim == letter - '0';
  if (sizes[letter] == Sizes::kUnknown) sizes[letter] = static_cast<int>(dim);
  return sizes[letter] == dim;
}

bool match_shape(const PortSpec& port, const nvinfer1::Dims& dims, bool complete, Sizes& sizes) {
  const int rank = static_cast<int>(std::strlen(port.shape));
  if (dims.nbDims != rank) return false;
  for (int i = 0; i < rank; ++i) {
    if (!match_dim(port.shape[i], dims.d[i], complete, sizes)) return false;
  }
  return true;
}

const char* expected_type(Element element) {
  switch (element) {
    case Element::kFloat:
      return "float (0)";
    case Element::kInt32:
      return "int32 (3)";
    case Element::kMap:
      break;
  }
  return "float (0), half (1) or bfloat16 (7), the same for all maps";
}

bool refuse_type(const Op& op, const PortSpec& port, DataType type) {
  return refuse(op.name, "'%s' has DataType %d, expected %s", port.name, static_cast<int>(type),
                expected_type(port.element));
}

bool check_formats(const Op& op, Table<PortSpec> ports, const Tensors& tensors) {
  for (int i = 0; i < tensors.count; ++i) {
    const nvinfer1::TensorFormat format = tensors.descs[i]->format;
    if (format == nvinfer1::TensorFormat::kLINEAR) continue;
    return refuse(op.name, "'%s' has TensorFormat %d, expected linear (0)", ports[i].name, static_cast<int>(format));
  }
  return true;
}

bool check_types(const Op& op, const Tensors& inputs, const Tensors& outputs) {
  DataType types[kMaxPorts];
  for (int i = 0; i < inputs.count; ++i) types[i] = inputs.descs[i]->type;
  if (!check_input_types(op, types, inputs.count)) return false;
  for (int i = 0; i < outputs.count; ++i) {
    const DataType type = outputs.descs[i]->type;
    if (type != output_type(op.outputs[i], types[first_map(op)])) return refuse_type(op, op.outputs[i], type);
  }
  return true;
}

bool match_tensors(const Op& op, Table<PortSpec> ports, const Tensors& tensors, bool complete, Sizes& sizes) {
  Shapes shapes;
  for (int i = 0; i < tensors.count; ++i) shapes[i] = &tensors.descs[i]->dims;
  return match_shapes(op, ports, shapes, tensors.count, complete, sizes);
}

bool check_limits(const Op& op, const Sizes& sizes, const FieldValues& values) {
  const Status status = op.check(sizes, values);
  if (status == Status::kOk) return true;
  const PortSpec& port = op.inputs[first_map(op)];
  Text text;
  write_expected(port.shape, sizes, text);
  return refuse(
      op.name, "'%s' is %s: %s", port.name, text,
      status == Status::kBadShape ? "the kernel takes no maps of this size" : "the kernel refuses the fields");
}

}  // namespace

Sizes sizes_of_fields(const Op& op, const FieldValues& values) noexcept {
  Sizes sizes;
  for (int i = 0; i < op.fields.count(); ++i) {
    if (op.fields[i].size) sizes[op.fields[i].size] = values[static_cast<std::size_t>(i)].integer;
  }
  return sizes;
}

int first_map(const Op& op) noexcept {
  int index = 0;
  while (op.inputs[index].element != Element::kMap) ++index;
  return index;
}

bool takes(const PortSpec& port, DataType type, const DataType* maps) noexcept {
  if (port.element == Element::kFloat) return type == DataType::kFLOAT;
  if (port.element == Element::kInt32) return type == DataType::kINT32;
  if (maps) return type == *maps;
  return type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
}

DataType output_type(const PortSpec& port, DataType maps) noexcept {
  if (port.element == Element::kMap) return maps;
  return port.element == Element::kFloat ? DataType::kFLOAT : DataType::kINT32;
}

bool check_counts(const Op& op, int inputs, int outputs) noexcept {
  if (inputs < op.least_inputs || inputs > op.inputs.count()) {
    return refuse(op.name, "%d inputs, expected %d to %d", inputs, op.least_inputs, op.inputs.count());
  }
  if (outputs != op.outputs.count()) {
    return refuse(op.name, "%d outputs, expected %d", outputs, op.outputs.count());
  }
  return true;
}

bool check_input_types(const Op& op, const DataType* types, int count) noexcept {
  const int deciding = first_map(op);
  for (int i = 0; i < count; ++i) {
    if (takes(op.inputs[i], types[i], i > deciding ? &types[deciding] : nullptr)) continue;
    return refuse_type(op, op.inputs[i], types[i]);
  }
  return true;
}

bool match_shapes(const Op& op, Table<PortSpec> ports, const Shapes& shapes, int count, bool complete,
                  Sizes& sizes) noexcept {
  for (int i = 0; i < count; ++i) {
    const Sizes known = sizes;
    if (match_shape(ports[i], *shapes[i], complete, sizes)) continue;
    Text given, expected;
    write_dims(*shapes[i], given);
    write_expected(ports[i].shape, known, expected);
    return refuse(op.name, "'%s' is %s, expected %s", ports[i].name, given, expected);
  }
  return true;
}

bool check_tensors(const Op& op, const FieldValues& values, const Tensors& inputs, const Tensors& outputs,
                   bool complete, Sizes& sizes) noexcept {
  if (!check_types(op, inputs, outputs) || !check_formats(op, op.inputs, inputs) ||
      !check_formats(op, op.outputs, outputs) || !match_tensors(op, op.inputs, inputs, complete, sizes) ||
      !match_tensors(op, op.outputs, outputs, complete, sizes)) {
    return false;
  }
  if (!complete) sizes.assume(1);
  return check_limits(op, sizes, values);
}

}  // namespace plugins
}  // namespace simple_trt
