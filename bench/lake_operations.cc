// One operation on a table, timed: what bench/lake.py puts beside the same one of deltalake.
//
//   usage: lake_operations rows FILE.arrow ROWS        makes rows of five columns
//          lake_operations append TABLE FILE.arrow     makes a table of them
//          lake_operations source FILE.arrow ROWS TABLE_ROWS    makes rows to merge, half of them of known ids
//          lake_operations spread TABLE FILES ROWS     makes a table of FILES commits of ROWS rows
//          lake_operations commits TABLE COMMITS       appends 3 rows, that many times
//          lake_operations open TABLE
//          lake_operations list TABLE                  the addresses of all files
//          lake_operations checkpoint TABLE            opens, and writes one
//          lake_operations vectors TABLE FILE.arrow    as append; rows are deleted by vectors
//          lake_operations delete TABLE CONDITION
//          lake_operations update TABLE COLUMN EXPRESSION CONDITION
//          lake_operations merge TABLE FILE.arrow      by `id`: updates what is there, inserts the rest
//          lake_operations compact TABLE
//          lake_operations cluster TABLE COLUMN ...
//          lake_operations vacuum TABLE                without any retention
//
// Prints the seconds that the operation took, without the start of the program and reading FILE.

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "lake_rows.h"
#include "sluice/columnar/memory.h"
#include "sluice/lake/cluster_files.h"
#include "sluice/lake/compact_files.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/merge_rows.h"
#include "sluice/lake/row_changes.h"
#include "sluice/lake/vacuum.h"
#include "sluice/os/disk.h"
#include "sluice/store/local_store.h"

namespace sluice {
namespace {

using bench::MakeRows;
using bench::ReadRows;
using bench::RowSchema;
using Seconds = std::chrono::duration<double>;

const lake::ChangeOptions kOptions = {.write = {.threads = 4}};

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
    SLUICE_ASSIGN_OR_RETURN(const auto report, lake::DeleteRows(table_, condition, kOptions));
    return Took();
  }

  Result<Seconds> Update(const std::string& column, const std::string& value,
                         const std::string& text) {
    SLUICE_ASSIGN_OR_RETURN(auto expression, lake::Expression::Parse(value));
    SLUICE_ASSIGN_OR_RETURN(const auto condition, lake::Expression::Parse(text));
    const std::vector<lake::Assignment> assignments = {{column, std::move(expression)}};
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto report, lake::UpdateRows(table_, assignments, condition, kOptions));
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
                            lake::MergeRows(table_, files.at(0).batches, keys, clauses, kOptions));
    return Took();
  }

  Result<Seconds> Compact() {
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto report, lake::CompactFiles(table_, {.write = {.threads = 4}}));
    return Took();
  }

  Result<Seconds> Cluster(const std::vector<std::string>& columns) {
    Start();
    SLUICE_ASSIGN_OR_RETURN(
        const auto report,
        lake::ClusterFiles(table_, {.write = {.threads = 4}, .columns = columns}));
    return Took();
  }

  Result<Seconds> Vacuum() {
    Start();
    SLUICE_ASSIGN_OR_RETURN(const auto report,
                            lake::Vacuum(table_, {.retention = std::chrono::milliseconds(0),
                                                  .allow_short_retention = true}));
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

int64_t Number(const std::vector<std::string>& words, size_t at) {
  int64_t number = 0;
  if (words.size() > at) {
    std::from_chars(words[at].data(), words[at].data() + words[at].size(), number);
  }
  return number;
}

Result<Seconds> Run(const std::vector<std::string>& words) {
  if (words.size() == 3 && words[0] == "rows") {
    SLUICE_RETURN_IF_ERROR(bench::WriteRows(words[1], Number(words, 2)));
    return Seconds(0);
  }
  if (words.size() == 4 && words[0] == "source") {
    SLUICE_RETURN_IF_ERROR(bench::WriteSource(words[1], Number(words, 2), Number(words, 3)));
    return Seconds(0);
  }
  if (words.size() < 2) return Invalid("no operation");
  Operation operation(words[1]);
  if (words.size() == 3 && words[0] == "append") return operation.Append(words[2], {});
  if (words.size() == 3 && words[0] == "vectors") {
    return operation.Append(words[2], {.properties = {{"delta.enableDeletionVectors", "true"}}});
  }
  if (words.size() == 3 && words[0] == "delete") return operation.Delete(words[2]);
  if (words.size() == 5 && words[0] == "update") {
    return operation.Update(words[2], words[3], words[4]);
  }
  if (words.size() == 3 && words[0] == "merge") return operation.Merge(words[2]);
  if (words.size() == 2 && words[0] == "compact") return operation.Compact();
  if (words.size() > 2 && words[0] == "cluster") {
    return operation.Cluster({words.begin() + 2, words.end()});
  }
  if (words.size() == 2 && words[0] == "vacuum") return operation.Vacuum();
  if (words.size() == 4 && words[0] == "spread") {
    return operation.Commit(Number(words, 2), Number(words, 3), 1000);
  }
  if (words.size() == 3 && words[0] == "commits") return operation.Commit(Number(words, 2), 3, 100);
  if (words.size() == 2 && words[0] == "open") return operation.Open();
  if (words.size() == 2 && words[0] == "list") return operation.List();
  if (words.size() == 2 && words[0] == "checkpoint") return operation.Checkpoint();
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
