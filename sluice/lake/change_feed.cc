#include "sluice/lake/change_feed.h"

#include <arrow/api.h>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/change_log.h"
#include "sluice/lake/internal/read_plan.h"

namespace sluice::lake {

namespace {

using columnar::FromArrow;
using internal::DataFileReader;

class TableChanges final : public ChangeFeed {
 public:
  TableChanges(const DeltaTable& table, ChangeFeedOptions options)
      : table_(table),
        options_(std::move(options)),
        places_(table.store(), table.root(), table.foreign()) {}

  Status Prepare() {
    SLUICE_ASSIGN_OR_RETURN(auto log,
                            internal::ChangeLog::Open(table_, options_.from, options_.to));
    log_.emplace(std::move(log));
    version_ = log_->from();
    ScanOptions scan;
    scan.columns = options_.columns;
    scan.batch_rows = options_.batch_rows;
    scan.zone = options_.zone;
    SLUICE_ASSIGN_OR_RETURN(plan_, internal::MakeReadPlan(*log_->last(), scan));
    const auto type = arrow::field("_change_type", arrow::utf8());
    plan_.columns.push_back({type, internal::ReadPlan::Source::kChangeType});
    SLUICE_ASSIGN_OR_RETURN(plan_.schema,
                            FromArrow(plan_.schema->AddField(plan_.schema->num_fields(), type)));
    arrow::FieldVector fields = plan_.schema->fields();
    fields.push_back(arrow::field("_commit_version", arrow::int64()));
    fields.push_back(
        arrow::field("_commit_timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
    schema_ = arrow::schema(std::move(fields));
    return {};
  }

  const columnar::Schema& schema() const override { return schema_; }

  Result<columnar::Batch> Next() override {
    while (true) {
      if (reader_ != nullptr) {
        SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, reader_->Next());
        if (batch != nullptr) return Complete(*batch);
        reader_ = nullptr;
      }
      if (next_piece_ == changes_.pieces.size()) {
        if (version_ > log_->to()) return columnar::Batch();
        SLUICE_ASSIGN_OR_RETURN(changes_, log_->Read(version_), "version {}", version_);
        next_piece_ = 0;
        commit_version_ = version_++;
        continue;
      }
      internal::ChangePiece& piece = changes_.pieces[next_piece_++];
      SLUICE_ASSIGN_OR_RETURN(
          reader_, DataFileReader::Open(places_, piece.file, plan_, std::move(piece.rows)));
    }
  }

 private:
  Result<columnar::Batch> Complete(const arrow::RecordBatch& batch) const {
    const auto number =
        arrow::MakeArrayFromScalar(arrow::Int64Scalar(commit_version_), batch.num_rows());
    SLUICE_ASSIGN_OR_RETURN(auto version, FromArrow(number));
    const arrow::TimestampScalar at(changes_.commit_ms * 1000,
                                    arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"));
    SLUICE_ASSIGN_OR_RETURN(auto time, FromArrow(arrow::MakeArrayFromScalar(at, batch.num_rows())));
    arrow::ArrayVector columns = batch.columns();
    columns.push_back(std::move(version));
    columns.push_back(std::move(time));
    return arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns));
  }

  const DeltaTable& table_;
  const ChangeFeedOptions options_;
  const internal::FilePlaces places_;
  internal::ReadPlan plan_;
  columnar::Schema schema_;
  std::optional<internal::ChangeLog> log_;
  Version version_ = 0;  // Whose commit is read next.
  Version commit_version_ = 0;
  internal::CommitChanges changes_;  // Of that commit.
  size_t next_piece_ = 0;
  std::unique_ptr<DataFileReader> reader_;
};

}  // namespace

Result<std::unique_ptr<ChangeFeed>> ChangeFeed::Open(const DeltaTable& table,
                                                     ChangeFeedOptions options) {
  auto feed = std::make_unique<TableChanges>(table, std::move(options));
  SLUICE_RETURN_IF_ERROR(feed->Prepare(), "table '{}'", table.name());
  return std::unique_ptr<ChangeFeed>(std::move(feed));
}

}  // namespace sluice::lake
