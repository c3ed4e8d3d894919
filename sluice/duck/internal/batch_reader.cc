#include "sluice/duck/internal/batch_reader.h"

#include <arrow/array/array_nested.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/c/bridge.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::duck::internal {

namespace {

/// Whether DuckDB would take the children of a slice from where the whole array begins: it adds the
/// offset of a struct to its children, but not to theirs (seen in 1.5.6).
bool LosesOffset(const arrow::Array& array) {
  if (array.offset() == 0 || array.type_id() != arrow::Type::STRUCT) return false;
  const auto& fields = array.type()->fields();
  return std::any_of(fields.begin(), fields.end(),
                     [](const auto& field) { return field->type()->num_fields() > 0; });
}

class BatchReader final : public arrow::RecordBatchReader {
 public:
  BatchReader(columnar::Schema schema, std::vector<columnar::Batch> batches)
      : schema_(std::move(schema)), batches_(std::move(batches)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(columnar::Batch* out) override {
    while (next_ < batches_.size() && batches_[next_]->num_rows() == 0) ++next_;
    if (next_ == batches_.size()) {
      out->reset();
      return arrow::Status::OK();
    }
    const arrow::RecordBatch& batch = *batches_[next_++];
    std::vector<std::shared_ptr<arrow::Array>> columns;
    columns.reserve(static_cast<size_t>(schema_->num_fields()));
    for (const auto& field : schema_->fields()) {
      std::shared_ptr<arrow::Array> column = batch.GetColumnByName(field->name());
      if (column == nullptr) {
        ARROW_ASSIGN_OR_RAISE(column, arrow::MakeArrayOfNull(field->type(), batch.num_rows()));
      } else if (!column->type()->Equals(field->type())) {
        ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Cast(*column, field->type()));
      }
      if (LosesOffset(*column)) {
        ARROW_ASSIGN_OR_RAISE(column, arrow::Concatenate({column}));  // A copy that begins at zero.
      }
      columns.push_back(std::move(column));
    }
    *out = arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns));
    return arrow::Status::OK();
  }

 private:
  const columnar::Schema schema_;
  const std::vector<columnar::Batch> batches_;
  size_t next_ = 0;
};

}  // namespace

columnar::Schema PlainSchema(const columnar::Schema& schema) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (const auto& field : schema->fields()) {
    std::shared_ptr<arrow::DataType> type = field->type();
    if (type->id() == arrow::Type::DICTIONARY) {
      type = static_cast<const arrow::DictionaryType&>(*type).value_type();
    }
    // Nullable in any case: a file or batch may lack the column.
    fields.push_back(arrow::field(field->name(), std::move(type)));
  }
  return arrow::schema(std::move(fields));
}

Status ExportSchema(const columnar::Schema& schema, ArrowSchema* out) {
  return columnar::FromArrow(arrow::ExportSchema(*schema, out));
}

Status ExportBatches(const columnar::Schema& schema, std::vector<columnar::Batch> batches,
                     const std::vector<std::string>& columns, ArrowArrayStream* out) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (const std::string& name : columns) {
    const auto field = schema->GetFieldByName(name);
    if (field == nullptr) return Internal("column '{}' is not in the relation", name);
    fields.push_back(field);
  }
  auto reader = std::make_shared<BatchReader>(arrow::schema(std::move(fields)), std::move(batches));
  return columnar::FromArrow(arrow::ExportRecordBatchReader(std::move(reader), out));
}

}  // namespace sluice::duck::internal
