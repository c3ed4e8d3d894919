#include "sluice/lake/internal/row_files.h"

#include <arrow/api.h>

#include <algorithm>
#include <numeric>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/files_in_writing.h"
#include "sluice/lake/internal/partition_value.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;

constexpr int64_t kFileBytes = int64_t{128} << 20;

}  // namespace

int64_t TargetFileBytes(const TableState& table) {
  // `134217728`, `128mb`.
  const std::string text = LowerCase(Property(table.properties(), "delta.targetFileSize", ""));
  char* end = nullptr;
  const long long number = std::strtoll(text.c_str(), &end, 10);
  const std::string_view unit = end;
  const int shift = unit.starts_with('k')   ? 10
                    : unit.starts_with('m') ? 20
                    : unit.starts_with('g') ? 30
                                            : 0;
  if (number <= 0 || number > (int64_t{1} << (40 - shift))) return kFileBytes;
  return number << shift;
}

Result<std::vector<PartitionRows>> SplitByPartition(const TableState& table,
                                                    const columnar::Batch& rows) {
  if (rows->num_rows() == 0) return std::vector<PartitionRows>();
  std::vector<int> columns;
  for (const std::string& name : table.partition_columns()) {
    columns.push_back(table.schema()->GetFieldIndex(name));
  }
  const auto differs = [&](int64_t a, int64_t b) {
    return std::ranges::any_of(columns, [&](int column) {
      const auto& values = *rows->column(column);
      return !values.RangeEquals(values, a, a + 1, b, arrow::EqualOptions().nans_equal(true));
    });
  };
  // Rows of one partition stand together mostly: a run of them costs one look at its values.
  std::map<PartitionValues, std::vector<int64_t>> parts;
  for (int64_t row = 0; row < rows->num_rows();) {
    int64_t end = row + 1;
    while (end < rows->num_rows() && !differs(row, end)) ++end;
    PartitionValues values;
    for (size_t i = 0; i < columns.size(); ++i) {
      SLUICE_ASSIGN_OR_RETURN(const auto value,
                              FromArrow(rows->column(columns[i])->GetScalar(row)));
      SLUICE_ASSIGN_OR_RETURN(values[table.partition_columns()[i]], PartitionText(*value),
                              "partition column '{}'", table.partition_columns()[i]);
    }
    auto& chosen = parts[std::move(values)];
    for (; row < end; ++row) chosen.push_back(row);
  }
  std::vector<PartitionRows> split;
  for (auto& [values, chosen] : parts) {
    PartitionRows part{.values = values, .rows = rows};
    if (parts.size() > 1) {
      SLUICE_ASSIGN_OR_RETURN(part.rows, columnar::Take(*rows, chosen));
    }
    split.push_back(std::move(part));
  }
  return split;
}

RowFiles::RowFiles(const DeltaTable& table, const TableState& state, Options options)
    : table_(table),
      state_(state),
      options_(std::move(options)),
      file_bytes_max_(options_.file_bytes > 0 ? options_.file_bytes : TargetFileBytes(state)) {
  line_.emplace([this](const columnar::Batch& rows) { return Encode(rows); },
                options_.write.threads);
}

RowFiles::~RowFiles() = default;

Status RowFiles::Write(const columnar::Batch& rows) {
  return line_->Put(rows, static_cast<size_t>(columnar::MemoryBytes(*rows)));
}

int64_t RowFiles::waiting_bytes() const {
  int64_t bytes = 0;
  for (const auto& [values, file] : open_) bytes += file->waiting_bytes();
  return bytes;
}

Status RowFiles::Encode(const columnar::Batch& rows) {
  SLUICE_ASSIGN_OR_RETURN(const auto parts, SplitByPartition(state_, rows));
  for (const PartitionRows& part : parts) SLUICE_RETURN_IF_ERROR(Encode(part));
  const auto open_bytes = [this] {
    return std::accumulate(
        open_.begin(), open_.end(), int64_t{0},
        [](int64_t sum, const auto& file) { return sum + file.second->memory_bytes(); });
  };
  while (open_.size() > 1 && open_bytes() > options_.open_bytes_max) {
    SLUICE_RETURN_IF_ERROR(End(std::ranges::max_element(
        open_, {}, [](const auto& file) { return file.second->memory_bytes(); })));
  }
  return {};
}

Status RowFiles::Encode(const PartitionRows& part) {
  auto file = open_.find(part.values);
  if (file == open_.end()) {
    SLUICE_ASSIGN_OR_RETURN(
        auto writer, DataFileWriter::Open(table_, state_, part.values, options_.write,
                                          options_.extra, table_.random().Uuid(), options_.folder));
    file = open_.emplace(part.values, std::move(writer)).first;
  }
  SLUICE_RETURN_IF_ERROR(file->second->Write(*part.rows));
  rows_ += part.rows->num_rows();
  return file->second->bytes() < file_bytes_max_ ? Status() : End(file);
}

Status RowFiles::End(Open::iterator file) {
  const auto writer = std::move(file->second);
  open_.erase(file);
  written_.push_back(table_.InRoot(writer->store_path()));
  SLUICE_ASSIGN_OR_RETURN(DataFile entry, writer->Finish());
  files_.push_back(std::move(entry));
  return {};
}

Status RowFiles::Finish() {
  SLUICE_RETURN_IF_ERROR(line_->Finish());
  while (!open_.empty()) SLUICE_RETURN_IF_ERROR(End(open_.begin()));
  return {};
}

void RowFiles::Discard() {
  line_.reset();
  for (const auto& [values, writer] : open_) {
    table_.writing().End(table_.InRoot(writer->store_path()));
  }
  open_.clear();
  for (const std::string& path : written_) {
    if (table_.store().Delete(path).ok()) table_.writing().End(path);
  }
  written_.clear();
  files_.clear();
}

}  // namespace sluice::lake::internal
