#pragma once
/// \file
/// What a sender knows an event by, and what the event is known by here.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace sluice::ingest {

/// The value of the field that the schema calls the id, or the envelope's `event_id`.
struct EventId {
  std::string text = {};
};

/// A row of a batch, in topics with `dedup: {by: batch}`.
struct BatchRow {
  std::string client = {};
  std::string batch_id = {};
  int64_t row = 0;  ///< Its number in the body, from 0.
};

/// The envelope's producer and sequence, in topics with `dedup: {by: producer}`.
struct ProducerSequence {
  std::string producer = {};
  int64_t epoch = 0;  ///< 0 where the envelope has none.
  int64_t sequence = 0;
};

using EventName = std::variant<EventId, BatchRow, ProducerSequence>;

/// What Ingest::IdentitiesOf() found.
struct EventIdentities {
  /// The `_id`s, 16 bytes each, that the event may have.
  std::vector<std::string> ids = {};
  /// Set: that no event has one of them proves nothing, because events of the topic go by something
  /// else. Says by what, and what to ask for.
  std::string instead = {};
  /// Set: how an event that has the name may go by something else. Goes on after "or".
  std::string unless = {};
};

}  // namespace sluice::ingest
