#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include <algorithm>
#include <set>
#include <span>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/checkpoint.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;

// Rows in memory as columns at a time: a table of millions of files must not double in memory.
constexpr size_t kChunkRows = 64 * 1024;
// So few actions share a row group: one of sixty columns costs as much as hundreds of rows.
constexpr int64_t kGroupRowsMin = 512;
// And in a file of so few, what compression wins is less than what its state for each column costs.
constexpr int64_t kCompressedRowsMin = 64;
constexpr int64_t kWeekMs = 7 * 86'400'000LL;

std::shared_ptr<arrow::DataType> TextMap() { return arrow::map(arrow::utf8(), arrow::utf8()); }
std::shared_ptr<arrow::DataType> TextList() {
  return arrow::list(arrow::field("element", arrow::utf8()));
}

/// The columns of one kind of action, filled row by row.
///
/// Not thread-safe. Failures (out of memory) are kept until Finish().
class ActionColumns {
 public:
  explicit ActionColumns(const std::shared_ptr<arrow::DataType>& type) {
    Keep(arrow::MakeBuilder(arrow::default_memory_pool(), type, &builder_));
    if (status_.ok()) struct_ = static_cast<arrow::StructBuilder*>(builder_.get());
  }

  void Row() {
    next_ = 0;
    Keep(struct_->Append());
  }
  void Text(std::string_view text) { Keep(Next<arrow::StringBuilder>()->Append(text)); }
  void Text(const std::string& text) { Text(std::string_view(text)); }
  void Text(const std::optional<std::string>& text) {
    AppendText(Next<arrow::StringBuilder>(), text);
  }
  void Number(std::optional<int64_t> number) {
    auto* column = Next<arrow::Int64Builder>();
    Keep(number ? column->Append(*number) : column->AppendNull());
  }
  void Small(std::optional<int32_t> number) {
    auto* column = Next<arrow::Int32Builder>();
    Keep(number ? column->Append(*number) : column->AppendNull());
  }
  void Flag(std::optional<bool> flag) {
    auto* column = Next<arrow::BooleanBuilder>();
    Keep(flag ? column->Append(*flag) : column->AppendNull());
  }
  template <typename Map>
  void TextMap(const Map* map) {
    auto* column = Next<arrow::MapBuilder>();
    if (map == nullptr) return Keep(column->AppendNull());
    FillMap(column, *map);
  }
  void TextList(const std::optional<std::vector<std::string>>& texts) {
    auto* column = Next<arrow::ListBuilder>();
    if (!texts) return Keep(column->AppendNull());
    Keep(column->Append());
    auto* values = static_cast<arrow::StringBuilder*>(column->value_builder());
    for (const std::string& text : *texts) Keep(values->Append(text));
  }
  void Vector(const std::shared_ptr<const DeletionVector>& vector) {
    auto* column = Next<arrow::StructBuilder>();
    if (vector == nullptr) return Keep(column->AppendNull());
    Keep(column->Append());
    const auto member = [column](int i) { return column->field_builder(i); };
    Keep(static_cast<arrow::StringBuilder*>(member(0))->Append(vector->storage));
    Keep(static_cast<arrow::StringBuilder*>(member(1))->Append(vector->data));
    auto* offset = static_cast<arrow::Int32Builder*>(member(2));
    Keep(vector->offset ? offset->Append(*vector->offset) : offset->AppendNull());
    Keep(static_cast<arrow::Int32Builder*>(member(3))->Append(vector->size));
    Keep(static_cast<arrow::Int64Builder*>(member(4))->Append(vector->cardinality));
  }
  void Format(std::string_view provider, const std::map<std::string, std::string>& options) {
    auto* column = Next<arrow::StructBuilder>();
    Keep(column->Append());
    Keep(static_cast<arrow::StringBuilder*>(column->field_builder(0))->Append(provider));
    FillMap(static_cast<arrow::MapBuilder*>(column->field_builder(1)), options);
  }

  Result<std::shared_ptr<arrow::Array>> Finish() {
    SLUICE_RETURN_IF_ERROR(FromArrow(status_));
    return FromArrow(builder_->Finish());
  }

