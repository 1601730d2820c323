#include "memory.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace harness {
namespace {

class HostMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes) override {
    // No rounding up: the sanitizer then sees a kernel that goes past the end.
    void* memory = nullptr;
    return bytes && posix_memalign(&memory, 256, bytes) == 0 ? memory : nullptr;
  }
  void release(void* memory) override { std::free(memory); }
  void copy_in(void* memory, const void* from, std::size_t bytes) override {
    if (bytes) std::memcpy(memory, from, bytes);
  }
  void copy_out(void* to, const void* memory, std::size_t bytes) override {
    if (bytes) std::memcpy(to, memory, bytes);
  }
};

/// The few functions of the CUDA driver that are needed; all return 0 for success.
struct Driver {
  int (*init)(unsigned flags);
  int (*device_get)(int* device, int ordinal);
  int (*retain)(void** context, int device);
  int (*set_current)(void* context);
  int (*allocate)(std::uint64_t* memory, std::size_t bytes);
  int (*release)(std::uint64_t memory);
  int (*copy_in)(std::uint64_t to, const void* from, std::size_t bytes);
  int (*copy_out)(void* to, std::uint64_t from, std::size_t bytes);
  int (*synchronize)();
};

template <class Function>
bool find(void* library, const char* name, Function& function) {
  void* const symbol = dlsym(library, name);
  std::memcpy(&function, &symbol, sizeof(symbol));
  return symbol != nullptr;
}

bool load(Driver& driver) {
  void* const library = dlopen("libcuda.so.1", RTLD_NOW);
  return library && find(library, "cuInit", driver.init) && find(library, "cuDeviceGet", driver.device_get) &&
         find(library, "cuDevicePrimaryCtxRetain", driver.retain) &&
         find(library, "cuCtxSetCurrent", driver.set_current) && find(library, "cuMemAlloc_v2", driver.allocate) &&
         find(library, "cuMemFree_v2", driver.release) && find(library, "cuMemcpyHtoD_v2", driver.copy_in) &&
         find(library, "cuMemcpyDtoH_v2", driver.copy_out) && find(library, "cuCtxSynchronize", driver.synchronize);
}

/// The primary context is the one that the CUDA runtime inside the plugin library uses, too.
bool start(const Driver& driver) {
  int device = 0;
  void* context = nullptr;
  return driver.init(0) == 0 && driver.device_get(&device, 0) == 0 && driver.retain(&context, device) == 0 &&
         driver.set_current(context) == 0;
}

class GpuMemory final : public Memory {
 public:
  explicit GpuMemory(const Driver& driver) : driver_(driver) {}
  void* allocate(std::size_t bytes) override {
    std::uint64_t memory = 0;
    if (bytes) expect(driver_.allocate(&memory, bytes), "cuMemAlloc");
    return reinterpret_cast<void*>(memory);
  }
  void release(void* memory) override {
    if (memory) expect(driver_.release(address(memory)), "cuMemFree");
  }
  void copy_in(void* memory, const void* from, std::size_t bytes) override {
    if (bytes) expect(driver_.copy_in(address(memory), from, bytes), "cuMemcpyHtoD");
  }
  void copy_out(void* to, const void* memory, std::size_t bytes) override {
    expect(driver_.synchronize(), "cuCtxSynchronize");
    if (bytes) expect(driver_.copy_out(to, address(memory), bytes), "cuMemcpyDtoH");
  }

 private:
  static std::uint64_t address(const void* memory) { return reinterpret_cast<std::uint64_t>(memory); }
  static void expect(int error, const char* call) {
    if (error == 0) return;
    std::printf("%s failed with error %d\n", call, error);
    std::exit(2);
  }
  const Driver driver_;
};

}  // namespace

std::unique_ptr<Memory> host_memory() { return std::make_unique<HostMemory>(); }

std::unique_ptr<Memory> gpu_memory() {
  Driver driver{};
  if (!load(driver) || !start(driver)) return nullptr;
  return std::make_unique<GpuMemory>(driver);
}

}  // namespace harness
