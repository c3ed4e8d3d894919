#include "sluice/lake/convert_parquet.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "sluice/base/ascii.h"
#include "sluice/base/in_parallel.h"
#include "sluice/base/percent.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/parquet_footer.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/known_engines.h"
#include "sluice/lake/internal/merged_schema.h"
#include "sluice/lake/internal/new_table.h"
#include "sluice/lake/internal/partition_value.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/statistics.h"
#include "sluice/lake/internal/store_file.h"
#include "sluice/lake/internal/table_log.h"

namespace sluice::lake {

namespace {

using columnar::FromArrow;
using PartitionColumn = ConvertOptions::PartitionColumn;

constexpr size_t kFilesMax = 1'000'000;
constexpr size_t kCommitBytesMax = size_t{1} << 30;
constexpr size_t kFilesAtOnce = 1024;
constexpr std::string_view kNullValue = "__HIVE_DEFAULT_PARTITION__";

// The parts of a path between slashes.
std::vector<std::string_view> Parts(std::string_view path) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = path.find('/');
    parts.push_back(path.substr(0, end));
    if (end == std::string_view::npos) return parts;
    path.remove_prefix(end + 1);
  }
}

// Folders of partitions may begin with '_', as the names of columns may.
bool IsHidden(std::string_view path) {
  const auto parts = Parts(path);
  return std::ranges::any_of(parts, [&](const std::string_view& part) {
    const bool is_folder = &part != &parts.back();
    const bool is_partition = is_folder && part.find('=') != std::string_view::npos;
    return part.empty() || part.starts_with('.') || (part.starts_with('_') && !is_partition);
  });
}

bool HasNanoseconds(const arrow::DataType& type) {
  if (type.id() == arrow::Type::TIMESTAMP) {
    return static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::NANO;
  }
  return std::ranges::any_of(type.fields(),
                             [](const auto& field) { return HasNanoseconds(*field->type()); });
}

// The bound in the type of the table's column; null if it has none there.
std::shared_ptr<arrow::Scalar> As(const std::shared_ptr<arrow::DataType>& type,
                                  const std::shared_ptr<arrow::Scalar>& bound) {
  if (bound == nullptr || bound->type->Equals(*type)) return bound;
  const auto cast = arrow::compute::Cast(arrow::Datum(bound), type);
  return cast.ok() ? cast->scalar() : nullptr;
}

/// What the footer of a file says, in the table's terms.
struct FileFacts {
  columnar::Schema schema;
  std::string statistics;
  int64_t rows = 0;
};

/// One call. Not thread-safe.
class Conversion {
 public:
  Conversion(DeltaTable& table, const ConvertOptions& options)
      : table_(table), options_(options), log_(table.store(), table.root()) {}

  Result<ConvertReport> Run() {
    SLUICE_RETURN_IF_ERROR(columnar::InitializeCompute());
    SLUICE_RETURN_IF_ERROR(ListFiles());
    SLUICE_RETURN_IF_ERROR(FindPartitions());
    for (size_t first = 0; first < files_.size(); first += kFilesAtOnce) {
      SLUICE_RETURN_IF_ERROR(TakeFiles(first, std::min(first + kFilesAtOnce, files_.size())));
    }
    SLUICE_ASSIGN_OR_RETURN(const internal::NewTable made, MakeTable());
    report_.schema_json = made.metadata.schema;
    report_.partition_columns = made.metadata.partition_columns;
    report_.locked_out = internal::FindLockedOut({}, made.protocol);
    if (!options_.dry_run) SLUICE_RETURN_IF_ERROR(Commit(made));
    return std::move(report_);
  }

 private:
  std::string NameOf(const store::ObjectInfo& file) const {
    return file.path.substr(folder_.size());
  }

  Status ListFiles() {
    SLUICE_ASSIGN_OR_RETURN(std::vector<store::ObjectInfo> objects, table_.store().List(folder_));
    for (store::ObjectInfo& object : objects) {
      const std::string name = NameOf(object);
      if (name.starts_with("_delta_log/")) return Conflict("there is a table already");
      if (const size_t log = name.find("/_delta_log/"); log != std::string::npos) {
        return Conflict("folder '{}' in it is a table of its own", name.substr(0, log));
      }
      if (IsHidden(name)) {
        ++report_.files_left_out;
      } else {
        files_.push_back(std::move(object));
      }
    }
    if (files_.empty()) return NotFound("there are no files");
    if (files_.size() > kFilesMax) {
      return Invalid("{} files: at most {} can be converted", files_.size(), kFilesMax);
    }
    return {};
  }