 private:
  void Keep(arrow::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  template <typename Map>
  void FillMap(arrow::MapBuilder* column, const Map& map) {
    Keep(column->Append());
    for (const auto& [key, value] : map) {
      Keep(static_cast<arrow::StringBuilder*>(column->key_builder())->Append(key));
      AppendText(static_cast<arrow::StringBuilder*>(column->item_builder()), value);
    }
  }
  void AppendText(arrow::StringBuilder* column, const std::optional<std::string>& text) {
    Keep(text ? column->Append(*text) : column->AppendNull());
  }
  template <typename Builder>
  Builder* Next() {
    return static_cast<Builder*>(struct_->field_builder(next_++));
  }

  std::unique_ptr<arrow::ArrayBuilder> builder_;
  arrow::StructBuilder* struct_ = nullptr;
  arrow::Status status_;
  int next_ = 0;
};

std::shared_ptr<arrow::Array> Numbers(const std::vector<int64_t>& numbers) {
  return std::make_shared<arrow::Int64Array>(static_cast<int64_t>(numbers.size()),
                                             arrow::Buffer::Wrap(numbers));
}

// The files as rows of the column `add`. What the chunk has as columns is not copied: it must
// outlive them.
Result<std::shared_ptr<arrow::Array>> AddsOf(const FileChunk& chunk, const arrow::DataType& type) {
  const auto rows = static_cast<int64_t>(chunk.size());
  const auto& fields = static_cast<const arrow::StructType&>(type);
  const auto of = [&fields](std::initializer_list<const char*> names) {
    arrow::FieldVector some;
    for (const char* const name : names) some.push_back(fields.GetFieldByName(name));
    return arrow::struct_(std::move(some));
  };
  ActionColumns values(of({"partitionValues"}));
  for (size_t i = 0; i < chunk.size(); ++i) {
    values.Row();
    values.TextMap(&chunk.partition_values(i));
  }
  SLUICE_ASSIGN_OR_RETURN(const auto filled, values.Finish());
  const auto rare_type =
      of({"tags", "deletionVector", "baseRowId", "defaultRowCommitVersion", "clusteringProvider"});
  SLUICE_ASSIGN_OR_RETURN(auto rare, FromArrow(arrow::MakeArrayOfNull(rare_type, rows)));
  if (chunk.has_rare_parts()) {
    ActionColumns columns(rare_type);
    for (size_t i = 0; i < chunk.size(); ++i) {
      const RareParts& parts = chunk.rare(i);
      columns.Row();
      columns.TextMap(parts.tags.get());
      columns.Vector(parts.deletion_vector);
      columns.Number(parts.base_row_id);
      columns.Number(parts.row_commit_version);
      const std::string& provider = parts.clustering_provider;
      columns.Text(provider.empty() ? std::nullopt : std::optional(provider));
    }
    SLUICE_ASSIGN_OR_RETURN(rare, columns.Finish());
  }
  // By convention false: nothing changes by being checkpointed.
  SLUICE_ASSIGN_OR_RETURN(auto unchanged,
                          FromArrow(arrow::MakeArrayFromScalar(arrow::BooleanScalar(false), rows)));
  const auto field = [](const std::shared_ptr<arrow::Array>& array, int i) {
    return static_cast<const arrow::StructArray&>(*array).field(i);
  };
  return FromArrow<std::shared_ptr<arrow::Array>>(arrow::StructArray::Make(
      {chunk.paths(), field(filled, 0), Numbers(chunk.sizes()), Numbers(chunk.all_modified_ms()),
       std::move(unchanged), chunk.all_stats(), field(rare, 0), field(rare, 1), field(rare, 2),
       field(rare, 3), field(rare, 4)},
      fields.fields()));
}

// Columns of a kind of action are there only where such actions may be.
columnar::Schema Only(const columnar::Schema& schema, const std::set<std::string>& kinds) {
  arrow::FieldVector fields;
  for (const auto& field : schema->fields()) {
    if (kinds.contains(field->name())) fields.push_back(field);
  }
  return arrow::schema(std::move(fields));
}

columnar::Schema CheckpointSchema() {
  using arrow::field;
  const auto text = arrow::utf8();
  const auto number = arrow::int64();
  const auto flag = arrow::boolean();
  const auto vector = arrow::struct_(
      {field("storageType", text), field("pathOrInlineDv", text), field("offset", arrow::int32()),
       field("sizeInBytes", arrow::int32()), field("cardinality", number)});
  return arrow::schema(
      {field("txn", arrow::struct_({field("appId", text), field("version", number),
                                    field("lastUpdated", number)})),
       field("add",
             arrow::struct_({field("path", text), field("partitionValues", TextMap()),
                             field("size", number), field("modificationTime", number),
                             field("dataChange", flag), field("stats", text),
                             field("tags", TextMap()), field("deletionVector", vector),
                             field("baseRowId", number), field("defaultRowCommitVersion", number),
                             field("clusteringProvider", text)})),
       field("remove",
             arrow::struct_({field("path", text), field("deletionTimestamp", number),
                             field("dataChange", flag), field("extendedFileMetadata", flag),
                             field("partitionValues", TextMap()), field("size", number),
                             field("deletionVector", vector), field("baseRowId", number),
                             field("defaultRowCommitVersion", number)})),
       field("metaData",
             arrow::struct_({field("id", text), field("name", text), field("description", text),
                             field("format", arrow::struct_({field("provider", text),
                                                             field("options", TextMap())})),
                             field("schemaString", text), field("partitionColumns", TextList()),
                             field("configuration", TextMap()), field("createdTime", number)})),
       field("protocol", arrow::struct_({field("minReaderVersion", arrow::int32()),
                                         field("minWriterVersion", arrow::int32()),
                                         field("readerFeatures", TextList()),
                                         field("writerFeatures", TextList())})),
       field("domainMetadata", arrow::struct_({field("domain", text), field("configuration", text),
                                               field("removed", flag)})),
       field("checkpointMetadata",
             arrow::struct_({field("version", number), field("tags", TextMap())})),
       field("sidecar",
             arrow::struct_({field("path", text), field("sizeInBytes", number),
                             field("modificationTime", number), field("tags", TextMap())}))});
}

/// Appends chunks, each of one kind of action, to a Parquet file in memory. Not thread-safe.
class CheckpointFile {
 public:
  explicit CheckpointFile(const std::set<std::string>& kinds)
      : schema_(Only(CheckpointSchema(), kinds)) {}

