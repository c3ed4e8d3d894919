#include "sluice/lake/internal/row_mover.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>

#include <algorithm>
#include <iterator>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;

// Returns the rows of `batch` at positions that are in `rows`, or are not; `positions` is its last
// column, and is left out.
Result<columnar::Batch> Pick(const columnar::Batch& batch, const RowSet& rows, bool in) {
  const int last = batch->num_columns() - 1;
  const auto& positions = static_cast<const arrow::Int64Array&>(*batch->column(last));
  std::vector<int64_t> chosen;
  arrow::BooleanBuilder flags;
  SLUICE_RETURN_IF_ERROR(FromArrow(flags.Reserve(batch->num_rows())));
  for (int64_t row = 0; row < batch->num_rows(); ++row) {
    const bool choose = rows.Contains(positions.Value(row)) == in;
    if (choose) chosen.push_back(row);
    flags.UnsafeAppend(choose);
  }
  SLUICE_ASSIGN_OR_RETURN(const columnar::Batch rest, FromArrow(batch->RemoveColumn(last)));
  if (chosen.size() == static_cast<size_t>(batch->num_rows())) return rest;
  // Of most rows, whole runs are copied; of few, each by itself.
  if (chosen.size() < static_cast<size_t>(batch->num_rows()) / 8) {
    return columnar::Take(*rest, chosen);
  }
  SLUICE_ASSIGN_OR_RETURN(const auto mask, FromArrow(flags.Finish()));
  SLUICE_ASSIGN_OR_RETURN(const arrow::Datum filtered,
                          FromArrow(arrow::compute::Filter(rest, mask)));
  return filtered.record_batch();
}

RowFiles::Options ShareOf(RowFiles::Options options, int threads, int share) {
  options.write.threads = threads;
  int64_t& rows_max = options.write.parquet.row_group_rows_max;
  rows_max = std::max<int64_t>(rows_max / share, 1);
  options.open_bytes_max /= share;
  return options;
}

}  // namespace

RowMover::RowMover(const RowMoves& moves, int threads, int share)
    : moves_(moves), files_(moves.table, *moves.state, ShareOf(moves.files, threads, share)) {
  if (!moves.change_files) return;
  change_files_.emplace(moves.table, *moves.state, ShareOf(*moves.change_files, threads, share));
}

Status RowMover::TakeOut(const DataFile& file, FoundRows found, const Use& use) {
  const int64_t count = found.rows.count();
  if (count == 0) return {};
  if (IsOn(moves_.state->properties(), "delta.appendOnly")) {
    return Unsupported("the table only appends ('delta.appendOnly'): its rows do not change");
  }
  SLUICE_RETURN_IF_ERROR(Count(file, found));
  const bool all = count == found.live;
  const bool copies = !all && !moves_.marks;
  if (use || copies) {
    SLUICE_ASSIGN_OR_RETURN(const auto reader,
                            DataFileReader::Open(moves_.places, file, moves_.plan));
    while (true) {
      if (moves_.stopped) return Unavailable("stopped");
      SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, reader->Next());
      if (batch == nullptr) break;
      if (use) {
        SLUICE_ASSIGN_OR_RETURN(const columnar::Batch rows, Pick(batch, found.rows, true));
        if (rows->num_rows() > 0) SLUICE_RETURN_IF_ERROR(use(rows));
      }
      if (copies) {
        SLUICE_ASSIGN_OR_RETURN(const columnar::Batch rows, Pick(batch, found.rows, false));
        report_.rows_copied += rows->num_rows();
        SLUICE_RETURN_IF_ERROR(files_.Write(rows));
      }
    }
  }
  if (all || copies) {
    removed_.push_back(file);
    ++report_.files_removed;
  } else {
    marked_.push_back({.file = file, .rows = std::move(found.rows), .physical = found.physical});
    ++report_.files_marked;
  }
  return {};
}

