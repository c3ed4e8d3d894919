#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "sluice/base/ascii.h"
#include "sluice/base/trace.h"
#include "sluice/lake/edit_rows.h"
#include "sluice/land/table_schema.h"
#include "sluice/sql/database.h"
#include "sluice/sql/internal/change_once.h"
#include "sluice/sql/internal/change_text.h"
#include "sluice/sql/internal/reader.h"
#include "sluice/sql/internal/target_table.h"

namespace sluice::sql {

Result<internal::TargetTable> Database::OpenTarget(const internal::Reader& reader,
                                                   const internal::ChangeText& text,
                                                   os::Monotonic deadline, Diagnostic& found) {
  internal::TargetTable target;
  target.schema = LowerCase(text.schema);
  target.name = text.table;
  if (target.schema.empty() && target.name.find('/') != std::string::npos) {
    SLUICE_ASSIGN_OR_RETURN(const auto table, OpenExternal(reader, target.name));
    SLUICE_ASSIGN_OR_RETURN(target.options.since, external_->Load(*table), "'{}'", target.name);
    // What it was opened with must stay.
    const auto copy =
        std::make_shared<std::pair<std::shared_ptr<const lake::DeltaTable>, lake::DeltaTable>>(
            table, *table);
    target.table = std::shared_ptr<lake::DeltaTable>(copy, &copy->second);
    target.fit = [](const columnar::Batch& values, bool) { return Result(values); };
    return target;
  }
  if (target.schema.empty()) target.schema = "bronze";
  target.name = LowerCase(target.name);
  if (target.schema == "system") {
    found.code = "SL2003";
    return Denied("system tables cannot be changed");
  }
  auto begun = lander_.BeginChange(target.schema, target.name, deadline);
  if (!begun.ok()) {
    if (begun.error().code() != ErrorCode::kNotFound) return std::move(begun).error();
    found.code = "SL2101";
    SuggestTable(target.Label(), reader, found);
    return Invalid("there is no table {}", target.Label());
  }
  target.table = std::move(begun->table);
  target.options = std::move(begun->options);
  target.fit = [this, contract = std::move(begun->contract)](const columnar::Batch& values,
                                                             bool new_rows) {
    return land::CheckGiven(*contract, values, new_rows, clock_.Now());
  };
  return target;
}

Result<worker::Outcome> Database::Change(const QueryRequest& request,
                                         const internal::Reader& reader,
                                         const internal::ChangeText& text,
                                         QueryLog::Running& running, worker::BodySink& sink,
                                         Diagnostic& found) {
  if (request.principal && !request.principal->Allows(govern::Verb::kAdmin)) {
    found.code = "SL4031";
    return Denied("changing rows needs a token with the scope admin");
  }
  if (request.as_of) {
    found.code = "SL2106";
    return Invalid("a table is changed as it is now: as_of is for queries");
  }
  if (text.table.empty()) {
    found.code = "SL2001";
    return Invalid("expected DELETE FROM, UPDATE, INSERT INTO or MERGE INTO, and a table's name");
  }
  const os::Monotonic deadline = clock_.Steady() + request.limits.time_max;
  SLUICE_ASSIGN_OR_RETURN(internal::TargetTable target, OpenTarget(reader, text, deadline, found));
  Names names;
  const internal::ChangeOnce once{
      .kind = text.kind,
      .target = target,
      .relations = LookUp(request, reader, names),
      .indexes = indexes_.get(),
  };
  std::optional<Error> failure;  // Of the statement.
  bool noted = false;
  const auto run = [&](const std::shared_ptr<const lake::Snapshot>& snapshot,
                       lake::RowEdits& edits) -> Status {
    found = {};
    failure.reset();
    const auto left = std::chrono::floor<std::chrono::milliseconds>(deadline - clock_.Steady());
    if (left.count() <= 0) {
      found.code = "SL2201";
      failure = Unavailable("the statement took longer than {} ms; nothing was changed",
                            request.limits.time_max.count());
      return *failure;
    }
    worker::Query query{.sql = request.sql,
                        .form = worker::Form::kArrow,
                        .asked = worker::Asked::kChanges,
                        .parameters = request.parameters,
                        .limits = {.time_max = left,
                                   .rows_max = std::numeric_limits<int64_t>::max(),
                                   .bytes_max = std::numeric_limits<uint64_t>::max()}};
    worker::Tenant workers = tenant_;
    workers.name += "\nchanges";  // What queries may have done to a worker stays out of tables.
    Status status = once.Run(pool_, workers, query, snapshot, edits, running.stop(), found);
    if (status.ok() && running.stop().stop_requested()) {
      found.code = "SL2205";
      status = Unavailable("the statement was stopped; nothing was changed");
    }
    if (status.ok() && request.audit && !std::exchange(noted, true)) {
      status = request.audit({.statement = internal::NameOf(text.kind),
                              .table = target.Label(),
                              .done = false,
                              .outcome = {}});
    }
    if (status.ok()) return status;
    failure = status.error();
    // What the statement itself is about is the same the next time.
    return found.code.empty() ? status : Invalid("the statement failed");
  };
  const auto report = lake::EditRows(*target.table, text.kind, run, target.options);
  if (failure && !report.ok()) {
    if (found.code == "SL2104") found.notes = std::move(names.columns);
    if (found.code == "SL2101" && !names.missing.empty()) {
      SuggestTable(names.missing, reader, found);
    }
    return *std::move(failure);
  }
  if (!report.ok()) {
    const ErrorCode code = report.error().code();
    if (code == ErrorCode::kInvalid) found.code = "SL2111";
    if (code == ErrorCode::kConflict) found.code = "SL2112";
    if (code == ErrorCode::kUnsupported) found.code = "SL2209";
    return report.error();
  }
  if (!target.schema.empty()) lander_.EndChange(target.schema, target.name, report->snapshot);
  const std::string outcome = fmt::format("done: version {}, {} deleted, {} updated, {} inserted",
                                          report->snapshot->version(), report->rows_deleted,
                                          report->rows_updated, report->rows_inserted);
  if (request.audit) {
    // It is done, whatever becomes of the second row; the first one says that it was begun.
    const Status kept = request.audit({.statement = internal::NameOf(text.kind),
                                       .table = target.Label(),
                                       .done = true,
                                       .outcome = outcome});
    if (!kept.ok()) trace::Warning("no audit row", {{"reason", kept.error().ToString()}});
  }
  SLUICE_ASSIGN_OR_RETURN(const columnar::Batch answer, internal::AnswerOf(*report));
  SLUICE_RETURN_IF_ERROR(
      worker::WriteAnswer(request.format, answer, sink, clock_.Steady() + request.limits.time_max));
  return worker::Outcome{.rows = 1, .bytes = 0};
}

}  // namespace sluice::sql
