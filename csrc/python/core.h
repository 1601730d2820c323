// The parts the module is bound from.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>

namespace simple_trt::python {

void bind_decode(pybind11::module_& module);
void bind_letterbox(pybind11::module_& module);
void bind_pools(pybind11::module_& module);

/// A cudaStream_t as Python holds it: its address, 0 for the default stream.
inline void* stream_of(uintptr_t stream) { return reinterpret_cast<void*>(stream); }

}  // namespace simple_trt::python
