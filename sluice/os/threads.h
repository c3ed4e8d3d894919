#pragma once
/// \file
/// The threads of long-lived parts, as the rest of Sluice sees them.

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::os {

/// Why a step of a thread is run.
enum class Why : uint8_t {
  kWoken,  ///< It is the first one, or somebody called Wake().
  kTime,   ///< What it asked to wait for is over.
};

/// How long a thread waits for a Wake() before its next step.
using Wait = std::chrono::microseconds;
inline constexpr Wait kUntilWoken = Wait::max();

/// One piece of a thread's work, between two waits. Nothing: the thread ends.
using Step = std::function<std::optional<Wait>(Why why)>;

/// A thread that runs one step after the other.
///
/// Thread-safe. Destroy it only after its step has been told to end; that waits for the end.
class Thread {
 public:
  virtual ~Thread() = default;
  /// Has the next step begin soon; also one that would begin anyway counts as woken. Calls before
  /// it begins are one.
  virtual void Wake() = 0;
  /// Returns when the thread has ended. Not to be called from a step.
  virtual void Join() = 0;
};

/// The only source of threads for the parts that a simulation runs (docs/adr/0005-simulation.md).
///
/// Thread-safe.
class Threads {
 public:
  virtual ~Threads() = default;

  /// `name` is for debuggers: up to 15 characters.
  virtual std::unique_ptr<Thread> Start(std::string_view name, Step step) = 0;

  /// Returns what another thread puts into the promise.
  template <typename T>
  T Await(std::future<T> future) {
    BeforeBlocking(
        [&] { return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    return future.get();
  }

 protected:
  /// Called when the caller is about to block until `done`.
  virtual void BeforeBlocking(const std::function<bool()>& done) = 0;
};

/// The machine's threads.
class SystemThreads final : public Threads {
 public:
  std::unique_ptr<Thread> Start(std::string_view name, Step step) override;

 protected:
  void BeforeBlocking(const std::function<bool()>&) override {}
};

}  // namespace sluice::os
