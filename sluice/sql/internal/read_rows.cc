#include "sluice/sql/internal/read_rows.h"

#include <arrow/array/array_binary.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>

#include <utility>
namespace sluice::sql::internal {

namespace {

arrow::Result<StreamRows> Read(std::string bytes) {
  StreamRows rows;
  arrow::io::BufferReader source(arrow::Buffer::FromString(std::move(bytes)));
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchStreamReader::Open(&source));
  rows.schema = reader->schema();
  ARROW_ASSIGN_OR_RAISE(rows.batches, reader->ToRecordBatches());
  // Whoever wrote them may not be trusted: offsets could lead out of the bytes.
  for (const columnar::Batch& batch : rows.batches) ARROW_RETURN_NOT_OK(batch->ValidateFull());
  return rows;
}

}  // namespace

Result<StreamRows> ReadArrowStream(std::string bytes) {
  auto rows = Read(std::move(bytes));
  if (!rows.ok()) return Corrupt("no Arrow stream: {}", rows.status().message());
  return std::move(rows).ValueUnsafe();
}

std::vector<std::string> FirstTexts(const StreamRows& rows) {
  std::vector<std::string> texts;
  for (const columnar::Batch& batch : rows.batches) {
    if (batch->num_columns() == 0 || batch->column(0)->type_id() != arrow::Type::STRING) continue;
    const auto& column = static_cast<const arrow::StringArray&>(*batch->column(0));
    for (int64_t i = 0; i < column.length(); ++i) {
      if (!column.IsNull(i)) texts.push_back(column.GetString(i));
    }
  }
  return texts;
}

}  // namespace sluice::sql::internal
