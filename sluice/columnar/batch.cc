#include "sluice/columnar/batch.h"

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/initialize.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/byte_size.h>

#include <cstring>
#include <utility>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/bytes.h"
#include "sluice/columnar/internal/batch_message.h"
#include "sluice/columnar/internal/string_output.h"

namespace sluice::columnar {

namespace {

std::string ToBytes(const arrow::Buffer& buffer) {
  return std::string(reinterpret_cast<const char*>(buffer.data()),
                     static_cast<size_t>(buffer.size()));
}

// A dictionary travels in a message of its own, which a lone batch does not have.
bool HasDictionary(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DICTIONARY) return true;
  for (const auto& field : type.fields()) {
    if (HasDictionary(*field->type())) return true;
  }
  return false;
}

Status CheckNoDictionaries(const arrow::Schema& schema) {
  for (const auto& field : schema.fields()) {
    if (HasDictionary(*field->type())) {
      return Unsupported("column '{}' is dictionary-encoded; decode it first", field->name());
    }
  }
  return {};
}

Error AsCorrupt(const Error& error) { return Error(ErrorCode::kCorrupt, error.message()); }

Result<Batch> ReadBatch(const Schema& schema, Bytes bytes) {
  SLUICE_RETURN_IF_ERROR(CheckNoDictionaries(*schema));
  const int64_t size = bytes->size();
  arrow::io::BufferReader stream(std::move(bytes));
  SLUICE_ASSIGN_OR_RETURN(const auto message, FromArrow(arrow::ipc::ReadMessage(&stream)));
  if (message == nullptr || message->type() != arrow::ipc::MessageType::RECORD_BATCH) {
    return Corrupt("the bytes are not a record batch");
  }
  SLUICE_ASSIGN_OR_RETURN(const int64_t read, FromArrow(stream.Tell()));
  if (read != size) return Corrupt("the batch ends at byte {} of {}", read, size);
  const arrow::ipc::DictionaryMemo no_dictionaries;
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  SLUICE_ASSIGN_OR_RETURN(Batch batch, FromArrow(arrow::ipc::ReadRecordBatch(
                                           *message, schema, &no_dictionaries, options)));
  SLUICE_RETURN_IF_ERROR(FromArrow(batch->ValidateFull()));
  return batch;
}

}  // namespace

Result<std::string> SerializeSchema(const arrow::Schema& schema) {
  SLUICE_ASSIGN_OR_RETURN(const auto buffer, FromArrow(arrow::ipc::SerializeSchema(schema)));
  return ToBytes(*buffer);
}

Result<Schema> DeserializeSchema(std::string_view bytes) {
  SLUICE_ASSIGN_OR_RETURN(auto buffer, CopyBytes(bytes));
  arrow::io::BufferReader stream(std::move(buffer));
  arrow::ipc::DictionaryMemo dictionaries;
  auto schema = FromArrow(arrow::ipc::ReadSchema(&stream, &dictionaries));
  if (!schema.ok()) return AsCorrupt(schema.error()).Wrap("schema");
  return std::move(*schema);
}

Result<std::string> SerializeBatch(const arrow::RecordBatch& batch) {
  if (auto message = internal::BatchMessage(batch)) return std::move(*message);
  SLUICE_RETURN_IF_ERROR(CheckNoDictionaries(*batch.schema()));
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  // Put together once: asking for the size first would do all of the work twice.
  arrow::ipc::IpcPayload payload;
  SLUICE_RETURN_IF_ERROR(FromArrow(arrow::ipc::GetRecordBatchPayload(batch, options, &payload)));
  std::string bytes;
  bytes.reserve(static_cast<size_t>(arrow::ipc::GetPayloadSize(payload, options)));
  internal::StringOutput output(bytes);
  int32_t metadata_size = 0;
  SLUICE_RETURN_IF_ERROR(
      FromArrow(arrow::ipc::WriteIpcPayload(payload, options, &output, &metadata_size)));
  return bytes;
}

Result<Bytes> CopyBytes(std::string_view bytes) {
  SLUICE_ASSIGN_OR_RETURN(Bytes buffer,
                          FromArrow(arrow::AllocateBuffer(static_cast<int64_t>(bytes.size()))));
  if (!bytes.empty()) std::memcpy(buffer->mutable_data(), bytes.data(), bytes.size());
  return buffer;
}

Result<Batch> DeserializeBatch(const Schema& schema, std::string_view bytes) {
  SLUICE_ASSIGN_OR_RETURN(auto copy, CopyBytes(bytes));
  return DeserializeBatch(schema, std::move(copy));
}

Result<Batch> DeserializeBatch(const Schema& schema, Bytes bytes) {
  auto batch = ReadBatch(schema, std::move(bytes));
  if (!batch.ok() && batch.error().code() == ErrorCode::kInvalid) return AsCorrupt(batch.error());
  // Short input shows as a failed read; the bytes lie in memory, so nothing else can fail it.
  if (!batch.ok() && batch.error().code() == ErrorCode::kUnavailable) {
    return AsCorrupt(batch.error());
  }
  return batch;
}

Result<Batch> Concatenate(const std::vector<Batch>& batches) {
  if (batches.empty()) return Invalid("there is no batch to join");
  if (batches.size() == 1) return batches.front();
  for (const Batch& batch : batches) {
    if (!batch->schema()->Equals(*batches.front()->schema(), /*check_metadata=*/false)) {
      return Invalid("batches of two schemas cannot be joined: {} and {}",
                     batches.front()->schema()->ToString(), batch->schema()->ToString());
    }
  }
  return FromArrow(arrow::ConcatenateRecordBatches(batches));
}

Result<Batch> Take(const arrow::RecordBatch& batch, std::span<const int64_t> rows) {
  static const arrow::Status initialized = arrow::compute::Initialize();
  SLUICE_RETURN_IF_ERROR(FromArrow(initialized));
  const arrow::Int64Array indices(static_cast<int64_t>(rows.size()),
                                  arrow::Buffer::Wrap(rows.data(), rows.size()));
  arrow::ArrayVector columns;
  columns.reserve(static_cast<size_t>(batch.num_columns()));
  for (const auto& column : batch.columns()) {
    SLUICE_ASSIGN_OR_RETURN(auto taken, FromArrow(arrow::compute::Take(*column, indices)));
    columns.push_back(std::move(taken));
  }
  return arrow::RecordBatch::Make(batch.schema(), static_cast<int64_t>(rows.size()),
                                  std::move(columns));
}

int64_t MemoryBytes(const arrow::RecordBatch& batch) { return arrow::util::TotalBufferSize(batch); }

uint64_t CountRows(const Batch& batch) { return static_cast<uint64_t>(batch->num_rows()); }

Batch FirstRows(const Batch& batch, uint64_t rows_max) {
  if (CountRows(batch) <= rows_max) return batch;
  return batch->Slice(0, static_cast<int64_t>(rows_max));
}

}  // namespace sluice::columnar
