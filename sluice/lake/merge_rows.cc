#include "sluice/lake/merge_rows.h"

#include <arrow/api.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/expression_node.h"
#include "sluice/lake/internal/key_index.h"
#include "sluice/lake/internal/row_change.h"

namespace sluice::lake {

namespace {

using columnar::FromArrow;
using internal::KeyIndex;
using internal::RowChange;
using internal::RowMover;
using Action = MergeClause::Action;
using When = MergeClause::When;

constexpr std::string_view kTarget = "target";
constexpr std::string_view kSource = "source";

// Adds the columns of the table that an expression names, bare or as `target.c`.
void CollectTargetColumns(const internal::ExpressionNode& node, std::set<std::string>& names) {
  if (node.kind == internal::ExpressionNode::Kind::kColumn && !node.path.empty()) {
    const std::string first = LowerCase(node.path[0]);
    if (first == kTarget && node.path.size() > 1) {
      names.insert(node.path[1]);
    } else if (first != kSource) {
      names.insert(node.path[0]);
    }
  }
  for (const auto& argument : node.arguments) CollectTargetColumns(argument, names);
}

// The columns that expressions see: those of both sides, bare and as members of their side.
Result<columnar::Batch> Sides(const columnar::Batch& target, const columnar::Batch& source) {
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  std::set<std::string> names = {std::string(kTarget), std::string(kSource)};
  for (const auto& [name, side] : {std::pair(kTarget, &target), std::pair(kSource, &source)}) {
    const columnar::Batch& batch = *side;
    if (batch == nullptr) continue;
    SLUICE_ASSIGN_OR_RETURN(auto members, FromArrow(arrow::StructArray::Make(
                                              batch->columns(), batch->schema()->fields())));
    fields.push_back(arrow::field(std::string(name), members->type()));
    columns.push_back(std::move(members));
    for (int i = 0; i < batch->num_columns(); ++i) {
      if (!names.insert(LowerCase(batch->schema()->field(i)->name())).second) continue;
      fields.push_back(batch->schema()->field(i));
      columns.push_back(batch->column(i));
    }
  }
  const int64_t rows = target != nullptr ? target->num_rows() : source->num_rows();
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(columns));
}

/// One try of a merge. Not thread-safe: Run() has several files merged at once.
class Merge {
 public:
  Merge(RowChange& change, const columnar::Batch& source, std::shared_ptr<const KeyIndex> index,
        std::span<const MergeKey> keys, std::span<const MergeClause> clauses)
      : change_(change),
        source_(source),
        index_(std::move(index)),
        keys_(keys),
        clauses_(clauses),
        matched_(static_cast<size_t>(source->num_rows())) {}

  // All keys of the source meet `condition`.
  Status Run(const std::optional<Expression>& condition) {
    std::set<std::string> names;
    for (const MergeKey& key : keys_) names.insert(key.target);
    for (const MergeClause& clause : clauses_) {
      if (clause.condition && clause.when != When::kNotMatched) {
        CollectTargetColumns(clause.condition->root(), names);
      }
    }
    std::set<std::string> columns;  // As the table spells them.
    for (const std::string& name : names) {
      const int column = change_.rules().FindColumn(name);
      if (column >= 0) columns.insert(change_.state().schema()->field(column)->name());
    }
    SLUICE_ASSIGN_OR_RETURN(plan_, change_.PositionsPlan({columns.begin(), columns.end()}));

    const bool sees_all = Has(When::kNotMatchedBySource);
    const auto files = change_.Candidates(sees_all ? std::nullopt : condition);
    if (!sees_all) SLUICE_RETURN_IF_ERROR(ReachKeysAlone());
    if (sees_all || source_->num_rows() > 0) {
      SLUICE_RETURN_IF_ERROR(change_.MoveRows(
          files, [&](RowMover& mover, size_t i) { return MergeFile(files[i], mover); }));
    }
    return Insert();
  }

