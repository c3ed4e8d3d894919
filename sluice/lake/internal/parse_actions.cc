#include <simdjson.h>

#include "sluice/lake/internal/actions.h"
#include "sluice/lake/internal/path_encoding.h"

namespace sluice::lake::internal {

namespace {

using simdjson::dom::element;
using simdjson::dom::object;

// Getters leave the target alone when the member is missing or null, and tell when it has another
// type.

bool Find(object from, std::string_view key, element& found) {
  return from[key].get(found) == simdjson::SUCCESS && !found.is_null();
}

Status WrongType(std::string_view key) { return Corrupt("member '{}' has the wrong type", key); }

Status Get(object from, std::string_view key, std::string& to) {
  element found;
  if (!Find(from, key, found)) return {};
  std::string_view text;
  if (found.get(text) != simdjson::SUCCESS) return WrongType(key);
  to = text;
  return {};
}

Status Get(object from, std::string_view key, int64_t& to) {
  element found;
  if (!Find(from, key, found)) return {};
  // Some writers put whole numbers as 1.0, or, long ago, as text.
  double real = 0;
  std::string_view text;
  if (found.get(to) == simdjson::SUCCESS) return {};
  if (found.get(real) == simdjson::SUCCESS && real >= -9e18 && real <= 9e18) {
    to = static_cast<int64_t>(real);
    return {};
  }
  if (found.get(text) == simdjson::SUCCESS && !text.empty() && text.size() < 20) {
    char* end = nullptr;
    const std::string digits(text);
    to = std::strtoll(digits.c_str(), &end, 10);
    if (end == digits.c_str() + digits.size()) return {};
  }
  return WrongType(key);
}

Status Get(object from, std::string_view key, int32_t& to) {
  int64_t wide = to;
  SLUICE_RETURN_IF_ERROR(Get(from, key, wide));
  if (wide < INT32_MIN || wide > INT32_MAX) return Corrupt("member '{}' is out of range", key);
  to = static_cast<int32_t>(wide);
  return {};
}

Status Get(object from, std::string_view key, bool& to) {
  element found;
  if (!Find(from, key, found)) return {};
  return found.get(to) == simdjson::SUCCESS ? Status() : WrongType(key);
}

Status Get(object from, std::string_view key, std::vector<std::string>& to) {
  element found;
  if (!Find(from, key, found)) return {};
  simdjson::dom::array items;
  if (found.get(items) != simdjson::SUCCESS) return WrongType(key);
  for (const element item : items) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS) return WrongType(key);
    to.emplace_back(text);
  }
  return {};
}

// Values that are no text are kept as their JSON: liberal writers exist.
Status Get(object from, std::string_view key, PartitionValues& to) {
  element found;
  if (!Find(from, key, found)) return {};
  object members;
  if (found.get(members) != simdjson::SUCCESS) return WrongType(key);
  for (const auto& [name, value] : members) {
    std::string_view text;
    if (value.is_null()) {
      to.emplace(name, std::nullopt);
    } else if (value.get(text) == simdjson::SUCCESS) {
      to.emplace(name, text);
    } else {
      to.emplace(name, simdjson::minify(value));
    }
  }
  return {};
}

Status Get(object from, std::string_view key, std::map<std::string, std::string>& to) {
  PartitionValues values;
  SLUICE_RETURN_IF_ERROR(Get(from, key, values));
  for (auto& [name, value] : values) {
    if (value) to.emplace(name, std::move(*value));
  }
  return {};
}

// After all that it calls: what it finds by its arguments is not ours.
template <typename T>
Status Get(object from, std::string_view key, std::optional<T>& to) {
  element found;
  if (!Find(from, key, found)) return {};
  return Get(from, key, to.emplace());
}

Status GetVector(object from, std::shared_ptr<const DeletionVector>& to) {
  element found;
  if (!Find(from, "deletionVector", found)) return {};
  object members;
  if (found.get(members) != simdjson::SUCCESS) return WrongType("deletionVector");
  DeletionVector vector;
  SLUICE_RETURN_IF_ERROR(Get(members, "storageType", vector.storage));
  SLUICE_RETURN_IF_ERROR(Get(members, "pathOrInlineDv", vector.data));
  SLUICE_RETURN_IF_ERROR(Get(members, "offset", vector.offset));
  SLUICE_RETURN_IF_ERROR(Get(members, "sizeInBytes", vector.size));
  SLUICE_RETURN_IF_ERROR(Get(members, "cardinality", vector.cardinality));
  // A struct of nothing but nulls means that there is none.
  if (!vector.storage.empty()) to = std::make_shared<const DeletionVector>(std::move(vector));
  return {};
}

