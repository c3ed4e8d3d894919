#pragma once
/// \file
/// SQL over tables and the rows not yet landed.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/base/metrics.h"
#include "sluice/govern/tokens.h"
#include "sluice/land/lander.h"
#include "sluice/os/clock.h"
#include "sluice/sql/external_tables.h"
#include "sluice/sql/query_log.h"
#include "sluice/worker/pool.h"
#include "sluice/worker/query.h"

namespace sluice::sql {

namespace internal {
struct ChangeText;
class FileIndexes;
class Reader;
struct TargetTable;
}  // namespace internal

using Format = worker::Form;

struct QueryResult {
  std::string content_type;
  std::string body;
  int64_t rows = 0;
};

using AsOf = land::AsOf;

/// A change of rows, without any value.
struct ChangeNote {
  std::string_view statement;  ///< `insert`, `update`, `delete` or `merge`.
  std::string table;           ///< As people call it.
  bool done = false;           ///< Else it is about to be made.
  std::string outcome;         ///< What it did; empty before.
};

struct QueryRequest {
  std::string sql;
  Format format = Format::kJson;
  duck::Parameters parameters = {};
  worker::Limits limits = {};
  std::optional<AsOf> as_of = {};  ///< Absent: now, the rows not landed included.
  std::string id = {};             ///< As QueryLog::Begin().
  bool background = false;         ///< As QueryLog::Asker.
  /// Who asks: sees the tables of topics that it may read, and `system.*` as far as it is about
  /// those; others are to it as if there were none. Absent: the program itself, which sees all.
  std::optional<govern::Principal> principal = {};
  /// Told of each change of rows before it is committed, perhaps more than once, and when it is. An
  /// error before ends it.
  std::function<Status(const ChangeNote& note)> audit = {};
};

/// Answers queries as of their beginning: a row acknowledged before is seen.
///
/// Thread-safe.
class Database {
 public:
  /// All references must outlive the object. The first of the tenant's folders has its tables; the
  /// others are those of `external`, without which there are no tables but the lander's.
  Database(worker::Pool& pool, worker::Tenant tenant, land::Lander& lander, const os::Clock& clock,
           os::Random& random, Metrics& metrics,
           std::unique_ptr<ExternalTables> external = nullptr);
  ~Database();

  /// Runs one SELECT; or one INSERT, UPDATE, DELETE or MERGE, for who may do everything: a worker
  /// tells what it would change, and the change is committed here. Its answer is one row: how many
  /// rows were deleted, updated and inserted, and the table's version then.
  ///
  /// `begun` is called with the query's id before anything else. Errors are those of
  /// worker::Pool::Run(), and kConflict for an id that runs; of changes also those of
  /// lake::EditRows() and land::Lander::BeginChange().
  Result<worker::Outcome> Run(const QueryRequest& request, worker::BodySink& sink,
                              std::stop_token stop = {}, Diagnostic* diagnosis = nullptr,
                              const std::function<void(const std::string& id)>& begun = nullptr);

  /// Runs one SELECT for the program itself, in the background, and returns the whole answer.
  Result<QueryResult> Query(std::string_view sql, Format format, const worker::Limits& limits = {},
                            std::stop_token stop = {});

  QueryLog& log() { return log_; }
  const std::string& tenant() const { return tenant_.name; }

 private:
  Result<std::optional<duck::Relation>> Find(const QueryRequest& request,
                                             const internal::Reader& reader,
                                             const duck::RelationName& name);
  Result<std::optional<duck::Relation>> FindTable(const internal::Reader& reader,
                                                  const std::string& schema,
                                                  const std::string& name,
                                                  const std::optional<AsOf>& as_of);
  Result<std::optional<duck::Relation>> FindExternal(const internal::Reader& reader,
                                                     const std::string& address,
                                                     const std::optional<AsOf>& as_of);
  Result<std::optional<duck::Relation>> FindChanges(const internal::Reader& reader,
                                                    const duck::RelationName& name);
  Result<std::shared_ptr<const lake::DeltaTable>> OpenExternal(const internal::Reader& reader,
                                                               const std::string& address);
  /// The rows of `system.errors` about topics that the reader may see.
  Result<duck::Relation> ErrorsSeenBy(const internal::Reader& reader, const QueryRequest& request,
                                      std::stop_token stop);
  Result<QueryResult> Query(const QueryRequest& request, std::stop_token stop);
  /// Relations of a query, by name, and what its errors should tell about them.
  struct Names {
    std::string missing;
    std::vector<std::string> columns;  // Of the tables found, for who names one that there is not.
    std::optional<Result<duck::Relation>> errors;  // Or why there are none.
  };
  duck::RelationLookup LookUp(const QueryRequest& request, const internal::Reader& reader,
                              Names& names);
  Result<worker::Outcome> Select(const QueryRequest& request, const internal::Reader& reader,
                                 QueryLog::Running& running, worker::BodySink& sink,
                                 Diagnostic& found);
  Result<worker::Outcome> Change(const QueryRequest& request, const internal::Reader& reader,
                                 const internal::ChangeText& text, QueryLog::Running& running,
                                 worker::BodySink& sink, Diagnostic& found);
  Result<internal::TargetTable> OpenTarget(const internal::Reader& reader,
                                           const internal::ChangeText& text, os::Monotonic deadline,
                                           Diagnostic& found);
  void SuggestTable(std::string_view missing, const internal::Reader& reader,
                    Diagnostic& diagnosis) const;

  worker::Pool& pool_;
  const worker::Tenant tenant_;
  land::Lander& lander_;
  const os::Clock& clock_;
  Metrics& metrics_;
  QueryLog log_;
  const std::unique_ptr<internal::FileIndexes> indexes_;
  const std::unique_ptr<ExternalTables> external_;
};

}  // namespace sluice::sql
