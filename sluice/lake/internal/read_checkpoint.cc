#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <set>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/checkpoint.h"
#include "sluice/lake/internal/struct_statistics.h"

namespace sluice::lake::internal {

namespace {

// The buffers of a batch grow by doubling and are cut in the end: of larger batches, the room that
// stays empty between those that are kept is a quarter of all memory.
constexpr int64_t kBatchRows = 4 * 1024;
constexpr int64_t kReadBytes = 128 << 10;  // Each column of a group has a buffer of its own.

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
  /// Empty for null, too.
  std::string_view View(int64_t row) const {
    if (small_ != nullptr && small_->IsValid(row)) return small_->GetView(row);
    if (large_ != nullptr && large_->IsValid(row)) return large_->GetView(row);
    return {};
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

/// The column `add` of a batch, as a chunk of files. Not thread-safe.
class AddColumns {
 public:
  explicit AddColumns(const std::shared_ptr<arrow::StructArray>& column)
      : column_(column),
        path_array_(Member(column, "path")),
        stats_array_(Member(column, "stats")),
        paths_(path_array_),
        stats_(stats_array_),
        struct_stats_(AsStruct(Member(column, "stats_parsed"))),
        sizes_(Member(column, "size")),
        modified_(Member(column, "modificationTime")),
        partition_values_(Member(column, "partitionValues")),
        tags_(Member(column, "tags")),
        vectors_(Member(column, "deletionVector")),
        base_row_ids_(Member(column, "baseRowId")),
        row_versions_(Member(column, "defaultRowCommitVersion")),
        clustering_(Member(column, "clusteringProvider")) {}

  Result<FileChunkPtr> Read() {
    if (CanTakeTexts()) return TakeTexts();
    FileChunkBuilder builder;
    DataFile file;
    for (int64_t row = 0; row < column_->length(); ++row) {
      if (column_->IsNull(row)) continue;
      file.path = paths_.View(row);
      file.stats = StatisticsAt(row);
      SLUICE_RETURN_IF_ERROR(CheckFilePath(file.path));
      SLUICE_ASSIGN_OR_RETURN(RareParts rare, RareAt(row));
      file.partition_values = ValuesAt(row);
      file.size = sizes_.Get(row).value_or(0);
      file.modified_ms = modified_.Get(row).value_or(0);
      file.rows = RowsOf(file.stats);
      file.deletion_vector = std::move(rare.deletion_vector);
      file.base_row_id = rare.base_row_id;
      file.row_commit_version = rare.row_commit_version;
      file.tags = std::move(rare.tags);
      file.clustering_provider = std::move(rare.clustering_provider);
      builder.Add(file);
    }
    return builder.Finish();
  }

 private:
  // A batch of nothing but files, in the common types: then its very texts are kept.
  bool CanTakeTexts() const {
    const auto is_text = [](const std::shared_ptr<arrow::Array>& array) {
      return array != nullptr && array->type_id() == arrow::Type::STRING;
    };
    return column_->null_count() == 0 && struct_stats_ == nullptr && is_text(path_array_) &&
           is_text(stats_array_);
  }

  Result<FileChunkPtr> TakeTexts() {
    FileChunkBuilder builder;
    for (int64_t row = 0; row < column_->length(); ++row) {
      SLUICE_RETURN_IF_ERROR(CheckFilePath(paths_.View(row)));
      SLUICE_ASSIGN_OR_RETURN(RareParts rare, RareAt(row));
      builder.AddFacts({.size = sizes_.Get(row).value_or(0),
                        .modified_ms = modified_.Get(row).value_or(0),
                        .rows = RowsOf(stats_.View(row))},
                       ValuesAt(row), std::move(rare));
    }
    return builder.Finish(std::static_pointer_cast<arrow::StringArray>(path_array_),
                          std::static_pointer_cast<arrow::StringArray>(stats_array_));
  }

  std::string StatisticsAt(int64_t row) const {
    const std::string_view text = stats_.View(row);
    if (!text.empty() || struct_stats_ == nullptr) return std::string(text);
    return StatisticsText(*struct_stats_, row);
  }

  PartitionValues ValuesAt(int64_t row) const {
    auto values = partition_values_.Get(row).value_or(PartitionValues());
    CompleteValues(values);
    return values;
  }

  Result<RareParts> RareAt(int64_t row) const {
    RareParts rare{.deletion_vector = vectors_.Get(row),
                   .base_row_id = base_row_ids_.Get(row),
                   .row_commit_version = row_versions_.Get(row),
                   .clustering_provider = std::string(clustering_.View(row))};
    if (auto map = tags_.Get(row); map && !map->empty()) {
      rare.tags = std::make_shared<const PartitionValues>(std::move(*map));
    }
    SLUICE_RETURN_IF_ERROR(CheckVector(rare.deletion_vector.get()));
    return rare;
  }

  const std::shared_ptr<arrow::StructArray> column_;
  const std::shared_ptr<arrow::Array> path_array_;
  const std::shared_ptr<arrow::Array> stats_array_;
  const TextColumn paths_;
  const TextColumn stats_;
  const std::shared_ptr<arrow::StructArray> struct_stats_;
  const NumberColumn sizes_;
  const NumberColumn modified_;
  const TextMapColumn partition_values_;
  const TextMapColumn tags_;
  const VectorColumn vectors_;
  const NumberColumn base_row_ids_;
  const NumberColumn row_versions_;
  const TextColumn clustering_;
};

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

// Of the leaves, those that have a value in the row group. By what its statistics say most columns
// have none: each kind of action has its own, and a row is one action.
std::vector<int> LeavesWithValues(const parquet::FileMetaData& file, int group,
                                  const std::vector<int>& leaves) {
  const auto metadata = file.RowGroup(group);
  const auto path_of = [&](int leaf) { return file.schema()->Column(leaf)->path(); };
  std::set<int> full;
  std::set<std::string> roots;  // Of actions that are there.
  for (const int leaf : leaves) {
    const auto column = metadata->ColumnChunk(leaf);
    const auto statistics = column->is_stats_set() ? column->statistics() : nullptr;
    const bool all_null = statistics != nullptr && statistics->HasNullCount() &&
                          statistics->null_count() == column->num_values();
    if (all_null) continue;
    full.insert(leaf);
    roots.insert(path_of(leaf)->ToDotVector()[0]);
  }
  std::vector<int> kept;
  for (const int leaf : leaves) {
    const std::string root = path_of(leaf)->ToDotVector()[0];
    // Of an add a member that is missing is null. Elsewhere an empty list may differ from none.
    if (full.contains(leaf) || (root != "add" && roots.contains(root))) kept.push_back(leaf);
  }
  return kept;
}

bool LacksStatistics(const FileChunk& files) {
  for (size_t i = 0; i < files.size(); ++i) {
    if (files.stats(i).empty()) return true;
  }
  return false;
}

Result<Actions> ReadBatch(const arrow::RecordBatch& batch) {
  const auto column = [&](const std::string& name) {
    return AsStruct(batch.GetColumnByName(name));
  };
  Actions actions;
  if (const auto adds = column("add"); adds && adds->null_count() < adds->length()) {
    SLUICE_ASSIGN_OR_RETURN(actions.files, AddColumns(adds).Read());
  }
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

// The reader believes the size that a page's header says before it has the page's bytes: 2 GiB, in
// a damaged file of 10 KB. Pages are about 1 MiB; some writers make one of a whole column.
int64_t PageBytesMax(arrow::io::RandomAccessFile& input) {
  return (int64_t{64} << 20) + 32 * input.GetSize().ValueOr(0);
}

Status Read(const std::shared_ptr<arrow::io::RandomAccessFile>& input,
            const std::function<void(Actions)>& sink) {
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_batch_size(kBatchRows);
  properties.set_pre_buffer(false);
  arrow::ProxyMemoryPool counted(arrow::default_memory_pool());
  arrow::CappedMemoryPool pages(&counted, PageBytesMax(*input));
  parquet::arrow::FileReaderBuilder builder;
  // A column is not held whole, as it was written: that may be half of the file.
  parquet::ReaderProperties reading(&pages);
  reading.set_page_checksum_verification(true);
  reading.enable_buffered_stream();
  reading.set_buffer_size(kReadBytes);
  SLUICE_RETURN_IF_ERROR(columnar::FromArrow(builder.Open(input, reading)));
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
    const std::vector<int> full =
        LeavesWithValues(*reader->parquet_reader()->metadata(), group, leaves);
    if (full.empty()) continue;
    SLUICE_ASSIGN_OR_RETURN(const auto batches,
                            columnar::FromArrow(reader->GetRecordBatchReader({group}, full)));
    std::vector<Actions> held;  // Until the first file has told.
    bool again = false;
    while (!again) {
      SLUICE_ASSIGN_OR_RETURN(const auto batch, columnar::FromArrow(batches->Next()));
      if (batch == nullptr) break;
      SLUICE_ASSIGN_OR_RETURN(Actions actions, ReadBatch(*batch));
      if (look && actions.files != nullptr) {
        look = false;
        again = LacksStatistics(*actions.files);
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
  // The reader copies what it decodes, so the caller's bytes need not be.
  return ReadCheckpoint(
      std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(
          reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int64_t>(bytes.size()))),
      sink);
}

Status ReadCheckpoint(const std::shared_ptr<arrow::io::RandomAccessFile>& file,
                      const std::function<void(Actions)>& sink) {
  try {
    const Status read = Read(file, sink);
    if (!read.ok()) return Corrupt("{}", read.error().message());
    return {};
  } catch (const std::exception& exception) {
    return Corrupt("{}", exception.what());
  }
}

}  // namespace sluice::lake::internal
