#include "sluice/worker/internal/shared_batch.h"

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::worker::internal {

namespace {

using columnar::FromArrow;

class MappedBuffer final : public arrow::Buffer {
 public:
  MappedBuffer(std::shared_ptr<const os::Mapping> mapping, std::string_view bytes)
      : arrow::Buffer(reinterpret_cast<const uint8_t*>(bytes.data()),
                      static_cast<int64_t>(bytes.size())),
        mapping_(std::move(mapping)) {}

 private:
  const std::shared_ptr<const os::Mapping> mapping_;
};

}  // namespace

Result<std::shared_ptr<arrow::Buffer>> ToStream(const columnar::Batch& batch) {
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  SLUICE_ASSIGN_OR_RETURN(const auto output,
                          FromArrow(arrow::io::BufferOutputStream::Create(1 << 16)));
  SLUICE_ASSIGN_OR_RETURN(
      const auto writer, FromArrow(arrow::ipc::MakeStreamWriter(output, batch->schema(), options)));
  SLUICE_RETURN_IF_ERROR(FromArrow(writer->WriteRecordBatch(*batch)));
  SLUICE_RETURN_IF_ERROR(FromArrow(writer->Close()));
  return FromArrow(output->Finish());
}

Result<columnar::Batch> FromMapping(const std::shared_ptr<const os::Mapping>& mapping,
                                    uint64_t offset, uint64_t size) {
  const std::string_view bytes = mapping->bytes();
  if (offset > bytes.size() || size > bytes.size() - offset) {
    return Corrupt("a batch ends at byte {} of {} shared ones", offset + size, bytes.size());
  }
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  arrow::io::BufferReader input(
      std::make_shared<MappedBuffer>(mapping, bytes.substr(offset, size)));
  SLUICE_ASSIGN_OR_RETURN(const auto reader,
                          FromArrow(arrow::ipc::RecordBatchStreamReader::Open(&input, options)));
  columnar::Batch batch;
  SLUICE_RETURN_IF_ERROR(FromArrow(reader->ReadNext(&batch)));
  if (batch == nullptr) return Corrupt("a shared stream has no batch");
  return batch;
}

}  // namespace sluice::worker::internal
