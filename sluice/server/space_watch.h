#pragma once
/// \file
/// Whether the data's disk has room left, and a file in reserve for when it has none.

#include <atomic>
#include <cstdint>
#include <string>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"

namespace sluice::server {

struct SpaceOptions {
  std::string folder = {};                ///< On the disk to be watched; made if need be.
  uint64_t free_bytes_min = 64ull << 20;  ///< With less free the disk counts as full.
  uint64_t reserve_bytes = 64ull << 20;   ///< 0: none.
};

/// Says early that a disk is full, and gives back the room of a reserve file then: what was
/// accepted can land, which needs room before it frees any. The reserve is taken again, and the
/// disk counts as no longer full, once so much is free that a quarter of the least stays between;
/// without a reserve, should none be had though there is room.
///
/// Look() is for one thread; the rest is thread-safe.
class SpaceWatch {
 public:
  /// `disk` must outlive the object.
  SpaceWatch(const SpaceOptions& options, os::Disk& disk);

  /// Looks for the first time. The reserve of an earlier run is taken over if it is as large as it
  /// should be now.
  Status Start();
  /// Looks how much is free, and does what is due. To be called a few times a second.
  void Look();

  bool full() const { return full_; }
  bool reserve_held() const { return reserve_held_; }
  uint64_t free_bytes() const { return free_bytes_; }

 private:
  std::string ReservePath() const { return options_.folder + "/reserve"; }
  Status TakeReserveOver();
  Status TakeReserve();
  void GiveReserveBack();

  const SpaceOptions options_;
  os::Disk& disk_;
  std::atomic<bool> full_{false};
  std::atomic<bool> reserve_held_{false};
  std::atomic<uint64_t> free_bytes_{0};
};

}  // namespace sluice::server
