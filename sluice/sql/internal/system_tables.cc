#include "sluice/sql/internal/system_tables.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::sql::internal {

namespace {

using columnar::FromArrow;

using Value = std::variant<std::monostate, int64_t, std::string, os::Timestamp>;
struct Column {
  std::string_view name;
  std::shared_ptr<arrow::DataType> type;
};

/// Rows of a table with the columns given.
class Rows {
 public:
  explicit Rows(std::vector<Column> columns) : columns_(std::move(columns)) {}

  const std::vector<Column>& columns() const { return columns_; }

  void Add(std::vector<Value> row) { rows_.push_back(std::move(row)); }

  arrow::Result<columnar::Batch> Finish() const {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < columns_.size(); ++i) {
      fields.push_back(arrow::field(std::string(columns_[i].name), columns_[i].type));
      ARROW_ASSIGN_OR_RAISE(const auto builder, arrow::MakeBuilder(columns_[i].type));
      for (const auto& row : rows_) ARROW_RETURN_NOT_OK(Append(*builder, row[i]));
      ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), builder->Finish());
    }
    return arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                    static_cast<int64_t>(rows_.size()), std::move(arrays));
  }

 private:
  static arrow::Status Append(arrow::ArrayBuilder& builder, const Value& value) {
    if (const auto* number = std::get_if<int64_t>(&value)) {
      return static_cast<arrow::Int64Builder&>(builder).Append(*number);
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
      return static_cast<arrow::StringBuilder&>(builder).Append(*text);
    }
    if (const auto* time = std::get_if<os::Timestamp>(&value)) {
      return static_cast<arrow::TimestampBuilder&>(builder).Append(
          time->time_since_epoch().count());
    }
    return builder.AppendNull();
  }

  const std::vector<Column> columns_;
  std::vector<std::vector<Value>> rows_;
};

Value TextOrNull(const std::string& text) { return text.empty() ? Value() : Value(text); }

using Tables = std::vector<land::TableStatus>;

Rows Topics(const Tables& tables) {
  Rows rows({{"topic", arrow::utf8()},
             {"table_name", arrow::utf8()},
             {"partition", arrow::int64()},
             {"next_offset", arrow::int64()},
             {"landed_offset", arrow::int64()},
             {"pending", arrow::int64()}});
  for (const land::TableStatus& table : tables) {
    rows.Add({table.topic, table.table, int64_t{table.partition}, table.end, table.landed,
              table.end - table.landed - 1});
  }
  return rows;
}

Rows TableRows(const Tables& tables) {
  Rows rows({{"table_name", arrow::utf8()},
             {"topic", arrow::utf8()},
             {"version", arrow::int64()},
             {"files", arrow::int64()},
             {"landed_rows", arrow::int64()},
             {"pending_rows", arrow::int64()},
             {"stopped", arrow::utf8()}});
  for (const land::TableStatus& table : tables) {
    rows.Add({table.table, table.topic, table.version, table.files, table.landed_rows,
              table.end - table.landed - 1, TextOrNull(table.stopped)});
  }
  return rows;
}

