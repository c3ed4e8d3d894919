// What readers get of a table: its rows of now or of before, its ledger, its state.

#include <arrow/api.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/ascii.h"
#include "sluice/lake/commit.h"
#include "sluice/land/internal/table_lander.h"
#include "sluice/ledger/proof.h"

namespace sluice::land::internal {
namespace {

constexpr std::chrono::milliseconds kRefreshEvery{500};
constexpr size_t kPastMax = 4;  // Snapshots of the past that are kept for the next query.
const std::string kCompactProperty = "delta.autoOptimize.autoCompact";

std::string NameOf(const catalog::Topic& topic) {
  return topic.schema_name + "." + topic.contract->table;
}

}  // namespace

Result<ReadView> TableLander::View() { return ViewNow(/*after_vacuum=*/false); }

Result<ReadView> TableLander::ViewNow(bool after_vacuum) {
  std::shared_ptr<const lake::Snapshot> since;
  bool due = false;
  {
    const std::lock_guard lock(mutex_);
    since = snapshot_;
    due = clock_.Steady() - refreshed_ >= kRefreshEvery;
    if (due) refreshed_ = clock_.Steady();
  }
  // On this machine a look at names is cheap, and who erases rows deletes files at once.
  if (!due && !table_.store().is_remote()) due = !lake::IsNewest(table_, *since);
  if (due) {  // Other engines may have written: look, without holding up anybody.
    auto newer = table_.Load(since);
    if (!newer.ok()) return std::move(newer).error().Wrap(topic_.table_path);
    const std::lock_guard lock(mutex_);
    Advance(*newer);
  }
  ReadView view;
  {
    const std::lock_guard lock(mutex_);
    SLUICE_RETURN_IF_ERROR(Coalesce());
    SLUICE_RETURN_IF_ERROR(own_files_, "table '{}'", topic_.table_path);
    view.schema = schema_;
    if (!locations_) {
      locations_.emplace();
      locations_->reserve(snapshot_->files().size());
      for (const lake::DataFile& file : snapshot_->files()) {
        locations_->push_back(table_.Location(file));
      }
    }
    view.files = *locations_;
    view.snapshot = snapshot_;
    for (const Chunk& chunk : chunks_) {
      view.tail.push_back(chunk.rows);
      view.tail_rows += chunk.rows->num_rows();
    }
  }
  view.table = std::make_shared<const lake::DeltaTable>(table_);
  const Status local = table_.MakeLocal(view.snapshot->files());
  if (local.ok()) return view;
  if (local.error().code() != ErrorCode::kNotFound) return local.error();
  // Another writer has rewritten files and deleted the old ones since we looked.
  const lake::Version known = view.snapshot->version();
  SLUICE_ASSIGN_OR_RETURN(auto newer, table_.Load(view.snapshot));
  if (newer->version() > known && !after_vacuum) {
    {
      const std::lock_guard lock(mutex_);
      Advance(std::move(newer));
    }
    return ViewNow(/*after_vacuum=*/true);
  }
  return Corrupt("version {} of table '{}' names a file that is not there: {}", known,
                 topic_.table_path, local.error().message());
}

Result<ReadView> TableLander::ViewAt(const AsOf& when) {
  SLUICE_ASSIGN_OR_RETURN(const lake::Version version, VersionAsOf(table_, when));
  std::shared_ptr<const lake::Snapshot> snapshot;
  {
    const std::lock_guard lock(mutex_);
    const auto known =
        std::ranges::find_if(past_, [&](const auto& kept) { return kept->version() == version; });
    if (known != past_.end()) snapshot = *known;
  }
  if (snapshot == nullptr) {
    SLUICE_ASSIGN_OR_RETURN(snapshot, table_.LoadAt(version));
    SLUICE_RETURN_IF_ERROR(snapshot->CheckOwnFiles(), "table '{}'", topic_.table_path);
    const std::lock_guard lock(mutex_);
    past_.push_front(snapshot);
    if (past_.size() > kPastMax) past_.pop_back();
  }
  ReadView view;
  view.schema = snapshot->schema();
  for (const lake::DataFile& file : snapshot->files()) view.files.push_back(table_.Location(file));
  view.snapshot = std::move(snapshot);
  view.table = std::make_shared<const lake::DeltaTable>(table_);
  SLUICE_RETURN_IF_ERROR(table_.MakeLocal(view.snapshot->files()));
  return view;
}

Result<std::vector<ledger::Entry>> TableLander::Ledger() {
  std::shared_ptr<const lake::Snapshot> snapshot;
  journal::Offset end = 0;
  int64_t duplicates = 0;  // That no commit counts yet.
  int64_t errors = 0;
  {
    const std::lock_guard lock(mutex_);
    snapshot = snapshot_;
    end = end_;
    duplicates = duplicates_ - counted_;
    errors = errors_;
  }
  const std::lock_guard lock(entries_mutex_);
  SLUICE_RETURN_IF_ERROR(entries_.Extend(table_, *snapshot), "table '{}'", topic_.table_path);
  std::vector<ledger::Entry> entries = entries_.entries();
  const journal::Offset landed = ledger::LandedOffset(*snapshot);
  if (end > landed + 1) {
    entries.push_back({.operation = "PENDING",
                       .first_offset = landed + 1,
                       .last_offset = end - 1,
                       .accepted = end - landed - 1,
                       .duplicate = duplicates});
  } else if (duplicates > 0) {
    entries.push_back({.operation = "PENDING", .duplicate = duplicates});
  }
  if (errors > 0) entries.push_back({.operation = "ERROR", .error = errors});
  return entries;
}

std::string TableLander::Name() const {
  const std::lock_guard lock(mutex_);
  return NameOf(topic_);
}

TableStatus TableLander::Describe() const {
  const std::lock_guard lock(mutex_);
  TableStatus status;
  status.topic = topic_.contract->topic;
  status.table = NameOf(topic_);
  status.partition = partition_;
  status.landed = landed_;
  status.end = end_;
  status.files = static_cast<int64_t>(snapshot_->files().size());
  status.version = snapshot_->version();
  status.landed_rows = landed_rows_;
  status.stopped = stopped_;
  status.path = topic_.table_path;
  status.duplicates = duplicates_;
  const auto& properties = snapshot_->properties();
  const auto compacts = properties.find(kCompactProperty);
  status.compaction_off = compacts != properties.end() && LowerCase(compacts->second) == "false";
  return status;
}

}  // namespace sluice::land::internal
