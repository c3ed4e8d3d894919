#include "sluice/os/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sluice/os/clock.h"
#include "sluice/os/descriptor.h"

namespace sluice::os {

namespace {

Result<pid_t> SpawnShell(const std::string& line, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setpgroup(&attributes, 0);  // To be killed with all that it starts.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::string shell = "sh";
  std::string flag = "-c";
  std::string text = line;
  const std::array<char*, 4> arguments = {shell.data(), flag.data(), text.data(), nullptr};
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return Unavailable("cannot run /bin/sh: {}", std::strerror(error));
  return pid;
}

// Reads until the other end is closed.
Result<std::string> ReadAll(int input, size_t bytes_max, Monotonic deadline) {
  const SystemClock clock;
  std::string text;
  std::array<char, 4096> buffer{};
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.Steady());
    if (left.count() <= 0) return Unavailable("it did not end in time");
    pollfd ready{.fd = input, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, static_cast<int>(left.count()) + 1) <= 0) continue;
    const ssize_t count = read(input, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Unavailable("cannot read from it: {}", std::strerror(errno));
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(count));
    if (text.size() > bytes_max) return Invalid("it writes more than {} bytes", bytes_max);
  }
}

}  // namespace

Result<std::string> ReadCommand(const std::string& line, size_t bytes_max,
                                std::chrono::milliseconds time_max) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Unavailable("no pipe is free: {}", std::strerror(errno));
  }
  const Descriptor input(ends[0]);
  Descriptor output(ends[1]);
  const Monotonic deadline = SystemClock().Steady() + time_max;
  SLUICE_ASSIGN_OR_RETURN(const pid_t pid, SpawnShell(line, output.number()));
  output = Descriptor();
  auto text = ReadAll(input.number(), bytes_max, deadline);
  // Whoever closed its output has nothing more to say.
  if (!text.ok()) kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!text.ok()) return text;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Unavailable("it ends with {} {}", WIFEXITED(status) ? "exit code" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  }
  return text;
}

Status StartProgram(const std::string& program, const std::string& argument) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);  // Ctrl-C is for us alone.
  std::string name = program;
  std::string text = argument;
  const std::array<char*, 3> arguments = {name.data(), text.data(), nullptr};
  pid_t pid = 0;
  const int error =
      posix_spawnp(&pid, name.c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return Unavailable("cannot run {}: {}", program, std::strerror(error));
  return {};
}

Status ForbidCoreDumps() {
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  // The limit alone does not hold where dumps are piped to a program.
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return Unavailable("cannot switch core dumps off: {}", std::strerror(errno));
  }
  return {};
}

}  // namespace sluice::os
