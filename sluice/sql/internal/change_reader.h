#pragma once
/// \file
/// What a worker says that a statement changes → edits of a table.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "sluice/duck/change_plan.h"
#include "sluice/lake/edit_rows.h"
#include "sluice/worker/query.h"

namespace sluice::sql::internal {

/// Reads the rows of duck::Engine::Change() as they come, as an Arrow stream, and hands them on.
/// The worker is not trusted: what it says is checked here and by the edits.
///
/// Not thread-safe.
class ChangeReader final : public worker::BodySink {
 public:
  /// Returns given values of columns as the table takes them; `new_rows`: to insert.
  using Fit = std::function<Result<columnar::Batch>(const columnar::Batch& values, bool new_rows)>;

  /// Values of updated rows are held: at most `bytes_max`. What is given must outlive the reader.
  ChangeReader(lake::EditKind kind, lake::RowEdits& edits, Fit fit, int64_t bytes_max);
  ~ChangeReader() override;

  /// kCorrupt: no such stream. kUnavailable: too many values. Others are those of the edits.
  Status Write(std::string_view bytes, std::optional<int64_t> rows,
               os::Monotonic deadline) override;
  /// Must be called at the end. kCorrupt: the stream did not end.
  Status Finish() const;

 private:
  class Listener;
  Status Begin(const columnar::Schema& schema);
  Status Take(const columnar::Batch& rows);
  Status Take(size_t action, int first_column, const columnar::Batch& rows);

  const lake::EditKind kind_;
  lake::RowEdits& edits_;
  const Fit fit_;
  const int64_t bytes_max_;
  int64_t bytes_ = 0;
  std::optional<duck::ChangePlan> plan_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace sluice::sql::internal
