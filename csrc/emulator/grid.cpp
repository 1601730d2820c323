#include "grid.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "../kernels/host_device.h"
#include "fibre.h"

namespace simple_trt::emulator {
namespace {

constexpr unsigned kLanes = 32;
constexpr unsigned kMaxThreads = 1024;
constexpr std::array<unsigned, 3> kRoundsAhead{0, 16, 1024};  // for which one warp keeps its lead, on average
constexpr unsigned kMaxGridYZ = 65535;
constexpr size_t kMaxDynamicShared = 48 << 10;
constexpr unsigned char kUnwritten = 0xcd;  // as a float -4.3e8, as an index far out of range

enum class State { kReady, kAtBlockBarrier, kAtWarp, kEnded };

struct Thread {
  explicit Thread(unsigned index) : index(index) {}
  unsigned index;  // in the block
  Stack stack;
  Context context;
  dim3 position;
  State state = State::kReady;
  Site site{};
  uint32_t mask = 0;
  uint64_t value = 0;
  WarpView view;

  unsigned lane() const { return index % kLanes; }
};

std::string place(const Site& site) { return std::string(site.file) + ":" + std::to_string(site.line); }

/// The block that is running, and its schedule.
class Block {
 public:
  void run(unsigned size, const std::function<void()>& body) {
    body_ = &body;
    start(size);
    while (!all_ended()) {
      if (!run_a_warp() && !release_block()) throw std::runtime_error(describe_hang());
    }
  }

  void resize_shared(size_t bytes) {
    // A heap block of the exact size, so that AddressSanitizer sees its end.
    shared_ = std::make_unique<unsigned char[]>(std::max<size_t>(bytes, 1));
    shared_bytes_ = bytes;
  }
  void* shared() { return shared_.get(); }
  Thread& current() { return *current_; }
  std::mt19937_64& random() { return random_; }

  void suspend(State state) {
    current_->state = state;
    Thread* self = current_;
    self->context.switch_to(scheduler_);
    position.thread = self->position;
  }

  [[noreturn]] void fail(const std::string& reason) {
    failure_ = reason;
    current_->context.switch_to(scheduler_);
    std::abort();  // a failed block is dropped: its fibres are never resumed
  }

 private:
  static void thread_entry();

  void start(unsigned size) {
    for (unsigned i = static_cast<unsigned>(pool_.size()); i < size; ++i) pool_.push_back(std::make_unique<Thread>(i));
    size_ = size;
    failure_.reset();
    rounds_ahead_ = kRoundsAhead[random_() % kRoundsAhead.size()];
    warp_ = 0;
    order_.resize(size);
    std::memset(shared_.get(), kUnwritten, shared_bytes_);
    const dim3 shape = position.block_size;
    for (unsigned i = 0; i < size; ++i) {
      Thread& thread = *pool_[i];
      thread.position = dim3(i % shape.x, i / shape.x % shape.y, i / (shape.x * shape.y));
      thread.state = State::kReady;
      thread.context.prepare(thread.stack, &Block::thread_entry);
      order_[i] = i;
    }
  }

  /// Lets the ready lanes of one warp run up to where they wait; false when no warp has any. Which warp: by chance, but
  /// in most blocks mostly the same one again. Were all warps to move in step, a missing barrier would rarely show.
  bool run_a_warp() {
    const unsigned warps = divide_up(size_, kLanes);
    const bool stay = rounds_ahead_ > 0 && random_() % rounds_ahead_ != 0;
    const unsigned first = stay ? warp_ : static_cast<unsigned>(random_() % warps);
    for (unsigned i = 0; i < warps; ++i) {
      warp_ = (first + i) % warps;
      if (run_lanes(warp_ * kLanes, std::min(size_, (warp_ + 1) * kLanes))) return true;
    }
    return false;
  }

  bool run_lanes(unsigned begin, unsigned end) {
    bool ran = false;
    std::shuffle(order_.begin() + begin, order_.begin() + end, random_);
    for (unsigned i = begin; i < end; ++i) {
      Thread& thread = *pool_[order_[i]];
      if (thread.state != State::kReady) continue;
      current_ = &thread;
      position.thread = thread.position;
      scheduler_.switch_to(thread.context);
      if (failure_) throw std::runtime_error(*failure_);
      ran = true;
    }
    for (unsigned i = begin; i < end; ++i) {
      if (pool_[i]->state == State::kAtWarp) release_group(*pool_[i]);
    }
    return ran;
  }

