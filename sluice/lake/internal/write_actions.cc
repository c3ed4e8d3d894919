#include "sluice/base/json.h"
#include "sluice/lake/internal/actions.h"

namespace sluice::lake::internal {

namespace {

/// Writes the members of one JSON object. Not thread-safe.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;
  ~ObjectWriter() { out_ += '}'; }

  /// Writes the name; the caller writes the value.
  std::string& Name(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    AppendJsonString(out_, name);
    out_ += ':';
    return out_;
  }
  void Text(std::string_view name, std::string_view value) { AppendJsonString(Name(name), value); }
  void TextOrNull(std::string_view name, const std::optional<std::string>& value) {
    if (value) {
      Text(name, *value);
    } else {
      Name(name) += "null";
    }
  }
  void Number(std::string_view name, int64_t value) { Name(name) += std::to_string(value); }
  void Flag(std::string_view name, bool value) { Name(name) += value ? "true" : "false"; }
  void List(std::string_view name, const std::vector<std::string>& values) {
    Name(name) += '[';
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) out_ += ',';
      AppendJsonString(out_, values[i]);
    }
    out_ += ']';
  }
  template <typename Value>
  void Map(std::string_view name, const std::map<std::string, Value>& values) {
    ObjectWriter map(Name(name));
    for (const auto& [key, value] : values) map.TextOrNull(key, value);
  }

 private:
  std::string& out_;
  bool first_ = true;
};

/// One action: an object of one member, and the end of its line.
class ActionWriter {
 public:
  ActionWriter(std::string& out, std::string_view kind) : out_(out) {
    out_ += '{';
    AppendJsonString(out_, kind);
    out_ += ':';
    body_.emplace(out_);
  }
  ~ActionWriter() {
    body_.reset();
    out_ += "}\n";
  }
  ActionWriter(const ActionWriter&) = delete;
  ActionWriter& operator=(const ActionWriter&) = delete;
  ObjectWriter* operator->() { return &*body_; }

 private:
  std::string& out_;
  std::optional<ObjectWriter> body_;
};

void WriteVector(ActionWriter& action, const std::shared_ptr<const DeletionVector>& vector) {
  if (vector == nullptr) return;
  ObjectWriter object(action->Name("deletionVector"));
  object.Text("storageType", vector->storage);
  object.Text("pathOrInlineDv", vector->data);
  if (vector->offset) object.Number("offset", *vector->offset);
  object.Number("sizeInBytes", vector->size);
  object.Number("cardinality", vector->cardinality);
}

void WriteRowIds(ActionWriter& action, std::optional<int64_t> base,
                 std::optional<Version> commit_version) {
  if (base) action->Number("baseRowId", *base);
  if (commit_version) action->Number("defaultRowCommitVersion", *commit_version);
}

}  // namespace

void AppendCommitInfo(std::string& out, const CommitInfo& info) {
  ActionWriter action(out, "commitInfo");
  if (info.in_commit_ms) action->Number("inCommitTimestamp", *info.in_commit_ms);
  action->Number("timestamp", info.at_ms);
  action->Text("operation", info.operation);
  action->Map("operationParameters", info.parameters);
  if (info.read_version >= 0) action->Number("readVersion", info.read_version);
  action->Flag("isBlindAppend", info.blind_append);
  action->Map("operationMetrics", info.metrics);
  action->Text("engineInfo", "sluice");
  action->Text("txnId", info.id);
}

void AppendProtocol(std::string& out, const Protocol& protocol) {
  ActionWriter action(out, "protocol");
  action->Number("minReaderVersion", protocol.reader);
  action->Number("minWriterVersion", protocol.writer);
  if (protocol.reader_features) action->List("readerFeatures", *protocol.reader_features);
  if (protocol.writer_features) action->List("writerFeatures", *protocol.writer_features);
}

void AppendMetadata(std::string& out, const Metadata& metadata) {
  ActionWriter action(out, "metaData");
  action->Text("id", metadata.id);
  if (metadata.name) action->Text("name", *metadata.name);
  if (metadata.description) action->Text("description", *metadata.description);
  {
    ObjectWriter format(action->Name("format"));
    format.Text("provider", metadata.provider);
    format.Map("options", metadata.format_options);
  }
  action->Text("schemaString", metadata.schema);
  action->List("partitionColumns", metadata.partition_columns);
  action->Map("configuration", metadata.configuration);
  if (metadata.created_ms) action->Number("createdTime", *metadata.created_ms);
}

void AppendTransaction(std::string& out, const Transaction& transaction) {
  ActionWriter action(out, "txn");
  action->Text("appId", transaction.app_id);
  action->Number("version", transaction.version);
  if (transaction.last_updated_ms) action->Number("lastUpdated", *transaction.last_updated_ms);
}

void AppendAdd(std::string& out, const DataFile& file, bool data_change) {
  ActionWriter action(out, "add");
  action->Text("path", file.path);
  action->Map("partitionValues", file.partition_values);
  action->Number("size", file.size);
  action->Number("modificationTime", file.modified_ms);
  action->Flag("dataChange", data_change);
  if (!file.stats.empty()) action->Text("stats", file.stats);
  if (file.tags != nullptr) action->Map("tags", *file.tags);
  WriteVector(action, file.deletion_vector);
  WriteRowIds(action, file.base_row_id, file.row_commit_version);
  if (!file.clustering_provider.empty()) {
    action->Text("clusteringProvider", file.clustering_provider);
  }
}

void AppendRemove(std::string& out, const Remove& remove) {
  ActionWriter action(out, "remove");
  action->Text("path", remove.path);
  action->Number("deletionTimestamp", remove.deletion_ms);
  action->Flag("dataChange", remove.data_change);
  if (remove.extended) action->Flag("extendedFileMetadata", *remove.extended);
  if (remove.partition_values) action->Map("partitionValues", *remove.partition_values);
  if (remove.size) action->Number("size", *remove.size);
  WriteVector(action, remove.vector);
  WriteRowIds(action, remove.base_row_id, remove.row_commit_version);
}

void AppendChange(std::string& out, const ChangeFile& change) {
  ActionWriter action(out, "cdc");
  action->Text("path", change.path);
  action->Map("partitionValues", change.partition_values);
  action->Number("size", change.size);
  action->Flag("dataChange", false);
}

void AppendDomain(std::string& out, const Domain& domain) {
  ActionWriter action(out, "domainMetadata");
  action->Text("domain", domain.name);
  action->Text("configuration", domain.configuration);
  action->Flag("removed", domain.removed);
}

}  // namespace sluice::lake::internal
