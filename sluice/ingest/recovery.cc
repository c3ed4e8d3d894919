// Ingest: tables, tail, dedupe and open errors brought to where journal and lake are.

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/trace.h"
#include "sluice/base/work_line.h"
#include "sluice/columnar/bytes.h"
#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/batch_mark.h"
#include "sluice/ingest/internal/identities_by_time.h"
#include "sluice/ingest/internal/open_errors.h"
#include "sluice/ingest/internal/topic_state.h"
#include "sluice/lake/parquet_rows.h"

namespace sluice::ingest {
namespace {

using columnar::Batch;
using internal::kNoIdentity;
using internal::TopicState;

// So many identities ahead the memory of one is fetched.
constexpr size_t kPrefetchAhead = 16;

/// Makes the identities of a frame's rows known. `rows_behind`: so many rows follow, of which about
/// as many have one.
Status RestoreIdentities(TopicState& topic, const Batch& rows, SeenAt seen, int64_t rows_behind) {
  SLUICE_ASSIGN_OR_RETURN(auto contents,
                          topic.protector->ContentHashes(rows, topic.content_columns));
  if (topic.contract().identity.by_batch) internal::TakeMarks(rows, contents);
  const auto ids = internal::StoredIds(rows);
  const std::lock_guard lock(topic.seen->mutex);
  Dedupe& dedupe = topic.seen->dedupe;
  if (rows_behind > 0 && std::ranges::count(ids, kNoIdentity) == 0) {
    dedupe.Reserve(ids.size() + static_cast<size_t>(rows_behind));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i + kPrefetchAhead < ids.size()) dedupe.Prefetch(ids[i + kPrefetchAhead]);
    if (ids[i] != kNoIdentity) dedupe.Restore(ids[i], contents[i], seen);
  }
  return {};
}

}  // namespace

Status Ingest::Recover() {
  SLUICE_RETURN_IF_ERROR(catalog_.Put(ErrorsContract()).status());
  std::unordered_map<uint32_t, std::shared_ptr<TopicState>> by_partition;
  for (const catalog::Topic& topic : catalog_.All()) {
    SLUICE_ASSIGN_OR_RETURN(const auto state, Attach(topic));
    const bool errors = topic.contract->topic == catalog::kErrorsTopic;
    const Status restored = errors ? RestoreOpenErrors(*state) : RestoreFromLake(*state);
    const bool is_damage = !restored.ok() && (restored.error().code() == ErrorCode::kCorrupt ||
                                              restored.error().code() == ErrorCode::kNotFound);
    if (is_damage && !errors) {
      state->seen->unreadable = restored.error().ToString();
      trace::Error("topic takes no events",
                   {{"topic", topic.contract->topic}, {"reason", state->seen->unreadable}});
    } else {
      SLUICE_RETURN_IF_ERROR(restored, "topic '{}'", topic.contract->topic);
    }
    by_partition[topic.partition] = state;
  }
  std::map<uint32_t, std::vector<journal::Loss>> losses;
  for (const journal::Loss& loss : journal_.losses()) losses[loss.partition].push_back(loss);
  for (const auto& [partition, of_partition] : losses) {
    lander_.AcceptLosses(partition, of_partition);
  }

  std::unordered_map<uint64_t, columnar::Schema> schemas;
  std::set<uint32_t> begun;
  struct Kept {
    journal::Frame frame;  // Its payload is `payload`.
    columnar::Bytes payload;
  };
  const auto use = [&](Kept kept) -> Status {
    auto& [frame, payload] = kept;
    SawReceived(frame.received);
    if (frame.kind == journal::FrameKind::kSchema) {
      SLUICE_ASSIGN_OR_RETURN(schemas[frame.schema_id],
                              columnar::DeserializeSchema(std::string_view(*payload)));
      return {};
    }
    const auto state = by_partition.find(frame.partition);
    if (state == by_partition.end() && catalog_.WasRemoved(frame.partition)) {
      journal_.Release(frame.partition, frame.base + frame.rows);
      return {};
    }
    if (state == by_partition.end()) {
      return Corrupt("the journal has rows of partition {}, which the catalog does not know",
                     frame.partition);
    }
    auto schema = schemas.find(frame.schema_id);
    if (schema == schemas.end() && !journal_.losses().empty()) {
      SLUICE_RETURN_IF_ERROR(AddCatalogSchemas(state->second->topic, schemas));
      schema = schemas.find(frame.schema_id);
    }
    if (schema == schemas.end()) {
      return Corrupt("a frame of partition {} names an unknown schema", frame.partition);
    }
    SLUICE_ASSIGN_OR_RETURN(const Batch rows,
                            columnar::DeserializeBatch(schema->second, std::move(payload)));
    TopicState& topic = *state->second;
    const bool first = begun.insert(frame.partition).second;
    if (first) lander_.SetFirstKept(frame.partition, frame.base);
    lander_.Add(frame.partition, frame.base, frame.received, rows);
    if (topic.contract().topic == catalog::kErrorsTopic) {
      return open_errors_->Restore(rows, frame.base);
    }
    const journal::Offset end = frame.base + frame.rows;
    return RestoreIdentities(topic, rows, RestoredAt(frame.received),
                             first ? journal_.NextOffset(frame.partition) - end : 0);
  };
  // While one thread uses frames, the next ones are read.
  WorkLine<Kept> line(use);
  const Status read = journal_.Read([&](journal::Frame frame) -> Status {
    const size_t bytes = frame.payload.size();
    SLUICE_ASSIGN_OR_RETURN(auto payload, columnar::CopyBytes(frame.payload));
    frame.payload = {};
    return line.Put({.frame = std::move(frame), .payload = std::move(payload)}, bytes);
  });
  SLUICE_RETURN_IF_ERROR(read, "recover from the journal");
  SLUICE_RETURN_IF_ERROR(line.Finish(), "recover from the journal");
  // Of these all rows had been released, as the table had them. Should it have them no more, as
  // where its folder was removed or is not mounted, only the journal's next offset tells.
  for (const land::TableStatus& table : lander_.Tables()) {
    const journal::Offset next = journal_.NextOffset(table.partition);
    if (!begun.contains(table.partition) && next > table.end) {
      lander_.SetFirstKept(table.partition, next);
    }
  }
  for (const auto& [topic, count] : open_errors_->FinishRestore()) {
    if (const auto state = Find(topic)) lander_.AddErrors(state->topic.partition, count);
  }
  std::vector<TopicState> unknown;
  for (const auto& [partition, state] : by_partition) {
    if (!schemas.contains(state->schema_id)) unknown.push_back(*state);
  }
  return JournalSchemas(unknown);
}

