// What the ops have in common as nodes of an OpenVINO model: their kernel's parameters, checked shapes, the call.
//
// A node checks all that the kernel relies on, for a model may come from a file that anybody wrote.
#pragma once

#include <limits>
#include <openvino/op/op.hpp>

#include "../kernels/dtype.h"
#include "../kernels/status.h"

namespace simple_trt::openvino_ops {

/// The kernels' name of an element type of maps; `fits` is false for other types.
struct MapType {
  bool fits;
  DType dtype;
};
MapType map_type(const ov::element::Type& type);

/// Base of a node with static shapes. `Params` is the kernel's: a node's attributes are some of its fields, the others
/// are sizes, which `infer` sets. All inputs and outputs of a call lie in order in memory, and outputs overlap nothing.
template <class Derived, class Params>
class Op : public ov::op::Op {
 public:
  Op() = default;
  Op(const ov::OutputVector& inputs, const Params& params) : ov::op::Op(inputs), params_(params) {
    constructor_validate_and_infer_types();
  }

  std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& inputs) const override {
    return std::make_shared<Derived>(inputs, params_);
  }

  void validate_and_infer_types() override {
    NODE_VALIDATION_CHECK(this, get_input_size() == Derived::kInputs, "takes ", Derived::kInputs, " inputs, got ",
                          get_input_size());
    static_cast<Derived*>(this)->infer();
    NODE_VALIDATION_CHECK(this, check(params_) == Status::kOk, "an attribute or a size is beyond the kernel's limits");
  }

  bool has_evaluate() const override { return true; }

  bool evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const override {
    return static_cast<const Derived*>(this)->run(outputs, inputs) == Status::kOk;
  }

 protected:
  /// The size of one dimension of an input of `rank` dimensions.
  int size(std::size_t input, std::size_t rank, std::size_t dimension) const {
    const ov::PartialShape& shape = get_input_partial_shape(input);
    NODE_VALIDATION_CHECK(this, shape.is_static() && shape.size() == rank, "input ", input, ": expected ", rank,
                          " known sizes, got ", shape);
    const int64_t length = shape[dimension].get_length();
    NODE_VALIDATION_CHECK(this, length <= std::numeric_limits<int>::max(), "input ", input, " is too large: ", shape);
    return static_cast<int>(length);
  }

  void expect(std::size_t input, const ov::element::Type& type, const ov::PartialShape& shape) const {
    NODE_VALIDATION_CHECK(this, get_input_partial_shape(input) == shape && get_input_element_type(input) == type,
                          "input ", input, ": expected ", type, " ", shape, ", got ", get_input_element_type(input),
                          " ", get_input_partial_shape(input));
  }

  /// Maps may be of any type that the kernels know.
  void expect_maps(std::size_t input, const ov::PartialShape& shape) const {
    NODE_VALIDATION_CHECK(this, map_type(get_input_element_type(input)).fits, "input ", input, ": no maps of type ",
                          get_input_element_type(input));
    expect(input, get_input_element_type(input), shape);
  }

  Params params_{};
};

inline DType dtype_of(const ov::Tensor& maps) { return map_type(maps.get_element_type()).dtype; }

}  // namespace simple_trt::openvino_ops