 private:
  // Of others' new rows those are in the way that have a key of the source: the merge is for no
  // other row, and puts none in their place.
  Status ReachKeysAlone() {
    std::vector<std::string> columns;
    for (const MergeKey& key : keys_) {
      const int column = change_.rules().FindColumn(key.target);
      columns.push_back(change_.state().schema()->field(column)->name());
    }
    SLUICE_ASSIGN_OR_RETURN(internal::ReadPlan plan, change_.PositionsPlan(columns));
    change_.change().reaches = [&change = change_, index = index_,
                                plan = std::move(plan)](const DataFile& file) -> Result<bool> {
      SLUICE_ASSIGN_OR_RETURN(const auto reader, change.OpenFile(file, plan));
      std::vector<KeyIndex::Pair> pairs;
      while (pairs.empty()) {
        SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, reader->Next());
        if (batch == nullptr) break;
        SLUICE_RETURN_IF_ERROR(index->Match(*batch, pairs));
      }
      return !pairs.empty();
    };
    return {};
  }

  // Rows of a file that keep rows of the source from being inserted, and stay as they are.
  struct Kept {
    columnar::RowRuns rows;
    int64_t end = 0;  // Behind the last of them.

    void Add(int64_t position) {
      if (position >= end) rows.Add(position, 1);
      end = std::max(end, position + 1);
    }
  };

  // A row of a file that a clause is for.
  struct Chosen {
    int64_t position = 0;
    int64_t source_row = -1;
    const MergeClause* clause = nullptr;
  };

  // Notes for each row the first clause of a kind whose condition is true.
  Status Choose(When when, const columnar::Batch& sides,
                std::vector<const MergeClause*>& clauses) const {
    clauses.assign(static_cast<size_t>(sides->num_rows()), nullptr);
    for (const MergeClause& clause : clauses_) {
      if (clause.when != when) continue;
      std::shared_ptr<arrow::Array> held;
      if (clause.condition) {
        SLUICE_ASSIGN_OR_RETURN(held, clause.condition->Evaluate(*sides));
        if (held->type_id() != arrow::Type::BOOL) {
          return Invalid("'{}' is no condition", clause.condition->text());
        }
      }
      const auto* flags = static_cast<const arrow::BooleanArray*>(held.get());
      for (size_t row = 0; row < clauses.size(); ++row) {
        const auto i = static_cast<int64_t>(row);
        if (flags != nullptr && (!flags->IsValid(i) || !flags->Value(i))) continue;
        if (clauses[row] == nullptr) clauses[row] = &clause;
      }
    }
    return {};
  }

