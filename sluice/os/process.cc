#include "sluice/os/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "sluice/os/channel.h"

namespace sluice::os {

namespace {

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// Reads a small file of /proc; empty if it is gone.
std::string ReadProc(int pid, std::string_view name) {
  const Descriptor file(open(fmt::format("/proc/{}/{}", pid, name).c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> bytes{};
  const ssize_t count = file ? read(file.number(), bytes.data(), bytes.size()) : 0;
  return std::string(bytes.data(), count > 0 ? static_cast<size_t>(count) : 0);
}

/// The field of that number, counted from 0 and parted by spaces.
int64_t Field(std::string_view text, int number) {
  for (; number > 0; --number) {
    const size_t space = text.find(' ');
    if (space == text.npos) return 0;
    text.remove_prefix(space + 1);
  }
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Result<std::unique_ptr<Process>> Process::Spawn(const SpawnOptions& options, Descriptor& socket) {
  SLUICE_ASSIGN_OR_RETURN(auto ends, MakeSocketPair());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, 0, 1);
  posix_spawn_file_actions_adddup2(&actions, 0, 2);
  // If it has that number already, this takes its close-on-exec away.
  posix_spawn_file_actions_adddup2(&actions, ends.second.number(), kSocket);
  posix_spawn_file_actions_addclosefrom_np(&actions, kSocket + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own, so that Ctrl-C in a terminal reaches only us; no signal blocked or ignored.
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, options.program.c_str(), &actions, &attributes,
                  Pointers(options.arguments).data(), Pointers(options.environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return Unavailable("cannot start a process: {}", std::strerror(error));
  socket = std::move(ends.first);
  return std::unique_ptr<Process>(new Process(pid));
}

Process::~Process() { Kill(); }

std::string Process::Kill() {
  if (std::exchange(reaped_, true)) return "ended";
  // Not reaped yet, so the number is still this child's.
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

uint64_t Process::ResidentBytes() const {
  const int64_t pages = Field(ReadProc(pid_, "statm"), 1);
  return static_cast<uint64_t>(pages) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t Process::PeakResidentBytes() const {
  constexpr std::string_view kName = "\nVmHWM:";
  const std::string status = ReadProc(pid_, "status");
  const size_t found = status.find(kName);
  if (found == status.npos) return 0;
  std::string_view rest = std::string_view(status).substr(found + kName.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  return static_cast<uint64_t>(Field(rest, 0)) * 1024;  // "kB" there are KiB.
}

int64_t Process::ProcessorMilliseconds() const {
  const std::string stat = ReadProc(pid_, "stat");
  const size_t name_end = stat.rfind(')');  // Behind the name, which may have spaces.
  if (name_end == stat.npos || name_end + 2 > stat.size()) return 0;
  const std::string_view rest = std::string_view(stat).substr(name_end + 2);
  return (Field(rest, 11) + Field(rest, 12)) * 1000 / sysconf(_SC_CLK_TCK);
}

}  // namespace sluice::os
