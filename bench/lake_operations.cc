// One operation on a table, timed: what bench/lake.py puts beside the same one of deltalake.
//
//   usage: lake_operations rows FILE.arrow ROWS        makes rows of five columns
//          lake_operations append TABLE FILE.arrow     makes a table of them
//          lake_operations spread TABLE FILES          makes a table of FILES commits of 100 rows
//          lake_operations commits TABLE COMMITS       appends 3 rows, that many times
//          lake_operations open TABLE
//          lake_operations list TABLE                  the addresses of all files
//          lake_operations checkpoint TABLE            opens, and writes one
//          lake_operations query TABLE SQL             over `t`
//          lake_operations vectors TABLE FILE.arrow    as append; rows are deleted by vectors
//          lake_operations delete TABLE CONDITION
//          lake_operations merge TABLE FILE.arrow      by `id`: updates what is there, inserts the rest
//          lake_operations compact TABLE
//          lake_operations vacuum TABLE                without any retention
//
// Prints the seconds that the operation took, without the start of the program and reading FILE.

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/api.h>
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/memory.h"
#include "sluice/duck/engine.h"
#include "sluice/lake/compact_files.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/merge_rows.h"
#include "sluice/lake/row_changes.h"
#include "sluice/lake/vacuum.h"
#include "sluice/os/disk.h"
#include "sluice/sql/table_relation.h"
#include "sluice/store/local_store.h"

namespace sluice {
namespace {

using columnar::FromArrow;
using Seconds = std::chrono::duration<double>;

constexpr int64_t kBatchRows = 64 * 1024;
constexpr int64_t kFileRows = 2'500'000;

const columnar::Schema& RowSchema() {
  static const columnar::Schema schema = arrow::schema(
      {arrow::field("id", arrow::int64()),
       arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("value", arrow::float64()), arrow::field("city", arrow::utf8()),
       arrow::field("name", arrow::utf8())});
  return schema;
}

// Rows `first` to `first + count` - 1: ids and times that grow, random numbers, a hundred cities,
// names of which none is twice.
Result<columnar::Batch> MakeRows(int64_t first, int64_t count) {
  arrow::Int64Builder ids;
  arrow::TimestampBuilder times(RowSchema()->field(1)->type(), arrow::default_memory_pool());
  arrow::DoubleBuilder values;
  arrow::StringBuilder cities;
  arrow::StringBuilder names;
  uint64_t state = static_cast<uint64_t>(first) * 2862933555777941757ULL + 1;
  const auto fill = [&]() -> arrow::Status {
    for (int64_t i = first; i < first + count; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      ARROW_RETURN_NOT_OK(ids.Append(i));
      ARROW_RETURN_NOT_OK(times.Append(1'700'000'000'000'000 + i * 1000));
      ARROW_RETURN_NOT_OK(values.Append(static_cast<double>(state >> 11) * 1e-15));
      ARROW_RETURN_NOT_OK(cities.Append(fmt::format("city-{:02}", state >> 33 & 63)));
      ARROW_RETURN_NOT_OK(names.Append(fmt::format("user {}", i)));
    }
    return arrow::Status::OK();
  };
  SLUICE_RETURN_IF_ERROR(FromArrow(fill()));
  arrow::ArrayVector columns(5);
  arrow::ArrayBuilder* const builders[] = {&ids, &times, &values, &cities, &names};
  for (size_t i = 0; i < columns.size(); ++i) {
    SLUICE_ASSIGN_OR_RETURN(columns[i], FromArrow(builders[i]->Finish()));
  }
  return arrow::RecordBatch::Make(RowSchema(), count, std::move(columns));
}

Status WriteRows(const std::string& path, int64_t rows) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, FromArrow(arrow::io::FileOutputStream::Open(path)));
  SLUICE_ASSIGN_OR_RETURN(const auto writer,
                          FromArrow(arrow::ipc::MakeFileWriter(file, RowSchema())));
  for (int64_t first = 0; first < rows; first += kBatchRows) {
    SLUICE_ASSIGN_OR_RETURN(const auto batch,
                            MakeRows(first, std::min(kBatchRows, rows - first)));
    SLUICE_RETURN_IF_ERROR(FromArrow(writer->WriteRecordBatch(*batch)));
  }
  SLUICE_RETURN_IF_ERROR(FromArrow(writer->Close()));
  return FromArrow(file->Close());
}

Result<std::vector<lake::NewFile>> ReadRows(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, FromArrow(arrow::io::ReadableFile::Open(path)));
  SLUICE_ASSIGN_OR_RETURN(const auto reader,
                          FromArrow(arrow::ipc::RecordBatchFileReader::Open(file)));
  std::vector<lake::NewFile> files;
  int64_t rows = kFileRows;
  for (int i = 0; i < reader->num_record_batches(); ++i) {
    SLUICE_ASSIGN_OR_RETURN(auto batch, FromArrow(reader->ReadRecordBatch(i)));
    if (rows >= kFileRows) {
      files.emplace_back();
      rows = 0;
    }
    rows += batch->num_rows();
    files.back().batches.push_back(std::move(batch));
  }
  return files;
}

class CountingSink final : public duck::ResultSink {
 public:
  Status Begin(const columnar::Schema&) override { return {}; }
  Status Add(const columnar::Batch& batch) override {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      for (const auto& column : batch->columns()) {
        std::cerr << (*column->GetScalar(row))->ToString() << ' ';
      }
    }
    return {};
  }
};