  Status FindPartitions() {
    if (options_.partitioned_by) {
      partition_ = *options_.partitioned_by;
    } else {
      const std::string first = NameOf(files_.front());
      for (const std::string_view part : Parts(first)) {
        const size_t sign = part.find('=');
        if (sign == std::string_view::npos) break;
        partition_.push_back({.name = PercentDecode(part.substr(0, sign))});
      }
    }
    for (PartitionColumn& column : partition_) {
      if (column.type == nullptr) column.type = arrow::utf8();
    }
    return {};
  }

  // By the names of the file's folders.
  Result<PartitionValues> ValuesOf(const std::string& name) const {
    std::vector<std::string_view> folders = Parts(name);
    folders.pop_back();
    const bool any = std::ranges::any_of(folders, [](std::string_view folder) {
      return folder.find('=') != std::string_view::npos;
    });
    if (partition_.empty() && !any) return PartitionValues();
    if (folders.size() != partition_.size()) {
      return Invalid("file '{}' lies in {} folders, but there are {} partition columns", name,
                     folders.size(), partition_.size());
    }
    PartitionValues values;
    for (size_t i = 0; i < folders.size(); ++i) {
      const std::string& column = partition_[i].name;
      const size_t sign = folders[i].find('=');
      if (sign == std::string_view::npos || PercentDecode(folders[i].substr(0, sign)) != column) {
        return Invalid("file '{}': folder {} of its path should be named {}=VALUE", name, i + 1,
                       column);
      }
      SLUICE_ASSIGN_OR_RETURN(values[column], ValueOf(partition_[i], folders[i].substr(sign + 1)),
                              "file '{}': partition column '{}'", name, column);
    }
    return values;
  }

  static Result<std::optional<std::string>> ValueOf(const PartitionColumn& column,
                                                    std::string_view escaped) {
    if (escaped == kNullValue || escaped.empty()) return std::optional<std::string>();
    const std::string text = PercentDecode(escaped);
    const auto value = internal::ParsePartitionValue(text, column.type);
    if (!value.ok()) return Invalid("the folder's name has no value of the column's type");
    return internal::PartitionText(**value);
  }

  bool IsPartition(const std::string& column) const {
    return std::ranges::any_of(partition_, [&](const PartitionColumn& partition) {
      return LowerCase(partition.name) == LowerCase(column);
    });
  }

  Result<FileFacts> ReadFacts(const store::ObjectInfo& file) const {
    const auto input = std::make_shared<internal::StoreFile>(table_.store(), file.path,
                                                             static_cast<int64_t>(file.size));
    auto footer = columnar::ReadParquetFooter(input);
    if (const auto failure = input->failure()) return *failure;
    if (!footer.ok() && footer.error().code() == ErrorCode::kInvalid) {
      return Invalid(
          "no Parquet file that could be read ({}): move it away, or give it a name that begins "
          "with '_'",
          footer.error().message());
    }
    SLUICE_RETURN_IF_ERROR(footer);
    FileFacts facts{.schema = nullptr, .statistics = {}, .rows = footer->rows};
    columnar::ParquetFile summary{.bytes = {}, .rows = footer->rows, .columns = {}};
    arrow::FieldVector fields;
    std::set<std::string> without_statistics;
    for (const auto& field : footer->schema->fields()) {
      // The folder has the value, wherever the file has one, too.
      if (IsPartition(field->name())) continue;
      if (HasNanoseconds(*field->type())) {
        return Unsupported(
            "column '{}' has times in nanoseconds, which tables cannot have: write "
            "it anew in microseconds",
            field->name());
      }
      if (field->type()->id() == arrow::Type::NA) {  // No file may say which type it is.
        without_statistics.insert(field->name());
        fields.push_back(field);
        continue;
      }
      SLUICE_ASSIGN_OR_RETURN(auto type, internal::TableType(*field->type()), "column '{}'",
                              field->name());
      const auto known = footer->columns.find(field->name());
      if (known == footer->columns.end()) {
        without_statistics.insert(field->name());
      } else {
        summary.columns[field->name()] = {.null_count = known->second.null_count,
                                          .minimum = As(type, known->second.minimum),
                                          .maximum = As(type, known->second.maximum)};
      }
      fields.push_back(arrow::field(field->name(), std::move(type)));
    }
    facts.schema = arrow::schema(std::move(fields));
    facts.statistics = internal::MakeStatistics(*facts.schema, *facts.schema, summary,
                                                /*properties=*/{}, without_statistics);
    return facts;
  }

