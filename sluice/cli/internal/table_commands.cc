#include "sluice/cli/internal/table_commands.h"

#include <unistd.h>

#include <cstdio>
#include <functional>

#include "sluice/base/json.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/json_line.h"
#include "sluice/cli/internal/open_table.h"
#include "sluice/columnar/row_writer.h"
#include "sluice/lake/change_feed.h"
#include "sluice/lake/check_table.h"
#include "sluice/lake/history.h"
#include "sluice/lake/scan.h"
#include "sluice/lake/timestamps.h"

namespace sluice::cli::internal {

namespace {

// Like Fail(), with the word for what can be done.
int FailNamed(const Error& error) { return Fail(Error(error.code(), error.ToString())); }

Result<std::shared_ptr<const lake::Snapshot>> Load(const lake::DeltaTable& table,
                                                   const TableArguments& arguments) {
  return LoadAsAsked(table, arguments.version, arguments.timestamp);
}

std::optional<std::vector<std::string>> SplitNames(const std::string& text) {
  if (text.empty()) return std::nullopt;
  std::vector<std::string> names;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

Status WriteOut(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size()) return {};
  return Unavailable("standard output cannot be written");
}

Status WriteBatches(const Global& global, const columnar::Schema& schema, uint64_t limit,
                    const std::function<Result<columnar::Batch>()>& next) {
  const std::string name = global.output.empty() ? "ndjson" : global.output;
  const auto form = columnar::ParseRowForm(name);
  if (!form) return Invalid("-o {}: rows are written as arrow, parquet, ndjson or csv", name);
  const bool binary = *form == columnar::RowForm::kArrow || *form == columnar::RowForm::kParquet;
  if (binary && isatty(STDOUT_FILENO) != 0) {
    return Invalid("-o {} is not for a terminal: send it to a file", name);
  }
  SLUICE_ASSIGN_OR_RETURN(const auto writer, columnar::RowWriter::Open(*form, schema, WriteOut));
  uint64_t rows = 0;
  while (limit == 0 || rows < limit) {
    SLUICE_ASSIGN_OR_RETURN(columnar::Batch batch, next());
    if (batch == nullptr) break;
    batch = columnar::FirstRows(batch, limit == 0 ? UINT64_MAX : limit - rows);
    rows += columnar::CountRows(batch);
    SLUICE_RETURN_IF_ERROR(writer->Write(batch));
  }
  SLUICE_RETURN_IF_ERROR(writer->Finish());
  if (std::fflush(stdout) != 0) return Unavailable("standard output cannot be written");
  return {};
}

Status Read(const Global& global, const TableArguments& arguments) {
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot, Load(*opened->table, arguments));
  lake::ScanOptions options;
  options.columns = SplitNames(arguments.columns);
  options.zone = arguments.zone;
  options.threads = 2;
  if (arguments.limit > 0) options.threads = 1;
  if (!arguments.where.empty()) {
    SLUICE_ASSIGN_OR_RETURN(options.filter, lake::Expression::Parse(arguments.where), "--where");
  }
  SLUICE_ASSIGN_OR_RETURN(const auto scan, lake::Scan::Open(*opened->table, snapshot, options));
  return WriteBatches(global, scan->schema(), arguments.limit, [&] { return scan->Next(); });
}

Status Changes(const Global& global, const TableArguments& arguments) {
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  lake::ChangeFeedOptions options;
  options.from = arguments.version.value_or(0);
  options.to = arguments.to;
  options.columns = SplitNames(arguments.columns);
  options.zone = arguments.zone;
  SLUICE_ASSIGN_OR_RETURN(const auto feed, lake::ChangeFeed::Open(*opened->table, options));
  return WriteBatches(global, feed->schema(), arguments.limit, [&] { return feed->Next(); });
}

/// Lines of JSON: written as they come, or in the form that -o names once all are there.
///
/// Not thread-safe.
class Lines {
 public:
  explicit Lines(const Global& global)
      : global_(global),
        whole_(global.output.empty() ? isatty(STDOUT_FILENO) == 1
                                     : global.output != "json" && global.output != "ndjson") {}

  Status Print(JsonLine& line) {
    if (!whole_) return WriteOut(line.Finish() + "\n");
    kept_ += line.Finish() + "\n";
    return {};
  }
  void Finish() {
    if (whole_) PrintLines(global_, kept_);
  }