class Operation {
 public:
  explicit Operation(const std::string& folder)
      : store_(disk_, std::filesystem::absolute(folder).string()),
        table_(store_, "", clock_, random_) {}

  Result<Seconds> Append(const std::string& path, const lake::CreateOptions& options) {
    SLUICE_ASSIGN_OR_RETURN(const auto files, ReadRows(path));
    Start();
    SLUICE_ASSIGN_OR_RETURN(auto snapshot, table_.Create(RowSchema(), options));
    SLUICE_ASSIGN_OR_RETURN(snapshot, table_.Append(snapshot, files, {.threads = 4}));
    return Took();
  }

  Result<Seconds> Commit(int64_t commits, int64_t rows, int64_t checkpoint_every) {
    Start();
    auto snapshot = table_.Load();
    if (!snapshot.ok()) {
      snapshot = table_.Create(
          RowSchema(),
          {.properties = {{"delta.checkpointInterval", std::to_string(checkpoint_every)}}});
    }
    for (int64_t i = 0; i < commits; ++i) {
      SLUICE_ASSIGN_OR_RETURN(auto batch, MakeRows(i * rows, rows));
      SLUICE_ASSIGN_OR_RETURN(
          snapshot, table_.Append(*snapshot, std::vector<lake::NewFile>{
                                                 {.batches = {std::move(batch)}}}));
      if (lake::CheckpointDue(**snapshot)) {
        SLUICE_RETURN_IF_ERROR(table_.WriteCheckpoint(**snapshot));
      }
    }
    return Took();
  }

