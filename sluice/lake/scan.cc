#include "sluice/lake/scan.h"

#include <arrow/api.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "sluice/lake/internal/data_file_reader.h"
#include "sluice/lake/internal/file_chunk.h"
#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/skipping.h"
#include "sluice/lake/internal/table_state.h"

namespace sluice::lake {

namespace {

using internal::DataFileReader;
using internal::FilePlaces;
using internal::ReadPlan;

/// Reads files one after the other on its own threads, ahead of who asks.
class TableScan final : public Scan {
 public:
  TableScan(const DeltaTable& table, std::shared_ptr<const Snapshot> snapshot, ScanOptions options)
      : places_(table.store(), table.root(), table.foreign()),
        snapshot_(std::move(snapshot)),
        options_(std::move(options)) {}

  ~TableScan() override {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
  }

  Status Prepare() {
    const auto* state = dynamic_cast<const internal::TableState*>(snapshot_.get());
    SLUICE_CHECK(state != nullptr);
    SLUICE_ASSIGN_OR_RETURN(plan_, internal::MakeReadPlan(*state, options_));
    if (options_.filter) {
      // Columns that only the filter needs are read, too, and dropped behind it.
      visible_ = static_cast<int>(plan_.columns.size());
      SLUICE_RETURN_IF_ERROR(internal::AddFilterColumns(*state, *options_.filter, plan_));
      const internal::FileSkipper skipper(*options_.filter, *state->annotated_schema(),
                                          state->partition_columns(), plan_.mapping, options_.zone);
      SelectFiles([&](const internal::FileChunk& chunk, size_t i) {
        return skipper.MayMatch(chunk.Get(i));
      });
      if (options_.filter_files_only) {
        plan_.columns.resize(static_cast<size_t>(visible_));
        arrow::FieldVector fields = plan_.schema->fields();
        fields.resize(static_cast<size_t>(visible_));
        plan_.schema = arrow::schema(std::move(fields));
      }
    } else {
      SelectFiles([](const internal::FileChunk&, size_t) { return true; });
    }
    arrow::FieldVector fields = plan_.schema->fields();
    if (visible_ >= 0) fields.resize(static_cast<size_t>(visible_));
    schema_ = arrow::schema(std::move(fields));
    const auto useful = static_cast<int>(std::min<size_t>(files_.size(), 64));
    const int threads = std::clamp(options_.threads, 1, std::max(useful, 1));
    if (threads == 1) return {};  // Then the caller's own does it.
    running_ = threads;
    queue_max_ = 2 * static_cast<size_t>(threads);
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
    return {};
  }

  const columnar::Schema& schema() const override { return schema_; }
  int64_t files_total() const override { return static_cast<int64_t>(snapshot_->files().size()); }
  int64_t files_read() const override { return static_cast<int64_t>(files_.size()); }

  Result<columnar::Batch> Next() override {
    if (threads_.empty()) return NextHere();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !queue_.empty() || running_ == 0 || failure_; });
    if (failure_) return *failure_;
    if (queue_.empty()) return columnar::Batch();
    columnar::Batch batch = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return batch;
  }

 private:
  template <typename IsWanted>
  void SelectFiles(IsWanted is_wanted) {
    const auto& only = options_.files;
    internal::VisitFiles(snapshot_->files().pieces(),
                         [&](const internal::FileChunk& chunk, size_t i) {
                           if (only && !only->contains(std::string(chunk.path(i)))) return;
                           if (is_wanted(chunk, i)) files_.push_back({&chunk, i});
                         });
  }

  Result<columnar::Batch> NextHere() {
    while (true) {
      if (reader_ == nullptr) {
        const size_t index = next_file_++;
        if (index >= files_.size()) return columnar::Batch();
        SLUICE_ASSIGN_OR_RETURN(reader_, OpenFile(index));
      }
      SLUICE_ASSIGN_OR_RETURN(columnar::Batch batch, reader_->Next());
      if (batch == nullptr) {
        reader_ = nullptr;
        continue;
      }
      SLUICE_ASSIGN_OR_RETURN(batch, Finish(std::move(batch)));
      if (batch->num_rows() > 0) return batch;
    }
  }

  Result<std::unique_ptr<DataFileReader>> OpenFile(size_t index) const {
    return DataFileReader::Open(places_, files_[index].chunk->Get(files_[index].i), plan_);
  }

  Result<columnar::Batch> Finish(columnar::Batch batch) const {
    if (!options_.filter || options_.filter_files_only) return batch;
    SLUICE_ASSIGN_OR_RETURN(batch, options_.filter->Filter(batch));
    if (visible_ == batch->num_columns()) return batch;
    std::vector<std::shared_ptr<arrow::Array>> columns = batch->columns();
    columns.resize(static_cast<size_t>(visible_));
    return arrow::RecordBatch::Make(schema_, batch->num_rows(), std::move(columns));
  }

  void Run() {
    const Status status = RunFiles();
    {
      const std::scoped_lock lock(mutex_);
      if (!status.ok() && !failure_) failure_ = status.error();
      --running_;
    }
    changed_.notify_all();
  }

  Status RunFiles() {
    while (true) {
      const size_t index = next_file_++;
      if (index >= files_.size()) return {};
      SLUICE_ASSIGN_OR_RETURN(const auto reader, OpenFile(index));
      while (true) {
        SLUICE_ASSIGN_OR_RETURN(columnar::Batch batch, reader->Next());
        if (batch == nullptr) break;
        SLUICE_ASSIGN_OR_RETURN(batch, Finish(std::move(batch)));
        if (batch->num_rows() == 0) continue;
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return queue_.size() < queue_max_ || stopping_ || failure_; });
        if (stopping_ || failure_) return {};
        queue_.push_back(std::move(batch));
        lock.unlock();
        changed_.notify_all();
      }
    }
  }

  const FilePlaces places_;
  const std::shared_ptr<const Snapshot> snapshot_;
  const ScanOptions options_;
  ReadPlan plan_;
  int visible_ = -1;  // With a filter: so many columns are given on.
  columnar::Schema schema_;
  struct Place {
    const internal::FileChunk* chunk;  // Of the snapshot.
    size_t i;
  };
  std::vector<Place> files_;
  size_t queue_max_ = 0;  // Batches; as all above set before the threads begin.
  std::atomic<size_t> next_file_ = 0;
  std::unique_ptr<DataFileReader> reader_;

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  std::deque<columnar::Batch> queue_;
  std::optional<Error> failure_;
  int running_ = 0;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;  // Last: they end before all else.
};

}  // namespace

Result<std::unique_ptr<Scan>> Scan::Open(const DeltaTable& table,
                                         std::shared_ptr<const Snapshot> snapshot,
                                         ScanOptions options) {
  auto scan = std::make_unique<TableScan>(table, std::move(snapshot), std::move(options));
  SLUICE_RETURN_IF_ERROR(scan->Prepare());
  return std::unique_ptr<Scan>(std::move(scan));
}

std::vector<DataFile> SelectFiles(const Snapshot& snapshot, const Expression& filter,
                                  const std::string& zone) {
  const auto* state = dynamic_cast<const internal::TableState*>(&snapshot);
  SLUICE_CHECK(state != nullptr);
  const internal::FileSkipper skipper(filter, *state->annotated_schema(),
                                      state->partition_columns(),
                                      internal::MappingOf(state->metadata()), zone);
  std::vector<DataFile> files;
  for (const DataFile& file : snapshot.files()) {
    if (skipper.MayMatch(file)) files.push_back(file);
  }
  return files;
}

}  // namespace sluice::lake
