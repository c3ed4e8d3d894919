// Drives sluice/lake by lines on standard input, so that tests can let it work in turn with other
// engines on one table, and read what it reads.
//
//   usage: sluice_table_driver FOLDER
//
// Words of a line are separated by tabs; TABLE is a folder in FOLDER; rows and schemas are Arrow IPC
// files:
//
//   create TABLE SCHEMA.arrow PARTITION,COLUMNS [PROPERTY=VALUE]..
//   append TABLE APP VERSION ROWS.arrow..     one file a partition, whose values are in the schema's
//                                             metadata; moves APP's transaction to VERSION
//   add TABLE SCHEMA.arrow                    adds the columns that the table does not have
//   alter TABLE set|unset|rename|drop|widen|add|not_null|nullable|constraint|default|cluster ..
//                                             one change of the table; paths are dotted, types are
//                                             those of a schema's first field
//   restore TABLE VERSION
//   checkpoint TABLE
//   compact TABLE                             one file for the last commits, as many as there are
//   clean TABLE                               answers how many files of the log went
//   delete TABLE CONDITION                    these four answer what they did
//   update TABLE COLUMN EXPRESSION CONDITION
//   merge TABLE KEY SOURCE.arrow              updates all columns of rows with that key, inserts others
//   optimize TABLE                            one file a partition, without deleted rows
//   vacuum TABLE                              without any retention
//   transaction TABLE APP                     answers the version, or "none"
//   read TABLE OUT.arrow                      writes all rows, read as queries read them
//
// Each line is answered by `ok ANSWER` or `error TEXT`. Tables are followed from command to command,
// and each read also checks that the state followed is the one that a fresh load finds.

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/api.h>
#include <fmt/format.h>

#include <charconv>
#include <iostream>
#include <map>
#include <set>
#include <span>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/duck/engine.h"
#include "sluice/lake/alter_table.h"
#include "sluice/lake/compact_files.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/merge_rows.h"
#include "sluice/lake/restore_table.h"
#include "sluice/lake/row_changes.h"
#include "sluice/lake/vacuum.h"
#include "sluice/sql/table_relation.h"
#include "sluice/store/local_store.h"

namespace sluice {
namespace {

using columnar::FromArrow;
using SnapshotPtr = std::shared_ptr<const lake::Snapshot>;
using Words = std::vector<std::string>;

Result<std::shared_ptr<arrow::ipc::RecordBatchFileReader>> OpenRows(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, FromArrow(arrow::io::ReadableFile::Open(path)));
  return FromArrow(arrow::ipc::RecordBatchFileReader::Open(file));
}

Result<columnar::Schema> ReadSchema(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const auto reader, OpenRows(path));
  return reader->schema()->RemoveMetadata();
}

Result<lake::NewFile> ReadRows(const std::string& path, const std::vector<std::string>& partition) {
  SLUICE_ASSIGN_OR_RETURN(const auto reader, OpenRows(path));
  lake::NewFile file;
  const auto values = reader->schema()->metadata();
  for (const std::string& column : partition) {
    auto& value = file.partition_values[column];
    if (values != nullptr && values->Contains(column)) value = *values->Get(column);
  }
  const auto schema = reader->schema()->RemoveMetadata();
  for (int i = 0; i < reader->num_record_batches(); ++i) {
    SLUICE_ASSIGN_OR_RETURN(const auto batch, FromArrow(reader->ReadRecordBatch(i)));
    file.batches.push_back(batch->ReplaceSchemaMetadata(nullptr));
  }
  return file;
}

/// Writes a query's result as an Arrow IPC file.
class FileSink final : public duck::ResultSink {
 public:
  explicit FileSink(std::string path) : path_(std::move(path)) {}

  Status Begin(const columnar::Schema& schema) override {
    SLUICE_ASSIGN_OR_RETURN(file_, FromArrow(arrow::io::FileOutputStream::Open(path_)));
    SLUICE_ASSIGN_OR_RETURN(writer_, FromArrow(arrow::ipc::MakeFileWriter(file_, schema)));
    return {};
  }
  Status Add(const columnar::Batch& batch) override {
    return FromArrow(writer_->WriteRecordBatch(*batch));
  }
  Status Finish() {
    SLUICE_RETURN_IF_ERROR(FromArrow(writer_->Close()));
    return FromArrow(file_->Close());
  }

