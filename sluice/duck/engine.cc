#include "sluice/duck/engine.h"

#include "duckdb/common/arrow/result_arrow_wrapper.hpp"
#include "duckdb/common/error_data.hpp"
#include "duckdb/main/client_context_state.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/main/connection.hpp"
#include "duckdb/main/database.hpp"
#include "duckdb/main/pending_query_result.hpp"
#include "duckdb/main/valid_checker.hpp"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/duck/internal/relations.h"
#include "sluice/duck/internal/statement.h"
#include "sluice/duck/internal/watchdog.h"

namespace sluice::duck {

namespace {

using internal::QueryRelations;
using internal::Watchdog;

constexpr std::string_view kHeaderVersion = "v1.5.6";
constexpr duckdb::idx_t kResultRows = 65'536;  // Of a batch.

// The only way into DuckDB: it throws, we do not.
template <typename T, typename Call>
T Guarded(Call call) {
  try {
    return call();
  } catch (const std::exception& e) {
    return internal::FromDuck(duckdb::ErrorData(e));
  } catch (...) {
    return Internal("duckdb threw what is no exception");
  }
}

std::string Quote(const std::string& text) { return duckdb::Value(text).ToSQLString(); }

duckdb::Value ToValue(const Parameters::mapped_type& value) {
  return std::visit(
      [](const auto& held) {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>) {
          return duckdb::Value();
        } else if constexpr (std::is_same_v<std::decay_t<decltype(held)>, bool>) {
          return duckdb::Value::BOOLEAN(held);
        } else {
          return duckdb::Value(held);
        }
      },
      value);
}

class DuckEngine final : public Engine {
 public:
  explicit DuckEngine(EngineOptions options) : options_(std::move(options)) {}

  Status Open() {
    const std::lock_guard lock(mutex_);
    return Guarded<Status>([&] { return OpenDatabase(); });
  }

  Status Query(std::string_view sql, const RelationLookup& relations, ResultSink& sink,
               const QueryLimits& limits, std::stop_token stop,
               const Parameters& parameters) override {
    return Guarded<Status>([&]() -> Status {
      SLUICE_ASSIGN_OR_RETURN(const auto database, Database());
      duckdb::Connection connection(*database);
      const auto named = duckdb::make_shared_ptr<QueryRelations>(relations);
      connection.context->registered_state->Insert(QueryRelations::kKey, named);
      Watchdog::Watch watch(watchdog_, limits.time_max, [&connection] { connection.Interrupt(); });
      const std::stop_callback on_stop(stop, [&watch] { watch.Expire(); });

      Status status =
          Guarded<Status>([&] { return Run(connection, sql, parameters, sink, limits, watch); });
      if (status.ok()) return status;
      if (named->error()) return *named->error();
      if (watch.expired()) {
        if (stop.stop_requested()) return Unavailable("the query was stopped");
        return Unavailable("the query took longer than {} ms", limits.time_max.count());
      }
      return status;
    });
  }

  std::string Version() const override { return duckdb::DuckDB::LibraryVersion(); }

 private:
  /// Returns the database; a new one if DuckDB has given the old one up, as it does after some
  /// errors.
  Result<std::shared_ptr<duckdb::DuckDB>> Database() {
    const std::lock_guard lock(mutex_);
    if (duckdb::ValidChecker::IsInvalidated(*database_->instance)) {
      SLUICE_RETURN_IF_ERROR(OpenDatabase(), "open duckdb again");
    }
    return database_;
  }

  Status OpenDatabase() {
    const std::string version = duckdb::DuckDB::LibraryVersion();
    if (version != kHeaderVersion) {
      return Unsupported("duckdb is {}, but this program was built for {}", version,
                         kHeaderVersion);
    }
    duckdb::DBConfig config;
    config.SetOptionByName("threads", duckdb::Value::BIGINT(std::max(1, options_.threads)));
    config.SetOptionByName("memory_limit", fmt::format("{}B", options_.memory_bytes_max));
    config.SetOptionByName("temp_directory", options_.temporary_folder);
    config.SetOptionByName("autoinstall_known_extensions", false);
    config.SetOptionByName("autoload_known_extensions", false);
    config.SetOptionByName("allow_community_extensions", false);
    config.SetOptionByName("allow_persistent_secrets", false);
    auto database = std::make_shared<duckdb::DuckDB>(nullptr, &config);
    internal::RegisterRelations(*database->instance);
    internal::RegisterPlanCheck(*database->instance);

    duckdb::Connection connection(*database);
    std::vector<std::string> settings = {"SET GLOBAL TimeZone = 'UTC'",
                                         "SET GLOBAL max_expression_depth = 250",
                                         "SET GLOBAL parquet_metadata_cache = true"};
    if (!options_.files_folder.empty()) {
      settings.push_back(
          fmt::format("SET GLOBAL allowed_directories = [{}]", Quote(options_.files_folder)));
    }
    settings.push_back("SET GLOBAL enable_external_access = false");
    settings.push_back("SET GLOBAL lock_configuration = true");
    for (const std::string& setting : settings) {
      const auto result = connection.Query(setting);
      if (result->HasError()) return internal::FromDuck(result->GetErrorObject());
    }
    database_ = std::move(database);
    return {};
  }

  static Status Run(duckdb::Connection& connection, std::string_view sql,
                    const Parameters& parameters, ResultSink& sink, const QueryLimits& limits,
                    const Watchdog::Watch& watch) {
    SLUICE_ASSIGN_OR_RETURN(auto statement, internal::ParseStatement(*connection.context, sql));
    duckdb::case_insensitive_map_t<duckdb::BoundParameterData> values;
    for (const auto& [name, value] : parameters) {
      values.emplace(name, duckdb::BoundParameterData(ToValue(value)));
    }
    auto pending = connection.PendingQuery(std::move(statement), values,
                                           duckdb::QueryResultOutputType::ALLOW_STREAMING);
    if (pending->HasError()) return internal::FromDuck(pending->GetErrorObject());
    auto result = pending->Execute();
    if (result->HasError()) return internal::FromDuck(result->GetErrorObject());

    // Owned by the stream, which the reader owns.
    auto* wrapper = new duckdb::ResultArrowArrayStreamWrapper(std::move(result), kResultRows);
    SLUICE_ASSIGN_OR_RETURN(const auto reader,
                            columnar::FromArrow(arrow::ImportRecordBatchReader(&wrapper->stream)));
    SLUICE_RETURN_IF_ERROR(sink.Begin(reader->schema()));
    int64_t rows = 0;
    while (true) {
      columnar::Batch batch;
      const arrow::Status read = reader->ReadNext(&batch);
      if (wrapper->last_error.HasError()) return internal::FromDuck(wrapper->last_error);
      SLUICE_RETURN_IF_ERROR(columnar::FromArrow(read));
      if (batch == nullptr) return {};
      rows += batch->num_rows();
      if (rows > limits.rows_max) {
        return Unavailable("the result has more than {} rows", limits.rows_max);
      }
      if (watch.expired()) return Unavailable("out of time");
      SLUICE_RETURN_IF_ERROR(sink.Add(batch));
    }
  }

  const EngineOptions options_;
  Watchdog watchdog_;
  std::mutex mutex_;
  std::shared_ptr<duckdb::DuckDB> database_;  // Guarded by mutex_.
};

}  // namespace

Result<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options) {
  auto engine = std::make_unique<DuckEngine>(options);
  SLUICE_RETURN_IF_ERROR(engine->Open(), "open duckdb");
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace sluice::duck
