#include "tests/sim/model.h"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::sim {
namespace {

constexpr std::string_view kOtherContent = "SL3040";

}  // namespace

Serial Model::AddEvent(Event event) {
  const auto serial = static_cast<Serial>(tracks_.size());
  if (!event.identity.empty()) identities_[event.identity].insert(serial);
  tracks_.push_back({.event = std::move(event)});
  return serial;
}

size_t Model::Send(std::vector<Serial> rows, ingest::WaitLevel wait) {
  Sending sending{.rows = std::move(rows), .wait = wait};
  for (const Serial serial : sending.rows) {
    Track& row = track(serial);
    bool conflict = false;
    if (!row.event.identity.empty()) {
      for (const Serial other : identities_[row.event.identity]) {
        conflict = conflict || (other != serial && track(other).rows.must > 0);
      }
    }
    sending.must_before.push_back(!row.event.identity.empty() && row.rows.must > 0);
    sending.conflict_before.push_back(conflict);
  }
  for (const Serial serial : sending.rows) {
    Track& row = track(serial);
    ++row.open;
    ++row.errors.maybe;
    if (!row.event.error.empty()) continue;
    ++row.rows.maybe;
    ++duplicates_[row.event.topic].maybe;
  }
  counts_.sent += static_cast<int64_t>(sending.rows.size());
  ++open_;
  sendings_.push_back(std::move(sending));
  return sendings_.size() - 1;
}

void Model::SendForeign(Serial serial, bool durable) {
  ++(durable ? track(serial).foreign.must : track(serial).foreign.maybe);
  track(serial).foreign_durable = durable;
}

void Model::Answer(size_t number, const Result<ingest::Receipt>& outcome) {
  Sending& sending = sendings_.at(number);
  if (!sending.open) return Violation(fmt::format("sending {} was answered twice", number));
  // Without a wait the answer promises nothing, and the rows may still come.
  if (sending.wait == ingest::WaitLevel::kNone && outcome.ok()) return;
  sending.open = false;
  --open_;
  for (const Serial serial : sending.rows) --track(serial).open;
  if (!outcome.ok()) {
    const ErrorCode code = outcome.error().code();
    if (code == ErrorCode::kUnavailable) {
      ++counts_.unknown;
      return;
    }
    ++counts_.refused;
    if (code != ErrorCode::kInvalid) {
      Violation(fmt::format("sending {}: {}", number, outcome.error().ToString()));
    }
    for (const Serial serial : sending.rows) {
      Track& row = track(serial);
      --row.errors.maybe;
      if (!row.event.error.empty() || WasRemoved(row.event.topic)) continue;
      --row.rows.maybe;
      --duplicates_[row.event.topic].maybe;
    }
    return;
  }
  AnswerRows(sending, *outcome);
  int64_t told = 0;
  for (const ingest::OffsetRange& range : outcome->offsets) {
    told += range.last - range.first + 1;
    if (WasRemoved(range.topic)) continue;
    ranges_.push_back({range.topic, range.first, range.last, number});
    ends_[range.topic] = std::max(ends_[range.topic], range.last + 1);
  }
  if (told != outcome->accepted) {
    Violation(fmt::format("sending {}: {} offsets for {} rows", number, told, outcome->accepted));
  }
}

void Model::AnswerRows(const Sending& sending, const ingest::Receipt& receipt) {
  const auto rows = static_cast<int64_t>(sending.rows.size());
  if (receipt.received != rows ||
      receipt.accepted + receipt.duplicate + receipt.error != receipt.received) {
    Violation(fmt::format("{} rows were sent, the answer counts {} = {} + {} + {}", rows,
                          receipt.received, receipt.accepted, receipt.duplicate, receipt.error));
  }
  std::map<int64_t, std::string> errors;
  for (const ingest::RowProblem& problem : receipt.errors) errors[problem.row] = problem.code;
  if (static_cast<int64_t>(errors.size()) != receipt.error) {
    Violation(fmt::format("{} errors counted, {} told", receipt.error, errors.size()));
  }
  int64_t duplicates_min = 0;
  for (size_t i = 0; i < sending.rows.size(); ++i) {
    const Serial serial = sending.rows[i];
    Track& row = track(serial);
    const auto error = errors.find(static_cast<int64_t>(i));
    const std::string code = error == errors.end() ? "" : error->second;
    --row.errors.maybe;
    if (!code.empty()) ++row.errors.must;
    if (!row.event.error.empty()) {
      if (code != row.event.error) {
        Violation(fmt::format("row {}: error '{}', expected '{}'", serial, code, row.event.error));
      }
      continue;
    }
    if (WasRemoved(row.event.topic)) continue;
    --row.rows.maybe;
    if (code.empty()) {
      if (sending.conflict_before[i]) {
        Violation(fmt::format("row {} was taken, but its identity had other content", serial));
      }
      if (sending.must_before[i]) ++duplicates_min;
      row.rows.must = row.event.identity.empty() ? row.rows.must + 1 : 1;
      continue;
    }
    if (code != kOtherContent || row.event.identity.empty() || sending.must_before[i] ||
        identities_[row.event.identity].size() < 2) {
      Violation(fmt::format("row {} is good, but was answered with {}", serial, code));
    }
    ++counts_.conflicts;
  }
  if (receipt.duplicate < duplicates_min) {
    Violation(fmt::format("{} duplicates told, at least {} were", receipt.duplicate,
                          duplicates_min));
  }
  CountDuplicates(sending, receipt, errors);
  counts_.accepted += receipt.accepted;
  counts_.duplicates += receipt.duplicate;
  counts_.errors += receipt.error;
}