 private:
  const std::string path_;
  std::shared_ptr<arrow::io::FileOutputStream> file_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::set<std::string> PathsOf(const lake::Snapshot& snapshot) {
  std::set<std::string> paths;
  for (const lake::DataFile& file : snapshot.files()) paths.insert(file.path);
  return paths;
}

class Driver {
 public:
  Driver(store::ObjectStore& store, duck::Engine& engine) : store_(store), engine_(engine) {}

  Result<std::string> Run(const Words& words) {
    const auto needs = [&](size_t count) { return words.size() >= count; };
    if (words.empty()) return Invalid("an empty line");
    if (words[0] == "create" && needs(4)) return Create(words);
    if (words[0] == "append" && needs(5)) return Append(words);
    if (words[0] == "add" && needs(3)) return Add(words);
    if (words[0] == "alter" && needs(4)) return Alter(words);
    if (words[0] == "restore" && needs(3)) return Restore(words);
    if (words[0] == "checkpoint" && needs(2)) return Checkpoint(words[1]);
    if (words[0] == "compact" && needs(2)) return Compact(words[1]);
    if (words[0] == "clean" && needs(2)) return Clean(words[1]);
    if (words[0] == "delete" && needs(3)) return Delete(words);
    if (words[0] == "update" && needs(5)) return Update(words);
    if (words[0] == "merge" && needs(4)) return Merge(words);
    if (words[0] == "optimize" && needs(2)) return Optimize(words[1]);
    if (words[0] == "vacuum" && needs(2)) return Vacuum(words[1]);
    if (words[0] == "transaction" && needs(3)) return Transaction(words);
    if (words[0] == "read" && needs(3)) return Read(words);
    return Invalid("no command '{}' with {} words", words[0], words.size());
  }

 private:
  lake::DeltaTable Table(const std::string& name) { return {store_, name, clock_, random_}; }

  Result<SnapshotPtr> Follow(const std::string& name) {
    SnapshotPtr& known = known_[name];
    SLUICE_ASSIGN_OR_RETURN(known, Table(name).Load(known));
    return known;
  }

  std::string Keep(const std::string& name, SnapshotPtr snapshot) {
    known_[name] = std::move(snapshot);
    return std::to_string(known_[name]->version());
  }

  Result<std::string> Create(const Words& words) {
    SLUICE_ASSIGN_OR_RETURN(const auto schema, ReadSchema(words[2]));
    lake::CreateOptions options{.partition_columns = Split(words[3], ',')};
    for (const std::string& property : std::span(words).subspan(4)) {
      const size_t equals = property.find('=');
      if (equals == std::string::npos) return Invalid("a property without '='");
      options.properties[property.substr(0, equals)] = property.substr(equals + 1);
    }
    SLUICE_ASSIGN_OR_RETURN(auto snapshot, Table(words[1]).Create(schema, options));
    return Keep(words[1], std::move(snapshot));
  }

  Result<std::string> Append(const Words& words) {
    SLUICE_ASSIGN_OR_RETURN(const auto base, Follow(words[1]));
    int64_t version = 0;
    std::from_chars(words[3].data(), words[3].data() + words[3].size(), version);
    std::vector<lake::NewFile> files;
    for (const std::string& path : std::span(words).subspan(4)) {
      SLUICE_ASSIGN_OR_RETURN(auto file, ReadRows(path, base->partition_columns()));
      files.push_back(std::move(file));
    }
    lake::AppendOptions options;
    options.transactions = {{.app_id = words[2], .version = version, .last_updated_ms = {}}};
    options.expect = {.app_id = words[2], .expected = base->TransactionVersion(words[2])};
    SLUICE_ASSIGN_OR_RETURN(auto snapshot, Table(words[1]).Append(base, files, options));
    return Keep(words[1], std::move(snapshot));
  }

  Result<std::string> Add(const Words& words) {
    SLUICE_ASSIGN_OR_RETURN(const auto base, Follow(words[1]));
    SLUICE_ASSIGN_OR_RETURN(const auto schema, ReadSchema(words[2]));
    SLUICE_ASSIGN_OR_RETURN(auto snapshot, Table(words[1]).AddColumns(base, schema));
    return Keep(words[1], std::move(snapshot));
  }

