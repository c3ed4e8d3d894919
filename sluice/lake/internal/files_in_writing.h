#pragma once
/// \file
/// Which files of a table this process has begun to write, and no commit names yet.

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "sluice/os/clock.h"

namespace sluice::lake::internal {

/// Files of one table that its writers in this process are at work on, by their paths in the store.
/// The time that a file was written at is of a clock that may since have been set; this age is not.
///
/// Thread-safe.
class FilesInWriting {
 public:
  /// Who has not committed for so long will not.
  static constexpr std::chrono::hours kTimeMax{24};

  /// Before the file is there.
  void Begin(std::string path, os::Monotonic now);
  /// A commit names it, or it was given up.
  void End(const std::string& path);
  /// Those that were begun less than `age` ago.
  std::unordered_set<std::string> List(os::Monotonic now, std::chrono::milliseconds age) const;

 private:
  mutable std::mutex mutex_;  // Guards what follows.
  std::unordered_map<std::string, os::Monotonic> begun_;
  os::Monotonic looked_{};  // For those whose time is over.
};

}  // namespace sluice::lake::internal