Status ParseAdd(object from, Add& add) {
  SLUICE_RETURN_IF_ERROR(Get(from, "path", add.file.path));
  SLUICE_RETURN_IF_ERROR(Get(from, "partitionValues", add.file.partition_values));
  SLUICE_RETURN_IF_ERROR(Get(from, "size", add.file.size));
  SLUICE_RETURN_IF_ERROR(Get(from, "modificationTime", add.file.modified_ms));
  SLUICE_RETURN_IF_ERROR(Get(from, "stats", add.file.stats));
  SLUICE_RETURN_IF_ERROR(Get(from, "dataChange", add.data_change));
  SLUICE_RETURN_IF_ERROR(GetVector(from, add.file.deletion_vector));
  SLUICE_RETURN_IF_ERROR(Get(from, "baseRowId", add.file.base_row_id));
  SLUICE_RETURN_IF_ERROR(Get(from, "defaultRowCommitVersion", add.file.row_commit_version));
  SLUICE_RETURN_IF_ERROR(Get(from, "clusteringProvider", add.file.clustering_provider));
  std::optional<PartitionValues> tags;
  SLUICE_RETURN_IF_ERROR(Get(from, "tags", tags));
  if (tags && !tags->empty()) add.file.tags = std::make_shared<const PartitionValues>(*tags);
  return Complete(add);
}

Status ParseRemove(object from, Remove& remove) {
  SLUICE_RETURN_IF_ERROR(Get(from, "path", remove.path));
  SLUICE_RETURN_IF_ERROR(Get(from, "deletionTimestamp", remove.deletion_ms));
  SLUICE_RETURN_IF_ERROR(Get(from, "dataChange", remove.data_change));
  SLUICE_RETURN_IF_ERROR(Get(from, "extendedFileMetadata", remove.extended));
  SLUICE_RETURN_IF_ERROR(Get(from, "partitionValues", remove.partition_values));
  SLUICE_RETURN_IF_ERROR(Get(from, "size", remove.size));
  SLUICE_RETURN_IF_ERROR(GetVector(from, remove.vector));
  SLUICE_RETURN_IF_ERROR(Get(from, "baseRowId", remove.base_row_id));
  SLUICE_RETURN_IF_ERROR(Get(from, "defaultRowCommitVersion", remove.row_commit_version));
  if (remove.path.empty()) return Corrupt("a remove without a path");
  return {};
}

Status ParseMetadata(object from, Metadata& metadata) {
  SLUICE_RETURN_IF_ERROR(Get(from, "id", metadata.id));
  SLUICE_RETURN_IF_ERROR(Get(from, "name", metadata.name));
  SLUICE_RETURN_IF_ERROR(Get(from, "description", metadata.description));
  SLUICE_RETURN_IF_ERROR(Get(from, "schemaString", metadata.schema));
  SLUICE_RETURN_IF_ERROR(Get(from, "partitionColumns", metadata.partition_columns));
  SLUICE_RETURN_IF_ERROR(Get(from, "configuration", metadata.configuration));
  SLUICE_RETURN_IF_ERROR(Get(from, "createdTime", metadata.created_ms));
  element format;
  if (object members; Find(from, "format", format) && format.get(members) == simdjson::SUCCESS) {
    SLUICE_RETURN_IF_ERROR(Get(members, "provider", metadata.provider));
    SLUICE_RETURN_IF_ERROR(Get(members, "options", metadata.format_options));
  }
  return {};
}

Status ParseProtocol(object from, Protocol& protocol) {
  SLUICE_RETURN_IF_ERROR(Get(from, "minReaderVersion", protocol.reader));
  SLUICE_RETURN_IF_ERROR(Get(from, "minWriterVersion", protocol.writer));
  SLUICE_RETURN_IF_ERROR(Get(from, "readerFeatures", protocol.reader_features));
  return Get(from, "writerFeatures", protocol.writer_features);
}

Status ParseTransaction(object from, Transaction& transaction) {
  SLUICE_RETURN_IF_ERROR(Get(from, "appId", transaction.app_id));
  SLUICE_RETURN_IF_ERROR(Get(from, "version", transaction.version));
  return Get(from, "lastUpdated", transaction.last_updated_ms);
}

Status ParseDomain(object from, Domain& domain) {
  SLUICE_RETURN_IF_ERROR(Get(from, "domain", domain.name));
  SLUICE_RETURN_IF_ERROR(Get(from, "configuration", domain.configuration));
  return Get(from, "removed", domain.removed);
}

Status ParseChange(object from, ChangeFile& change) {
  SLUICE_RETURN_IF_ERROR(Get(from, "path", change.path));
  SLUICE_RETURN_IF_ERROR(Get(from, "partitionValues", change.partition_values));
  SLUICE_RETURN_IF_ERROR(Get(from, "size", change.size));
  if (change.path.empty()) return Corrupt("a cdc without a path");
  return CheckRelativePath(change.path);
}

Status ParseCommitInfo(object from, Actions& actions) {
  SLUICE_RETURN_IF_ERROR(Get(from, "txnId", actions.commit_id));
  SLUICE_RETURN_IF_ERROR(Get(from, "isBlindAppend", actions.blind_append));
  return Get(from, "inCommitTimestamp", actions.commit_ms);
}