  // Files from `first` to before `last`.
  Status TakeFiles(size_t first, size_t last) {
    std::vector<std::optional<Result<FileFacts>>> facts(last - first);
    InParallel(facts.size(), options_.threads, [&](size_t i) {
      facts[i].emplace(ReadFacts(files_[first + i]));
      return facts[i]->ok();
    });
    for (size_t i = 0; i < facts.size(); ++i) {
      if (facts[i] && !facts[i]->ok()) {
        return std::move(*facts[i]).error().Wrap(
            fmt::format("file '{}'", NameOf(files_[first + i])));
      }
    }
    for (size_t i = 0; i < facts.size(); ++i) {
      const store::ObjectInfo& file = files_[first + i];
      const std::string name = NameOf(file);
      const FileFacts& known = **facts[i];
      SLUICE_RETURN_IF_ERROR(schemas_.Add(*known.schema, name));
      DataFile entry{.path = internal::UriEncode(name),
                     .partition_values = {},
                     .size = static_cast<int64_t>(file.size),
                     .modified_ms = internal::ModifiedMs(file),
                     .stats = known.statistics,
                     .rows = known.rows};
      SLUICE_ASSIGN_OR_RETURN(entry.partition_values, ValuesOf(name));
      internal::AppendAdd(adds_, entry);
      ++report_.files;
      report_.bytes += entry.size;
      report_.rows += known.rows;
      if (adds_.size() > kCommitBytesMax) {
        return Invalid("the commit of {} files would be larger than {} bytes", files_.size(),
                       kCommitBytesMax);
      }
    }
    return {};
  }

  Result<internal::NewTable> MakeTable() {
    SLUICE_ASSIGN_OR_RETURN(internal::MergedSchema::Merged merged, schemas_.Merge());
    report_.widened = std::move(merged.widened);
    report_.columns_left_out = std::move(merged.left_out);
    CreateOptions options;
    if (!report_.widened.empty()) options.properties["delta.enableTypeWidening"] = "true";
    arrow::FieldVector partition;
    for (const PartitionColumn& column : partition_) {
      options.partition_columns.push_back(column.name);
      partition.push_back(arrow::field(column.name, column.type));
    }
    SLUICE_ASSIGN_OR_RETURN(const std::string json,
                            internal::AppendFields(internal::ToJson(merged.schema), partition));
    return internal::PlanNewTable(json, options, internal::StampMs(table_), table_.random());
  }

  Status Commit(const internal::NewTable& made) {
    const std::string id = table_.random().Uuid();
    std::string lines;
    internal::AppendCommitInfo(
        lines, {.id = id,
                .at_ms = internal::StampMs(table_),
                .operation = "CONVERT",
                .parameters = {{"numFiles", std::to_string(report_.files)},
                               {"partitionedBy", internal::JsonList(report_.partition_columns)},
                               {"collectStats", "true"},
                               {"sourceFormat", "parquet"}},
                .metrics = {{"numConvertedFiles", std::to_string(report_.files)}}});
    internal::AppendProtocol(lines, made.protocol);
    internal::AppendMetadata(lines, made.metadata);
    lines += adds_;
    SLUICE_ASSIGN_OR_RETURN(report_.snapshot, log_.Create(id, lines));
    return {};
  }

  DeltaTable& table_;
  const ConvertOptions& options_;
  const internal::TableLog log_;
  const std::string folder_ = table_.InRoot("");
  std::vector<store::ObjectInfo> files_;
  std::vector<PartitionColumn> partition_;
  internal::MergedSchema schemas_;
  std::string adds_;  // Lines of the commit.
  ConvertReport report_;
};

}  // namespace

Result<ConvertReport> ConvertParquet(DeltaTable& table, const ConvertOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(auto report, Conversion(table, options).Run(), "folder '{}'",
                          table.name());
  return report;
}

}  // namespace sluice::lake
