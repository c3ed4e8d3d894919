#pragma once
/// \file
/// Events made up from a schema.

#include <cstdint>
#include <random>
#include <string>

#include "sluice/event/contract.h"
#include "sluice/os/clock.h"

namespace sluice::cli::internal {

/// Makes events that a contract takes. The same seed makes the same events.
///
/// Not thread-safe.
class EventMaker {
 public:
  EventMaker(event::Contract contract, uint64_t seed)
      : contract_(std::move(contract)), random_(seed) {}

  /// Returns the next event as a JSON object on one line; `time` is its event time.
  std::string Next(os::Timestamp time);

 private:
  void AppendObject(const std::vector<event::Field>& fields, bool outermost, os::Timestamp time,
                    std::string& out);
  void AppendValue(const event::Field& field, bool identity, os::Timestamp time, std::string& out);
  std::string MakeText(const event::Field& field);
  uint64_t Below(uint64_t bound) { return random_() % bound; }

  const event::Contract contract_;
  std::mt19937_64 random_;
};

}  // namespace sluice::cli::internal
