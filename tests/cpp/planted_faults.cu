// A kernel that turns each run of 64 numbers round through shared memory, right and with one fault at a time. The tests
// show that the emulator, or the sanitizers under it, notice each fault.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>

#include "../../csrc/kernels/launch.h"
#include "../../csrc/kernels/words.h"

namespace py = pybind11;

namespace simple_trt {
namespace {

constexpr int kRun = 64;

enum class Fault : int {
  kNone,
  kMissingBarrier,
  kWritePastEnd,     // of the result
  kWritePastShared,  // of the block's dynamic shared memory
  kDivergentBarrier,
  kBarrierNotReached,
  kWrongMask,
  kDeepRecursion,
  kMisaligned,
};

__device__ int recurse(int depth, const float* values) {
  volatile float frame[256];
  frame[depth % 256] = values[0];
  return depth == 0 ? 0 : recurse(depth - 1, values) + static_cast<int>(frame[depth % 256]);
}

__global__ void turn_round(const float* in, float* out, int count, Fault fault) {
  SIMPLE_TRT_DYNAMIC_SHARED(float, run);
  const int thread = static_cast<int>(threadIdx.x);
  const int first = static_cast<int>(blockIdx.x) * kRun;
  const int at = first + thread;
  run[fault == Fault::kWritePastShared ? thread + 1 : thread] = in[at];
  if (fault == Fault::kBarrierNotReached && thread == 3) {
    __shfl_sync(kFullWarp, at, 0);
  }
  if (fault == Fault::kDivergentBarrier && thread >= 32) {
    __syncthreads();
  } else if (fault != Fault::kMissingBarrier) {
    __syncthreads();
  }
  if (fault == Fault::kWrongMask) __shfl_sync(thread % 2 ? 0xffffu : 0xffffffffu, at, 0);
  if (fault == Fault::kDeepRecursion) run[0] = static_cast<float>(recurse(1000000, in));
  if (fault == Fault::kMisaligned) run[0] = static_cast<float>(load_words(run + 1).at[0]);
  const int past_end = fault == Fault::kWritePastEnd && at == count - 1 ? 1 : 0;
  out[at + past_end] = run[kRun - 1 - thread];
}

py::array_t<float> run_turn_round(const py::array_t<float, py::array::c_style>& in, int fault, int threads) {
  const int count = static_cast<int>(in.size());
  py::array_t<float> out(count);
  const Status status =
      launch(turn_round, static_cast<unsigned>(count / kRun), static_cast<unsigned>(threads), kRun * sizeof(float),
             nullptr, in.data(), out.mutable_data(), count, static_cast<Fault>(fault));
  if (status != Status::kOk) throw std::runtime_error("launch refused");
  return out;
}

/// One result of each warp function for each lane, to compare with what CUDA's documentation says.
__global__ void call_warp_functions(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  const int value = 100 + lane;
  out[lane] = __shfl_sync(kFullWarp, value, 5);
  out[32 + lane] = __shfl_up_sync(kFullWarp, value, 3);
  out[64 + lane] = __shfl_down_sync(kFullWarp, value, 3);
  out[96 + lane] = __shfl_xor_sync(kFullWarp, value, 8);
  out[128 + lane] = static_cast<int>(__ballot_sync(kFullWarp, lane % 3 == 0));
  out[160 + lane] = __any_sync(kFullWarp, lane == 31) + 2 * __all_sync(kFullWarp, lane < 31);
  out[192 + lane] = lane < 16 ? __shfl_sync(0x0000ffffu, value, 2) : __shfl_sync(0xffff0000u, value, 20);
  if (lane == 0) out[224] = 0;
  __syncwarp();
  atomicAdd(&out[224], lane);
}

py::array_t<int> run_warp_functions() {
  py::array_t<int> out(225);
  if (launch(call_warp_functions, 1u, 32u, 0, nullptr, out.mutable_data()) != Status::kOk) {
    throw std::runtime_error("launch refused");
  }
  return out;
}

}  // namespace
}  // namespace simple_trt

PYBIND11_MODULE(planted_faults, module) {
  using simple_trt::Fault;
  module.def("set_schedule_seed", &simple_trt::emulator::set_schedule_seed);
  module.def("turn_round", &simple_trt::run_turn_round, py::arg("values"), py::arg("fault"),
             py::arg("threads") = simple_trt::kRun);
  module.def("warp_functions", &simple_trt::run_warp_functions);
  module.attr("NONE") = static_cast<int>(Fault::kNone);
  module.attr("MISSING_BARRIER") = static_cast<int>(Fault::kMissingBarrier);
  module.attr("WRITE_PAST_END") = static_cast<int>(Fault::kWritePastEnd);
  module.attr("WRITE_PAST_SHARED") = static_cast<int>(Fault::kWritePastShared);
  module.attr("DIVERGENT_BARRIER") = static_cast<int>(Fault::kDivergentBarrier);
  module.attr("BARRIER_NOT_REACHED") = static_cast<int>(Fault::kBarrierNotReached);
  module.attr("WRONG_MASK") = static_cast<int>(Fault::kWrongMask);
  module.attr("DEEP_RECURSION") = static_cast<int>(Fault::kDeepRecursion);
  module.attr("MISALIGNED") = static_cast<int>(Fault::kMisaligned);
}
