#include "sluice/os/background.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace sluice::os {

void GiveWayToOtherThreads() {
#if defined(__linux__)
  // On Linux both are of a thread. Neither is needed for anything to be right.
  constexpr int kLeastPriority = 19;
  constexpr int kOneThread = 1;        // IOPRIO_WHO_PROCESS
  constexpr int kIdleClass = 3 << 13;  // IOPRIO_CLASS_IDLE
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  (void)::setpriority(PRIO_PROCESS, thread, kLeastPriority);
  (void)::syscall(SYS_ioprio_set, kOneThread, 0, kIdleClass);
#endif
}

std::chrono::microseconds ThreadProcessorTime() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec));
}

}  // namespace sluice::os