// A receipt tells how many there were in all; by topic they are what was neither taken nor refused.
void Model::CountDuplicates(const Sending& sending, const ingest::Receipt& receipt,
                            const std::map<int64_t, std::string>& errors) {
  std::map<std::string, int64_t> told;
  for (size_t i = 0; i < sending.rows.size(); ++i) {
    const Event& sent = event(sending.rows[i]);
    if (!sent.error.empty() || WasRemoved(sent.topic)) continue;
    --duplicates_[sent.topic].maybe;
    if (!errors.contains(static_cast<int64_t>(i))) ++told[sent.topic];
  }
  for (const ingest::OffsetRange& range : receipt.offsets) {
    if (WasRemoved(range.topic)) continue;
    told[range.topic] -= range.last - range.first + 1;
  }
  for (const auto& [topic, count] : told) duplicates_[topic].must += count;
}

void Model::RemoveTopic(const std::string& topic) {
  removed_.insert(topic);
  duplicates_.erase(topic);
  ends_.erase(topic);
  std::erase_if(ranges_, [&](const Range& range) { return range.topic == topic; });
  for (Track& row : tracks_) {
    if (row.event.topic == topic) row.rows = {};
    if (row.event.foreign_to == topic) row.foreign = {};
  }
}

// Of a row whose outcome is unknown it may have any number, and the same of one still on its way.
void Model::VerifyRemoved(const std::string& name, const SeenTopic& topic) {
  std::map<Serial, int64_t> rows;
  for (const SeenRow& row : topic.rows) ++rows[row.serial];
  for (Serial serial = 0; serial < events(); ++serial) {
    const Track& row = track(serial);
    if (row.event.topic != name || rows[serial] >= row.rows.must) continue;
    Violation(fmt::format("{}: the deleted table has row {} {} times, expected {}", name, serial,
                          rows[serial], row.rows.must));
  }
}

void Model::Crash() {
  for (Sending& sending : sendings_) {
    if (!sending.open) continue;
    sending.open = false;
    ++counts_.unknown;
    for (const Serial serial : sending.rows) --track(serial).open;
  }
  open_ = 0;
  for (Track& row : tracks_) {
    if (!row.foreign_durable) row.foreign = {.maybe = row.foreign.must + row.foreign.maybe};
  }
}

void Model::Settle(Serial serial, std::string_view what, Bounds& bounds, int64_t seen,
                   int64_t cap) {
  const int64_t least = std::max(bounds.must, bounds.seen);
  const int64_t most = std::min(bounds.must + bounds.maybe, cap);
  if (seen < least || seen > most) {
    Violation(fmt::format("{} {} is there {} times, expected {} to {}", what, serial, seen, least,
                          most));
    return;
  }
  bounds.seen = seen;
  if (track(serial).open > 0) return;
  // Nothing of it is under way: what is not there by now is gone for good.
  counts_.unknown_kept += seen - bounds.must;
  counts_.unknown_gone += bounds.must + bounds.maybe - seen;
  bounds = {.must = seen, .maybe = 0, .seen = seen};
}

void Model::Verify(const std::map<std::string, SeenTopic>& topics, ForeignRows foreign_rows) {
  std::map<Serial, int64_t> rows;
  std::map<Serial, int64_t> errors;
  std::map<Serial, int64_t> foreign;
  for (const auto& [name, topic] : topics) {
    if (WasRemoved(name)) Violation(fmt::format("{} was deleted, and is there", name));
    VerifyTopic(name, topic);
    VerifyDuplicates(name, topic);
    for (const SeenRow& row : topic.rows) {
      if (!row.closes) ++(row.code.empty() ? rows : errors)[row.serial];
    }
    for (const auto& [serial, count] : topic.foreign) foreign[serial] += count;
  }
  VerifyRanges(topics);
  for (Serial serial = 0; serial < events(); ++serial) {
    Track& row = track(serial);
    const int64_t cap = row.event.identity.empty() ? INT64_MAX : 1;
    Settle(serial, "row", row.rows, rows[serial], cap);
    Settle(serial, "error row", row.errors, errors[serial], INT64_MAX);
    if (foreign_rows == ForeignRows::kAll || foreign[serial] > row.foreign.must) {
      Settle(serial, "foreign row", row.foreign, foreign[serial], INT64_MAX);
    }
  }
  for (const auto& [identity, serials] : identities_) {
    int64_t kept = 0;
    for (const Serial serial : serials) kept += rows[serial];
    if (kept > 1) Violation(fmt::format("identity '{}' is there {} times", identity, kept));
  }
  ++counts_.verified;
}

