#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>
#include <set>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/checkpoint.h"
#include "sluice/lake/internal/struct_statistics.h"

namespace sluice::lake::internal {

namespace {

constexpr int64_t kBatchRows = 32 * 1024;

// Struct statistics and what we have no use for are most of the bytes of some checkpoints.
bool IsWanted(const std::string& path, bool struct_statistics) {
  static const std::set<std::string, std::less<>> kRoots = {
      "txn", "add", "remove", "metaData", "protocol", "domainMetadata", "sidecar"};
  const size_t dot = path.find('.');
  if (!kRoots.contains(path.substr(0, dot))) return false;
  if (path.starts_with("add.stats_parsed.")) return struct_statistics;
  return !path.starts_with("add.partitionValues_parsed.");
}

// The columns below read what is there: missing members and drifted types count as null.

std::shared_ptr<arrow::Array> Member(const std::shared_ptr<arrow::StructArray>& parent,
                                     const std::string& name) {
  return parent == nullptr ? nullptr : parent->GetFieldByName(name);
}

std::shared_ptr<arrow::StructArray> AsStruct(const std::shared_ptr<arrow::Array>& array) {
  if (array == nullptr || array->type_id() != arrow::Type::STRUCT) return nullptr;
  return std::static_pointer_cast<arrow::StructArray>(array);
}

bool IsValid(const std::shared_ptr<arrow::StructArray>& array, int64_t row) {
  return array != nullptr && array->IsValid(row);
}

class TextColumn {
 public:
  explicit TextColumn(const std::shared_ptr<arrow::Array>& array) {
    if (array == nullptr) return;
    if (array->type_id() == arrow::Type::STRING || array->type_id() == arrow::Type::BINARY) {
      small_ = std::static_pointer_cast<arrow::BinaryArray>(array);
    } else if (array->type_id() == arrow::Type::LARGE_STRING) {
      large_ = std::static_pointer_cast<arrow::LargeBinaryArray>(array);
    }
  }
  std::optional<std::string> Get(int64_t row) const {
    if (small_ != nullptr && small_->IsValid(row)) return std::string(small_->GetView(row));
    if (large_ != nullptr && large_->IsValid(row)) return std::string(large_->GetView(row));
    return std::nullopt;
  }

 private:
  std::shared_ptr<arrow::BinaryArray> small_;
  std::shared_ptr<arrow::LargeBinaryArray> large_;
};

class NumberColumn {
 public:
  explicit NumberColumn(const std::shared_ptr<arrow::Array>& array) {
    if (array == nullptr) return;
    if (array->type_id() == arrow::Type::INT64) {
      wide_ = std::static_pointer_cast<arrow::Int64Array>(array);
    } else if (array->type_id() == arrow::Type::INT32) {
      narrow_ = std::static_pointer_cast<arrow::Int32Array>(array);
    }
  }
  std::optional<int64_t> Get(int64_t row) const {
    if (wide_ != nullptr && wide_->IsValid(row)) return wide_->Value(row);
    if (narrow_ != nullptr && narrow_->IsValid(row)) return narrow_->Value(row);
    return std::nullopt;
  }
  std::optional<int32_t> GetSmall(int64_t row) const {
    const auto value = Get(row);
    if (!value) return std::nullopt;
    return static_cast<int32_t>(*value);
  }

 private:
  std::shared_ptr<arrow::Int64Array> wide_;
  std::shared_ptr<arrow::Int32Array> narrow_;
};

class FlagColumn {
 public:
  explicit FlagColumn(const std::shared_ptr<arrow::Array>& array) {
    if (array != nullptr && array->type_id() == arrow::Type::BOOL) {
      flags_ = std::static_pointer_cast<arrow::BooleanArray>(array);
    }
  }
  std::optional<bool> Get(int64_t row) const {
    if (flags_ == nullptr || flags_->IsNull(row)) return std::nullopt;
    return flags_->Value(row);
  }

