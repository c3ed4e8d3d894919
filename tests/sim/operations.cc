// What a run sends: good, bad, repeated and contradicting rows, and another writer's commits.

#include <arrow/api.h>

#include <algorithm>

#include "sluice/decode/padded_text.h"
#include "sluice/lake/delta_table.h"
#include "tests/sim/run.h"

namespace sluice::sim {
namespace {

constexpr size_t kRowsMax = 6;

}  // namespace

Serial Run::MakeRow(bool envelope) {
  const Serial known = model_.events();
  const uint64_t roll = Below(100);
  const auto same_door = [&](Serial serial) { return model_.event(serial).envelope == envelope; };
  if (known > 0 && roll < 25) {  // Sent again, as it was.
    for (int tries = 0; tries < 5; ++tries) {
      const Serial serial = known - 1 - static_cast<Serial>(Below(std::min<uint64_t>(
                                            static_cast<uint64_t>(known), Chance(3) ? 500 : 20)));
      if (same_door(serial) && IsThere(model_.event(serial).topic)) return serial;
    }
  }
  const Serial serial = known;
  Event event;
  event.envelope = envelope;
  const bool is_click = envelope && !clicks_leaves_ && Chance(clicks_open_ ? 2 : 8);
  event.topic = is_click ? clicks_name_ : "orders";
  event.text = fmt::format("t{}.{}", serial, std::string(Below(Chance(10) ? 2000 : 40), 'x'));
  std::string at = fmt::format("2004-09-{:02}T00:00:00Z", 28 + Below(3));
  std::string n = std::to_string(serial);
  std::string members = fmt::format("\"text\":\"{}\"", event.text);
  const bool is_gone = is_click && !clicks_open_;
  if (is_gone) {
    event.topic = "no clicks";
    event.error = "SL3011";
  } else if (roll >= 92) {
    switch (Below(envelope ? 5 : 4)) {
      case 0:
        n = "\"no number\"";
        event.error = "SL3012";
        break;
      case 1:
        at = "2999-01-01T00:00:00Z";
        event.error = "SL3021";
        break;
      case 2:
        at = "yesterday";
        event.error = "SL3020";
        break;
      case 3:
        members += ",\"text\":\"again\"";
        event.error = "SL3005";
        break;
      default:
        event.topic = "nowhere";
        event.error = "SL3011";
    }
  }
  members += fmt::format(",\"n\":{},\"at\":\"{}\"", n, at);
  if (event.topic == "orders") {
    const uint64_t id = Chance(12) ? Below(30) : 1000 + static_cast<uint64_t>(serial);
    if (!Chance(15)) {
      members += fmt::format(",\"id\":\"k{}\"", id);
      if (event.error.empty()) event.identity = fmt::format("orders/{}", id);
    }
    if (version_ > 1 && Chance(2)) members += fmt::format(",\"more{}\":\"m\"", version_);
  }
  event.json = fmt::format("{{{}}}", members);
  if (envelope) {
    std::string head =
        fmt::format("\"event\":\"{}\"", is_click && event.topic != "nowhere" ? "clicks" : event.topic);
    if (is_click && event.topic != "nowhere" && !Chance(4)) {
      const int64_t sequence = Chance(15) ? sequence_ / 2 : ++sequence_;
      head += fmt::format(R"(,"producer":"till","epoch":0,"sequence":{})", sequence);
      if (event.error.empty()) event.identity = fmt::format("{}/{}", clicks_name_, sequence);
    }
    event.json = fmt::format("{{{},\"content\":{}}}", head, event.json);
  }
  return model_.AddEvent(std::move(event));
}

void Run::Submit() {
  doing_ = "taking a body";
  const bool envelope = Chance(2);
  std::vector<Serial> rows(1 + Below(kRowsMax));
  for (Serial& row : rows) row = MakeRow(envelope);
  const uint64_t roll = Below(20);
  SendBody(std::move(rows), envelope,
           roll == 0   ? ingest::WaitLevel::kNone
           : roll == 1 ? ingest::WaitLevel::kTable
                       : ingest::WaitLevel::kLog);
}

void Run::SendBody(std::vector<Serial> rows, bool envelope, ingest::WaitLevel wait) {
  std::string body;
  for (const Serial row : rows) body += model_.event(row).json + "\n";
  // As a JSON array a body with bad syntax is refused as a whole.
  const bool cut = rows.size() > 1 && Chance(40);
  ingest::Submission submission;
  submission.framing = decode::Framing::kNdjson;
  if (cut) {
    body = "[" + body;
    submission.framing = decode::Framing::kJson;
  }
  const decode::PaddedText padded(std::move(body));
  submission.body = padded.view();
  submission.shape = envelope ? decode::Shape::kEnvelope : decode::Shape::kContent;
  if (!envelope) submission.topic = "orders";
  submission.wait = wait;
  Note("send {} rows from {}", rows.size(), rows.front());
  const size_t sending = model_.Send(std::move(rows), wait);
  process_->ingest().Submit(submission, [this, sending](Result<ingest::Receipt> outcome) {
    // What is said after the power went reaches nobody.
    if (!machine_.disk.powered()) return;
    Note("answer {}: {}", sending,
         outcome.ok() ? fmt::format("{}/{}/{}", outcome->accepted, outcome->duplicate,
                                    outcome->error)
                      : outcome.error().ToString());
    if (outcome.ok()) {
      for (ingest::OffsetRange& range : outcome->offsets) {
        range.topic = NameOf(range.partition, range.topic);
        // A process that takes a row of it has not deleted it, whatever it said before.
        clicks_stays_ = clicks_stays_ || (clicks_open_ && range.topic == clicks_name_);
      }
    }
    model_.Answer(sending, outcome);
  });
}

// Another engine's process on the same tables. It has a disk client of its own; that its syncs fail
// is its own affair.
void Run::AppendForeign() {
  doing_ = "another writer's commit";
  // What a failed sync should have kept is lost for all processes alike: with the other one, ours
  // ends as well.
  store::LocalStore files(machine_.disk, std::string(Machine::kTables), [this](const Error& error) {
    process_->Abort("another engine: " + error.ToString());
  });
  const auto clicks = Chance(2) && clicks_open_ ? Clicks() : std::nullopt;
  lake::DeltaTable table(files, clicks ? clicks->table_path : "default/bronze/orders",
                         machine_.clock, machine_.random);
  const auto snapshot = table.Load();
  if (!snapshot.ok()) return;
  const Serial serial = model_.AddEvent({.foreign_to = clicks ? clicks_name_ : "orders"});
  const columnar::Schema schema = arrow::schema({arrow::field("n", arrow::int64())});
  const auto column = arrow::MakeArrayFromScalar(arrow::Int64Scalar(serial), 1);
  const std::vector<lake::NewFile> rows = {
      {.partition_values = {{"event_date", "2004-09-28"}},
       .batches = {arrow::RecordBatch::Make(schema, 1, {column.ValueOrDie()})}}};
  Result<std::shared_ptr<const lake::Snapshot>> appended = Unavailable("it has died");
  try {
    appended = table.Append(*snapshot, rows);
  } catch (const ProcessDeath&) {
    model_.SendForeign(serial, false);
    throw;
  }
  Note("foreign {}: {}", serial, appended.ok() ? "ok" : appended.error().ToString());
  model_.SendForeign(serial, appended.ok() && machine_.disk.powered());
  if (appended.ok()) ++counts_.foreign_commits;
}

}  // namespace sluice::sim