void Model::VerifyDuplicates(const std::string& name, const SeenTopic& topic) {
  if (name == leaving_) return;
  Bounds& bounds = duplicates_[name];
  const int64_t least = std::max(bounds.must, bounds.seen);
  const int64_t most = bounds.must + bounds.maybe;
  const int64_t seen = topic.duplicates_journal;
  if (seen < least || seen > most) {
    return Violation(fmt::format("{}: the journal counts {} duplicates, expected {} to {}", name,
                                 seen, least, most));
  }
  if (topic.duplicates < bounds.must || topic.duplicates > seen ||
      topic.duplicates_table > topic.duplicates) {
    Violation(fmt::format("{}: {} duplicates were told; the journal counts {}, the lander {}, the "
                          "table {}",
                          name, bounds.must, seen, topic.duplicates, topic.duplicates_table));
  }
  bounds.seen = seen;
  // With nothing under way, what is not counted by now never will be.
  if (quiet()) bounds = {.must = seen, .maybe = 0, .seen = seen};
}

void Model::VerifyTopic(const std::string& name, const SeenTopic& topic) {
  auto& places = places_[name];
  int64_t received = INT64_MIN;
  std::set<journal::Offset> closed_before;
  for (size_t i = 0; i < topic.rows.size(); ++i) {
    const SeenRow& row = topic.rows[i];
    const auto offset = static_cast<journal::Offset>(i);
    if (row.offset != offset) {
      return Violation(fmt::format("{}: offset {} where {} is due", name, row.offset, offset));
    }
    if (row.received_us < received) {
      Violation(fmt::format("{}: received time goes back at offset {}", name, offset));
    }
    received = row.received_us;
    if (row.closes) {
      const auto closed = static_cast<size_t>(*row.closes);
      if (*row.closes < 0 || closed >= i || topic.rows[closed].closes ||
          track(topic.rows[closed].serial).event.error.empty()) {
        Violation(fmt::format("{}: row {} closes {}, which is no error", name, i, *row.closes));
      }
      if (!closed_before.insert(*row.closes).second) {
        Violation(fmt::format("{}: row {} closes {}, which was closed before", name, i,
                              *row.closes));
      }
      continue;
    }
    if (row.serial < 0 || row.serial >= events()) {
      Violation(fmt::format("{}: row {} at offset {} was invented", name, row.serial, offset));
      continue;
    }
    const Event& sent = track(row.serial).event;
    if (row.code.empty() && (sent.topic != name || sent.text != row.text)) {
      Violation(fmt::format("{}: row {} at offset {} has other bytes", name, row.serial, offset));
    }
    if (!row.code.empty() && row.code != sent.error && row.code != kOtherContent) {
      Violation(fmt::format("error row {} has code {}", row.serial, row.code));
    }
    const auto [place, first] = places.try_emplace(offset, row.serial, row.received_us);
    if (!first && place->second != std::pair(row.serial, row.received_us)) {
      Violation(fmt::format("{}: offset {} was used again", name, offset));
    }
  }
  const auto end = static_cast<journal::Offset>(topic.rows.size());
  if (end < ends_[name]) {
    Violation(fmt::format("{}: ends at {}, offsets up to {} were told", name, end, ends_[name]));
  }
  if (topic.landed != topic.in_files) {
    Violation(fmt::format("{}: the table says it has offset {}, its files end at {}", name,
                          topic.landed, topic.in_files));
  }
}

void Model::VerifyRanges(const std::map<std::string, SeenTopic>& topics) {
  for (const Range& range : ranges_) {
    const auto topic = topics.find(range.topic);
    const std::vector<Serial>& sent = sendings_[range.sending].rows;
    auto next = sent.begin();
    for (journal::Offset offset = range.first; offset <= range.last; ++offset) {
      if (topic == topics.end() ||
          offset >= static_cast<journal::Offset>(topic->second.rows.size())) {
        Violation(fmt::format("{}: offset {} was told and is not there", range.topic, offset));
        break;
      }
      const Serial serial = topic->second.rows[static_cast<size_t>(offset)].serial;
      next = std::find(next, sent.end(), serial);
      if (next == sent.end()) {
        Violation(fmt::format("{}: offset {} has row {}, which is not the one told", range.topic,
                              offset, serial));
        break;
      }
      ++next;
    }
  }
  ranges_.clear();
}

}  // namespace sluice::sim
