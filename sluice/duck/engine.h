#pragma once
/// \file
/// The door to DuckDB: run one query over named relations of files and batches.

#include <arrow/type_fwd.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"

namespace sluice::duck {

/// A relation: the rows of Parquet files, then those of batches in memory.
///
/// Files and batches may have fewer columns, more, or in another order: columns are matched by
/// name, missing ones are null, other types are cast.
struct Relation {
  std::string schema_name;  ///< `bronze`
  std::string name;         ///< `flights`
  columnar::Schema schema;  ///< Of the whole relation, in the order that SELECT * shows.
  /// If the files have it otherwise: the columns of `schema`, in its order and shape, by the names
  /// in the files, with their Parquet field ids (`PARQUET:field_id`). Null: as in `schema`.
  columnar::Schema stored_schema;
  bool match_field_ids = false;    ///< Columns of files are found by these ids, not by name.
  std::vector<std::string> files;  ///< Absolute paths, taken as they are: no patterns.
  /// In place of `files`, where more is known of them: a row a file, with
  /// - `path` (text), the only column that must be there;
  /// - `min:NAME`, `max:NAME`: bounds of the file's values: bigint (whole numbers, days,
  ///   microseconds), double or text (by bytes). Files that cannot hold a row that a query's
  ///   conditions ask for are not opened; null bounds exclude nothing;
  /// - `value:NAME`, of the column's type: what each row of the file has there, whatever the file
  ///   itself says. With `own:NAME` (boolean): where that is true, the file has the column itself;
  /// - `rows` (bigint): how many rows of the file are there, those `deleted` left out; null: not
  ///   known. `count(*)` without conditions then opens no file;
  /// - `deleted` (binary): positions of rows that are not there (columnar::RowRuns); null: none.
  columnar::Batch indexed_files;
  std::vector<columnar::Batch> batches;
  int64_t file_rows = 0;  ///< About how many rows the files have, for planning; 0: not known.
};

/// What a query names: a table, or one of the functions that stand for tables.
struct RelationName {
  std::string schema;  ///< As written; empty if not.
  std::string name;
  /// Of functions: `delta_scan` with `path`; `table_changes` with `table`, `from`, perhaps `to`.
  /// Tables at another time and `delta_scan` have `version` or `timestamp`; a table to change has
  /// kChangeArgument (change_plan.h).
  std::map<std::string, std::string> arguments = {};
  bool is_function = false;

  auto operator<=>(const RelationName&) const = default;
};

/// Gives a relation when a query names it; called at most once a name and query, on the query's
/// thread. Absent: there is none.
using RelationLookup = std::function<Result<std::optional<Relation>>(const RelationName& name)>;

/// Takes the result: schema once, then batches. An error ends the query.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  virtual Status Begin(const columnar::Schema& schema) = 0;
  virtual Status Add(const columnar::Batch& batch) = 0;
};

struct EngineOptions {
  std::string temporary_folder;
  uint64_t memory_bytes_max = 1ull << 30;
  uint64_t temporary_bytes_max =
      0;  ///< Of what queries put into the folder; 0: as DuckDB sees fit.
  int threads = 2;
  std::vector<std::string> files_folders;  ///< Only files in these can be read.
  /// Called once, when DuckDB is open and has no thread yet: to take away rights that only opening
  /// needs. Such an engine is not opened again when DuckDB gives it up.
  std::function<Status()> confine = {};
};

/// Values of `$name` in the text, by name; std::monostate is null.
using Parameters =
    std::map<std::string, std::variant<std::monostate, bool, int64_t, double, std::string>>;

struct QueryLimits {
  int64_t rows_max = 1'000'000;
  std::chrono::milliseconds time_max{30'000};
};

/// A DuckDB instance without tables of its own, locked against files, network and settings.
///
/// Thread-safe: each query has its own connection.
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> Open(const EngineOptions& options);
  virtual ~Engine() = default;

  /// Runs one SELECT (or VALUES, WITH, DESCRIBE, SHOW, EXPLAIN, SUMMARIZE). kInvalid: the text is
  /// no single such statement, does not bind, or fails on its data; with DuckDB's reason. kDenied:
  /// it would write or reach outside. kUnavailable: over a limit, or stopped. Errors of `relations`
  /// and `sink` as they are. `diagnosis`, if given, is filled when it fails;
  /// its place has no file.
  virtual Status Query(std::string_view sql, const RelationLookup& relations, ResultSink& sink,
                       const QueryLimits& limits = {}, std::stop_token stop = {},
                       const Parameters& parameters = {}, Diagnostic* diagnosis = nullptr) = 0;

  /// Tells what one INSERT, UPDATE, DELETE or MERGE would change; changes nothing. Its table is
  /// looked up with kChangeArgument; rows are those of ChangePlan, whose schema says the plan.
  /// Errors as Query(); kUnsupported: by what.
  virtual Status Change(std::string_view sql, const RelationLookup& relations, ResultSink& sink,
                        const QueryLimits& limits = {}, std::stop_token stop = {},
                        const Parameters& parameters = {}, Diagnostic* diagnosis = nullptr) = 0;

  /// DuckDB's version, such as "v1.5.6"; checked at Open() against the headers compiled in.
  virtual std::string Version() const = 0;
};

}  // namespace sluice::duck
