#include "sluice/os/threads.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace sluice::os {

namespace {

// Longer waits overflow the clock.
constexpr Wait kWaitMax = std::chrono::hours(24);
constexpr size_t kNameMax = 15;

class SystemThread final : public Thread {
 public:
  SystemThread(std::string name, Step step)
      : name_(std::move(name)), step_(std::move(step)), thread_([this] { Run(); }) {}
  ~SystemThread() override { Join(); }

  void Wake() override {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    wake_.notify_one();
  }

  void Join() override {
    std::call_once(joined_, [this] { thread_.join(); });
  }

 private:
  void Run() {
    pthread_setname_np(pthread_self(), name_.c_str());
    Why why = Why::kWoken;
    while (const std::optional<Wait> wait = step_(why)) {
      std::unique_lock lock(mutex_);
      const auto woken = [this] { return woken_; };
      why = Why::kWoken;
      if (*wait == kUntilWoken) {
        wake_.wait(lock, woken);
      } else if (!wake_.wait_for(lock, std::min(*wait, kWaitMax), woken)) {
        why = Why::kTime;
      }
      woken_ = false;
    }
  }

  const std::string name_;
  const Step step_;
  std::mutex mutex_;  // Guards woken_.
  std::condition_variable wake_;
  bool woken_ = false;
  std::once_flag joined_;
  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace

std::unique_ptr<Thread> SystemThreads::Start(std::string_view name, Step step) {
  return std::make_unique<SystemThread>(std::string(name.substr(0, kNameMax)), std::move(step));
}

}  // namespace sluice::os
