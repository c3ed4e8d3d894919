#pragma once
/// \file
/// Threads that run in the caller's, one step at a time, in an order that a seed repeats.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/os/clock.h"
#include "sluice/os/threads.h"

namespace sluice::os {

/// Threads whose steps the owner runs. A step runs whole; what other threads do meanwhile is what
/// the owner does inside of the calls that the step makes (a disk or a store of its own).
///
/// Not thread-safe: one real thread owns it and all that uses it.
class SimulatedThreads final : public Threads {
 public:
  /// `clock` must outlive the object; it decides when a wait is over.
  explicit SimulatedThreads(SimulatedClock& clock) : clock_(clock) {}

  std::unique_ptr<Thread> Start(std::string_view name, Step step) override;

  /// Runs a step of the `choice`-th (modulo their number) thread that has one to run. Returns its
  /// name; empty if none had.
  std::string RunOne(uint64_t choice);
  /// Runs steps until no thread has one to run at this time.
  void RunAll();
  /// When the next wait is over; nothing if no thread waits for a time.
  std::optional<Monotonic> NextTime() const;

  /// Ends all threads where they are, as the death of the process does: no step is run any more.
  void Kill() { killed_ = true; }

 protected:
  /// Runs threads, and lets time pass when they wait for it, until `done`.
  void BeforeBlocking(const std::function<bool()>& done) override;

 private:
  struct State;
  class SimulatedThread;
  bool IsReady(const State& thread) const;
  void Run(const std::shared_ptr<State>& thread);
  std::vector<std::shared_ptr<State>> Ready() const;

  SimulatedClock& clock_;
  std::vector<std::shared_ptr<State>> threads_;  // In the order of their start.
  bool killed_ = false;
};

}  // namespace sluice::os