  Result<Seconds> Open() {
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto snapshot, table_.Load());
    return Took();
  }

  Result<Seconds> List() {
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto snapshot, table_.Load());
    std::vector<std::string> addresses;
    for (const lake::DataFile& file : snapshot->files()) {
      addresses.push_back(table_.Location(file));
    }
    return Took();
  }

  Result<Seconds> Checkpoint() {
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto snapshot, table_.Load());
    SLUICE_RETURN_IF_ERROR(table_.WriteCheckpoint(*snapshot));
    return Took();
  }

  Result<Seconds> Delete(const std::string& text) {
    SLUICE_ASSIGN_OR_RETURN(const auto condition, lake::Expression::Parse(text));
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto report, lake::DeleteRows(table_, condition));
    return Took();
  }

  Result<Seconds> Merge(const std::string& path) {
    using Clause = lake::MergeClause;
    SLUICE_ASSIGN_OR_RETURN(const auto files, ReadRows(path));
    const std::vector<lake::MergeKey> keys = {{"id", "id"}};
    const std::vector<Clause> clauses = {
        {.when = Clause::When::kMatched, .action = Clause::Action::kUpdate},
        {.when = Clause::When::kNotMatched, .action = Clause::Action::kInsert}};
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto report,
                            lake::MergeRows(table_, files.at(0).batches, keys, clauses));
    return Took();
  }

  Result<Seconds> Compact() {
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto report, lake::CompactFiles(table_));
    return Took();
  }

  Result<Seconds> Vacuum() {
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto report,
                            lake::Vacuum(table_, {.retention = std::chrono::milliseconds(0),
                                                  .allow_short_retention = true}));
    return Took();
  }

  Result<Seconds> Query(const std::string& sql) {
    const std::string root = store_.Location("");
    SLUICE_ASSIGN_OR_RETURN(const auto engine,
                            duck::Engine::Open({.temporary_folder = root + "/.duck",
                                                .files_folders = {root}}));
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto snapshot, table_.Load());
    const auto lookup =
        [&](const duck::RelationName&) -> Result<std::optional<duck::Relation>> {
      duck::Relation relation;
      relation.schema = snapshot->schema();
      SLUICE_RETURN_IF_ERROR(sql::AddFiles(table_, snapshot, nullptr, relation));
      return std::optional(std::move(relation));
    };
    CountingSink sink;
    SLUICE_RETURN_IF_ERROR(engine->Query(sql, lookup, sink));
    return Took();
  }

 private:
  void Start() { start_ = std::chrono::steady_clock::now(); }
  Seconds Took() const { return std::chrono::steady_clock::now() - start_; }

  os::SystemDisk disk_;
  os::SystemClock clock_;
  os::SystemRandom random_;
  store::LocalStore store_;
  lake::DeltaTable table_;
  std::chrono::steady_clock::time_point start_;
};

Result<Seconds> Run(const std::vector<std::string>& words) {
  int64_t number = 0;
  if (words.size() > 2) {
    std::from_chars(words[2].data(), words[2].data() + words[2].size(), number);
  }
  if (words.size() == 3 && words[0] == "rows") {
    SLUICE_RETURN_IF_ERROR(WriteRows(words[1], number));
    return Seconds(0);
  }
  if (words.size() < 2) return Invalid("no operation");
  Operation operation(words[1]);
  if (words.size() == 3 && words[0] == "append") return operation.Append(words[2], {});
  if (words.size() == 3 && words[0] == "vectors") {
    return operation.Append(words[2], {.properties = {{"delta.enableDeletionVectors", "true"}}});
  }
  if (words.size() == 3 && words[0] == "delete") return operation.Delete(words[2]);
  if (words.size() == 3 && words[0] == "merge") return operation.Merge(words[2]);
  if (words.size() == 2 && words[0] == "compact") return operation.Compact();
  if (words.size() == 2 && words[0] == "vacuum") return operation.Vacuum();
  if (words.size() == 3 && words[0] == "spread") return operation.Commit(number, 100, 1000);
  if (words.size() == 3 && words[0] == "commits") return operation.Commit(number, 3, 100);
  if (words.size() == 2 && words[0] == "open") return operation.Open();
  if (words.size() == 2 && words[0] == "list") return operation.List();
  if (words.size() == 2 && words[0] == "checkpoint") return operation.Checkpoint();
  if (words.size() == 3 && words[0] == "query") return operation.Query(words[2]);
  return Invalid("no operation '{}' with {} words", words[0], words.size());
}

}  // namespace
}  // namespace sluice

int main(int count, char** words) {
  sluice::columnar::UseProcessMemory();  // As our program does.
  const auto took = sluice::Run({words + 1, words + count});
  if (!took.ok()) {
    std::cerr << took.error().ToString() << '\n';
    return 1;
  }
  std::cout << took->count() << '\n';
  return 0;
}
