#include "sluice/base/trace.h"
#include "sluice/land/internal/table_lander.h"
#include "sluice/ledger/proof.h"

// Whether a table may be landed into, and how an operator decides that it may.

namespace sluice::land::internal {

Status TableLander::CheckOwnership(const lake::Snapshot& snapshot) {
  for (const auto& [app, transaction] : snapshot.transactions()) {
    if (ledger::IsLanding(app) && app != app_id_ &&
        transaction.version > snapshot.TransactionVersion(app_id_).value_or(-1)) {
      return Conflict(
          "the table was filled by another journal ('{}', up to offset {}); if that journal is "
          "gone for good, let this one go on behind it with `sluice table adopt {}`",
          app, transaction.version, topic_.contract->topic);
    }
  }
  return CheckRemembers(snapshot);
}

Status TableLander::CheckRemembers(const lake::Snapshot& snapshot) const {
  if (!snapshot.properties().contains(std::string(lake::kTransactionRetention))) return {};
  return Conflict(
      "the table has the property '{0}': other engines forget by it what has landed, and rows "
      "would land twice; take it away with `sluice table alter TABLE --unset-property {0}`, then "
      "let landing go on with `sluice table adopt {1}`",
      lake::kTransactionRetention, topic_.contract->topic);
}

Status TableLander::Adopt() {
  const std::lock_guard lock(mutex_);
  if (stopped_.empty()) return {};
  // What stopped it may have been mended by another program since.
  SLUICE_ASSIGN_OR_RETURN(auto newest, table_.Load(snapshot_), "adopt '{}'", topic_.table_path);
  Advance(std::move(newest));
  SLUICE_RETURN_IF_ERROR(CheckRemembers(*snapshot_), "adopt '{}'", topic_.table_path);
  if (landed_ >= 0) SLUICE_RETURN_IF_ERROR(CommitAdoption());
  stopped_.clear();
  tail_bytes_->stopped -= bytes_;
  tail_bytes_->landing += bytes_;
  due_tables_->LookAt(partition_, kAtOnce);
  trace::Warning("table adopted", {{"table", topic_.table_path}, {"offset", landed_}});
  return {};
}

Status TableLander::CommitAdoption() {
  lake::AppendOptions options;
  options.operation = ledger::kAdoptOperation;
  options.transactions = {{.app_id = app_id_, .version = landed_, .last_updated_ms = {}}};
  // Where no transaction says what has landed the rows do: those that are there were never lost.
  journal::Offset known = ledger::LandedOffset(*snapshot_);
  if (known < 0) known = LastRow();
  if (landed_ > known) options.transactions.push_back(LostNow(landed_ - known));
  SLUICE_ASSIGN_OR_RETURN(auto snapshot, table_.Append(snapshot_, {}, options), "adopt '{}'",
                          topic_.table_path);
  Advance(std::move(snapshot));
  return {};
}

}  // namespace sluice::land::internal
