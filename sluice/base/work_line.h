#pragma once
/// \file
/// Work that one thread makes and another one does.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "sluice/base/error.h"

namespace sluice {

/// Has items used one by one in their order, after the first few MiB by a thread of its own, so
/// that the caller makes the next ones meanwhile. For little work nobody gains by a thread.
///
/// Holds up to 16 MiB of items, or one. Put() and Finish() are for one thread. What `use` touches
/// is that thread's again after Finish(), or when the line is destroyed, which throws away what
/// waits.
template <typename Item>
class WorkLine {
 public:
  /// An exception becomes kInternal.
  using Use = std::function<Status(Item item)>;

  /// `threads`: with 1 all is done by the caller's.
  explicit WorkLine(Use use, int threads = 2) : use_(std::move(use)), threads_(threads) {}
  WorkLine(const WorkLine&) = delete;
  WorkLine& operator=(const WorkLine&) = delete;
  ~WorkLine() = default;

  /// `bytes`: what the item holds in memory. Waits while too much waits already. Returns the first
  /// error of a use so far; nothing is used behind it.
  Status Put(Item item, size_t bytes) {
    if (!thread_.joinable()) {
      bytes_here_ += bytes;
      if (threads_ <= 1 || bytes_here_ <= kBytesHereMax) {
        if (status_.ok()) status_ = UseOne(std::move(item));
        return status_;
      }
      thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return !status_.ok() || waiting_bytes_ == 0 || waiting_bytes_ + bytes <= kWaitingBytesMax;
    });
    if (!status_.ok()) return status_;
    waiting_.emplace_back(std::move(item), bytes);
    waiting_bytes_ += bytes;
    changed_.notify_all();
    return {};
  }

  /// Returns when all items are used, with the first error. More may follow.
  Status Finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !status_.ok() || (waiting_.empty() && !busy_); });
    return status_;
  }

 private:
  static constexpr size_t kBytesHereMax = size_t{4} << 20;
  static constexpr size_t kWaitingBytesMax = size_t{16} << 20;

  void Run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (status_.ok() && changed_.wait(lock, stop, [&] { return !waiting_.empty(); })) {
      if (stop.stop_requested()) return;
      auto [item, bytes] = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = true;
      lock.unlock();
      Status used = UseOne(std::move(item));
      lock.lock();
      busy_ = false;
      waiting_bytes_ -= bytes;
      status_ = std::move(used);
      changed_.notify_all();
    }
  }

  Status UseOne(Item item) const {
    try {
      return use_(std::move(item));
    } catch (const std::exception& exception) {
      return Internal("{}", exception.what());
    }
  }

  const Use use_;
  const int threads_;
  size_t bytes_here_ = 0;  // Of what was used on the caller's thread.

  std::mutex mutex_;  // Guards what follows, once there is a thread.
  std::condition_variable_any changed_;
  std::deque<std::pair<Item, size_t>> waiting_;
  size_t waiting_bytes_ = 0;  // With those of the item in use.
  bool busy_ = false;
  Status status_;
  std::jthread thread_;  // Last: it ends before all else.
};

}  // namespace sluice