Result<Rows> Files(const Tables& tables, land::Lander& lander) {
  Rows rows({{"table_name", arrow::utf8()},
             {"version", arrow::int64()},
             {"path", arrow::utf8()},
             {"partition_values", arrow::utf8()},
             {"rows", arrow::int64()},
             {"bytes", arrow::int64()},
             {"modified", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")}});
  for (const land::TableStatus& table : tables) {
    const size_t dot = table.table.find('.');
    auto view = lander.View(table.table.substr(0, dot), table.table.substr(dot + 1));
    if (!view.ok()) {
      if (view.error().code() == ErrorCode::kNotFound) continue;  // Dropped just now.
      return std::move(view).error();
    }
    for (const lake::DataFile& file : view->snapshot->files()) {
      std::string partition;
      for (const auto& [name, value] : file.partition_values) {
        partition += fmt::format("{}{}={}", partition.empty() ? "" : "/", name, value.value_or(""));
      }
      rows.Add({table.table, view->snapshot->version(), file.path, partition,
                file.rows ? Value(*file.rows) : Value(), file.size,
                os::Timestamp(std::chrono::milliseconds(file.modified_ms))});
    }
  }
  return rows;
}

Value OffsetOrNull(int64_t offset) { return offset < 0 ? Value() : Value(offset); }

Result<Rows> Ledger(const Tables& tables, land::Lander& lander, std::string_view tenant) {
  Rows rows({{"tenant", arrow::utf8()},
             {"topic", arrow::utf8()},
             {"partition", arrow::int64()},
             {"table_name", arrow::utf8()},
             {"version", arrow::int64()},
             {"time", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
             {"operation", arrow::utf8()},
             {"engine", arrow::utf8()},
             {"first_offset", arrow::int64()},
             {"last_offset", arrow::int64()},
             {"accepted", arrow::int64()},
             {"landed", arrow::int64()},
             {"removed", arrow::int64()},
             {"expired", arrow::int64()},
             {"erased", arrow::int64()},
             {"foreign_rows", arrow::int64()},
             {"duplicate", arrow::int64()},
             {"error", arrow::int64()}});
  for (const land::TableStatus& table : tables) {
    const auto entries = lander.Ledger(table.partition);
    if (!entries.ok()) {
      if (entries.error().code() == ErrorCode::kNotFound) continue;  // Dropped just now.
      return entries.error();
    }
    for (const ledger::Entry& entry : *entries) {
      rows.Add({std::string(tenant), table.topic, int64_t{table.partition}, table.table,
                entry.version ? Value(*entry.version) : Value(),
                entry.timestamp_ms == 0
                    ? Value()
                    : Value(os::Timestamp(std::chrono::milliseconds(entry.timestamp_ms))),
                entry.operation, TextOrNull(entry.engine), OffsetOrNull(entry.first_offset),
                OffsetOrNull(entry.last_offset), entry.accepted, entry.landed, entry.removed,
                entry.expired, entry.erased, entry.foreign, entry.duplicate, entry.error});
    }
  }
  return rows;
}

Rows Queries(const QueryLog& log, const QueryLog::Of& of) {
  Rows rows({{"id", arrow::utf8()},
             {"state", arrow::utf8()},
             {"started", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
             {"elapsed_ms", arrow::int64()},
             {"rows", arrow::int64()},
             {"bytes", arrow::int64()},
             {"code", arrow::utf8()},
             {"sql", arrow::utf8()}});
  for (const QueryStatus& query : log.List(of)) {
    rows.Add({query.id, query.state, query.started, query.elapsed_ms, query.rows, query.bytes,
              TextOrNull(query.code), query.sql});
  }
  return rows;
}

Rows Maintenance(const Tables& tables, land::Lander& lander) {
  Rows rows({{"table_name", arrow::utf8()},
             {"topic", arrow::utf8()},
             {"action", arrow::utf8()},
             {"started", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")},
             {"took_ms", arrow::int64()},
             {"cpu_ms", arrow::int64()},
             {"files_before", arrow::int64()},
             {"files_after", arrow::int64()},
             {"bytes_before", arrow::int64()},
             {"bytes_after", arrow::int64()},
             {"version", arrow::int64()},
             {"outcome", arrow::utf8()},
             {"reason", arrow::utf8()}});
  for (const land::MaintenanceRun& run : lander.maintenance().List()) {
    const bool seen = std::ranges::any_of(
        tables, [&](const land::TableStatus& table) { return table.topic == run.topic; });
    if (!seen) continue;
    rows.Add({run.table, run.topic, run.action, run.started, run.took.count() / 1000,
              run.processor.count() / 1000, run.files_before, run.files_after, run.bytes_before,
              run.bytes_after, run.version, run.outcome, TextOrNull(run.reason)});
  }
  return rows;
}

/// One of our own tables as of now; nothing for other names.
Result<std::optional<Rows>> FindOwn(std::string_view name, const Tables& tables,
                                    land::Lander& lander, const QueryLog& log,
                                    const QueryLog::Of& of);

Result<Rows> Columns(const Tables& tables, land::Lander& lander, const QueryLog& log) {
  Rows rows(
      {{"table_name", arrow::utf8()}, {"column_name", arrow::utf8()}, {"type", arrow::utf8()}});
  for (const land::TableStatus& table : tables) {
    const size_t dot = table.table.find('.');
    auto view = lander.View(table.table.substr(0, dot), table.table.substr(dot + 1));
    if (!view.ok()) {
      if (view.error().code() == ErrorCode::kNotFound) continue;  // Dropped just now.
      return std::move(view).error();
    }
    for (const auto& field : view->schema->fields()) {
      rows.Add({table.table, field->name(), field->type()->ToString()});
    }
  }
  for (const std::string_view name : SystemTables()) {
    std::vector<Column> columns = rows.columns();
    if (name != "columns") {
      SLUICE_ASSIGN_OR_RETURN(const auto without_rows,
                              FindOwn(name, {}, lander, log, {.tenant = {}}));
      columns = without_rows->columns();
    }
    for (const Column& column : columns) {
      rows.Add({fmt::format("system.{}", name), std::string(column.name), column.type->ToString()});
    }
  }
  return rows;
}

Result<std::optional<Rows>> FindOwn(std::string_view name, const Tables& tables,
                                    land::Lander& lander, const QueryLog& log,
                                    const QueryLog::Of& of) {
  std::optional<Rows> rows;
  if (name == "topics") rows.emplace(Topics(tables));
  if (name == "tables") rows.emplace(TableRows(tables));
  if (name == "maintenance") rows.emplace(Maintenance(tables, lander));
  if (name == "queries") rows.emplace(Queries(log, of));
  if (name == "columns") {
    SLUICE_ASSIGN_OR_RETURN(Rows columns, Columns(tables, lander, log));
    rows.emplace(std::move(columns));
  }
  if (name == "files") {
    SLUICE_ASSIGN_OR_RETURN(Rows files, Files(tables, lander));
    rows.emplace(std::move(files));
  }
  if (name == "ledger") {
    SLUICE_ASSIGN_OR_RETURN(Rows ledger, Ledger(tables, lander, of.tenant));
    rows.emplace(std::move(ledger));
  }
  return rows;
}

}  // namespace

const std::vector<std::string_view>& SystemTables() {
  static const std::vector<std::string_view> names = {"topics", "tables",  "columns",    "files",
                                                      "ledger", "queries", "maintenance"};
  return names;
}

Result<std::optional<duck::Relation>> FindSystemTable(std::string_view name, land::Lander& lander,
                                                      const QueryLog& log, std::string_view tenant,
                                                      const Reader& reader) {
  if (std::ranges::find(SystemTables(), name) == SystemTables().end()) {
    return std::optional<duck::Relation>();
  }
  Tables tables = lander.Tables();
  std::erase_if(tables, [&](const auto& table) { return !reader.SeesTopic(table.topic); });
  SLUICE_ASSIGN_OR_RETURN(
      const auto rows,
      FindOwn(name, tables, lander, log, {.tenant = tenant, .principal = reader.SeesQueriesOf()}));
  if (!rows) return std::optional<duck::Relation>();
  SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, FromArrow(rows->Finish()));
  duck::Relation relation;
  relation.schema_name = "system";
  relation.name = name;
  relation.schema = batch->schema();
  relation.batches = {batch};
  return std::optional<duck::Relation>(std::move(relation));
}

}  // namespace sluice::sql::internal
