// A plugin is made of the right fields or not at all.
#include "harness.h"

namespace harness {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

bool is_refused(const Subject& subject, const Case& example, const std::vector<PluginField>& fields) {
  const nvinfer1::PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
  for (const auto phase : {nvinfer1::TensorRTPhase::kRUNTIME, nvinfer1::TensorRTPhase::kBUILD}) {
    subject.logger->errors.clear();
    if (PluginPointer(subject.creator(example.op)->createPlugin("faulty", &collection, phase))) return false;
  }
  return true;
}

std::vector<PluginField> fields_of(const Case& example) {
  std::vector<PluginField> fields;
  for (const Field& field : example.fields) fields.push_back(field.plugin_field());
  return fields;
}

bool names(const Subject& subject, const std::string& what) {
  return !subject.logger->errors.empty() && subject.logger->errors.back().find(what) != std::string::npos;
}

void break_one(const Subject& subject, const Case& example, std::size_t place) {
  const std::vector<PluginField> right = fields_of(example);
  const Field& field = example.fields[place];
  const auto refused_as = [&](const PluginField& wrong) {
    std::vector<PluginField> fields = right;
    fields[place] = wrong;
    CHECK_REFUSED(subject, example.op, is_refused(subject, example, fields));
    CHECK(wrong.name == nullptr || names(subject, wrong.name));
  };
  for (int type = 0; type <= 13; ++type) {
    const int64_t wide[2] = {};  // enough to be read as any type
    const auto as = static_cast<PluginFieldType>(type);
    const bool integer = as == PluginFieldType::kINT32 || as == PluginFieldType::kINT64;
    if (field.is_real ? as != PluginFieldType::kFLOAT32 : !integer) refused_as({field.name.c_str(), wide, as, 1});
  }
  refused_as({field.name.c_str(), field.data(), static_cast<PluginFieldType>(99), 1});
  refused_as({field.name.c_str(), nullptr, field.type(), 1});
  for (const int length : {-1, 0, 2}) refused_as({field.name.c_str(), field.data(), field.type(), length});
  refused_as({nullptr, field.data(), field.type(), 1});
  refused_as({"plugin_colour", field.data(), field.type(), 1});
  refused_as({"", field.data(), field.type(), 1});
  for (const double value : field.refused) {
    const float real = static_cast<float>(value);
    const int32_t integer = field.is_real ? 0 : static_cast<int32_t>(value);
    const int64_t wide = integer;
    refused_as({field.name.c_str(), field.is_real ? static_cast<const void*>(&real) : &integer, field.type(), 1});
    if (!field.is_real) refused_as({field.name.c_str(), &wide, PluginFieldType::kINT64, 1});
  }
  const int64_t huge = (int64_t{1} << 32) + field.integer;  // whose lower half is right
  if (!field.is_real) refused_as({field.name.c_str(), &huge, PluginFieldType::kINT64, 1});
}

/// Fields that may be left out, as the op's schema has them.
void check_default(const Subject& subject, const Case& example, const std::vector<PluginField>& fields) {
  const nvinfer1::PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
  const PluginPointer plugin(
      subject.creator(example.op)->createPlugin("n", &collection, nvinfer1::TensorRTPhase::kBUILD));
  CHECK(plugin && std::string(build(plugin)->getMetadataString()).find(" other_direction=-1") != std::string::npos);
}

void leave_out(const Subject& subject, const Case& example, std::size_t place) {
  std::vector<PluginField> fields = fields_of(example);
  fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(place));
  if (place < static_cast<std::size_t>(example.required)) {
    CHECK_REFUSED(subject, example.op, is_refused(subject, example, fields));
    CHECK(names(subject, "'" + example.fields[place].name + "' is missing"));
  } else {
    check_default(subject, example, fields);
  }
}

void break_the_collection(const Subject& subject, const Case& example) {
  nvinfer1::IPluginCreatorV3One& creator = *subject.creator(example.op);
  const auto phase = nvinfer1::TensorRTPhase::kBUILD;
  const nvinfer1::PluginFieldCollection negative{-1, nullptr}, nowhere{1, nullptr};
  CHECK_REFUSED(subject, example.op, !PluginPointer(creator.createPlugin("n", &negative, phase)));
  CHECK_REFUSED(subject, example.op, !PluginPointer(creator.createPlugin("n", &nowhere, phase)));
  if (example.required) {
    CHECK_REFUSED(subject, example.op, !PluginPointer(creator.createPlugin("n", nullptr, phase)));
    CHECK_REFUSED(subject, example.op, !PluginPointer(creator.createPlugin(nullptr, nullptr, phase)));
    CHECK_REFUSED(subject, example.op,
                  !PluginPointer(creator.createPlugin(std::string(5000, 'x').c_str(), nullptr, phase)));
    CHECK(names(subject, "is missing"));  // a long name leaves room for the reason
  } else {
    CHECK(PluginPointer(creator.createPlugin(nullptr, nullptr, phase)));
  }
}

}  // namespace

void break_fields(const Subject& subject, const Case& example) {
  for (std::size_t place = 0; place < example.fields.size(); ++place) {
    break_one(subject, example, place);
    leave_out(subject, example, place);
    std::vector<PluginField> twice = fields_of(example);
    twice.push_back(twice[place]);
    CHECK_REFUSED(subject, example.op, is_refused(subject, example, twice));
    CHECK(names(subject, "twice"));
  }
  break_the_collection(subject, example);
}

}  // namespace harness
