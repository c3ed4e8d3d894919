#pragma once
/// \file
/// What was promised for each row that was sent: the reference that a run is compared with.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/ingest/ingest.h"

namespace sluice::sim {

/// Number of a row as it is sent.
using Serial = int64_t;

/// Rows with the same serial have the same bytes; no two serials do.
struct Event {
  std::string topic = {};  ///< Made again under its name, it is another one.
  std::string identity = {};  ///< Empty: none; each sending is a row of its own.
  std::string json = {};      ///< The row as sent.
  bool envelope = false;
  std::string error = {};  ///< The code that it must be answered with; empty for a good row.
  std::string text = {};   ///< Of a good row: what its column `text` must hold.
  std::string foreign_to = {};  ///< Of another writer's row: the topic whose table has it.
};

/// What stands in one place of the tables.
struct SeenRow {
  int64_t offset = 0;
  int64_t received_us = 0;
  Serial serial = 0;
  std::string text;
  std::string code;  ///< Of an error row.
  std::optional<journal::Offset> closes = {};  ///< Of a row that ends an open error: its offset.
};

/// All that can be read of one topic, in the order of offsets, and rows of other writers.
struct SeenTopic {
  std::vector<SeenRow> rows;
  std::map<Serial, int64_t> foreign;
  journal::Offset landed = -1;  ///< The transaction of the table.
  journal::Offset in_files = -1;
  // Events that were answered `duplicate`, as counted by the journal, the lander, the table.
  int64_t duplicates_journal = 0;
  int64_t duplicates = 0;
  int64_t duplicates_table = 0;
};

struct ModelCounts {
  int64_t sent = 0;
  int64_t accepted = 0;
  int64_t duplicates = 0;
  int64_t conflicts = 0;
  int64_t errors = 0;
  int64_t refused = 0;
  int64_t unknown = 0;
  int64_t unknown_kept = 0;
  int64_t unknown_gone = 0;
  int64_t verified = 0;
};

/// What is known of other writers' rows: a running process looks for them twice a second only.
enum class ForeignRows : uint8_t { kAll, kSomeMayBeMissing };

/// Bounds, for each row, of how often it may be there. Every check that fails adds a line to
/// `violations`.
///
/// Not thread-safe.
class Model {
 public:
  explicit Model(ModelCounts& counts) : counts_(counts) {}

  Serial AddEvent(Event event);
  const Event& event(Serial serial) const { return tracks_.at(static_cast<size_t>(serial)).event; }
  Serial events() const { return static_cast<Serial>(tracks_.size()); }

  /// Rows on their way; returns the number of the sending.
  size_t Send(std::vector<Serial> rows, ingest::WaitLevel wait);
  /// The outcome of a sending, given while the process lived.
  void Answer(size_t sending, const Result<ingest::Receipt>& outcome);
  /// A commit of another writer; `durable` says whether it was told that it is done.
  void SendForeign(Serial serial, bool durable);
  /// The topic is about to be deleted: what is answered from now on is not counted with it.
  void BeginRemoval(const std::string& topic) { leaving_ = topic; }
  /// The topic is deleted: from now on nothing of it may be seen.
  void RemoveTopic(const std::string& topic);
  bool WasRemoved(const std::string& topic) const { return removed_.contains(topic); }
  /// Compares what the table of a topic that was just deleted has landed.
  void VerifyRemoved(const std::string& name, const SeenTopic& topic);
  /// The process is gone: what was not answered never will be.
  void Crash();

  /// Compares what can be read now. `topics` holds all of them.
  void Verify(const std::map<std::string, SeenTopic>& topics, ForeignRows foreign);
  /// Rows that are on their way, or whose outcome nobody knows yet.
  bool quiet() const { return open_ == 0; }

  const std::vector<std::string>& violations() const { return violations_; }
  void Violation(std::string text) { violations_.push_back(std::move(text)); }

 private:
  /// How often something must and may be there.
  struct Bounds {
    int64_t must = 0;
    int64_t maybe = 0;  ///< So many more may.
    int64_t seen = 0;   ///< So many were once seen, and must stay.
  };
  struct Track {
    Event event = {};
    Bounds rows = {};
    Bounds errors = {};
    Bounds foreign = {};
    /// Else its writer died before its commit was synced: seen or not, a power loss may take it.
    bool foreign_durable = true;
    int64_t open = 0;  ///< Sendings not answered.
  };
  struct Sending {
    std::vector<Serial> rows = {};
    ingest::WaitLevel wait = ingest::WaitLevel::kLog;
    bool open = true;
    std::vector<bool> must_before = {};      ///< The row was there, for sure, when it was sent.
    std::vector<bool> conflict_before = {};  ///< Another row of its identity was.
  };
  struct Range {
    std::string topic;
    journal::Offset first = 0;
    journal::Offset last = 0;
    size_t sending = 0;
  };

  Track& track(Serial serial) { return tracks_.at(static_cast<size_t>(serial)); }
  void AnswerRows(const Sending& sending, const ingest::Receipt& receipt);
  void VerifyTopic(const std::string& name, const SeenTopic& topic);
  void VerifyDuplicates(const std::string& name, const SeenTopic& topic);
  void CountDuplicates(const Sending& sending, const ingest::Receipt& receipt,
                       const std::map<int64_t, std::string>& errors);
  void VerifyRanges(const std::map<std::string, SeenTopic>& topics);
  void Settle(Serial serial, std::string_view what, Bounds& bounds, int64_t seen, int64_t cap);

  ModelCounts& counts_;
  std::vector<Track> tracks_;
  std::map<std::string, std::set<Serial>> identities_;
  std::vector<Sending> sendings_;
  int64_t open_ = 0;
  std::vector<Range> ranges_;  ///< Told to senders, not yet looked at.
  std::map<std::string, journal::Offset> ends_;
  std::set<std::string> removed_;  ///< Topics.
  std::string leaving_;            ///< One that a process was told to delete.
  /// By topic: events counted as duplicates. All rows on their way may turn out to be some.
  std::map<std::string, Bounds> duplicates_;
  /// Which row was first seen where: an offset is never used again.
  std::map<std::string, std::map<journal::Offset, std::pair<Serial, int64_t>>> places_;
  std::vector<std::string> violations_;
};

}  // namespace sluice::sim
