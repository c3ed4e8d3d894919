#include "sluice/lake/change_feed.h"

#include <arrow/api.h>

#include <map>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/commit_times.h"
#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/log_names.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake {

namespace {

using columnar::FromArrow;
using internal::Actions;
using internal::DataFileReader;
using internal::WantedRows;

/// One file to read for its changes.
struct Piece {
  DataFile file;
  WantedRows rows;
};

bool IsOn(const std::map<std::string, std::string>& properties) {
  return LowerCase(internal::Property(properties, "delta.enableChangeDataFeed", "false")) == "true";
}

// A commit without files of changes: they follow from its adds and removes.
std::vector<Piece> InferPieces(Actions& actions) {
  std::map<std::string, const internal::Remove*> removes;
  for (const auto& remove : actions.removes) {
    if (remove.data_change) removes.emplace(internal::CanonicalPath(remove.path), &remove);
  }
  std::vector<Piece> pieces;
  for (auto& add : actions.adds) {
    if (!add.data_change) continue;
    const auto before = removes.find(internal::CanonicalPath(add.file.path));
    if (before == removes.end()) {
      pieces.push_back({std::move(add.file), {.change_type = "insert"}});
      continue;
    }
    // The same rows under another vector: those it marks newly, and those it no longer marks.
    const auto old_vector = before->second->vector;
    const auto new_vector = add.file.deletion_vector;
    pieces.push_back(
        {add.file,
         {.all = false, .in = new_vector, .without = old_vector, .change_type = "delete"}});
    pieces.push_back(
        {std::move(add.file),
         {.all = false, .in = old_vector, .without = new_vector, .change_type = "insert"}});
    removes.erase(before);
  }
  for (const auto& [path, remove] : removes) {
    pieces.push_back({internal::FileOf(*remove), {.change_type = "delete"}});
  }
  return pieces;
}

class TableChanges final : public ChangeFeed {
 public:
  TableChanges(const DeltaTable& table, ChangeFeedOptions options)
      : table_(table),
        options_(std::move(options)),
        places_(table.store(), table.root(), table.foreign()),
        version_(options_.from) {}

  Status Prepare() {
    SLUICE_ASSIGN_OR_RETURN(const auto last,
                            options_.to ? table_.LoadAt(*options_.to) : table_.Load());
    to_ = last->version();
    if (options_.from < 0 || options_.from > to_) {
      return Invalid("changes from version {} to {}", options_.from, to_);
    }
    SLUICE_ASSIGN_OR_RETURN(const auto first, table_.LoadAt(options_.from));
    if (!IsOn(first->properties())) return OffAt(options_.from);
    ScanOptions scan;
    scan.columns = options_.columns;
    scan.batch_rows = options_.batch_rows;
    scan.zone = options_.zone;
    const auto* state = dynamic_cast<const internal::TableState*>(last.get());
    SLUICE_CHECK(state != nullptr);
    SLUICE_ASSIGN_OR_RETURN(plan_, internal::MakeReadPlan(*state, scan));
    const auto type = arrow::field("_change_type", arrow::utf8());
    plan_.columns.push_back({type, internal::ReadPlan::Source::kChangeType});
    SLUICE_ASSIGN_OR_RETURN(plan_.schema,
                            FromArrow(plan_.schema->AddField(plan_.schema->num_fields(), type)));
    arrow::FieldVector fields = plan_.schema->fields();
    fields.push_back(arrow::field("_commit_version", arrow::int64()));
    fields.push_back(
        arrow::field("_commit_timestamp", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
    schema_ = arrow::schema(std::move(fields));
    partitioned_ = !state->partition_columns().empty();
    SLUICE_ASSIGN_OR_RETURN(auto times, internal::CommitTimes::List(table_));
    times_ = std::make_unique<internal::CommitTimes>(std::move(times));
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
      if (next_piece_ == pieces_.size()) {
        if (version_ > to_) return columnar::Batch();
        SLUICE_RETURN_IF_ERROR(ReadVersion(), "version {}", version_);
        ++version_;
        continue;
      }
      Piece& piece = pieces_[next_piece_++];
      SLUICE_ASSIGN_OR_RETURN(
          reader_, DataFileReader::Open(places_, piece.file, plan_, std::move(piece.rows)));
    }
  }

 private:
  static Error OffAt(Version version) {
    return Unsupported(
        "the change feed was off at version {}: 'delta.enableChangeDataFeed' must be true",
        version);
  }

  Status ReadVersion() {
    SLUICE_ASSIGN_OR_RETURN(
        const std::string text,
        table_.store().Get(internal::LogFolder(table_.root()) + internal::CommitName(version_)));
    SLUICE_ASSIGN_OR_RETURN(Actions actions, internal::ParseActions(text));
    if (actions.metadata && !IsOn(actions.metadata->configuration)) return OffAt(version_);
    SLUICE_ASSIGN_OR_RETURN(commit_ms_, times_->At(version_));
    commit_version_ = version_;
    next_piece_ = 0;
    if (actions.changes.empty()) {
      pieces_ = InferPieces(actions);
    } else {
      pieces_.clear();
      for (internal::ChangeFile& change : actions.changes) {
        pieces_.push_back({.file = {.path = std::move(change.path),
                                    .partition_values = std::move(change.partition_values),
                                    .size = change.size,
                                    .stats = {},
                                    .rows = {}},
                           .rows = {}});
      }
    }
    for (const Piece& piece : pieces_) {
      if (partitioned_ && piece.file.partition_values.empty()) {
        return Unsupported("the log does not keep the partition values of file '{}', removed here",
                           piece.file.path);
      }
    }
    return {};
  }

  Result<columnar::Batch> Complete(const arrow::RecordBatch& batch) const {
    const auto number =
        arrow::MakeArrayFromScalar(arrow::Int64Scalar(commit_version_), batch.num_rows());
    SLUICE_ASSIGN_OR_RETURN(auto version, FromArrow(number));
    const arrow::TimestampScalar at(commit_ms_ * 1000,
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
  bool partitioned_ = false;
  std::unique_ptr<internal::CommitTimes> times_;
  Version to_ = 0;
  Version version_;  // Whose commit is read next.
  Version commit_version_ = 0;
  int64_t commit_ms_ = 0;
  std::vector<Piece> pieces_;
  size_t next_piece_ = 0;
  std::unique_ptr<DataFileReader> reader_;
};

}  // namespace

Result<std::unique_ptr<ChangeFeed>> ChangeFeed::Open(const DeltaTable& table,
                                                     ChangeFeedOptions options) {
  auto feed = std::make_unique<TableChanges>(table, std::move(options));
  SLUICE_RETURN_IF_ERROR(feed->Prepare(), "table '{}'", table.root());
  return std::unique_ptr<ChangeFeed>(std::move(feed));
}

}  // namespace sluice::lake
