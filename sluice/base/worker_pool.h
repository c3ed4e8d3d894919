#pragma once
/// \file
/// A few threads for work that may block, behind a bounded queue.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sluice {

/// Thread-safe. Work that was taken is always run, also during destruction.
class WorkerPool {
 public:
  WorkerPool(int threads, size_t queue_max);
  ~WorkerPool();

  /// Returns false, and does nothing, when `queue_max` pieces of work wait already.
  bool TryRun(std::function<void()> work);

 private:
  void Run();

  const size_t queue_max_;
  std::mutex mutex_;  // Guards what follows.
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace sluice
