#pragma once
/// \file
/// Rows that one thread reads and another one writes.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "sluice/columnar/batch.h"

namespace sluice::lake::internal {

/// Gives rows to `use` on a thread of its own, in the order in which they come.
///
/// Put() and Finish() are for one thread. What `use` touches is that thread's again after Finish(),
/// or when the queue is destroyed, which throws away what waits.
class RowQueue {
 public:
  using UseRows = std::function<Status(const columnar::Batch& rows)>;

  explicit RowQueue(UseRows use);
  RowQueue(const RowQueue&) = delete;
  RowQueue& operator=(const RowQueue&) = delete;
  ~RowQueue();

  /// Waits while 16 MiB are waiting already. Returns the first error of `use`, if there was one.
  Status Put(columnar::Batch rows);
  /// Waits until all rows are used; the queue takes no more. As Put().
  Status Finish();

 private:
  struct Waiting {
    columnar::Batch rows;
    int64_t bytes = 0;
  };

  void Run(const std::stop_token& stop);
  Status Use(const columnar::Batch& rows) const;

  const UseRows use_;
  std::mutex mutex_;  // Guards what follows.
  std::condition_variable_any changed_;
  std::deque<Waiting> waiting_;  // The first one is in use.
  int64_t waiting_bytes_ = 0;
  bool finished_ = false;
  Status status_;
  std::jthread thread_;  // Last: it ends before all else.
};

}  // namespace sluice::lake::internal
