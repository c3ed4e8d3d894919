// Runs the simulation over many seeds and prints what happened.
//
// usage: sluice_sim [--seed FIRST] [--runs N] [--minutes N] [--trace]
//
// Ends with 1 at the first violation, after its seed and its last events; with 2 if something that
// a run of this length must have seen never happened.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sluice/base/trace.h"
#include "sluice/os/clock.h"
#include "tests/sim/run.h"

namespace sluice::sim {
namespace {

struct Arguments {
  uint64_t seed = 1;
  uint64_t runs = 200;
  double minutes = 0;  ///< 0: as many runs as given.
  bool trace = false;
};

void Print(const Counts& counts, double seconds) {
  fmt::print("{} runs in {:.1f} s: {} power losses, {} kills, {} aborts after a failed sync, "
             "{} orderly stops; {} of the losses during recovery; {} bits flipped in sealed segments, "
             "{} of them detected, the others without harm\n",
             counts.runs, seconds, counts.power_losses, counts.kills, counts.aborts, counts.stops,
             counts.nested, counts.damaged, counts.detected);
  const ModelCounts& model = counts.model;
  fmt::print("rows: {} sent; {} accepted, {} duplicate, {} error ({} same identity with other "
             "content); {} bodies refused, {} of unknown outcome; {} rows of those kept, {} gone\n",
             model.sent, model.accepted, model.duplicates, model.errors, model.conflicts,
             model.refused, model.unknown, model.unknown_kept, model.unknown_gone);
  fmt::print("{} comparisons with the model, {} of them in the middle of things; {} landings asked "
             "for, {} commits of another writer, {} new contracts, {} topics deleted and {} made "
             "again, {} operations in the middle of a landing or of maintenance, {} torn tails; the "
             "clock was set {} times by ten years; files were joined or clustered {} times, and {} "
             "deleted\n",
             model.verified, counts.views, counts.landings, counts.foreign_commits,
             counts.evolutions, counts.deleted, counts.made_again, counts.interleaved, counts.torn,
             counts.clock_jumps, counts.rewrites, counts.vacuumed);
  for (const auto& [site, fired] : counts.faults) fmt::print("  {:<44}{:>8}\n", site, fired);
  for (const auto& [doing, times] : counts.losses) {
    fmt::print("  {:<44}{:>8}\n", "lost: " + doing, times);
  }
  std::string never;
  for (const auto& [call, name] : kStoreCalls) {
    if (!counts.store_calls.contains(call)) fmt::format_to(std::back_inserter(never), " {},", name);
  }
  if (never.empty()) return;
  never.pop_back();
  fmt::print("calls of the store that were never made, and so never failed:{}\n", never);
}

/// Returns the hash of a run's events; a violation ends the program.
uint64_t Execute(uint64_t seed, Counts& counts, bool trace) {
  Run run(seed, counts);
  const auto violations = run.Execute();
  uint64_t hash = 14695981039346656037u;
  for (const std::string& event : run.events()) {
    for (const char c : event) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }
  if (!violations.empty() || trace) {
    const auto& events = run.events();
    const size_t from = trace || events.size() < 60 ? 0 : events.size() - 60;
    for (size_t i = from; i < events.size(); ++i) fmt::print("  {}\n", events[i]);
  }
  if (violations.empty()) return hash;
  fmt::print("seed {}: {} violations\n", seed, violations.size());
  for (size_t i = 0; i < violations.size() && i < 10; ++i) fmt::print("  {}\n", violations[i]);
  fmt::print("again: sluice_sim --seed {} --runs 1 --trace\n", seed);
  std::exit(1);
}

/// Whether everything happened that makes the result worth something.
bool Complete(const Counts& counts) {
  bool complete = true;
  const auto need = [&](std::string_view what, int64_t count, int64_t least) {
    if (count >= least) return;
    fmt::print("too little happened: {} is {}, expected {} at least\n", what, count, least);
    complete = false;
  };
  if (counts.runs < 100) return true;
  need("power losses", counts.power_losses, counts.runs);
  need("kills", counts.kills, counts.runs / 4);
  need("aborts", counts.aborts, counts.runs / 20);
  need("losses during recovery", counts.nested, counts.runs / 20);
  // One in 50 of the journals that are written through the cache; around it only a power loss in
  // the middle of a write tears one.
  need("torn tails", counts.torn, counts.runs / 100);
  need("foreign commits", counts.foreign_commits, counts.runs / 10);
  need("new contracts", counts.evolutions, counts.runs / 10);
  need("topics deleted", counts.deleted, counts.runs / 10);
  need("topics made again", counts.made_again, counts.runs / 20);
  need("clocks set by years", counts.clock_jumps, counts.runs / 10);
  need("files joined or clustered", counts.rewrites, counts.runs / 4);
  need("files deleted", counts.vacuumed, counts.runs / 50);
  need("unknown rows kept", counts.model.unknown_kept, counts.runs / 20);
  need("unknown rows gone", counts.model.unknown_gone, counts.runs / 20);
  need("duplicates", counts.model.duplicates, counts.runs);
  need("conflicts", counts.model.conflicts, counts.runs / 10);
  if (counts.runs >= 1000) {
    for (const auto& [site, fired] : counts.faults) need(site, fired, counts.runs / 100);
  } else {
    // The rarest sites fire a few times in 100 runs, so that in a short run one of them may be silent.
    const auto silent = std::count_if(counts.faults.begin(), counts.faults.end(),
                                      [](const auto& site) { return site.second == 0; });
    need("fault sites that fired", static_cast<int64_t>(counts.faults.size()) - silent,
         static_cast<int64_t>(counts.faults.size()) - 2);
  }
  return complete;
}

int Main(const Arguments& arguments) {
  trace::Configure(arguments.trace ? trace::Level::kInfo : trace::Level::kOff,
                   trace::Format::kText);
  const os::SystemClock clock;
  const os::Monotonic start = clock.Steady();
  const auto seconds = [&] {
    return std::chrono::duration<double>(clock.Steady() - start).count();
  };
  Counts counts;
  for (uint64_t i = 0;; ++i) {
    if (arguments.minutes > 0 ? seconds() > arguments.minutes * 60 : i >= arguments.runs) break;
    const uint64_t seed = arguments.seed + i;
    const uint64_t hash = Execute(seed, counts, arguments.trace);
    if (i % 50 != 0) continue;
    Counts ignored;
    if (Execute(seed, ignored, false) != hash) {
      fmt::print("seed {} does not repeat itself\n", seed);
      return 1;
    }
  }
  Print(counts, seconds());
  fmt::print("0 violations; seeds {} to {}\n", arguments.seed,
             arguments.seed + static_cast<uint64_t>(counts.runs) - 1);
  return Complete(counts) ? 0 : 2;
}

}  // namespace
}  // namespace sluice::sim

int main(int argc, char** argv) {
  sluice::sim::Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--trace") {
      arguments.trace = true;
      continue;
    }
    ++i;
    if (name == "--seed") {
      arguments.seed = std::strtoull(value, nullptr, 10);
    } else if (name == "--runs") {
      arguments.runs = std::strtoull(value, nullptr, 10);
    } else if (name == "--minutes") {
      arguments.minutes = std::strtod(value, nullptr);
    } else {
      fmt::print(stderr, "unknown argument '{}'\n", name);
      return 2;
    }
  }
  return sluice::sim::Main(arguments);
}
