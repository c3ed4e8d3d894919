#include "sluice/sql/internal/change_reader.h"

#include <arrow/array/array_primitive.h>
#include <arrow/buffer.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::sql::internal {

namespace {

using Kind = duck::ChangeAction::Kind;

bool Allows(lake::EditKind statement, Kind action) {
  switch (statement) {
    case lake::EditKind::kDelete:
      return action == Kind::kDelete;
    case lake::EditKind::kUpdate:
      return action == Kind::kUpdate;
    case lake::EditKind::kInsert:
      return action == Kind::kInsert;
    case lake::EditKind::kMerge:
      break;
  }
  return true;
}

}  // namespace

/// Keeps our errors apart from Arrow's, which end a stream in the same way.
class ChangeReader::Listener final : public arrow::ipc::Listener {
 public:
  explicit Listener(ChangeReader& reader)
      : reader_(reader), decoder_(std::shared_ptr<Listener>(std::shared_ptr<void>(), this)) {}

  using arrow::ipc::Listener::OnSchemaDecoded;
  arrow::Status OnSchemaDecoded(std::shared_ptr<arrow::Schema> schema) override {
    return Keep(reader_.Begin(schema));
  }
  arrow::Status OnRecordBatchDecoded(std::shared_ptr<arrow::RecordBatch> batch) override {
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    return Keep(reader_.Take(batch));
  }
  arrow::Status OnEOS() override {
    ended_ = true;
    return arrow::Status::OK();
  }

  Status Consume(std::string_view bytes) {
    // Batches share the memory, and live longer than these bytes.
    const auto consumed = decoder_.Consume(
        std::shared_ptr<arrow::Buffer>(arrow::Buffer::FromString(std::string(bytes))));
    if (consumed.ok()) return {};
    if (!failure_.ok()) return failure_;
    return Corrupt("what a worker says of changes cannot be read: {}", consumed.message());
  }
  bool ended() const { return ended_; }

 private:
  arrow::Status Keep(Status status) {
    if (status.ok()) return arrow::Status::OK();
    failure_ = std::move(status);
    return arrow::Status::Cancelled("refused");
  }

  ChangeReader& reader_;
  Status failure_;
  bool ended_ = false;
  arrow::ipc::StreamDecoder decoder_;
};

ChangeReader::ChangeReader(lake::EditKind kind, lake::RowEdits& edits, Fit fit, int64_t bytes_max)
    : kind_(kind),
      edits_(edits),
      fit_(std::move(fit)),
      bytes_max_(bytes_max),
      listener_(std::make_unique<Listener>(*this)) {}

ChangeReader::~ChangeReader() = default;

Status ChangeReader::Write(std::string_view bytes, std::optional<int64_t>, os::Monotonic) {
  return listener_->Consume(bytes);
}

Status ChangeReader::Finish() const {
  if (plan_ && listener_->ended()) return {};
  return Corrupt("what a worker says of changes has no end");
}

Status ChangeReader::Begin(const columnar::Schema& schema) {
  if (plan_) return Corrupt("a worker began twice");
  SLUICE_ASSIGN_OR_RETURN(plan_, duck::ChangePlan::Of(schema));
  for (const duck::ChangeAction& action : plan_->actions) {
    if (!Allows(kind_, action.kind)) return Corrupt("a worker says more than the statement");
  }
  return {};
}

Status ChangeReader::Take(const columnar::Batch& rows) {
  const auto& actions = static_cast<const arrow::Int32Array&>(*rows->column(plan_->kAction));
  std::vector<std::vector<int64_t>> of_action(plan_->actions.size());
  for (int64_t row = 0; row < rows->num_rows(); ++row) {
    const int32_t action = actions.IsNull(row) ? -1 : actions.Value(row);
    if (action < 0 || static_cast<size_t>(action) >= of_action.size()) {
      return Corrupt("a worker names an action that the statement does not have");
    }
    of_action[static_cast<size_t>(action)].push_back(row);
  }
  int first_column = duck::ChangePlan::kValues;
  for (size_t action = 0; action < of_action.size(); ++action) {
    const auto& chosen = of_action[action];
    if (!chosen.empty()) {
      columnar::Batch mine = rows;
      if (chosen.size() < static_cast<size_t>(rows->num_rows())) {
        SLUICE_ASSIGN_OR_RETURN(mine, columnar::Take(*rows, chosen));
      }
      SLUICE_RETURN_IF_ERROR(Take(action, first_column, mine));
    }
    first_column += static_cast<int>(plan_->actions[action].columns.size());
  }
  return {};
}

Status ChangeReader::Take(size_t action, int first_column, const columnar::Batch& rows) {
  const auto& [kind, columns] = plan_->actions[action];
  std::vector<lake::RowPlace> places;
  if (kind != Kind::kInsert) {
    const auto& files = static_cast<const arrow::Int32Array&>(*rows->column(plan_->kFile));
    const auto& positions = static_cast<const arrow::Int64Array&>(*rows->column(plan_->kRow));
    if (files.null_count() + positions.null_count() > 0) {
      return Corrupt("a worker does not say where a row stands");
    }
    places.reserve(static_cast<size_t>(rows->num_rows()));
    for (int64_t row = 0; row < rows->num_rows(); ++row) {
      places.push_back({.file = files.Value(row), .row = positions.Value(row)});
    }
  }
  if (kind == Kind::kDelete) return edits_.Delete(places);

  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < columns.size(); ++i) {
    arrays.push_back(rows->column(first_column + static_cast<int>(i)));
    fields.push_back(arrow::field(columns[i], arrays.back()->type()));
  }
  SLUICE_ASSIGN_OR_RETURN(const columnar::Batch values,
                          fit_(arrow::RecordBatch::Make(arrow::schema(std::move(fields)),
                                                        rows->num_rows(), std::move(arrays)),
                               kind == Kind::kInsert));
  if (kind == Kind::kInsert) return edits_.Insert(values);
  bytes_ += columnar::MemoryBytes(*values);
  if (bytes_ > bytes_max_) {
    return Unavailable(
        "the new values of the rows that the statement updates have more than {} bytes: update "
        "fewer rows at a time",
        bytes_max_);
  }
  return edits_.Update(places, values);
}

}  // namespace sluice::sql::internal
