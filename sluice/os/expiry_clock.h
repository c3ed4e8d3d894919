#pragma once
/// \file
/// The time by which things expire: a wall clock that was set wrong makes nothing old.

#include <chrono>
#include <functional>
#include <mutex>
#include <string>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"

namespace sluice::os {

/// Time since the machine started, with that in which it slept.
Monotonic SinceBoot();

/// The wall clock, as far as what has passed bears it out. Whatever is deleted or forgotten because
/// it is old asks this clock.
///
/// Within an hour of what is expected it follows the wall clock, at most twice as fast as time
/// passes. Beyond, the wall clock has jumped: it goes on as time passes, until the wall clock is
/// back or somebody trusts it. Only at a start can nobody tell how long the process was away: a
/// jump of up to 30 days is trusted by itself then, after an hour in which it could be seen, and in
/// which the wall clock did not jump again.
///
/// Thread-safe.
class ExpiryClock final : public Clock {
 public:
  static constexpr std::chrono::hours kJumpMax{1};
  static constexpr std::chrono::hours kAwayMax{24 * 30};
  static constexpr std::chrono::hours kSeenAfter{1};

  /// Trusts the wall clock of now. `clock` must outlive the object. `elapsed` counts what passes;
  /// without it `clock.Steady()`, which need not count sleep.
  explicit ExpiryClock(const Clock& clock, std::function<Monotonic()> elapsed = {});

  /// Goes on from the time in the file `path`, if there is one; keeps it there from then on. One
  /// that cannot be understood counts as a jump. Call once, before all else.
  Status Open(Disk& disk, std::string path);

  /// Without such a file: goes on from `known` instead of the wall clock, as after a time in which
  /// no process ran. Does nothing where Open() found one. Call before others use it.
  void BeginAt(Timestamp known);

  /// The time by which things expire: neither after the wall clock nor after what is trusted.
  Timestamp Now() const override;
  Monotonic Steady() const override { return clock_.Steady(); }

  /// The time to date by what is stored now: the wall clock, or kJumpMax before what is trusted if
  /// that is later. So a wall clock that is years behind makes nothing old from the first moment
  /// on. May be after the wall clock, and goes back as far as that does until then.
  Timestamp Stamp() const;

  /// What is trusted, whatever the wall clock says now: after it, where that was set back.
  Timestamp Trusted() const;

  /// Now() of the start, and what has passed since: never jumps and never goes back.
  Timestamp Counted() const;

  /// How far the wall clock is ahead of what was expected, behind if negative; zero within an hour.
  std::chrono::microseconds Jump() const;

  /// Tells the trace of a jump and of its end; writes the file. To be called every few minutes:
  /// what has passed since is not known after a crash.
  Status Keep();

  /// From now on the wall clock of now is right. Writes the file.
  Status Trust();

 private:
  struct State {
    Timestamp trusted;
    std::chrono::microseconds jump{};
    bool away = false;  ///< The jump may be the time in which no process ran.
  };

  /// Takes in what has passed; the mutex must be held.
  void Advance() const;
  void Begin(const State& state);
  Status Write(const State& state);

  const Clock& clock_;
  const std::function<Monotonic()> elapsed_;
  const Monotonic began_;
  Disk* disk_ = nullptr;
  std::string path_;
  bool found_ = false;  // The file was there.

  mutable std::mutex mutex_;  // Guards what follows.
  mutable State state_;
  mutable Monotonic advanced_;
  Timestamp counted_from_;
  bool told_ = false;       // Of the jump.
  std::mutex write_mutex_;  // One write at a time.
};

/// By which to date what is stored now: Stamp() of `expiry`, or `clock` where there is none.
Timestamp StampOf(const ExpiryClock* expiry, const Clock& clock);

}  // namespace sluice::os
