#include "sluice/os/simulated_threads.h"

#include <algorithm>
#include <utility>

#include "sluice/base/check.h"

namespace sluice::os {

struct SimulatedThreads::State {
  std::string name;
  Step step;
  bool woken = true;
  bool running = false;
  bool ended = false;
  std::optional<Monotonic> due;
};

class SimulatedThreads::SimulatedThread final : public Thread {
 public:
  SimulatedThread(SimulatedThreads& threads, std::shared_ptr<State> state)
      : threads_(threads), state_(std::move(state)) {}
  ~SimulatedThread() override {
    Join();
    std::erase(threads_.threads_, state_);
  }

  void Wake() override { state_->woken = true; }
  void Join() override {
    if (threads_.killed_) return;
    threads_.BeforeBlocking([this] { return state_->ended; });
  }

 private:
  SimulatedThreads& threads_;
  const std::shared_ptr<State> state_;
};

std::unique_ptr<Thread> SimulatedThreads::Start(std::string_view name, Step step) {
  auto state = std::make_shared<State>();
  state->name = name;
  state->step = std::move(step);
  threads_.push_back(state);
  return std::make_unique<SimulatedThread>(*this, std::move(state));
}

bool SimulatedThreads::IsReady(const State& thread) const {
  if (killed_ || thread.ended || thread.running) return false;
  return thread.woken || (thread.due && clock_.Steady() >= *thread.due);
}

std::vector<std::shared_ptr<SimulatedThreads::State>> SimulatedThreads::Ready() const {
  std::vector<std::shared_ptr<State>> ready;
  for (const auto& thread : threads_) {
    if (IsReady(*thread)) ready.push_back(thread);
  }
  return ready;
}

void SimulatedThreads::Run(const std::shared_ptr<State>& thread) {
  const Why why = std::exchange(thread->woken, false) ? Why::kWoken : Why::kTime;
  thread->due.reset();
  // The step may be left by an exception, which stands for the end of the process: then the thread
  // stays as it is, and never runs again.
  thread->running = true;
  const std::optional<Wait> wait = thread->step(why);
  thread->running = false;
  if (!wait) {
    thread->ended = true;
  } else if (*wait != kUntilWoken) {
    thread->due = clock_.Steady() + *wait;
  }
}

std::string SimulatedThreads::RunOne(uint64_t choice) {
  const auto ready = Ready();
  if (ready.empty()) return {};
  const auto& thread = ready[choice % ready.size()];
  Run(thread);
  return thread->name;
}

void SimulatedThreads::RunAll() {
  while (!RunOne(0).empty()) {
  }
}

std::optional<Monotonic> SimulatedThreads::NextTime() const {
  std::optional<Monotonic> next;
  for (const auto& thread : threads_) {
    if (!thread->ended && !thread->running && thread->due && (!next || *thread->due < *next)) {
      next = thread->due;
    }
  }
  return next;
}

void SimulatedThreads::BeforeBlocking(const std::function<bool()>& done) {
  while (!done()) {
    if (!RunOne(0).empty()) continue;
    const std::optional<Monotonic> next = NextTime();
    SLUICE_CHECK(next.has_value());  // Else nobody would ever wake the caller: a deadlock.
    clock_.Advance(*next - clock_.Steady());
  }
}

}  // namespace sluice::os