 private:
  std::shared_ptr<arrow::BooleanArray> flags_;
};

std::shared_ptr<arrow::ListArray> AsList(const std::shared_ptr<arrow::Array>& array) {
  if (array == nullptr) return nullptr;
  if (array->type_id() != arrow::Type::LIST && array->type_id() != arrow::Type::MAP) return nullptr;
  return std::static_pointer_cast<arrow::ListArray>(array);
}

class TextListColumn {
 public:
  explicit TextListColumn(const std::shared_ptr<arrow::Array>& array)
      : list_(AsList(array)), texts_(list_ == nullptr ? nullptr : list_->values()) {}
  std::optional<std::vector<std::string>> Get(int64_t row) const {
    if (list_ == nullptr || list_->IsNull(row)) return std::nullopt;
    std::vector<std::string> texts;
    for (int64_t i = list_->value_offset(row); i < list_->value_offset(row + 1); ++i) {
      texts.push_back(texts_.Get(i).value_or(""));
    }
    return texts;
  }

 private:
  std::shared_ptr<arrow::ListArray> list_;
  TextColumn texts_;
};

class TextMapColumn {
 public:
  explicit TextMapColumn(const std::shared_ptr<arrow::Array>& array)
      : list_(AsList(array)),
        entries_(list_ == nullptr ? nullptr : AsStruct(list_->values())),
        keys_(Entry(0)),
        values_(Entry(1)) {}
  std::optional<PartitionValues> Get(int64_t row) const {
    if (list_ == nullptr || list_->IsNull(row)) return std::nullopt;
    PartitionValues map;
    for (int64_t i = list_->value_offset(row); i < list_->value_offset(row + 1); ++i) {
      if (auto key = keys_.Get(i)) map.emplace(std::move(*key), values_.Get(i));
    }
    return map;
  }
  std::map<std::string, std::string> GetTexts(int64_t row) const {
    std::map<std::string, std::string> texts;
    for (auto& [key, value] : Get(row).value_or(PartitionValues())) {
      if (value) texts.emplace(key, std::move(*value));
    }
    return texts;
  }

 private:
  std::shared_ptr<arrow::Array> Entry(int index) const {
    if (entries_ == nullptr || entries_->num_fields() <= index) return nullptr;
    return entries_->field(index);
  }

  std::shared_ptr<arrow::ListArray> list_;
  std::shared_ptr<arrow::StructArray> entries_;
  TextColumn keys_;
  TextColumn values_;
};

class VectorColumn {
 public:
  explicit VectorColumn(const std::shared_ptr<arrow::Array>& array)
      : struct_(AsStruct(array)),
        storage_(Member(struct_, "storageType")),
        data_(Member(struct_, "pathOrInlineDv")),
        offset_(Member(struct_, "offset")),
        size_(Member(struct_, "sizeInBytes")),
        cardinality_(Member(struct_, "cardinality")) {}
  std::shared_ptr<const DeletionVector> Get(int64_t row) const {
    if (!IsValid(struct_, row)) return nullptr;
    auto storage = storage_.Get(row);
    if (!storage || storage->empty()) return nullptr;  // All null: there is none.
    return std::make_shared<const DeletionVector>(
        DeletionVector{.storage = std::move(*storage),
                       .data = data_.Get(row).value_or(""),
                       .offset = offset_.GetSmall(row),
                       .size = size_.GetSmall(row).value_or(0),
                       .cardinality = cardinality_.Get(row).value_or(0)});
  }

