#pragma once
/// \file
/// Child processes.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/descriptor.h"

namespace sluice::os {

struct SpawnOptions {
  std::string program = "/proc/self/exe";
  std::vector<std::string> arguments;    ///< With the name of the program in front.
  std::vector<std::string> environment;  ///< `NAME=value`; all of it.
};

/// A child with one socket to us, its descriptor 3; the standard ones lead to /dev/null, and it
/// inherits no other.
///
/// Thread-safe. Killed and reaped on destruction.
class Process {
 public:
  static constexpr int kSocket = 3;  ///< The child's end.

  /// Starts the program. `socket` gets our end. kUnavailable: no process or descriptor is free.
  static Result<std::unique_ptr<Process>> Spawn(const SpawnOptions& options, Descriptor& socket);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  int pid() const { return pid_; }
  /// Ends it at once, and waits for the end. Returns how it ended, such as "exit code 1" or "signal
  /// 9"; it may have ended by itself before.
  std::string Kill();
  /// Memory it has now, in bytes; 0: not known.
  uint64_t ResidentBytes() const;
  /// The most memory it ever had, in bytes; 0: not known.
  uint64_t PeakResidentBytes() const;
  /// Processor time it has used so far, in milliseconds; 0: not known.
  int64_t ProcessorMilliseconds() const;

 private:
  explicit Process(int pid) : pid_(pid) {}
  const int pid_;
  bool reaped_ = false;
};

}  // namespace sluice::os