  template <typename Item, typename Append>
  Status Write(const std::string& kind, std::span<const Item> items, Append append) {
    for (size_t begin = 0; begin < items.size(); begin += kChunkRows) {
      ActionColumns columns(schema_->GetFieldByName(kind)->type());
      const auto chunk = items.subspan(begin, std::min(kChunkRows, items.size() - begin));
      for (const Item& item : chunk) {
        columns.Row();
        append(columns, item);
      }
      SLUICE_ASSIGN_OR_RETURN(auto filled, columns.Finish());
      SLUICE_RETURN_IF_ERROR(WriteChunk(kind, {std::move(filled)}));
    }
    return {};
  }

  Status WriteAdds(const FilePieces& files) {
    const arrow::DataType& type = *schema_->GetFieldByName("add")->type();
    arrow::ArrayVector arrays;
    size_t rows = 0;
    for (const FilePiece& piece : files.pieces) {
      SLUICE_ASSIGN_OR_RETURN(adds_.emplace_back(), Pack(piece));
      SLUICE_ASSIGN_OR_RETURN(arrays.emplace_back(), AddsOf(*adds_.back(), type));
      rows += piece.live;
      if (rows < kChunkRows) continue;
      SLUICE_RETURN_IF_ERROR(WriteChunk("add", std::exchange(arrays, {})));
      adds_.clear();
      rows = 0;
    }
    return rows == 0 ? Status() : WriteChunk("add", std::move(arrays));
  }

  Result<CheckpointBytes> Finish() {
    SLUICE_RETURN_IF_ERROR(WriteWaiting(waiting_rows_ >= kCompressedRowsMin));
    SLUICE_RETURN_IF_ERROR(FromArrow(writer_->Close()));
    SLUICE_ASSIGN_OR_RETURN(const auto buffer, FromArrow(output_->Finish()));
    return CheckpointBytes{.bytes = buffer->ToString(), .actions = actions_};
  }