 private:
  std::shared_ptr<arrow::StructArray> struct_;
  TextColumn storage_;
  TextColumn data_;
  NumberColumn offset_;
  NumberColumn size_;
  NumberColumn cardinality_;
};

Status ReadAdds(const std::shared_ptr<arrow::StructArray>& column, std::vector<Add>& adds) {
  if (column == nullptr || column->null_count() == column->length()) return {};
  const TextColumn paths(Member(column, "path"));
  const TextMapColumn partition_values(Member(column, "partitionValues"));
  const NumberColumn sizes(Member(column, "size"));
  const NumberColumn modified(Member(column, "modificationTime"));
  const TextColumn stats(Member(column, "stats"));
  const auto struct_stats = AsStruct(Member(column, "stats_parsed"));
  const TextMapColumn tags(Member(column, "tags"));
  const VectorColumn vectors(Member(column, "deletionVector"));
  const NumberColumn base_row_ids(Member(column, "baseRowId"));
  const NumberColumn row_versions(Member(column, "defaultRowCommitVersion"));
  adds.reserve(static_cast<size_t>(column->length() - column->null_count()));
  for (int64_t row = 0; row < column->length(); ++row) {
    if (column->IsNull(row)) continue;
    Add& add = adds.emplace_back();
    add.file.path = paths.Get(row).value_or("");
    if (auto values = partition_values.Get(row)) add.file.partition_values = std::move(*values);
    add.file.size = sizes.Get(row).value_or(0);
    add.file.modified_ms = modified.Get(row).value_or(0);
    if (auto text = stats.Get(row)) {
      add.file.stats = std::move(*text);
    } else if (struct_stats != nullptr) {
      add.file.stats = StatisticsText(*struct_stats, row);
    }
    if (auto map = tags.Get(row); map && !map->empty()) {
      add.file.tags = std::make_shared<const PartitionValues>(std::move(*map));
    }
    add.file.deletion_vector = vectors.Get(row);
    add.file.base_row_id = base_row_ids.Get(row);
    add.file.row_commit_version = row_versions.Get(row);
    SLUICE_RETURN_IF_ERROR(Complete(add));
  }
  return {};
}

void ReadRemoves(const std::shared_ptr<arrow::StructArray>& column, std::vector<Remove>& removes) {
  if (column == nullptr || column->null_count() == column->length()) return;
  const TextColumn paths(Member(column, "path"));
  const NumberColumn deleted(Member(column, "deletionTimestamp"));
  const FlagColumn data_change(Member(column, "dataChange"));
  const FlagColumn extended(Member(column, "extendedFileMetadata"));
  const TextMapColumn partition_values(Member(column, "partitionValues"));
  const NumberColumn sizes(Member(column, "size"));
  const VectorColumn vectors(Member(column, "deletionVector"));
  const NumberColumn base_row_ids(Member(column, "baseRowId"));
  const NumberColumn row_versions(Member(column, "defaultRowCommitVersion"));
  for (int64_t row = 0; row < column->length(); ++row) {
    if (column->IsNull(row)) continue;
    removes.push_back({.path = paths.Get(row).value_or(""),
                       .deletion_ms = deleted.Get(row).value_or(0),
                       .data_change = data_change.Get(row).value_or(true),
                       .extended = extended.Get(row),
                       .partition_values = partition_values.Get(row),
                       .size = sizes.Get(row),
                       .vector = vectors.Get(row),
                       .base_row_id = base_row_ids.Get(row),
                       .row_commit_version = row_versions.Get(row)});
  }
}

void ReadMetadata(const std::shared_ptr<arrow::StructArray>& column,
                  std::optional<Metadata>& metadata) {
  if (column == nullptr) return;
  const auto format = AsStruct(Member(column, "format"));
  for (int64_t row = 0; row < column->length(); ++row) {
    if (column->IsNull(row)) continue;
    Metadata& found = metadata.emplace();
    found.id = TextColumn(Member(column, "id")).Get(row).value_or("");
    found.name = TextColumn(Member(column, "name")).Get(row);
    found.description = TextColumn(Member(column, "description")).Get(row);
    found.provider = TextColumn(Member(format, "provider")).Get(row).value_or("parquet");
    found.format_options = TextMapColumn(Member(format, "options")).GetTexts(row);
    found.schema = TextColumn(Member(column, "schemaString")).Get(row).value_or("");
    found.partition_columns = TextListColumn(Member(column, "partitionColumns"))
                                  .Get(row)
                                  .value_or(std::vector<std::string>());
    found.configuration = TextMapColumn(Member(column, "configuration")).GetTexts(row);
    found.created_ms = NumberColumn(Member(column, "createdTime")).Get(row);
  }
}

void ReadProtocol(const std::shared_ptr<arrow::StructArray>& column,
                  std::optional<Protocol>& protocol) {
  if (column == nullptr) return;
  for (int64_t row = 0; row < column->length(); ++row) {
    if (column->IsNull(row)) continue;
    protocol = Protocol{
        .reader = NumberColumn(Member(column, "minReaderVersion")).GetSmall(row).value_or(1),
        .writer = NumberColumn(Member(column, "minWriterVersion")).GetSmall(row).value_or(1),
        .reader_features = TextListColumn(Member(column, "readerFeatures")).Get(row),
        .writer_features = TextListColumn(Member(column, "writerFeatures")).Get(row)};
  }
}

bool LacksStatistics(const Add& add) { return add.file.stats.empty(); }

Result<Actions> ReadBatch(const arrow::RecordBatch& batch) {
  const auto column = [&](const std::string& name) {
    return AsStruct(batch.GetColumnByName(name));
  };
  Actions actions;
  SLUICE_RETURN_IF_ERROR(ReadAdds(column("add"), actions.adds));
  ReadRemoves(column("remove"), actions.removes);
  ReadMetadata(column("metaData"), actions.metadata);
  ReadProtocol(column("protocol"), actions.protocol);
  if (const auto txn = column("txn")) {
    const TextColumn app_ids(Member(txn, "appId"));
    const NumberColumn versions(Member(txn, "version"));
    const NumberColumn updated(Member(txn, "lastUpdated"));
    for (int64_t row = 0; row < txn->length(); ++row) {
      if (txn->IsNull(row)) continue;
      actions.transactions.push_back({.app_id = app_ids.Get(row).value_or(""),
                                      .version = versions.Get(row).value_or(0),
                                      .last_updated_ms = updated.Get(row)});
    }
  }
  if (const auto domain = column("domainMetadata")) {
    const TextColumn names(Member(domain, "domain"));
    const TextColumn configurations(Member(domain, "configuration"));
    const FlagColumn removed(Member(domain, "removed"));
    for (int64_t row = 0; row < domain->length(); ++row) {
      if (domain->IsNull(row)) continue;
      actions.domains.push_back({.name = names.Get(row).value_or(""),
                                 .configuration = configurations.Get(row).value_or(""),
                                 .removed = removed.Get(row).value_or(false)});
    }
  }
  if (const auto sidecar = column("sidecar")) {
    const TextColumn paths(Member(sidecar, "path"));
    for (int64_t row = 0; row < sidecar->length(); ++row) {
      if (sidecar->IsValid(row)) actions.sidecars.push_back(paths.Get(row).value_or(""));
    }
  }
  return actions;
}

Status Read(std::string_view bytes, const std::function<void(Actions)>& sink) {
  // The reader copies what it decodes, so the caller's bytes need not be.
  const auto input = std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(
      reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int64_t>(bytes.size())));
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_batch_size(kBatchRows);
  parquet::arrow::FileReaderBuilder builder;
  SLUICE_RETURN_IF_ERROR(columnar::FromArrow(builder.Open(input)));
  SLUICE_ASSIGN_OR_RETURN(const auto reader,
                          columnar::FromArrow(builder.properties(properties)->Build()));
  const parquet::SchemaDescriptor& schema = *reader->parquet_reader()->metadata()->schema();
  std::vector<int> leaves;
  std::vector<int> with_structs;
  for (int leaf = 0; leaf < schema.num_columns(); ++leaf) {
    const std::string path = schema.Column(leaf)->path()->ToDotString();
    if (IsWanted(path, /*struct_statistics=*/false)) leaves.push_back(leaf);
    if (IsWanted(path, /*struct_statistics=*/true)) with_structs.push_back(leaf);
  }
  // Statistics as structs are read only where the first files have no others.
  bool look = with_structs.size() > leaves.size();
  for (int group = 0; group < reader->num_row_groups(); ++group) {
    SLUICE_ASSIGN_OR_RETURN(const auto batches,
                            columnar::FromArrow(reader->GetRecordBatchReader({group}, leaves)));
    std::vector<Actions> held;  // Until the first file has told.
    bool again = false;
    while (!again) {
      SLUICE_ASSIGN_OR_RETURN(const auto batch, columnar::FromArrow(batches->Next()));
      if (batch == nullptr) break;
      SLUICE_ASSIGN_OR_RETURN(Actions actions, ReadBatch(*batch));
      if (look && !actions.adds.empty()) {
        look = false;
        again = std::ranges::any_of(actions.adds, LacksStatistics);
      }
      held.push_back(std::move(actions));
      if (look || again) continue;
      for (Actions& ready : held) sink(std::move(ready));
      held.clear();
    }
    if (again) {
      leaves = with_structs;
      --group;
      continue;
    }
    for (Actions& ready : held) sink(std::move(ready));
  }
  return {};
}

}  // namespace

Status ReadCheckpoint(std::string_view bytes, const std::function<void(Actions)>& sink) {
  try {
    const Status read = Read(bytes, sink);
    if (!read.ok()) return Corrupt("{}", read.error().message());
    return {};
  } catch (const std::exception& exception) {
    return Corrupt("{}", exception.what());
  }
}

}  // namespace sluice::lake::internal
