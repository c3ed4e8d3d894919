#pragma once
/// \file
/// Memory that landings take to write files, of all tables together.

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace sluice::land::internal {

/// How much landings under way may take, and do. Who asks for more than is left waits, in the order
/// of asking; who is alone gets all that it asks for, so that landing never stops for want of it.
///
/// Thread-safe.
class WriteMemory {
 public:
  /// What one landing has; returned when it goes. The memory must outlive it.
  class Lease {
   public:
    Lease(WriteMemory& memory, int64_t bytes) : memory_(memory), bytes_(bytes) {}
    ~Lease() { memory_.Return(bytes_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

   private:
    WriteMemory& memory_;
    const int64_t bytes_;
  };

  explicit WriteMemory(int64_t bytes_max) : bytes_max_(bytes_max) {}

  /// Waits for them. Who has a lease must neither ask for a second one, nor wait for who does.
  Lease Take(int64_t bytes);

  int64_t bytes_max() const { return bytes_max_; }
  int64_t taken() const;
  /// How much was ever taken: grows.
  int64_t taken_ever() const;
  /// How many wait for theirs.
  int64_t waiting() const;

 private:
  void Return(int64_t bytes);

  const int64_t bytes_max_;

  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  int64_t taken_ = 0;
  int64_t taken_ever_ = 0;
  uint64_t next_ = 0;  // Of those who ask.
  uint64_t turn_ = 0;  // Of them, whose it is.
};

}  // namespace sluice::land::internal