  // Finds the rows of a batch that clauses are for. Its last column is the position.
  Status ChooseRows(const columnar::Batch& batch, std::vector<Chosen>& chosen, Kept& kept) {
    const auto& positions =
        static_cast<const arrow::Int64Array&>(*batch->column(batch->num_columns() - 1));
    std::vector<KeyIndex::Pair> pairs;
    SLUICE_RETURN_IF_ERROR(index_->Match(*batch, pairs));
    std::vector<bool> has_pair(static_cast<size_t>(batch->num_rows()));
    std::vector<int64_t> rows;
    std::vector<int64_t> source_rows;
    for (const auto& [row, source_row] : pairs) {
      has_pair[static_cast<size_t>(row)] = true;
      rows.push_back(row);
      source_rows.push_back(source_row);
    }
    NoteMatched(source_rows);
    const size_t begin = chosen.size();
    std::vector<const MergeClause*> clauses;
    if (!pairs.empty() && Has(When::kMatched)) {
      SLUICE_ASSIGN_OR_RETURN(const auto target, columnar::Take(*batch, rows));
      SLUICE_ASSIGN_OR_RETURN(const auto source, columnar::Take(*source_, source_rows));
      SLUICE_ASSIGN_OR_RETURN(const auto sides, Sides(target, source));
      SLUICE_RETURN_IF_ERROR(Choose(When::kMatched, sides, clauses));
      for (size_t i = 0; i < clauses.size(); ++i) {
        if (clauses[i] == nullptr) continue;
        chosen.push_back({positions.Value(rows[i]), source_rows[i], clauses[i]});
      }
    }
    if (!pairs.empty() && Has(When::kNotMatched)) {
      const std::vector<bool> inserts = WouldInsert(source_rows);
      for (size_t i = 0; i < inserts.size(); ++i) {
        const bool stays = clauses.empty() || clauses[i] == nullptr;
        if (stays && inserts[i]) kept.Add(positions.Value(rows[i]));
      }
    }
    if (Has(When::kNotMatchedBySource)) {
      rows.clear();
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        if (!has_pair[static_cast<size_t>(row)]) rows.push_back(row);
      }
      SLUICE_ASSIGN_OR_RETURN(const auto target, columnar::Take(*batch, rows));
      SLUICE_ASSIGN_OR_RETURN(const auto sides, Sides(target, nullptr));
      SLUICE_RETURN_IF_ERROR(Choose(When::kNotMatchedBySource, sides, clauses));
      for (size_t i = 0; i < clauses.size(); ++i) {
        if (clauses[i] != nullptr) {
          chosen.push_back({positions.Value(rows[i]), -1, clauses[i]});
        }
      }
    }
    std::sort(chosen.begin() + static_cast<std::ptrdiff_t>(begin), chosen.end(),
              [](const Chosen& a, const Chosen& b) { return a.position < b.position; });
    return DropRepeats(chosen, begin);
  }

  void NoteMatched(const std::vector<int64_t>& source_rows) {
    const std::lock_guard lock(mutex_);
    for (const int64_t row : source_rows) matched_[static_cast<size_t>(row)] = true;
  }

  // Whether rows of the source would be inserted if the table had none for them. Where a condition
  // fails, which it must not for rows that are not inserted, they would.
  std::vector<bool> WouldInsert(const std::vector<int64_t>& source_rows) const {
    std::vector<bool> inserts(source_rows.size(), true);
    const auto unconditional = [](const MergeClause& clause) {
      return clause.when == When::kNotMatched && !clause.condition;
    };
    if (std::ranges::any_of(clauses_, unconditional)) return inserts;
    std::vector<const MergeClause*> clauses;
    const auto choose = [&]() -> Status {
      SLUICE_ASSIGN_OR_RETURN(const auto source, columnar::Take(*source_, source_rows));
      SLUICE_ASSIGN_OR_RETURN(const auto sides, Sides(nullptr, source));
      return Choose(When::kNotMatched, sides, clauses);
    };
    if (!choose().ok()) return inserts;
    for (size_t i = 0; i < clauses.size(); ++i) inserts[i] = clauses[i] != nullptr;
    return inserts;
  }

  // Several rows of the source may delete one row, but not change it.
  static Status DropRepeats(std::vector<Chosen>& chosen, size_t begin) {
    const auto from = chosen.begin() + static_cast<std::ptrdiff_t>(begin);
    for (auto row = from; row != chosen.end(); ++row) {
      if (row == from || row[-1].position != row->position) continue;
      if (row->clause->action == Action::kDelete && row[-1].clause->action == Action::kDelete) {
        continue;
      }
      return Invalid(
          "a row of the table matches several rows of the source: it is not clear which of them "
          "changes it; leave one for each key");
    }
    const auto repeats = std::ranges::unique(from, chosen.end(), {}, &Chosen::position);
    chosen.erase(repeats.begin(), repeats.end());
    return {};
  }

  Status MergeFile(const DataFile& file, RowMover& mover) {
    SLUICE_ASSIGN_OR_RETURN(auto found, change_.NoRows(file));
    SLUICE_ASSIGN_OR_RETURN(const auto reader, change_.OpenFile(file, plan_));
    std::vector<Chosen> chosen;
    Kept kept;
    while (true) {
      SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, reader->Next());
      if (batch == nullptr) break;
      SLUICE_RETURN_IF_ERROR(ChooseRows(batch, chosen, kept));
    }
    if (!kept.rows.empty()) {
      const std::lock_guard lock(mutex_);
      change_.change().relied_on.push_back(
          {.file = file, .rows = std::move(kept.rows), .physical = found.physical});
    }
    for (const Chosen& row : chosen)
      SLUICE_RETURN_IF_ERROR(change_.Mark(file, row.position, found));
    const bool updates = std::ranges::any_of(
        chosen, [](const Chosen& row) { return row.clause->action == Action::kUpdate; });
    size_t next = 0;  // Rows come in the order of their positions.
    const auto use = [&](const columnar::Batch& rows) -> Status {
      const auto count = static_cast<size_t>(rows->num_rows());
      const auto part = std::span(chosen).subspan(next, count);
      next += count;
      return Change(rows, part, mover);
    };
    if (!updates) {
      mover.report().rows_deleted +=
          change_.has_change_feed() ? 0 : static_cast<int64_t>(chosen.size());
      return mover.TakeOut(file, std::move(found),
                           change_.has_change_feed() ? RowMover::Use(use) : RowMover::Use());
    }
    return mover.TakeOut(file, std::move(found), use);
  }

  // Changes rows as chosen: of both the same number, in the same order.
  Status Change(const columnar::Batch& rows, std::span<const Chosen> chosen,
                RowMover& mover) const {
    for (const MergeClause& clause : clauses_) {
      std::vector<int64_t> picked;
      std::vector<int64_t> source_rows;
      for (size_t i = 0; i < chosen.size(); ++i) {
        if (chosen[i].clause != &clause) continue;
        picked.push_back(static_cast<int64_t>(i));
        source_rows.push_back(chosen[i].source_row);
      }
      if (picked.empty()) continue;
      SLUICE_ASSIGN_OR_RETURN(const auto before, columnar::Take(*rows, picked));
      if (clause.action == Action::kDelete) {
        mover.report().rows_deleted += before->num_rows();
        SLUICE_RETURN_IF_ERROR(mover.NoteChange(before, "delete"));
        continue;
      }
      columnar::Batch source;
      if (clause.when == When::kMatched) {
        SLUICE_ASSIGN_OR_RETURN(source, columnar::Take(*source_, source_rows));
      }
      SLUICE_ASSIGN_OR_RETURN(const auto sides, Sides(TableColumns(before), source));
      SLUICE_ASSIGN_OR_RETURN(const auto assignments, AssignmentsOf(clause));
      SLUICE_ASSIGN_OR_RETURN(const auto assigned,
                              change_.rules().Assign(*before, *sides, assignments));
      SLUICE_ASSIGN_OR_RETURN(const auto after, change_.rules().Check(*assigned));
      mover.report().rows_updated += after->num_rows();
      SLUICE_RETURN_IF_ERROR(mover.NoteChange(before, "update_preimage"));
      SLUICE_RETURN_IF_ERROR(mover.NoteChange(after, "update_postimage"));
      SLUICE_RETURN_IF_ERROR(mover.WriteChanged(after, before));
    }
    return {};
  }

  Status Insert() {
    if (!Has(When::kNotMatched)) return {};
    std::vector<int64_t> rows;
    for (size_t row = 0; row < matched_.size(); ++row) {
      if (!matched_[row]) rows.push_back(static_cast<int64_t>(row));
    }
    if (rows.empty()) return {};
    SLUICE_ASSIGN_OR_RETURN(const auto source, columnar::Take(*source_, rows));
    SLUICE_ASSIGN_OR_RETURN(const auto sides, Sides(nullptr, source));
    std::vector<const MergeClause*> clauses;
    SLUICE_RETURN_IF_ERROR(Choose(When::kNotMatched, sides, clauses));
    change_.change().identities = change_.rules().identities();
    RowMover& mover = change_.mover();
    for (const MergeClause& clause : clauses_) {
      rows.clear();
      for (size_t i = 0; i < clauses.size(); ++i) {
        if (clauses[i] == &clause) rows.push_back(static_cast<int64_t>(i));
      }
      if (rows.empty()) continue;
      SLUICE_ASSIGN_OR_RETURN(const auto values, columnar::Take(*sides, rows));
      SLUICE_ASSIGN_OR_RETURN(const auto assignments, AssignmentsOf(clause));
      arrow::FieldVector fields;
      arrow::ArrayVector columns;
      for (const Assignment& assignment : assignments) {
        const int column = change_.rules().FindColumn(assignment.column);
        if (column < 0) return Invalid("the table has no column '{}'", assignment.column);
        SLUICE_ASSIGN_OR_RETURN(const auto value, assignment.value.Evaluate(*values), "column '{}'",
                                assignment.column);
        SLUICE_ASSIGN_OR_RETURN(columns.emplace_back(), change_.rules().AsColumn(value, column));
        fields.push_back(change_.state().schema()->field(column));
      }
      std::vector<std::string> absent;
      SLUICE_ASSIGN_OR_RETURN(
          const auto full,
          change_.rules().Complete(
              *arrow::RecordBatch::Make(arrow::schema(fields), values->num_rows(), columns),
              change_.change().identities, absent));
      mover.report().rows_inserted += full->num_rows();
      SLUICE_RETURN_IF_ERROR(mover.NoteChange(full, "insert"));
      SLUICE_RETURN_IF_ERROR(mover.WriteNew(full));
    }
    return {};
  }

  // What the clause assigns, spelt out.
  Result<std::vector<Assignment>> AssignmentsOf(const MergeClause& clause) const {
    if (!clause.assignments.empty()) return clause.assignments;
    std::vector<Assignment> all;
    for (const auto& field : source_->schema()->fields()) {
      const int column = change_.rules().FindColumn(field->name());
      if (column < 0) continue;
      const std::string& name = change_.state().schema()->field(column)->name();
      if (change_.rules().MakesItself(name)) continue;
      SLUICE_ASSIGN_OR_RETURN(auto value,
                              Expression::Parse(fmt::format("source.`{}`", field->name())));
      all.push_back({name, std::move(value)});
    }
    if (all.empty()) return Invalid("the source has none of the table's columns");
    return all;
  }

  columnar::Batch TableColumns(const columnar::Batch& rows) const {
    arrow::ArrayVector columns = rows->columns();
    columns.resize(static_cast<size_t>(change_.state().schema()->num_fields()));
    return arrow::RecordBatch::Make(change_.state().schema(), rows->num_rows(), std::move(columns));
  }

  bool Has(When when) const {
    return std::ranges::any_of(clauses_, [&](const auto& clause) { return clause.when == when; });
  }

  RowChange& change_;
  const columnar::Batch& source_;
  const std::shared_ptr<const KeyIndex> index_;  // The commit needs it, too.
  const std::span<const MergeKey> keys_;
  const std::span<const MergeClause> clauses_;
  internal::ReadPlan plan_;
  std::mutex mutex_;           // Guards what follows, and `relied_on`, while files are merged.
  std::vector<bool> matched_;  // Rows of the source that have one of the table.
};

