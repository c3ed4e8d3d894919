#include "sluice/lake/edit_rows.h"

#include <arrow/api.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/sql_text.h"
#include "sluice/lake/internal/row_change.h"

namespace sluice::lake {

namespace {

using internal::RowChange;
using internal::RowMover;
using internal::RowSet;
using internal::TableChange;

const char* OperationOf(EditKind kind) {
  switch (kind) {
    case EditKind::kDelete:
      return "DELETE";
    case EditKind::kUpdate:
      return "UPDATE";
    case EditKind::kInsert:
      return "WRITE";
    case EditKind::kMerge:
      break;
  }
  return "MERGE";
}

/// The edits of one snapshot, on their way into a change. Not thread-safe.
class Edits final : public RowEdits {
 public:
  Edits(RowChange& change, EditKind kind) : change_(change), kind_(kind) {}

  Status Delete(std::span<const RowPlace> places) override {
    SLUICE_CHECK(kind_ == EditKind::kDelete || kind_ == EditKind::kMerge);
    for (const RowPlace& place : places) {
      SLUICE_ASSIGN_OR_RETURN(FileEdits* const file, Find(place));
      if (Updated(*file, place.row)) return TwiceChanged();
      if (!file->deleted) file->deleted.emplace(file->found.physical);
      file->deleted->Insert(place.row);
    }
    return {};
  }

  Status Update(std::span<const RowPlace> places, const columnar::Batch& values) override {
    SLUICE_CHECK(kind_ == EditKind::kUpdate || kind_ == EditKind::kMerge);
    SLUICE_CHECK(static_cast<int64_t>(places.size()) == values->num_rows());
    if (places.empty()) return {};
    SLUICE_ASSIGN_OR_RETURN(const size_t group, GroupOf(values));
    for (const RowPlace& place : places) {
      SLUICE_ASSIGN_OR_RETURN(FileEdits* const file, Find(place));
      if (Updated(*file, place.row) || (file->deleted && file->deleted->Contains(place.row))) {
        return TwiceChanged();
      }
      if (!file->updated) file->updated.emplace(file->found.physical);
      file->updated->Insert(place.row);
      file->values.push_back({place.row, group, groups_[group].rows++});
    }
    groups_[group].batches.push_back(values);
    return {};
  }

  Status Insert(const columnar::Batch& rows) override {
    SLUICE_CHECK(kind_ == EditKind::kInsert || kind_ == EditKind::kMerge);
    auto& identities = change_.change().identities;
    if (!inserts_) identities = change_.rules().identities();
    inserts_ = true;
    std::vector<std::string> absent;
    SLUICE_ASSIGN_OR_RETURN(const columnar::Batch full,
                            change_.rules().Complete(*rows, identities, absent));
    RowMover& mover = change_.mover();
    mover.report().rows_inserted += full->num_rows();
    // Readers of the feed see for themselves that a commit only adds.
    if (kind_ == EditKind::kMerge) {
      SLUICE_RETURN_IF_ERROR(mover.NoteChange(full, "insert"));
    }
    return mover.WriteNew(full);
  }

  void LooksAtTable() override {
    change_.change().read = TableChange::Read::kEverything;
    change_.change().relies_on_all = true;
  }

  /// Takes the rows out of their files, and writes those that were updated.
  Status Apply() {
    for (Group& group : groups_) {
      SLUICE_ASSIGN_OR_RETURN(group.joined, columnar::Concatenate(group.batches));
      group.batches.clear();
      for (const auto& field : group.joined->schema()->fields()) {
        SLUICE_ASSIGN_OR_RETURN(auto value, Expression::Parse(Quoted(field->name(), '`')));
        group.assignments.push_back({field->name(), std::move(value)});
      }
    }
    std::vector<DataFile> files;
    std::vector<FileEdits*> edits;
    for (auto& [index, of_file] : files_) {
      files.push_back(change_.state().files()[static_cast<size_t>(index)]);
      edits.push_back(&of_file);
    }
    return change_.MoveRows(
        files, [&](RowMover& mover, size_t i) { return ApplyTo(files[i], *edits[i], mover); });
  }

 private:
  // The new values of a row: a row of a group.
  struct Value {
    int64_t position = 0;
    size_t group = 0;
    int64_t row = 0;
  };
  struct FileEdits {
    RowChange::Found found;  // All rows that change, once they are known.
    std::optional<RowSet> deleted = {};
    std::optional<RowSet> updated = {};
    std::vector<Value> values = {};
  };
  // Values for the same columns.
  struct Group {
    std::vector<columnar::Batch> batches = {};
    int64_t rows = 0;
    columnar::Batch joined = {};
    std::vector<Assignment> assignments = {};
  };

  static Error TwiceChanged() {
    return Invalid(
        "a row of the table would be changed by several rows of the source: it is not clear which "
        "of them counts; leave one for each");
  }

  static bool Updated(const FileEdits& file, int64_t row) {
    return file.updated && file.updated->Contains(row);
  }

  // The values of a group are put side by side, so they have one schema.
  Result<size_t> GroupOf(const columnar::Batch& values) {
    for (size_t i = 0; i < groups_.size(); ++i) {
      if (groups_[i].batches.front()->schema()->Equals(*values->schema())) return i;
    }
    groups_.emplace_back();
    return groups_.size() - 1;
  }

