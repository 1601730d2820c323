// The torch-free Python module: every op as `<op>` on NumPy arrays (allocates its results) and, when CUDA code is
// built, as
// `<op>_cuda` on device arrays (writes into the arrays given, on the stream given, without waiting).
#include "core.h"

#include "../kernels/parallel.h"

#if defined(SIMPLE_TRT_EMULATOR)
#include "../emulator/grid.h"
#elif defined(SIMPLE_TRT_WITH_CUDA)
#include "../kernels/device_count.h"
#endif

namespace py = pybind11;

PYBIND11_MODULE(SIMPLE_TRT_MODULE, module) {
  module.doc() = "The simple-trt kernels on NumPy arrays and, where CUDA code is built, on device arrays.";
  module.def("workers", &simple_trt::parallel_workers, "Threads that a CPU kernel may run on.");
  module.def("set_workers", &simple_trt::set_parallel_workers, py::arg("workers"),
             "Set the threads that a CPU kernel may run on; 0 for the default.");
#if defined(SIMPLE_TRT_EMULATOR)
  module.def("set_schedule_seed", &simple_trt::emulator::set_schedule_seed, py::arg("seed"),
             "Choose the order in which the emulator runs blocks and threads.");
#elif defined(SIMPLE_TRT_WITH_CUDA)
  module.attr("cuda_built") = true;
  module.attr("cuda_archs") = SIMPLE_TRT_CUDA_ARCHS;  // as CMake names them, comma-separated
  module.def("cuda_devices", &simple_trt::cuda_device_count, "Number of usable CUDA devices, 0 without a driver.");
#else
  module.attr("cuda_built") = false;
  module.attr("cuda_archs") = "";
  module.def("cuda_devices", [] { return 0; }, "Always 0: this build has no CUDA code.");
#endif
  simple_trt::python::bind_letterbox(module);
  simple_trt::python::bind_pools(module);
  simple_trt::python::bind_decode(module);
}
