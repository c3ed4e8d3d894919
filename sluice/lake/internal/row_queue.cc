#include "sluice/lake/internal/row_queue.h"

#include <arrow/api.h>

#include <exception>
#include <utility>

namespace sluice::lake::internal {

namespace {

constexpr int64_t kWaitingBytesMax = int64_t{16} << 20;

}  // namespace

RowQueue::RowQueue(UseRows use)
    : use_(std::move(use)), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

RowQueue::~RowQueue() = default;

Status RowQueue::Put(columnar::Batch rows) {
  const int64_t bytes = columnar::MemoryBytes(*rows);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return !status_.ok() || waiting_.empty() || waiting_bytes_ + bytes <= kWaitingBytesMax;
  });
  if (!status_.ok()) return status_;
  waiting_.push_back({.rows = std::move(rows), .bytes = bytes});
  waiting_bytes_ += bytes;
  changed_.notify_all();
  return {};
}

Status RowQueue::Finish() {
  std::unique_lock lock(mutex_);
  finished_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return !status_.ok() || waiting_.empty(); });
  return status_;
}

void RowQueue::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, stop, [&] { return !waiting_.empty() || finished_; });
    if (waiting_.empty() || stop.stop_requested()) return;
    const columnar::Batch rows = waiting_.front().rows;
    lock.unlock();
    Status used = Use(rows);
    lock.lock();
    waiting_bytes_ -= waiting_.front().bytes;
    waiting_.pop_front();
    if (!used.ok()) status_ = std::move(used);
    changed_.notify_all();
    if (!status_.ok()) return;
  }
}

Status RowQueue::Use(const columnar::Batch& rows) const {
  try {
    return use_(rows);
  } catch (const std::exception& exception) {
    return Internal("{}", exception.what());
  }
}

}  // namespace sluice::lake::internal
