#include "lake_rows.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/api.h>
#include <fmt/format.h>

#include <algorithm>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::bench {

namespace {

using columnar::FromArrow;

constexpr int64_t kBatchRows = 64 * 1024;
constexpr int64_t kFileRows = 2'500'000;

// Rows of which one has the id `first`, and each next one an id that is `step` more.
Result<columnar::Batch> MakeRows(int64_t first, int64_t count, int64_t step) {
  arrow::Int64Builder ids;
  arrow::TimestampBuilder times(RowSchema()->field(1)->type(), arrow::default_memory_pool());
  arrow::DoubleBuilder values;
  arrow::StringBuilder cities;
  arrow::StringBuilder names;
  uint64_t state = static_cast<uint64_t>(first) * 2862933555777941757ULL + 1;
  const auto fill = [&]() -> arrow::Status {
    for (int64_t row = 0; row < count; ++row) {
      const int64_t i = first + row * step;
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      ARROW_RETURN_NOT_OK(ids.Append(i));
      ARROW_RETURN_NOT_OK(times.Append(1'700'000'000'000'000 + i * 1000));
      ARROW_RETURN_NOT_OK(values.Append(static_cast<double>(state >> 11) * 1e-15));
      ARROW_RETURN_NOT_OK(cities.Append(fmt::format("city-{:02}", state >> 33 & 63)));
      ARROW_RETURN_NOT_OK(names.Append(fmt::format("user {}", i)));
    }
    return arrow::Status::OK();
  };
  SLUICE_RETURN_IF_ERROR(FromArrow(fill()));
  arrow::ArrayVector columns(5);
  arrow::ArrayBuilder* const builders[] = {&ids, &times, &values, &cities, &names};
  for (size_t i = 0; i < columns.size(); ++i) {
    SLUICE_ASSIGN_OR_RETURN(columns[i], FromArrow(builders[i]->Finish()));
  }
  return arrow::RecordBatch::Make(RowSchema(), count, std::move(columns));
}

// Writes rows in batches; `make` makes those of one.
template <typename Make>
Status Write(const std::string& path, int64_t rows, Make make) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, FromArrow(arrow::io::FileOutputStream::Open(path)));
  SLUICE_ASSIGN_OR_RETURN(const auto writer,
                          FromArrow(arrow::ipc::MakeFileWriter(file, RowSchema())));
  for (int64_t first = 0; first < rows; first += kBatchRows) {
    SLUICE_ASSIGN_OR_RETURN(const auto batch, make(first, std::min(kBatchRows, rows - first)));
    SLUICE_RETURN_IF_ERROR(FromArrow(writer->WriteRecordBatch(*batch)));
  }
  SLUICE_RETURN_IF_ERROR(FromArrow(writer->Close()));
  return FromArrow(file->Close());
}

}  // namespace

const columnar::Schema& RowSchema() {
  static const columnar::Schema schema = arrow::schema(
      {arrow::field("id", arrow::int64()),
       arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("value", arrow::float64()), arrow::field("city", arrow::utf8()),
       arrow::field("name", arrow::utf8())});
  return schema;
}

Result<columnar::Batch> MakeRows(int64_t first, int64_t count) {
  return MakeRows(first, count, 1);
}

Status WriteRows(const std::string& path, int64_t rows) {
  return Write(path, rows, [](int64_t first, int64_t count) { return MakeRows(first, count); });
}

Status WriteSource(const std::string& path, int64_t rows, int64_t table_rows) {
  const int64_t half = rows / 2;
  if (half < 1 || half > table_rows) {
    return Invalid("{} rows to merge into {}", rows, table_rows);
  }
  return Write(path, 2 * half, [&](int64_t first, int64_t count) -> Result<columnar::Batch> {
    const int64_t step = table_rows / half;
    const int64_t old = std::clamp<int64_t>(half - first, 0, count);
    SLUICE_ASSIGN_OR_RETURN(auto known, MakeRows(first * step, old, step));
    SLUICE_ASSIGN_OR_RETURN(auto fresh, MakeRows(table_rows + first + old - half, count - old, 1));
    return columnar::Concatenate({std::move(known), std::move(fresh)});
  });
}

Result<std::vector<lake::NewFile>> ReadRows(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, FromArrow(arrow::io::ReadableFile::Open(path)));
  SLUICE_ASSIGN_OR_RETURN(const auto reader,
                          FromArrow(arrow::ipc::RecordBatchFileReader::Open(file)));
  std::vector<lake::NewFile> files;
  int64_t rows = kFileRows;
  for (int i = 0; i < reader->num_record_batches(); ++i) {
    SLUICE_ASSIGN_OR_RETURN(auto batch, FromArrow(reader->ReadRecordBatch(i)));
    if (rows >= kFileRows) {
      files.emplace_back();
      rows = 0;
    }
    rows += batch->num_rows();
    files.back().batches.push_back(std::move(batch));
  }
  return files;
}

}  // namespace sluice::bench