Status ParseAction(std::string_view name, object body, Actions& actions) {
  if (name == "add") return ParseAdd(body, actions.adds.emplace_back());
  if (name == "remove") return ParseRemove(body, actions.removes.emplace_back());
  if (name == "metaData") return ParseMetadata(body, actions.metadata.emplace());
  if (name == "protocol") return ParseProtocol(body, actions.protocol.emplace());
  if (name == "txn") return ParseTransaction(body, actions.transactions.emplace_back());
  if (name == "domainMetadata") return ParseDomain(body, actions.domains.emplace_back());
  if (name == "sidecar") return Get(body, "path", actions.sidecars.emplace_back());
  if (name == "commitInfo") return ParseCommitInfo(body, actions);
  if (name == "cdc") return ParseChange(body, actions.changes.emplace_back());
  return {};  // checkpointMetadata, and kinds that are not invented yet.
}

}  // namespace

Result<Actions> ParseActions(std::string_view text) {
  Actions actions;
  simdjson::dom::parser parser;
  int line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    object action;
    if (parser.parse(line.data(), line.size()).get(action) != simdjson::SUCCESS) {
      return Corrupt("line {}: not a JSON object: damaged, or cut off", line_number);
    }
    for (const auto& [name, value] : action) {
      object body;
      if (value.is_null()) continue;
      if (value.get(body) != simdjson::SUCCESS) continue;
      SLUICE_RETURN_IF_ERROR(ParseAction(name, body, actions), "line {}: {}", line_number, name);
    }
  }
  return actions;
}

Status CheckFilePath(std::string_view path) {
  if (path.empty()) return Corrupt("an add without a path");
  return CheckRelativePath(path);
}

void CompleteValues(PartitionValues& values) {
  for (auto& [name, value] : values) {
    if (value && value->empty()) value.reset();  // Means null, whatever the column's type.
  }
}

Status CheckVector(const DeletionVector* vector) {
  if (vector == nullptr || vector->cardinality >= 0) return {};
  return Corrupt("a deletion vector of {} rows", vector->cardinality);
}

Status Complete(Add& add) {
  SLUICE_RETURN_IF_ERROR(CheckFilePath(add.file.path));
  CompleteValues(add.file.partition_values);
  add.file.rows = RowsOf(add.file.stats);
  return CheckVector(add.file.deletion_vector.get());
}

DataFile FileOf(const Remove& remove) {
  return {.path = remove.path,
          .partition_values = remove.partition_values.value_or(PartitionValues()),
          .size = remove.size.value_or(0),
          .stats = {},
          .rows = {},
          .deletion_vector = remove.vector};
}

Remove RemoveOf(const DataFile& file, int64_t now_ms, bool data_change) {
  return {.path = file.path,
          .deletion_ms = now_ms,
          .data_change = data_change,
          .extended = true,
          .partition_values = file.partition_values,
          .size = file.size,
          .vector = file.deletion_vector,
          .base_row_id = file.base_row_id,
          .row_commit_version = file.row_commit_version};
}

std::string FileKey(std::string_view path, const DeletionVector* vector) {
  std::string key = CanonicalPath(path);
  if (vector != nullptr) key.append("\n").append(vector->Id());
  return key;
}

std::string FileKey(const DataFile& file) { return FileKey(file.path, file.deletion_vector.get()); }

std::optional<int64_t> RowsOf(std::string_view stats) {
  if (stats.empty()) return std::nullopt;
  // Nearly all writers begin with the count; parsing the rest would be most of the time of a load.
  constexpr std::string_view kBegin = "{\"numRecords\":";
  if (stats.starts_with(kBegin)) {
    int64_t rows = 0;
    size_t i = kBegin.size();
    for (; i < stats.size() && stats[i] >= '0' && stats[i] <= '9' && i < kBegin.size() + 18; ++i) {
      rows = rows * 10 + (stats[i] - '0');
    }
    if (i > kBegin.size() && i < stats.size() && (stats[i] == ',' || stats[i] == '}')) return rows;
  }
  simdjson::dom::parser parser;
  int64_t rows = 0;
  if (parser.parse(stats.data(), stats.size())["numRecords"].get(rows) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return rows < 0 ? std::nullopt : std::optional(rows);
}

}  // namespace sluice::lake::internal

namespace sluice::lake {

namespace {

// The number that statistics keep under `kind` for a column.
std::optional<int64_t> StatisticOf(const DataFile& file, const char* kind,
                                   std::string_view column) {
  simdjson::dom::parser parser;
  int64_t number = 0;
  if (parser.parse(file.stats.data(), file.stats.size())[kind][column].get(number) !=
      simdjson::SUCCESS) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

std::optional<int64_t> MaximumOf(const DataFile& file, std::string_view column) {
  return StatisticOf(file, "maxValues", column);
}

std::optional<int64_t> MinimumOf(const DataFile& file, std::string_view column) {
  return StatisticOf(file, "minValues", column);
}

std::optional<int64_t> NullsOf(const DataFile& file, std::string_view column) {
  return StatisticOf(file, "nullCount", column);
}

}  // namespace sluice::lake