Status RowMover::Count(const DataFile& file, const FoundRows& found) {
  if (!moves_.options.count_deleted) return {};
  const std::string& column = moves_.options.count_deleted->column;
  // Without the column no row has a value in it.
  if (moves_.state->schema()->GetFieldByName(column) == nullptr) return {};
  if (NullsOf(file, column) == 0) {
    counted_ += found.rows.count();
    return {};
  }
  SLUICE_ASSIGN_OR_RETURN(const ReadPlan plan,
                          PositionsPlan(*moves_.state, {column}, moves_.options.zone));
  SLUICE_ASSIGN_OR_RETURN(const auto reader, DataFileReader::Open(moves_.places, file, plan));
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, reader->Next());
    if (batch == nullptr) return {};
    const auto& positions =
        static_cast<const arrow::Int64Array&>(*batch->column(batch->num_columns() - 1));
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      if (!batch->column(0)->IsValid(row)) continue;
      counted_ += found.rows.Contains(positions.Value(row)) ? 1 : 0;
    }
  }
}

Status RowMover::WriteChanged(const columnar::Batch& rows, const columnar::Batch& before) {
  // The row keeps its id; that it changed in this commit follows from the file.
  return Write(rows, moves_.tracks_rows ? before->column(before->num_columns() - 2) : nullptr);
}

Status RowMover::WriteNew(const columnar::Batch& rows) { return Write(rows, nullptr); }

Status RowMover::Write(const columnar::Batch& rows, std::shared_ptr<arrow::Array> ids) {
  if (!moves_.tracks_rows) return files_.Write(rows);
  SLUICE_ASSIGN_OR_RETURN(auto none,
                          FromArrow(arrow::MakeArrayOfNull(arrow::int64(), rows->num_rows())));
  arrow::ArrayVector columns = rows->columns();
  arrow::FieldVector fields = rows->schema()->fields();
  columns.push_back(ids == nullptr ? none : std::move(ids));
  columns.push_back(std::move(none));
  for (const char* name : {"_row_id", "_row_commit_version"}) {
    fields.push_back(arrow::field(name, arrow::int64()));
  }
  return files_.Write(arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows->num_rows(),
                                               std::move(columns)));
}

Status RowMover::NoteChange(const columnar::Batch& rows, std::string_view change_type) {
  if (!change_files_ || rows->num_rows() == 0) return {};
  const auto count = static_cast<size_t>(moves_.state->schema()->num_fields());
  arrow::ArrayVector columns = rows->columns();
  arrow::FieldVector fields = rows->schema()->fields();
  columns.resize(count);
  fields.resize(count);
  SLUICE_ASSIGN_OR_RETURN(
      auto type, FromArrow(arrow::MakeArrayFromScalar(arrow::StringScalar(std::string(change_type)),
                                                      rows->num_rows())));
  columns.push_back(std::move(type));
  fields.push_back(arrow::field("_change_type", arrow::utf8()));
  return change_files_->Write(arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                                       rows->num_rows(), std::move(columns)));
}

Status RowMover::Finish() {
  SLUICE_RETURN_IF_ERROR(files_.Finish());
  return change_files_ ? change_files_->Finish() : Status();
}

void RowMover::AddTo(TableChange& change, ChangeReport& report) {
  std::ranges::move(removed_, std::back_inserter(change.removed));
  std::ranges::move(marked_, std::back_inserter(change.marked));
  std::ranges::copy(files_.files(), std::back_inserter(change.added));
  if (change_files_) {
    for (const DataFile& file : change_files_->files()) {
      change.changes.push_back(
          {.path = file.path, .partition_values = file.partition_values, .size = file.size});
    }
  }
  if (change.raise) change.raise->by += counted_;
  report.rows_deleted += report_.rows_deleted;
  report.rows_updated += report_.rows_updated;
  report.rows_inserted += report_.rows_inserted;
  report.rows_copied += report_.rows_copied;
  report.files_added += static_cast<int64_t>(files_.files().size());
  report.files_removed += report_.files_removed;
  report.files_marked += report_.files_marked;
}

void RowMover::Discard() {
  files_.Discard();
  if (change_files_) change_files_->Discard();
}

}  // namespace sluice::lake::internal