 private:
  Status WriteChunk(const std::string& kind, arrow::ArrayVector filled) {
    const auto column = std::make_shared<arrow::ChunkedArray>(std::move(filled));
    arrow::ChunkedArrayVector columns;
    for (const auto& field : schema_->fields()) {
      if (field->name() == kind) {
        columns.push_back(column);
      } else {
        SLUICE_ASSIGN_OR_RETURN(auto nulls,
                                FromArrow(arrow::MakeArrayOfNull(field->type(), column->length())));
        columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(nulls)));
      }
    }
    if (waiting_rows_ + column->length() > kGroupRowsMin) {
      SLUICE_RETURN_IF_ERROR(WriteWaiting(true));
    }
    waiting_.push_back(arrow::Table::Make(schema_, std::move(columns), column->length()));
    waiting_rows_ += column->length();
    return waiting_rows_ > kGroupRowsMin ? WriteWaiting(true) : Status();
  }

  // Ends a row group. `compressed` counts for the first one, which begins the file.
  Status WriteWaiting(bool compressed) {
    if (writer_ == nullptr) SLUICE_RETURN_IF_ERROR(Open(compressed));
    if (waiting_.empty()) return {};
    SLUICE_ASSIGN_OR_RETURN(const auto table,
                            FromArrow(arrow::ConcatenateTables(std::exchange(waiting_, {}))));
    actions_ += std::exchange(waiting_rows_, 0);
    return FromArrow(writer_->WriteTable(*table, table->num_rows()));
  }

  Status Open(bool compressed) {
    SLUICE_ASSIGN_OR_RETURN(output_, FromArrow(arrow::io::BufferOutputStream::Create(
                                         compressed ? int64_t{1} << 20 : int64_t{16} << 10)));
    parquet::WriterProperties::Builder properties;
    if (compressed) properties.compression(parquet::Compression::ZSTD)->compression_level(1);
    properties.created_by("sluice")
        ->enable_page_checksum()
        // Readers leave out columns that have nothing but nulls.
        ->disable_statistics("add.stats")
        // Each path and each text of statistics is another one.
        ->disable_dictionary("add.path")
        ->disable_dictionary("add.stats")
        ->disable_dictionary("remove.path");
    SLUICE_ASSIGN_OR_RETURN(
        writer_, FromArrow(parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(),
                                                            output_, properties.build())));
    return {};
  }

  const columnar::Schema schema_;
  std::vector<FileChunkPtr> adds_;                      // What waiting tables point to.
  std::vector<std::shared_ptr<arrow::Table>> waiting_;  // Of the next row group.
  int64_t waiting_rows_ = 0;
  std::shared_ptr<arrow::io::BufferOutputStream> output_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  int64_t actions_ = 0;
};

// What has no readable retention is kept: a checkpoint may be too long, but must not lose anything.
template <typename Item, typename Time>
std::vector<Item> Unexpired(const std::vector<Item>& items, std::optional<int64_t> before_ms,
                            Time time) {
  std::vector<Item> kept;
  for (const Item& item : items) {
    const std::optional<int64_t> at = time(item);
    if (!before_ms || !at || *at > *before_ms) kept.push_back(item);
  }
  return kept;
}

std::optional<int64_t> Before(const TableState& state, const std::string& property, int64_t now_ms,
                              std::optional<int64_t> otherwise) {
  const std::string_view text = Property(state.properties(), property, "");
  const auto kept_ms = text.empty() ? otherwise : ParseInterval(text);
  if (!kept_ms) return std::nullopt;
  return now_ms - *kept_ms;
}

// All that is no file.
Status WriteRest(CheckpointFile& file, const TableState& state, int64_t now_ms) {
  const Protocol& protocol = state.protocol();
  SLUICE_RETURN_IF_ERROR(file.Write<Protocol>("protocol", {&protocol, 1},
                                              [](ActionColumns& row, const Protocol& item) {
                                                row.Small(item.reader);
                                                row.Small(item.writer);
                                                row.TextList(item.reader_features);
                                                row.TextList(item.writer_features);
                                              }));
  const Metadata& metadata = state.metadata();
  SLUICE_RETURN_IF_ERROR(file.Write<Metadata>("metaData", {&metadata, 1},
                                              [](ActionColumns& row, const Metadata& item) {
                                                row.Text(item.id);
                                                row.Text(item.name);
                                                row.Text(item.description);
                                                row.Format(item.provider, item.format_options);
                                                row.Text(item.schema);
                                                row.TextList(item.partition_columns);
                                                row.TextMap(&item.configuration);
                                                row.Number(item.created_ms);
                                              }));

  std::vector<Transaction> transactions;
  for (const auto& [app_id, transaction] : state.transactions())
    transactions.push_back(transaction);
  transactions = Unexpired(
      transactions, Before(state, std::string(kTransactionRetention), now_ms, std::nullopt),
      [](const Transaction& item) {
        return item.app_id.starts_with(kLandingPrefix) ? std::nullopt : item.last_updated_ms;
      });
  SLUICE_RETURN_IF_ERROR(
      file.Write<Transaction>("txn", transactions, [](ActionColumns& row, const Transaction& item) {
        row.Text(item.app_id);
        row.Number(item.version);
        row.Number(item.last_updated_ms);
      }));

  std::vector<Domain> domains;
  for (const auto& [name, domain] : state.domains()) domains.push_back(domain);
  SLUICE_RETURN_IF_ERROR(
      file.Write<Domain>("domainMetadata", domains, [](ActionColumns& row, const Domain& item) {
        row.Text(item.name);
        row.Text(item.configuration);
        row.Flag(false);
      }));
  return {};
}

