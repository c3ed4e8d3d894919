#pragma once
/// \file
/// How DuckDB finds and reads the relations that a query names.

#include "duckdb/common/types.hpp"
#include "duckdb/main/client_context_state.hpp"
#include "duckdb/main/database.hpp"

#include <arrow/type_fwd.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/duck/engine.h"

namespace sluice::duck::internal {

/// A relation that a query has named, with its columns as DuckDB knows them.
struct BoundRelation {
  Relation relation;
  columnar::Schema schema;  // Of the relation, as queries see it.
  duckdb::vector<duckdb::string> names;
  duckdb::vector<duckdb::LogicalType> types;
  /// Of the index of files, by column: what each file has there (null: files have it themselves),
  /// and which files have it themselves after all (null: none). Empty if no column is so.
  std::vector<std::shared_ptr<arrow::Array>> values;
  std::vector<std::shared_ptr<arrow::Array>> own;
  /// Whether queries see kRowColumn: the position of each row in its file.
  bool shows_rows = false;
  std::shared_ptr<arrow::Array> deleted;  // Of the index; null: no file has deleted rows.
};

/// The relations of one query; hangs on its connection.
///
/// Not thread-safe: planning fills it on the query's thread, execution only reads.
class QueryRelations final : public duckdb::ClientContextState {
 public:
  static constexpr const char* kKey = "sluice_relations";

  explicit QueryRelations(const RelationLookup& lookup) : lookup_(lookup) {}

  /// Returns the relations of the query that `context` runs.
  static duckdb::shared_ptr<QueryRelations> Of(duckdb::ClientContext& context);

  /// Returns the slot of a relation, or nothing if there is none. Throws a DuckDB exception when
  /// the lookup fails, and keeps the reason.
  std::optional<size_t> Find(duckdb::ClientContext& context, const RelationName& name);
  const BoundRelation& at(size_t slot) const;

  /// Why a lookup failed.
  const std::optional<Error>& error() const { return error_; }
  /// The last name that no relation has, as `schema.name`; empty if there was none.
  const std::string& missing() const { return missing_; }

 private:
  const RelationLookup& lookup_;
  std::map<RelationName, std::optional<size_t>> slots_;
  std::deque<BoundRelation> relations_;  // Addresses stay.
  std::optional<Error> error_;
  std::string missing_;
};

/// Makes `database` find relations through QueryRelations, and nothing else by the name of a table.
void RegisterRelations(duckdb::DatabaseInstance& database);

/// The functions that RegisterRelations() adds; plans have them, users' text must not.
constexpr const char* kFilesFunction = "sluice_files";
constexpr const char* kBatchesFunction = "sluice_batches";
/// Those for users: they stand for relations (RelationName::arguments).
constexpr const char* kDeltaScanFunction = "delta_scan";
constexpr const char* kTableChangesFunction = "table_changes";

/// Returns a table's name with the time that it is meant at, for the binder to look up: what AT
/// says does not reach the scan that replaces a table.
std::string NameAt(const std::string& name, const std::string& unit, const std::string& value);

}  // namespace sluice::duck::internal
