#include "sluice/ingest/internal/open_errors.h"

#include <arrow/api.h>

#include <algorithm>
#include <utility>

#include "sluice/ingest/internal/topic_state.h"

namespace sluice::ingest::internal {

void OpenErrors::Open(journal::Offset offset, const privacy::Hash128& id) {
  const std::lock_guard lock(mutex_);
  if (id == privacy::Hash128{} || ids_.size() >= kRowsMax || closed_.contains(offset)) return;
  if (!ids_.emplace(offset, id).second) return;
  offsets_.emplace(id, offset);
  size_ = ids_.size();
}

void OpenErrors::Close(journal::Offset offset) {
  const std::lock_guard lock(mutex_);
  if (restoring_) closed_.insert(offset);
  const auto found = ids_.find(offset);
  if (found == ids_.end()) return;
  const auto [begin, end] = offsets_.equal_range(found->second);
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second != offset) continue;
    offsets_.erase(entry);
    break;
  }
  ids_.erase(found);
  size_ = ids_.size();
}

std::vector<journal::Offset> OpenErrors::Of(const privacy::Hash128& id) const {
  const std::lock_guard lock(mutex_);
  std::vector<journal::Offset> offsets;
  const auto [begin, end] = offsets_.equal_range(id);
  for (auto entry = begin; entry != end; ++entry) offsets.push_back(entry->second);
  return offsets;
}

Status OpenErrors::Restore(const columnar::Batch& rows, journal::Offset base) {
  const auto states = std::dynamic_pointer_cast<arrow::StringArray>(rows->GetColumnByName("state"));
  const auto of =
      std::dynamic_pointer_cast<arrow::Int64Array>(rows->GetColumnByName("error_offset"));
  const auto codes = std::dynamic_pointer_cast<arrow::StringArray>(rows->GetColumnByName("code"));
  const auto offsets =
      std::dynamic_pointer_cast<arrow::Int64Array>(rows->GetColumnByName("_offset"));
  if (!states || !of || !codes || (base < 0 && !offsets)) return {};  // Another writer's rows.
  const auto ids = StoredIds(rows);
  const auto topics = std::dynamic_pointer_cast<arrow::StringArray>(rows->GetColumnByName("topic"));
  journal::Offset end = 0;
  for (int64_t row = 0; row < rows->num_rows(); ++row) {
    if (base < 0 && offsets->IsNull(row)) continue;
    const journal::Offset offset = base >= 0 ? base + row : offsets->Value(row);
    // The journal may still have what the table has.
    if (of->IsNull(row) && topics && topics->IsValid(row) && (base < 0 || offset >= counted_end_)) {
      ++counts_[std::string(topics->GetView(row))];
    }
    end = std::max(end, offset + 1);
  }
  if (base < 0) counted_end_ = std::max(counted_end_, end);
  for (int64_t row = 0; row < rows->num_rows(); ++row) {
    if (of->IsValid(row)) {
      Close(of->Value(row));
    } else if (codes->IsValid(row) && SupersededByIdentity(codes->GetView(row)) &&
               (base >= 0 || offsets->IsValid(row))) {
      Open(base >= 0 ? base + row : offsets->Value(row), ids[static_cast<size_t>(row)]);
    }
  }
  return {};
}

std::map<std::string, int64_t> OpenErrors::FinishRestore() {
  const std::lock_guard lock(mutex_);
  restoring_ = false;
  closed_.clear();
  return std::exchange(counts_, {});
}

}  // namespace sluice::ingest::internal
