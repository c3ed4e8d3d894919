#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

#include "sluice/cli/internal/commands.h"

namespace sluice::cli::internal {
namespace {

// A signal handler can reach nothing but globals.
std::atomic<int> caught{0};
int wake_pipe[2] = {-1, -1};

extern "C" void OnSignal(int signal) {
  caught = signal;
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = write(wake_pipe[1], &byte, 1);
}

}  // namespace

int CaughtSignal() { return caught; }

void ForgetSignal() { caught = 0; }

void CatchSignals() {
  if (wake_pipe[0] < 0 && pipe(wake_pipe) != 0) return;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // A file at its limit is an error of the write, not our end.
}

void WaitForSignal(int64_t milliseconds) {
  if (caught != 0) return;
  struct pollfd readable = {.fd = wake_pipe[0], .events = POLLIN, .revents = 0};
  poll(&readable, 1, static_cast<int>(milliseconds));
}

}  // namespace sluice::cli::internal
