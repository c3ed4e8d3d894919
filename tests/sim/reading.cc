// Reads everything back as a user's engine would: files of the snapshot, then the tail.

#include <arrow/api.h>

#include <algorithm>
#include <charconv>

#include "sluice/columnar/parquet.h"
#include "sluice/lake/delta_table.h"
#include "sluice/ledger/proof.h"
#include "tests/sim/run.h"

namespace sluice::sim {
namespace {

/// The number behind the first `"t` of a row as it was sent.
Serial SerialOf(std::string_view row) {
  const size_t at = row.find("\"text\":\"t");
  Serial serial = -1;
  if (at != std::string_view::npos) {
    std::from_chars(row.data() + at + 9, row.data() + row.size(), serial);
  }
  return serial;
}

template <typename Array>
std::shared_ptr<Array> Column(const columnar::Batch& rows, const std::string& name) {
  return std::static_pointer_cast<Array>(rows->GetColumnByName(name));
}

}  // namespace

Result<std::vector<columnar::Batch>> Run::ReadFile(const std::string& location) {
  const auto bytes = machine_.disk.Look(location);
  if (!bytes) return NotFound("file '{}' of a table is missing", location);
  const size_t hash = std::hash<std::string>()(*bytes);  // A crash may have changed them.
  if (const auto known = files_.find(location);
      known != files_.end() && known->second.bytes_hash == hash) {
    return known->second.rows;
  }
  SLUICE_ASSIGN_OR_RETURN(auto rows,
                          columnar::ReadParquet(*bytes, {"_offset", "_received_at", "n", "text",
                                                         "code", "payload", "error_offset"}));
  files_[location] = {.bytes_hash = hash, .rows = rows};
  return rows;
}

Result<Serial> Run::SerialOfPayload(std::string_view sealed) {
  const auto known = opened_.find(sealed);
  if (known != opened_.end()) return known->second;
  SLUICE_ASSIGN_OR_RETURN(const std::string payload, process_->ingest().OpenPayload(sealed));
  return opened_.emplace(sealed, SerialOf(payload)).first->second;
}

Status Run::ReadRows(const columnar::Batch& rows, bool errors, SeenTopic& topic) {
  const auto offsets = Column<arrow::Int64Array>(rows, "_offset");
  const auto received = Column<arrow::TimestampArray>(rows, "_received_at");
  const auto numbers = Column<arrow::Int64Array>(rows, "n");
  const auto texts = Column<arrow::StringArray>(rows, "text");
  const auto codes = Column<arrow::StringArray>(rows, "code");
  const auto payloads = Column<arrow::BinaryArray>(rows, "payload");
  const auto closes = Column<arrow::Int64Array>(rows, "error_offset");
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    if (offsets == nullptr || offsets->IsNull(i)) {
      ++topic.foreign[numbers->Value(i)];
      continue;
    }
    SeenRow row{.offset = offsets->Value(i), .received_us = received->Value(i), .text = {},
                .code = {}};
    if (errors && closes->IsValid(i)) {
      row.closes = closes->Value(i);
    } else if (errors) {
      SLUICE_ASSIGN_OR_RETURN(row.serial, SerialOfPayload(payloads->GetView(i)));
      row.code = codes->GetString(i);
    } else {
      row.serial = numbers->Value(i);
      row.text = texts->GetString(i);
    }
    topic.rows.push_back(std::move(row));
  }
  return {};
}

Status Run::ReadTopic(const land::TableStatus& table, SeenTopic& topic) {
  const size_t dot = table.table.find('.');
  const std::string schema = table.table.substr(0, dot);
  SLUICE_ASSIGN_OR_RETURN(const land::ReadView view,
                          process_->lander().View(schema, table.table.substr(dot + 1)));
  for (const std::string& file : view.files) {
    SLUICE_ASSIGN_OR_RETURN(const auto batches, ReadFile(file));
    for (const auto& batch : batches) {
      SLUICE_RETURN_IF_ERROR(ReadRows(batch, schema == "system", topic));
    }
  }
  for (const SeenRow& row : topic.rows) topic.in_files = std::max(topic.in_files, row.offset);
  for (const auto& batch : view.tail) {
    SLUICE_RETURN_IF_ERROR(ReadRows(batch, schema == "system", topic));
  }
  topic.landed = topic.in_files;
  for (const land::TableStatus& now : process_->lander().Tables()) {
    if (now.partition != table.partition) continue;
    topic.landed = now.landed;
    topic.duplicates = now.duplicates;
  }
  std::ranges::sort(topic.rows, {}, &SeenRow::offset);
  topic.duplicates_journal = process_->journal().Duplicates(table.partition);
  topic.duplicates_table = ledger::SumOfCounter(*view.snapshot, ledger::kDuplicateCounter);
  return {};
}

Result<std::map<std::string, SeenTopic>> Run::ReadTopics() {
  std::map<std::string, SeenTopic> topics;
  for (const land::TableStatus& table : process_->lander().Tables()) {
    SLUICE_RETURN_IF_ERROR(ReadTopic(table, topics[NameOf(table.partition, table.topic)]),
                           "read {}", table.table);
  }
  return topics;
}

void Run::Verify() {
  machine_.disk.ClearFaults();
  if (!machine_.disk.powered()) return;
  const auto topics = ReadTopics();
  if (!topics.ok()) return model_.Violation(topics.error().ToString());
  model_.Verify(*topics, ForeignRows::kAll);
}

// What it has is landed before a topic goes, and stays.
void Run::VerifyRemoved(const catalog::Topic& topic) {
  store::LocalStore files(machine_.disk, std::string(Machine::kTables));
  const lake::DeltaTable table(files, topic.table_path, machine_.clock, machine_.random);
  const auto snapshot = table.Load();
  if (!snapshot.ok()) return;  // A fault of the disk.
  SeenTopic seen;
  for (const lake::DataFile& file : (*snapshot)->files()) {
    const auto batches = ReadFile(table.Location(file));
    if (!batches.ok()) return model_.Violation("deleted: " + batches.error().ToString());
    for (const auto& batch : *batches) {
      if (!ReadRows(batch, false, seen).ok()) return;
    }
  }
  model_.VerifyRemoved(NameOf(topic.partition, topic.contract->topic), seen);
}

void Run::VerifyCounters(const std::vector<land::TableStatus>& then) {
  for (const land::TableStatus& table : then) {
    const size_t dot = table.table.find('.');
    const auto view =
        process_->lander().View(table.table.substr(0, dot), table.table.substr(dot + 1));
    // Of the faults of the store some may still be to come.
    if (!view.ok() && view.error().code() == ErrorCode::kUnavailable) continue;
    if (!view.ok()) return model_.Violation("counters: " + view.error().ToString());
    const int64_t counted = ledger::SumOfCounter(*view->snapshot, ledger::kDuplicateCounter);
    if (!table.stopped.empty() || counted >= table.duplicates) continue;
    model_.Violation(fmt::format("{} has landed and counts {} duplicates of {} answered before",
                                 table.table, counted, table.duplicates));
  }
}

// A look in the middle of things: the store may fail, but what is shown must be right.
void Run::View() {
  doing_ = "reading";
  ++counts_.views;
  const auto topics = ReadTopics();
  if (!topics.ok()) {
    if (topics.error().code() != ErrorCode::kUnavailable) {
      model_.Violation("view: " + topics.error().ToString());
    }
    return;
  }
  if (machine_.disk.powered()) model_.Verify(*topics, ForeignRows::kSomeMayBeMissing);
}

}  // namespace sluice::sim