Status WriteFiles(CheckpointFile& file, const TableState& state, int64_t now_ms) {
  SLUICE_RETURN_IF_ERROR(file.WriteAdds(state.files().pieces()));
  const auto tombstones = Unexpired(
      state.tombstones(), Before(state, "delta.deletedFileRetentionDuration", now_ms, kWeekMs),
      [](const Remove& item) { return std::optional(item.deletion_ms); });
  return file.Write<Remove>("remove", tombstones, [](ActionColumns& row, const Remove& item) {
    row.Text(item.path);
    row.Number(item.deletion_ms);
    row.Flag(item.data_change);
    row.Flag(item.extended);
    row.TextMap(item.partition_values ? &*item.partition_values : nullptr);
    row.Number(item.size);
    row.Vector(item.vector);
    row.Number(item.base_row_id);
    row.Number(item.row_commit_version);
  });
}

Status WriteSidecarNote(CheckpointFile& file, const Sidecar& sidecar, Version version) {
  SLUICE_RETURN_IF_ERROR(file.Write<Version>("checkpointMetadata", {&version, 1},
                                             [](ActionColumns& row, Version item) {
                                               row.Number(item);
                                               row.TextMap<PartitionValues>(nullptr);
                                             }));
  return file.Write<Sidecar>("sidecar", {&sidecar, 1}, [](ActionColumns& row, const Sidecar& item) {
    row.Text(item.name);
    row.Number(item.size);
    row.Number(item.modified_ms);
    row.TextMap<PartitionValues>(nullptr);
  });
}

// Makes a file of what `fill` writes. The library throws.
template <typename Fill>
Result<CheckpointBytes> MakeFile(const std::set<std::string>& kinds, Fill fill) {
  try {
    CheckpointFile file(kinds);
    SLUICE_RETURN_IF_ERROR(fill(file));
    return file.Finish();
  } catch (const std::exception& exception) {
    return Internal("checkpoint writer: {}", exception.what());
  }
}

}  // namespace

Result<CheckpointBytes> WriteCheckpoint(const TableState& state, int64_t now_ms) {
  return MakeFile({"protocol", "metaData", "txn", "domainMetadata", "add", "remove"},
                  [&](CheckpointFile& file) -> Status {
                    SLUICE_RETURN_IF_ERROR(WriteRest(file, state, now_ms));
                    return WriteFiles(file, state, now_ms);
                  });
}

bool WantsSidecars(const TableState& state) {
  const auto features = WriterFeatures(state.protocol());
  return LowerCase(Property(state.properties(), "delta.checkpointPolicy", "classic")) == "v2" &&
         std::ranges::find(features, "v2Checkpoint") != features.end();
}

Result<CheckpointBytes> WriteSidecar(const TableState& state, int64_t now_ms) {
  return MakeFile({"add", "remove"},
                  [&](CheckpointFile& file) { return WriteFiles(file, state, now_ms); });
}

Result<CheckpointBytes> WriteCheckpointOf(const Sidecar& sidecar, const TableState& state,
                                          int64_t now_ms) {
  return MakeFile(
      {"protocol", "metaData", "txn", "domainMetadata", "checkpointMetadata", "sidecar"},
      [&](CheckpointFile& file) -> Status {
        SLUICE_RETURN_IF_ERROR(WriteSidecarNote(file, sidecar, state.version()));
        return WriteRest(file, state, now_ms);
      });
}

}  // namespace sluice::lake::internal