  /// Lets the lanes go that have met `first`, if they are all there.
  void release_group(const Thread& first) {
    const unsigned base = first.index - first.lane();
    const uint32_t mask = first.mask;
    WarpView view;
    for (unsigned lane = 0; lane < kLanes && base + lane < size_; ++lane) {
      const Thread& thread = *pool_[base + lane];
      if (!(mask >> lane & 1u) || thread.state == State::kEnded) continue;
      if (thread.state != State::kAtWarp) return;
      if (thread.mask != mask) {
        throw std::runtime_error("lanes of one warp meet with different masks at " + place(first.site));
      }
      if (!(thread.site == first.site)) {
        throw std::runtime_error("lanes of one warp meet at different places: " + place(first.site) + " and " +
                                 place(thread.site));
      }
      view.lanes |= 1u << lane;
      view.values[lane] = thread.value;
    }
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      if (!(view.lanes >> lane & 1u)) continue;
      pool_[base + lane]->view = view;
      pool_[base + lane]->state = State::kReady;
    }
  }

  bool release_block() {
    const Thread* first = nullptr;
    for (unsigned i = 0; i < size_; ++i) {
      const Thread& thread = *pool_[i];
      if (thread.state == State::kEnded) continue;
      if (thread.state != State::kAtBlockBarrier) return false;
      if (!first) first = &thread;
      if (!(thread.site == first->site)) {
        throw std::runtime_error("threads of one block wait at different barriers: " + place(first->site) + " and " +
                                 place(thread.site));
      }
    }
    for (unsigned i = 0; i < size_; ++i) {
      if (pool_[i]->state == State::kAtBlockBarrier) pool_[i]->state = State::kReady;
    }
    return first != nullptr;
  }

  bool all_ended() const {
    return std::all_of(pool_.begin(), pool_.begin() + size_,
                       [](auto& thread) { return thread->state == State::kEnded; });
  }

  std::string describe_hang() const {
    for (unsigned i = 0; i < size_; ++i) {
      if (pool_[i]->state != State::kEnded) {
        return "the block hangs: thread " + std::to_string(i) + " waits for ever at " + place(pool_[i]->site);
      }
    }
    return "the block hangs";
  }

  std::vector<std::unique_ptr<Thread>> pool_;  // stacks are kept from block to block
  std::vector<unsigned> order_;                // of threads, shuffled within each warp
  std::unique_ptr<unsigned char[]> shared_;
  std::optional<std::string> failure_;
  const std::function<void()>* body_ = nullptr;
  Context scheduler_;
  Thread* current_ = nullptr;
  unsigned size_ = 0;
  unsigned warp_ = 0;
  unsigned rounds_ahead_ = 0;
  unsigned ahead_ = 0;
  size_t shared_bytes_ = 0;
  std::mt19937_64 random_{1};
};

Block& block() {
  static Block the_block;
  return the_block;
}

void Block::thread_entry() {
  Block& self = block();
  Context::entered(self.scheduler_);
  (*self.body_)();
  self.suspend(State::kEnded);
}

bool device_would_accept(dim3 grid, dim3 size, size_t shared_bytes) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || size.x == 0 || size.y == 0 || size.z == 0) return false;
  if (grid.x > 0x7fffffffu || grid.y > kMaxGridYZ || grid.z > kMaxGridYZ) return false;
  return uint64_t{size.x} * size.y * size.z <= kMaxThreads && size.z <= 64 && shared_bytes <= kMaxDynamicShared;
}

}  // namespace

void set_schedule_seed(uint64_t seed) { block().random().seed(seed); }

void* dynamic_shared() { return block().shared(); }

unsigned lane() { return block().current().lane(); }

bool run_grid(dim3 grid, dim3 size, size_t shared_bytes, const std::function<void()>& thread_body) {
  if (!device_would_accept(grid, size, shared_bytes)) return false;
  position.block_size = size;
  position.grid_size = grid;
  std::vector<uint64_t> order(uint64_t{grid.x} * grid.y * grid.z);
  for (uint64_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), block().random());
  block().resize_shared(shared_bytes);
  for (uint64_t i : order) {
    position.block = dim3(static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                          static_cast<unsigned>(i / grid.x / grid.y));
    block().run(size.x * size.y * size.z, thread_body);
  }
  return true;
}

void wait_for_block(Site site) {
  block().current().site = site;
  block().suspend(State::kAtBlockBarrier);
}

const WarpView& meet_warp(uint32_t mask, uint64_t value, Site site) {
  Thread& self = block().current();
  if (!(mask >> self.lane() & 1u)) {
    block().fail("a lane calls a warp collective without being in its mask, at " + place(site));
  }
  self.mask = mask;
  self.value = value;
  self.site = site;
  block().suspend(State::kAtWarp);
  return self.view;
}

void fail_misaligned(size_t bytes, Site site) {
  block().fail("an access of " + std::to_string(bytes) + " bytes is misaligned, at " + place(site));
}

void maybe_yield() {
  if (block().random()() & 1u) block().suspend(State::kReady);
}

}  // namespace simple_trt::emulator
