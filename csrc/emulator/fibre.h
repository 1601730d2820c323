// One thread of an emulated block: a stack of its own and a context to switch to.
#pragma once

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace simple_trt::emulator {

/// Memory for the stack of a fibre. The lowest page is not accessible, so that an overflow stops the program.
class Stack {
 public:
  Stack() {
    void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<char*>(memory);
    mprotect(base_, static_cast<size_t>(sysconf(_SC_PAGESIZE)), PROT_NONE);
  }
  ~Stack() {
    if (base_) munmap(base_, kBytes);
  }
  Stack(Stack&& other) noexcept : base_(other.base_) { other.base_ = nullptr; }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  char* base() const { return base_; }
  static constexpr size_t kBytes = 256 << 10;

 private:
  char* base_;
};

/// A place to switch to and from. Tells AddressSanitizer about every switch, which it needs to know its stacks.
class Context {
 public:
  /// Prepares to run `entry` on `stack` at the next switch to this context.
  void prepare(const Stack& stack, void (*entry)()) {
    bottom_ = stack.base();
    size_ = Stack::kBytes;
#if defined(__SANITIZE_ADDRESS__)
    const size_t guard = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    __asan_unpoison_memory_region(stack.base() + guard, Stack::kBytes - guard);  // of a fibre that ended or was dropped
    shadow_ = nullptr;
#endif
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack.base();
    context_.uc_stack.ss_size = Stack::kBytes;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
  }

  /// Leaves this context for `target`; returns when somebody switches back.
  void switch_to(Context& target) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&shadow_, target.bottom_, target.size_);
#endif
    swapcontext(&context_, &target.context_);
    arrived();
  }

  /// To be called first thing in a fibre's entry, with the context it was entered from.
  static void entered(Context& from) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &from.bottom_, &from.size_);
#else
    (void)from;
#endif
  }

 private:
  void arrived() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(shadow_, nullptr, nullptr);
#endif
  }

  ucontext_t context_;
  const void* bottom_ = nullptr;
  size_t size_ = 0;
#if defined(__SANITIZE_ADDRESS__)
  void* shadow_ = nullptr;
#endif
};

}  // namespace simple_trt::emulator