  Result<FileEdits*> Find(const RowPlace& place) {
    const auto& files = change_.state().files();
    if (place.file < 0 || place.file >= static_cast<int64_t>(files.size()) || place.row < 0) {
      return Corrupt("a row to change is in no file of the table");
    }
    auto known = files_.find(place.file);
    if (known == files_.end()) {
      const DataFile file = files[static_cast<size_t>(place.file)];
      SLUICE_ASSIGN_OR_RETURN(auto found, change_.NoRows(file));
      known = files_.emplace(place.file, FileEdits{.found = std::move(found)}).first;
    }
    if (place.row >= known->second.found.physical) {
      return Corrupt("a row to change is behind the last one of its file");
    }
    return &known->second;
  }

  Status ApplyTo(const DataFile& file, FileEdits& edits, RowMover& mover) const {
    auto& rows = edits.found.rows;
    for (const auto& part : {edits.deleted, edits.updated}) {
      if (part) rows.InsertAll(*part);
    }
    if (file.deletion_vector != nullptr) {
      SLUICE_ASSIGN_OR_RETURN(const auto live, change_.FindRows(file, std::nullopt));
      if (rows.Without(live.rows).count() > 0) {
        return Corrupt("a row to change is already deleted: '{}'", file.path);
      }
    }
    if (edits.deleted) mover.report().rows_deleted += edits.deleted->count();
    // Rows that only a vector marks readers of the feed find themselves, if nothing else changed.
    const bool notes =
        change_.has_change_feed() && !(kind_ == EditKind::kDelete && change_.marks());
    if (!edits.updated && !notes) return mover.TakeOut(file, std::move(edits.found), nullptr);

    std::ranges::sort(edits.values, {}, &Value::position);
    std::vector<int64_t> positions;  // In the order in which TakeOut() gives the rows.
    const columnar::RowRuns runs = rows.Runs();
    for (const auto& run : runs.runs()) {
      for (int64_t i = 0; i < run.count; ++i) positions.push_back(run.first + i);
    }
    size_t next = 0;
    auto value = edits.values.begin();
    return mover.TakeOut(file, std::move(edits.found), [&](const columnar::Batch& batch) -> Status {
      std::vector<int64_t> deleted;
      std::map<size_t, std::pair<std::vector<int64_t>, std::vector<int64_t>>> updated;
      for (int64_t i = 0; i < batch->num_rows(); ++i) {
        if (next >= positions.size()) return Corrupt("file '{}' has too many rows", file.path);
        const int64_t position = positions[next++];
        if (value == edits.values.end() || value->position != position) {
          deleted.push_back(i);
          continue;
        }
        updated[value->group].first.push_back(i);
        updated[value->group].second.push_back(value->row);
        ++value;
      }
      if (notes && !deleted.empty()) {
        SLUICE_ASSIGN_OR_RETURN(const auto gone, columnar::Take(*batch, deleted));
        SLUICE_RETURN_IF_ERROR(mover.NoteChange(gone, "delete"));
      }
      for (const auto& [group, picked] : updated) {
        SLUICE_ASSIGN_OR_RETURN(const auto before, columnar::Take(*batch, picked.first));
        SLUICE_ASSIGN_OR_RETURN(const auto values,
                                columnar::Take(*groups_[group].joined, picked.second));
        SLUICE_RETURN_IF_ERROR(Replace(before, values, groups_[group].assignments, mover));
      }
      return {};
    });
  }

  Status Replace(const columnar::Batch& before, const columnar::Batch& values,
                 std::span<const Assignment> assignments, RowMover& mover) const {
    SLUICE_ASSIGN_OR_RETURN(const auto assigned,
                            change_.rules().Assign(*before, *values, assignments));
    SLUICE_ASSIGN_OR_RETURN(const auto after, change_.rules().Check(*assigned));
    mover.report().rows_updated += after->num_rows();
    SLUICE_RETURN_IF_ERROR(mover.NoteChange(before, "update_preimage"));
    SLUICE_RETURN_IF_ERROR(mover.NoteChange(after, "update_postimage"));
    return mover.WriteChanged(after, before);
  }

  RowChange& change_;
  const EditKind kind_;
  bool inserts_ = false;
  std::map<int64_t, FileEdits> files_;  // By index into the snapshot's files.
  std::vector<Group> groups_;
};

}  // namespace

Result<ChangeReport> EditRows(DeltaTable& table, EditKind kind, const FindEdits& find,
                              const ChangeOptions& options) {
  return internal::MakeChange(table, options, OperationOf(kind), [&](RowChange& change) -> Status {
    Edits edits(change, kind);
    if (kind == EditKind::kInsert) {
      change.change().parameters = {{"mode", "Append"}};
    } else {
      change.change().read = TableChange::Read::kEverything;
    }
    // Rows that match and stay as they are are not named.
    if (kind == EditKind::kMerge) edits.LooksAtTable();
    SLUICE_RETURN_IF_ERROR(find(change.snapshot(), edits));
    return edits.Apply();
  });
}

}  // namespace sluice::lake