Status Ingest::AddCatalogSchemas(const catalog::Topic& topic,
                                 std::unordered_map<uint64_t, columnar::Schema>& schemas) {
  SLUICE_ASSIGN_OR_RETURN(const auto versions, catalog_.Versions(topic.contract->topic));
  for (const event::Contract& version : versions) {
    catalog::Topic then = topic;
    then.contract = std::make_shared<const event::Contract>(version);
    SLUICE_ASSIGN_OR_RETURN(const TopicState state,
                            internal::MakeTopicState(then, nullptr, keys_, options_.tenant));
    schemas.emplace(state.schema_id, state.frame_schema);
  }
  return {};
}

// What was received by a clock that was ahead counts as received now: nothing expires before its
// time because a later row's clock was wrong.
SeenAt Ingest::RestoredAt(os::Timestamp received) const {
  return {std::min(received, expiry_.Counted()), received};
}

void Ingest::SawReceived(os::Timestamp received) {
  os::Timestamp last = last_received_;
  while (received > last && !last_received_.compare_exchange_weak(last, received)) {
  }
}

Status Ingest::RestoreFromLake(TopicState& state) {
  const os::Timestamp until = expiry_.Trusted();
  const os::Timestamp since = until - state.seen->horizon;
  std::vector<std::string> columns = state.content_columns;
  columns.emplace_back("_id");
  columns.emplace_back("_received_at");
  if (state.contract().identity.by_batch) columns.emplace_back("_metadata");
  SLUICE_ASSIGN_OR_RETURN(const auto files,
                          lander_.FilesReceived(state.topic.partition, since, until));
  const auto know = [&](std::span<const internal::LandedIdentity> identities) {
    const os::Timestamp now = expiry_.Counted();
    const std::lock_guard lock(state.seen->mutex);
    for (const internal::LandedIdentity& landed : identities) {
      state.seen->dedupe.Restore(landed.id, landed.content,
                                 {std::min(landed.received, now), landed.received});
    }
  };
  const DedupeOptions dedupe = DedupeOptionsOf(state.topic);
  internal::IdentitiesByTime identities(
      since, until,
      dedupe.memory ? dedupe.memory->ids_max / 2 : internal::IdentitiesByTime::kHeldMax,
      dedupe.disk, dedupe.folder + "/landed", know);
  const auto add = [&](const Batch& batch) -> Status {
    const auto received =
        std::dynamic_pointer_cast<arrow::TimestampArray>(batch->GetColumnByName("_received_at"));
    // Another writer's rows have no identities that are ours.
    if (batch->GetColumnByName("_id") == nullptr || received == nullptr) return {};
    SLUICE_ASSIGN_OR_RETURN(auto contents,
                            state.protector->ContentHashes(batch, state.content_columns));
    if (state.contract().identity.by_batch) internal::TakeMarks(batch, contents);
    const auto ids = internal::StoredIds(batch);
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (ids[i] == kNoIdentity || received->IsNull(row)) continue;
      const os::Timestamp at{std::chrono::microseconds(received->Value(row))};
      if (at < since) continue;
      SawReceived(at);
      identities.Add({.id = ids[i], .content = contents[i], .received = at});
    }
    return {};
  };
  for (const std::string& path : files) {
    SLUICE_RETURN_IF_ERROR(lake::ReadParquetRows(store_, path, columns, add));
  }
  identities.Finish();
  return {};
}

Status Ingest::RestoreOpenErrors(TopicState& state) {
  const std::vector<std::string> columns = {"state", "error_offset", "code",
                                            "topic", "_id",          "_offset"};
  SLUICE_ASSIGN_OR_RETURN(const auto files, lander_.FilesReceived(state.topic.partition, {}));
  const auto restore = [&](const Batch& batch) { return open_errors_->Restore(batch, -1); };
  for (const std::string& path : files) {
    SLUICE_RETURN_IF_ERROR(lake::ReadParquetRows(store_, path, columns, restore));
  }
  return {};
}

}  // namespace sluice::ingest