  static Result<lake::TableAlteration> ParseChange(const Words& words) {
    const std::string& kind = words[2];
    const lake::ColumnPath path = Split(words[3], '.');
    const std::string more = words.size() > 4 ? words[4] : "";
    if (kind == "set") return lake::TableAlteration(lake::SetProperties{{{words[3], more}}});
    if (kind == "unset") return lake::TableAlteration(lake::UnsetProperties{{words[3]}});
    if (kind == "rename") return lake::TableAlteration(lake::RenameColumn{path, more});
    if (kind == "drop") return lake::TableAlteration(lake::DropColumn{path});
    if (kind == "not_null") return lake::TableAlteration(lake::SetNotNull{path});
    if (kind == "nullable") return lake::TableAlteration(lake::DropNotNull{path});
    if (kind == "constraint") return lake::TableAlteration(lake::AddConstraint{words[3], more});
    if (kind == "default") return lake::TableAlteration(lake::SetDefault{path, more});
    if (kind == "cluster") return lake::TableAlteration(lake::ClusterBy{{path}});
    if (kind == "add" || kind == "widen") {
      SLUICE_ASSIGN_OR_RETURN(const auto schema, ReadSchema(more));
      const auto type = schema->field(0)->type();
      if (kind == "widen") return lake::TableAlteration(lake::WidenColumn{path, type});
      return lake::TableAlteration(lake::AddColumn{.path = path, .type = type});
    }
    return Invalid("no change '{}'", kind);
  }

  Result<std::string> Alter(const Words& words) {
    SLUICE_ASSIGN_OR_RETURN(const auto base, Follow(words[1]));
    SLUICE_ASSIGN_OR_RETURN(const auto change, ParseChange(words));
    lake::DeltaTable table = Table(words[1]);
    SLUICE_ASSIGN_OR_RETURN(auto snapshot, lake::AlterTable(table, base, std::vector{change}));
    return Keep(words[1], std::move(snapshot));
  }

  Result<std::string> Restore(const Words& words) {
    lake::Version version = 0;
    std::from_chars(words[2].data(), words[2].data() + words[2].size(), version);
    lake::DeltaTable table = Table(words[1]);
    SLUICE_ASSIGN_OR_RETURN(auto report, lake::RestoreTable(table, version));
    return Keep(words[1], std::move(report.snapshot));
  }

  Result<std::string> Checkpoint(const std::string& name) {
    SLUICE_ASSIGN_OR_RETURN(const auto snapshot, Follow(name));
    SLUICE_RETURN_IF_ERROR(Table(name).WriteCheckpoint(*snapshot));
    return std::to_string(snapshot->version());
  }

  Result<std::string> Compact(const std::string& name) {
    SLUICE_ASSIGN_OR_RETURN(const auto snapshot, Follow(name));
    const lake::Version last = snapshot->version();
    for (lake::Version first = std::max<lake::Version>(0, last - 4); first < last; ++first) {
      const Status written = Table(name).CompactLog(*snapshot, first, last);
      if (written.ok()) return fmt::format("{} {}", first, last);
      // The oldest commits may have been cleaned up.
      if (written.error().code() != ErrorCode::kNotFound) return written.error();
    }
    return std::string("none");
  }

  Result<std::string> Clean(const std::string& name) {
    SLUICE_ASSIGN_OR_RETURN(const auto snapshot, Follow(name));
    SLUICE_ASSIGN_OR_RETURN(const int64_t deleted, Table(name).CleanUpLog(*snapshot));
    return std::to_string(deleted);
  }

  std::string Keep(const std::string& name, const lake::ChangeReport& report) {
    Keep(name, report.snapshot);
    return fmt::format("{} deleted, {} updated, {} inserted, {} copied, {} files marked",
                       report.rows_deleted, report.rows_updated, report.rows_inserted,
                       report.rows_copied, report.files_marked);
  }

  Result<std::string> Delete(const Words& words) {
    SLUICE_ASSIGN_OR_RETURN(const auto condition, lake::Expression::Parse(words[2]));
    auto table = Table(words[1]);
    SLUICE_ASSIGN_OR_RETURN(const auto report, lake::DeleteRows(table, condition));
    return Keep(words[1], report);
  }

  Result<std::string> Update(const Words& words) {
    SLUICE_ASSIGN_OR_RETURN(auto value, lake::Expression::Parse(words[3]));
    SLUICE_ASSIGN_OR_RETURN(const auto condition, lake::Expression::Parse(words[4]));
    auto table = Table(words[1]);
    const std::vector<lake::Assignment> assignments = {{words[2], std::move(value)}};
    SLUICE_ASSIGN_OR_RETURN(const auto report, lake::UpdateRows(table, assignments, condition));
    return Keep(words[1], report);
  }

