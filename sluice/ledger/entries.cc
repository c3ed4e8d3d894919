#include "sluice/ledger/entries.h"

#include <algorithm>
#include <utility>

#include "sluice/lake/commit.h"
#include "sluice/ledger/proof.h"

namespace sluice::ledger {

Entries::Rows Entries::Count(const lake::DataFile& file, int64_t own_max) {
  const int64_t deleted = file.deletion_vector ? file.deletion_vector->cardinality : 0;
  const int64_t rows = file.rows.value_or(0) - deleted;
  const auto nulls = lake::NullsOf(file, "_offset");
  // Which rows a vector deletes is not told either: a file has rows of one kind, as a rule.
  int64_t own = 0;
  if (nulls) {
    own = *nulls == file.rows ? 0 : std::max<int64_t>(0, rows - *nulls);
  } else {
    own = lake::MaximumOf(file, "_offset") ? rows : std::min(rows, own_max);
  }
  return {.own = own, .foreign = rows - own};
}

void Entries::Begin(const lake::Snapshot& snapshot) {
  entries_.clear();
  files_.clear();
  Entry before{.version = snapshot.version(), .operation = "BEFORE"};
  landed_end_ = LandedOffset(snapshot) + 1;
  for (const lake::DataFile& file : snapshot.files()) {
    const Rows rows = Count(file, landed_end_ - before.landed);
    before.landed += rows.own;
    before.foreign += rows.foreign;
    files_[file.path] = rows;
  }
  if (landed_end_ > 0) {
    before.first_offset = 0;
    before.last_offset = landed_end_ - 1;
  }
  before.accepted = landed_end_;
  before.removed = before.accepted - before.landed;
  before.duplicate = SumOfCounter(snapshot, kDuplicateCounter);
  before.expired = SumOfCounter(snapshot, kExpiredCounter);
  before.erased = SumOfCounter(snapshot, kErasedCounter);
  before.removed -= before.expired + before.erased;
  for (const auto& [app, transaction] : snapshot.transactions()) {
    if (!IsLanding(app)) counters_[app] = transaction.version;
  }
  next_ = snapshot.version() + 1;
  entries_.push_back(std::move(before));
}

Status Entries::Extend(const lake::DeltaTable& table, const lake::Snapshot& snapshot) {
  if (next_ == 0) {
    SLUICE_ASSIGN_OR_RETURN(const lake::Version oldest, lake::OldestCommit(table));
    if (oldest > 0) {
      SLUICE_ASSIGN_OR_RETURN(const auto first, table.LoadAt(oldest));
      Begin(*first);
    }
  }
  for (; next_ <= snapshot.version(); ++next_) {
    auto read = lake::ReadCommit(table, next_);
    if (!read.ok() && read.error().code() == ErrorCode::kNotFound) {
      Begin(snapshot);  // Cleaned up before it was read.
      return {};
    }
    if (!read.ok()) return std::move(read).error();
    const lake::Commit& commit = *read;
    Entry entry{.version = next_, .timestamp_ms = commit.timestamp_ms};
    int64_t now_landed = landed_end_;
    for (const lake::Transaction& transaction : commit.transactions) {
      if (IsLanding(transaction.app_id)) {
        now_landed = std::max(now_landed, transaction.version + 1);
      } else if (transaction.app_id.starts_with(kAppPrefix)) {
        int64_t& known = counters_[transaction.app_id];
        const int64_t raise = transaction.version - std::exchange(known, transaction.version);
        if (transaction.app_id.ends_with(kDuplicateCounter)) entry.duplicate += raise;
        if (transaction.app_id.ends_with(kExpiredCounter)) entry.expired += raise;
        if (transaction.app_id.ends_with(kErasedCounter)) entry.erased += raise;
      }
    }
    Rows removed;
    for (const lake::DataFile& file : commit.removed) {
      const auto known = files_.find(file.path);
      if (known == files_.end()) continue;
      removed.own += known->second.own;
      removed.foreign += known->second.foreign;
      files_.erase(known);
    }
    Rows added;
    // What lands has offsets; what is only moved has as many as before.
    const int64_t own = now_landed - landed_end_ + (commit.data_change ? 0 : removed.own);
    for (const lake::DataFile& file : commit.added) {
      const Rows rows = Count(file, own - added.own);
      added.own += rows.own;
      added.foreign += rows.foreign;
      files_[file.path] = rows;
    }
    entry.operation = commit.operation;
    entry.landed = added.own - removed.own;
    entry.foreign = added.foreign - removed.foreign;
    if (now_landed > landed_end_) {
      entry.first_offset = landed_end_;
      entry.last_offset = now_landed - 1;
      entry.accepted = now_landed - landed_end_;
    } else {
      entry.engine = commit.engine;
    }
    entry.removed = entry.accepted - entry.landed - entry.expired - entry.erased;
    landed_end_ = now_landed;
    if (entry.accepted == 0 && entry.landed == 0 && entry.foreign == 0 && entry.duplicate == 0) {
      continue;  // It changed nothing that counts: a new column, a compaction.
    }
    entries_.push_back(std::move(entry));
  }
  return {};
}

}  // namespace sluice::ledger