Status CheckClauses(std::span<const MergeClause> clauses) {
  if (clauses.empty()) return Invalid("a merge has no clause: it would change nothing");
  for (const MergeClause& clause : clauses) {
    const bool inserts = clause.action == Action::kInsert;
    if (inserts != (clause.when == When::kNotMatched)) {
      return Invalid("rows that the table does not have are inserted, others updated or deleted");
    }
    if (clause.when == When::kNotMatchedBySource && clause.action == Action::kUpdate &&
        clause.assignments.empty()) {
      return Invalid("an update of rows that the source does not have must say what it assigns");
    }
  }
  return {};
}

}  // namespace

Result<ChangeReport> MergeRows(DeltaTable& table, std::span<const columnar::Batch> source,
                               std::span<const MergeKey> keys, std::span<const MergeClause> clauses,
                               const ChangeOptions& options) {
  SLUICE_RETURN_IF_ERROR(CheckClauses(clauses));
  if (keys.empty()) return Invalid("a merge needs a key");
  if (source.empty()) return Invalid("a merge needs a source; one without rows has a batch, too");
  SLUICE_ASSIGN_OR_RETURN(const columnar::Batch rows,
                          columnar::Concatenate({source.begin(), source.end()}));
  return internal::MakeChange(table, options, "MERGE", [&](RowChange& change) -> Status {
    std::vector<internal::KeyIndex::Key> names;
    for (const MergeKey& key : keys) {
      const int column = change.rules().FindColumn(key.target);
      if (column < 0) return Invalid("the table has no column '{}'", key.target);
      names.push_back({change.state().schema()->field(column), key.source});
    }
    SLUICE_ASSIGN_OR_RETURN(KeyIndex keys_of_source, KeyIndex::Of(*rows, names));
    const auto index = std::make_shared<const KeyIndex>(std::move(keys_of_source));
    SLUICE_ASSIGN_OR_RETURN(const auto range, index->Range());
    return Merge(change, rows, index, keys, clauses).Run(range);
  });
}

}  // namespace sluice::lake