 private:
  const Global& global_;
  const bool whole_;
  std::string kept_;
};

Status Describe(const Global& global, const TableArguments& arguments) {
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot, Load(*opened->table, arguments));
  const std::optional<int64_t> rows = snapshot->files().rows();
  const Status writable = snapshot->CheckWritable();
  JsonLine line;
  line.Text("table", arguments.address)
      .Text("id", snapshot->table_id())
      .Number("version", snapshot->version())
      .Number("files", static_cast<int64_t>(snapshot->files().size()))
      .Number("bytes", snapshot->files().bytes())
      .Raw("rows", rows ? std::to_string(*rows) : "")
      .List("partition_columns", snapshot->partition_columns())
      .List("reader_features", snapshot->reader_features())
      .List("writer_features", snapshot->writer_features())
      .Texts("properties", snapshot->properties())
      .Raw("schema", snapshot->schema_json())
      .Text("append", writable.ok() ? "yes" : writable.error().message());
  PrintAnswer(global, line.Finish() + "\n");
  return {};
}

Status History(const Global& global, const TableArguments& arguments) {
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(
      const auto records,
      lake::ReadHistory(*opened->table, arguments.limit == 0 ? SIZE_MAX : arguments.limit));
  Lines lines(global);
  for (const lake::CommitRecord& record : records) {
    JsonLine line;
    line.Number("version", record.version)
        .Text("timestamp", lake::TimestampText(record.timestamp_ms * 1000))
        .Text("operation", record.operation)
        .Raw("info", record.info);
    SLUICE_RETURN_IF_ERROR(lines.Print(line));
  }
  lines.Finish();
  return {};
}

Status Files(const Global& global, const TableArguments& arguments) {
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot, Load(*opened->table, arguments));
  Lines lines(global);
  const auto print = [&lines](const lake::DataFile& file) {
    JsonLine line;
    line.Text("path", file.path)
        .Number("bytes", file.size)
        .Raw("rows", file.rows ? std::to_string(*file.rows) : "")
        .Number("deleted", file.deletion_vector == nullptr ? 0 : file.deletion_vector->cardinality)
        .Number("modified_ms", file.modified_ms)
        .Texts("partition", file.partition_values)
        .Raw("stats", file.stats);
    return lines.Print(line);
  };
  if (arguments.where.empty()) {
    for (const lake::DataFile& file : snapshot->files()) SLUICE_RETURN_IF_ERROR(print(file));
  } else {
    SLUICE_ASSIGN_OR_RETURN(const auto where, lake::Expression::Parse(arguments.where), "--where");
    for (const lake::DataFile& file : lake::SelectFiles(*snapshot, where, arguments.zone)) {
      SLUICE_RETURN_IF_ERROR(print(file));
    }
  }
  lines.Finish();
  return {};
}

Result<int> Check(const Global& global, const TableArguments& arguments) {
  SLUICE_ASSIGN_OR_RETURN(const auto opened, OpenTable(global, arguments.address));
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot, Load(*opened->table, arguments));
  SLUICE_ASSIGN_OR_RETURN(const auto report, lake::CheckTable(*opened->table, snapshot));
  Lines lines(global);
  for (const lake::TableFault& fault : report.faults) {
    JsonLine line;
    line.Text("file", fault.file).Text("fault", fault.what);
    SLUICE_RETURN_IF_ERROR(lines.Print(line));
  }
  if (!report.faults.empty()) lines.Finish();
  std::fprintf(stderr,
               "version %lld: %lld files, %lld bytes, %lld rows (%lld deleted), %lld checksums; "
               "%zu faults\n",
               static_cast<long long>(report.version), static_cast<long long>(report.files),
               static_cast<long long>(report.bytes), static_cast<long long>(report.rows),
               static_cast<long long>(report.rows_deleted),
               static_cast<long long>(report.checksums), report.faults.size());
  return report.faults.empty() ? kDone : kFailed;
}

int Finish(const Status& status) { return status.ok() ? kDone : FailNamed(status.error()); }

}  // namespace

int ReadTable(const Global& global, const TableArguments& arguments) {
  return Finish(Read(global, arguments));
}
int DescribeTable(const Global& global, const TableArguments& arguments) {
  return Finish(Describe(global, arguments));
}
int ShowTableHistory(const Global& global, const TableArguments& arguments) {
  return Finish(History(global, arguments));
}
int ListTableFiles(const Global& global, const TableArguments& arguments) {
  return Finish(Files(global, arguments));
}
int ShowTableChanges(const Global& global, const TableArguments& arguments) {
  return Finish(Changes(global, arguments));
}
int CheckTableFiles(const Global& global, const TableArguments& arguments) {
  const auto code = Check(global, arguments);
  return code.ok() ? *code : FailNamed(code.error());
}

}  // namespace sluice::cli::internal
