#pragma once
/// \file
/// Events of the demo: five kinds of systems, with bad and repeated ones among them.

#include <cstdint>
#include <random>
#include <string>

#include "sluice/os/clock.h"

namespace sluice::cli::internal {

/// Makes envelopes of the topics of examples/demo. Of a hundred one cannot be taken, of two hundred
/// one comes twice: on purpose, to be seen.
///
/// Not thread-safe; `clock` must outlive it.
class DemoEvents {
 public:
  DemoEvents(const os::Clock& clock, uint64_t seed);

  /// Returns the next envelope, one line without its end.
  std::string Next();

 private:
  std::string MakeBad(int64_t number, const std::string& now);
  std::string MakeGood(int64_t number, const std::string& now);
  std::string MakePointer(int64_t number, const std::string& now);
  /// What stands before the content of topics whose events are known by producer and sequence.
  std::string Head(std::string_view topic, int64_t number) const;
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  double Unit() { return static_cast<double>(Below(10'000)) / 10'000; }

  const os::Clock& clock_;
  std::mt19937_64 random_;
  const std::string producer_;  // Another one in each run: its sequence starts anew.
  int64_t sequence_ = 0;
  std::string last_;
};

}  // namespace sluice::cli::internal
