#include "sluice/land/internal/write_memory.h"

namespace sluice::land::internal {

WriteMemory::Lease WriteMemory::Take(int64_t bytes) {
  std::unique_lock lock(mutex_);
  const uint64_t place = next_++;
  changed_.wait(lock,
                [&] { return turn_ == place && (taken_ == 0 || bytes <= bytes_max_ - taken_); });
  ++turn_;
  taken_ += bytes;
  taken_ever_ += bytes;
  changed_.notify_all();  // The next in line may fit beside.
  return {*this, bytes};
}

int64_t WriteMemory::taken() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

int64_t WriteMemory::taken_ever() const {
  const std::lock_guard lock(mutex_);
  return taken_ever_;
}

int64_t WriteMemory::waiting() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(next_ - turn_);
}

void WriteMemory::Return(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  taken_ -= bytes;
  changed_.notify_all();
}

}  // namespace sluice::land::internal