  Result<std::string> Merge(const Words& words) {
    using Clause = lake::MergeClause;
    SLUICE_ASSIGN_OR_RETURN(const auto source, ReadRows(words[3], {}));
    auto table = Table(words[1]);
    const std::vector<lake::MergeKey> keys = {{words[2], words[2]}};
    const std::vector<Clause> clauses = {
        {.when = Clause::When::kMatched, .action = Clause::Action::kUpdate},
        {.when = Clause::When::kNotMatched, .action = Clause::Action::kInsert}};
    SLUICE_ASSIGN_OR_RETURN(const auto report,
                            lake::MergeRows(table, source.batches, keys, clauses));
    return Keep(words[1], report);
  }

  Result<std::string> Optimize(const std::string& name) {
    auto table = Table(name);
    SLUICE_ASSIGN_OR_RETURN(const auto report,
                            lake::CompactFiles(table, {.deleted_part_max = 0}));
    Keep(name, report.snapshot);
    return fmt::format("{} files became {}", report.files_removed, report.files_added);
  }

  Result<std::string> Vacuum(const std::string& name) {
    auto table = Table(name);
    SLUICE_ASSIGN_OR_RETURN(const auto report,
                            lake::Vacuum(table, {.retention = std::chrono::milliseconds(0),
                                                 .allow_short_retention = true}));
    Keep(name, report.snapshot);
    return fmt::format("{} files deleted", report.files_deleted);
  }

  Result<std::string> Transaction(const Words& words) {
    SLUICE_ASSIGN_OR_RETURN(const auto snapshot, Follow(words[1]));
    const auto version = snapshot->TransactionVersion(words[2]);
    return version ? std::to_string(*version) : "none";
  }

  Result<std::string> Read(const Words& words) {
    SLUICE_ASSIGN_OR_RETURN(const auto followed, Follow(words[1]));
    SLUICE_ASSIGN_OR_RETURN(const auto snapshot, Table(words[1]).Load());
    if (followed->version() != snapshot->version() || PathsOf(*followed) != PathsOf(*snapshot) ||
        !followed->schema()->Equals(*snapshot->schema()) ||
        followed->transactions().size() != snapshot->transactions().size()) {
      return Internal("version {} followed has {} files, version {} loaded has {}",
                      followed->version(), followed->files().size(), snapshot->version(),
                      snapshot->files().size());
    }
    const auto lookup =
        [&](const duck::RelationName&) -> Result<std::optional<duck::Relation>> {
      duck::Relation relation;
      relation.schema_name = "lake";
      relation.name = "rows";
      relation.schema = snapshot->schema();
      SLUICE_RETURN_IF_ERROR(sql::AddFiles(Table(words[1]), snapshot, nullptr, relation));
      return std::optional(std::move(relation));
    };
    FileSink sink(words[2]);
    SLUICE_RETURN_IF_ERROR(engine_.Query("select * from lake.rows", lookup, sink));
    SLUICE_RETURN_IF_ERROR(sink.Finish());
    return std::to_string(snapshot->version());
  }

  store::ObjectStore& store_;
  duck::Engine& engine_;
  os::SystemClock clock_;
  os::SystemRandom random_;
  std::map<std::string, SnapshotPtr> known_;
};

int Main(const std::string& folder) {
  os::SystemDisk disk;
  store::LocalStore store(disk, folder);
  const auto engine =
      duck::Engine::Open({.temporary_folder = folder + "/.duck", .files_folders = {folder}});
  if (!engine.ok()) {
    std::cerr << engine.error().ToString() << '\n';
    return 1;
  }
  Driver driver(store, **engine);
  for (std::string line; std::getline(std::cin, line);) {
    const auto answer = driver.Run(Split(line, '\t'));
    std::string text = answer.ok() ? "ok " + *answer : "error " + answer.error().ToString();
    std::ranges::replace(text, '\n', ' ');
    std::cout << text << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int count, char** words) {
  if (count != 2) {
    std::cerr << "usage: sluice_table_driver FOLDER\n";
    return 2;
  }
  return sluice::Main(words[1]);
}
