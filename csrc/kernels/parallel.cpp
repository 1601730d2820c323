#include "parallel.h"

#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

namespace simple_trt {
namespace {

constexpr int kMaxWorkers = 256;

int usable_processors() {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

int default_workers() {
  const char* asked = std::getenv("SIMPLE_TRT_THREADS");
  const int count = asked ? std::atoi(asked) : 0;
  return std::min(count > 0 ? count : usable_processors(), kMaxWorkers);
}

std::atomic<int>& worker_setting() {
  static std::atomic<int> workers{default_workers()};
  return workers;
}

/// One loop in progress. Ranges are handed out by a counter, so an uneven load evens itself out.
struct Loop {
  internal::RangeFunction function;
  const void* body;
  int64_t count;
  int64_t step;
  std::atomic<int64_t> next{0};

  void work(int worker) {
    for (int64_t begin = next.fetch_add(step); begin < count; begin = next.fetch_add(step)) {
      function(body, begin, std::min(begin + step, count), worker);
    }
  }
};

/// Helper threads that sleep until a loop is posted. A pool lives as long as its process: its threads are detached, and
/// it is never destroyed, because at exit other libraries may still be running kernels.
class Pool {
 public:
  Pool() : process_(getpid()) {}

  bool belongs_to_this_process() const { return process_ == getpid(); }

  /// False when another thread's loop has the pool.
  bool run(Loop& loop, int workers) {
    std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    if (!turn.owns_lock()) return false;
    const int helpers = ensure_helpers(workers - 1);
    post(loop, helpers);
    loop.work(0);
    std::unique_lock<std::mutex> lock(mutex_);
    wanted_ = 0;  // helpers that have not woken up yet need not
    finished_.wait(lock, [this] { return running_ == 0; });
    loop_ = nullptr;
    return true;
  }

 private:
  int ensure_helpers(int wanted) {
    try {
      for (; helpers_ < wanted; ++helpers_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
      // The system refuses more threads: go on with those there are.
    }
    return std::min(helpers_, wanted);
  }

  void post(Loop& loop, int helpers) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      loop_ = &loop;
      wanted_ = helpers;
      joined_ = 0;
    }
    if (helpers > 0) posted_.notify_all();
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      posted_.wait(lock, [&] { return wanted_ > 0; });
      --wanted_;
      ++running_;
      Loop* loop = loop_;
      const int worker = ++joined_;
      lock.unlock();
      loop->work(worker);
      lock.lock();
      if (--running_ == 0) finished_.notify_one();
    }
  }

  const pid_t process_;
  std::mutex turn_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::condition_variable finished_;
  Loop* loop_ = nullptr;
  int wanted_ = 0;
  int joined_ = 0;
  int running_ = 0;
  int helpers_ = 0;
};

/// The pool of this process, or null when there is no memory for one. The threads of a parent are not in its forked
/// child, and its locks may have been held, so a child makes a new pool and leaves the old one alone.
Pool* this_process_pool() {
  static std::atomic<Pool*> current{nullptr};
  Pool* pool = current.load();
  while (!pool || !pool->belongs_to_this_process()) {
    Pool* fresh = new (std::nothrow) Pool;
    if (!fresh || current.compare_exchange_strong(pool, fresh)) return fresh;
    delete fresh;
  }
  return pool;
}

}  // namespace

int parallel_workers() { return worker_setting().load(); }

void set_parallel_workers(int workers) {
  worker_setting().store(workers > 0 ? std::min(workers, kMaxWorkers) : default_workers());
}

void internal::run_ranges(int64_t count, int64_t grain, RangeFunction function, const void* body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t grains = (count + grain - 1) / grain;
  const int workers = static_cast<int>(std::min<int64_t>(parallel_workers(), grains));
  if (workers > 1) {
    const int64_t shares = std::min<int64_t>(grains, 4 * workers);  // a few ranges a thread, to even out
    Loop loop{function, body, count, std::max(grain, (count + shares - 1) / shares)};
    Pool* pool = this_process_pool();
    if (pool && pool->run(loop, workers)) return;
  }
  function(body, 0, count, 0);
}

}  // namespace simple_trt
