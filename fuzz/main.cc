// Fuzzes the parsers of what other programs write: seeded, so that a failure happens again.
//
//   sluice_fuzz [--target NAME] [--seconds N | --runs N] [--seed S] [--replay FILE] [--testdata
//   DIR]
//
// Runs one target or all, each for N seconds of CPU time or N inputs. Before each input its bytes
// are put into memory that a signal handler writes to `fuzz-crash-TARGET`; a sanitizer's report
// stands above. An input that takes too long ends in the same way. Exits with 1 if memory grew
// beyond the limit.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

#include "fuzz/mutator.h"
#include "fuzz/targets.h"

namespace sluice::fuzz {
namespace {

// Of a whole run: parsers must not be talked into more, and nothing may pile up. The address
// sanitizer keeps what was freed for a while, and marks what it gives.
#ifdef __SANITIZE_ADDRESS__
constexpr int64_t kResidentMiBMax = 2048;
constexpr int kInputSecondsMax = 60;  // Of CPU time, for one input.
#else
constexpr int64_t kResidentMiBMax = 1024;
constexpr int kInputSecondsMax = 10;
#endif

std::string crash_path;              // NOLINT: for the handler.
const std::string* input = nullptr;  // NOLINT

void Save() {
  if (input == nullptr) return;
  const int file = open(crash_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return;
  static_cast<void>(write(file, input->data(), input->size()));
  close(file);
}

void OnSignal(int signal) {
  Save();
  std::signal(signal, SIG_DFL);
  raise(signal);
}

// Sends SIGPROF when so much CPU time is over; 0: never.
void SetAlarm(int seconds) {
  itimerval timer{};
  timer.it_value.tv_sec = seconds;
  setitimer(ITIMER_PROF, &timer, nullptr);
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int64_t ResidentMiBPeak() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

struct Arguments {
  std::string target;
  std::string replay;
  std::string testdata = "../shared/testdata/delta-golden";
  double seconds = 0;
  uint64_t runs = 2000;
  uint64_t seed = 1;
};

int Fuzz(const Target& target, const Arguments& arguments) {
  crash_path = "fuzz-crash-" + target.name;
  Mutator mutator(arguments.seed, target.corpus, target.words);
  const double begin = CpuSeconds();
  uint64_t runs = 0;
  uint64_t understood = 0;
  double slowest = 0;
  const uint64_t runs_max = std::max<uint64_t>(1, arguments.runs / target.cost);
  for (double now = begin;
       arguments.seconds > 0 ? now - begin < arguments.seconds : runs < runs_max; ++runs) {
    const std::string text = mutator.Next();
    input = &text;
    SetAlarm(kInputSecondsMax);
    if (target.run(text)) {
      ++understood;
      if (mutator.Below(20) == 0) mutator.Keep(text);
    }
    SetAlarm(0);
    input = nullptr;
    const double after = CpuSeconds();
    slowest = std::max(slowest, after - now);
    now = after;
  }
  const int64_t peak = ResidentMiBPeak();
  std::cout << fmt::format(
                   "{:<18} seed {} {:>9} inputs, {:>9} understood, {:>6.1f} CPU s, slowest {:.0f} "
                   "ms, peak {} MiB",
                   target.name, arguments.seed, runs, understood, CpuSeconds() - begin,
                   slowest * 1e3, peak)
            << std::endl;
  if (peak <= kResidentMiBMax) return 0;
  std::cerr << fmt::format("more than {} MiB\n", kResidentMiBMax);
  return 1;
}

std::vector<Target> AllTargets(const std::string& testdata) {
  std::vector<Target> all = LakeTargets(testdata);
  for (const auto& make : {HttpTargets, EventTargets, SchemaTargets, ColumnTargets, JournalTargets,
                           WorkerTargets, ControlTargets}) {
    std::ranges::move(make(), std::back_inserter(all));
  }
  return all;
}

int Main(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = words[i];
    const std::string value = words[i + 1];
    if (name == "--target") arguments.target = value;
    if (name == "--replay") arguments.replay = value;
    if (name == "--testdata") arguments.testdata = value;
    if (name == "--seconds") arguments.seconds = std::strtod(value.c_str(), nullptr);
    if (name == "--runs") arguments.runs = std::strtoull(value.c_str(), nullptr, 10);
    if (name == "--seed") arguments.seed = std::strtoull(value.c_str(), nullptr, 10);
  }
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGPROF})
    std::signal(signal, OnSignal);
  int worst = 0;
  bool any = false;
  for (const Target& target : AllTargets(arguments.testdata)) {
    if (!arguments.target.empty() && arguments.target != target.name) continue;
    any = true;
    if (!arguments.replay.empty()) {
      std::ifstream file(arguments.replay, std::ios::binary);
      const std::string text((std::istreambuf_iterator<char>(file)), {});
      std::cout << target.name << (target.run(text) ? " understood\n" : " refused\n");
      continue;
    }
    worst = std::max(worst, Fuzz(target, arguments));
  }
  if (!any) std::cerr << "there is no target '" << arguments.target << "'\n";
  return any ? worst : 2;
}

}  // namespace
}  // namespace sluice::fuzz

int main(int count, char** words) { return sluice::fuzz::Main(count, words); }
