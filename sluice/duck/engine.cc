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
#include "sluice/duck/change_plan.h"
#include "sluice/duck/internal/change_statement.h"
#include "sluice/duck/internal/diagnosis.h"
#include "sluice/duck/internal/known_rows.h"
#include "sluice/duck/internal/relations.h"
#include "sluice/duck/internal/statement.h"
#include "sluice/duck/internal/utc_times.h"
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
               const QueryLimits& limits, std::stop_token stop, const Parameters& parameters,
               Diagnostic* diagnosis) override {
    return Do({sql, parameters, Asked::kRows}, relations, sink, limits, stop, diagnosis);
  }

  Status Change(std::string_view sql, const RelationLookup& relations, ResultSink& sink,
                const QueryLimits& limits, std::stop_token stop, const Parameters& parameters,
                Diagnostic* diagnosis) override {
    return Do({sql, parameters, Asked::kChanges}, relations, sink, limits, stop, diagnosis);
  }

  std::string Version() const override { return duckdb::DuckDB::LibraryVersion(); }

 private:
  enum class Asked : uint8_t { kRows, kChanges };
  struct Text {
    std::string_view sql;
    const Parameters& parameters;
    Asked asked;
  };

  // A statement that was read, and what its rows mean.
  struct Parsed {
    duckdb::unique_ptr<duckdb::SQLStatement> statement;
    std::optional<ChangePlan> plan;
  };

  Status Do(const Text& text, const RelationLookup& relations, ResultSink& sink,
            const QueryLimits& limits, const std::stop_token& stop, Diagnostic* diagnosis) {
    Diagnostic found;
    Status status = Guarded<Status>([&]() -> Status {
      SLUICE_ASSIGN_OR_RETURN(const auto database, Database());
      duckdb::Connection connection(*database);
      const auto named = duckdb::make_shared_ptr<QueryRelations>(relations);
      connection.context->registered_state->Insert(QueryRelations::kKey, named);
      Watchdog::Watch watch(*watchdog_, limits.time_max, [&connection] { connection.Interrupt(); });
      const std::stop_callback on_stop(stop, [&watch] { watch.Expire(); });

      Status ended = Guarded<Status>([&]() -> Status {
        try {
          return Run(connection, text, sink, limits, watch, found);
        } catch (const std::exception& e) {
          const duckdb::ErrorData error(e);
          found = internal::Diagnose(error, text.sql);
          return internal::FromDuck(error);
        }
      });
      if (ended.ok()) return ended;
      if (named->error()) {
        found = Diagnostic();
        return *named->error();
      }
      if (watch.expired()) {
        found = {.code = stop.stop_requested() ? "SL2205" : "SL2201"};
        if (stop.stop_requested()) return Unavailable("the query was stopped");
        return Unavailable("the query took longer than {} ms", limits.time_max.count());
      }
      // What DuckDB says of it speaks of a catalog that is none of ours.
      if (found.code == "SL2101" && !named->missing().empty()) {
        return Invalid("there is no table {}", named->missing());
      }
      return ended;
    });
    if (!status.ok() && diagnosis != nullptr) *diagnosis = std::move(found);
    return status;
  }

  /// Returns the database; a new one if DuckDB has given the old one up, as it does after some
  /// errors.
  Result<std::shared_ptr<duckdb::DuckDB>> Database() {
    const std::lock_guard lock(mutex_);
    if (duckdb::ValidChecker::IsInvalidated(*database_->instance)) {
      if (options_.confine) return Internal("duckdb has given up after an earlier error");
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
    const auto threads = duckdb::Value::BIGINT(std::max(1, options_.threads));
    // One to begin with is the caller's own: others would start before they are confined.
    config.SetOptionByName("threads", options_.confine ? duckdb::Value::BIGINT(1) : threads);
    config.SetOptionByName("memory_limit", fmt::format("{}B", options_.memory_bytes_max));
    config.SetOptionByName("temp_directory", options_.temporary_folder);
    if (options_.temporary_bytes_max > 0) {
      config.SetOptionByName("max_temp_directory_size",
                             fmt::format("{}B", options_.temporary_bytes_max));
    }
    config.SetOptionByName("autoinstall_known_extensions", false);
    config.SetOptionByName("autoload_known_extensions", false);
    config.SetOptionByName("allow_community_extensions", false);
    config.SetOptionByName("allow_persistent_secrets", false);
    auto database = std::make_shared<duckdb::DuckDB>(nullptr, &config);
    internal::RegisterRelations(*database->instance);
    internal::RegisterPlanCheck(*database->instance);
    internal::RegisterKnownRows(*database->instance);
    internal::RegisterUtcTimes(*database->instance);

    duckdb::Connection connection(*database);
    std::vector<std::string> settings = {"SET GLOBAL TimeZone = 'UTC'",
                                         "SET GLOBAL max_expression_depth = 250",
                                         "SET GLOBAL parquet_metadata_cache = true"};
    std::string folders;
    for (const std::string& folder : options_.files_folders) {
      folders += (folders.empty() ? "" : ", ") + Quote(folder);
    }
    settings.push_back(fmt::format("SET GLOBAL allowed_directories = [{}]", folders));
    settings.push_back("SET GLOBAL enable_external_access = false");
    if (options_.confine) {
      SLUICE_RETURN_IF_ERROR(options_.confine(), "confine");
      settings.push_back(fmt::format("SET GLOBAL threads = {}", threads.ToString()));
    }
    settings.push_back("SET GLOBAL lock_configuration = true");
    for (const std::string& setting : settings) {
      const auto result = connection.Query(setting);
      if (result->HasError()) return internal::FromDuck(result->GetErrorObject());
    }
    database_ = std::move(database);
    if (watchdog_ == nullptr) watchdog_ = std::make_unique<Watchdog>();
    return {};
  }

  static Result<Parsed> Parse(duckdb::Connection& connection, const Text& text,
                              Diagnostic& diagnosis) {
    Parsed parsed;
    if (text.asked == Asked::kChanges) {
      SLUICE_ASSIGN_OR_RETURN(auto change,
                              internal::ParseChange(*connection.context, text.sql, diagnosis));
      parsed.statement = std::move(change.select);
      parsed.plan = std::move(change.plan);
      return parsed;
    }
    diagnosis.code = "SL2002";
    auto statement = internal::ParseStatement(*connection.context, text.sql);
    if (!statement.ok()) {
      if (statement.error().code() == ErrorCode::kDenied) diagnosis.code = "SL2003";
      if (statement.error().code() == ErrorCode::kUnsupported) diagnosis.code = "SL2209";
      return std::move(statement).error();
    }
    diagnosis.code = "";
    parsed.statement = std::move(*statement);
    return parsed;
  }

  static Status Run(duckdb::Connection& connection, const Text& text, ResultSink& sink,
                    const QueryLimits& limits, const Watchdog::Watch& watch,
                    Diagnostic& diagnosis) {
    const auto failed = [&](const duckdb::ErrorData& error) {
      diagnosis = internal::Diagnose(error, text.sql);
      return internal::FromDuck(error);
    };
    SLUICE_ASSIGN_OR_RETURN(Parsed parsed, Parse(connection, text, diagnosis));
    auto statement = std::move(parsed.statement);
    duckdb::case_insensitive_map_t<duckdb::BoundParameterData> values;
    for (const auto& [name, value] : text.parameters) {
      values.emplace(name, duckdb::BoundParameterData(ToValue(value)));
    }
    auto pending = connection.PendingQuery(std::move(statement), values,
                                           duckdb::QueryResultOutputType::ALLOW_STREAMING);
    if (pending->HasError()) {
      if (parsed.plan && internal::HasOtherCount(pending->GetErrorObject())) {
        diagnosis.code = "SL2106";
        return Invalid("the rows have not the {} values of the columns that are set",
                       parsed.plan->actions.front().columns.size());
      }
      return failed(pending->GetErrorObject());
    }
    auto result = pending->Execute();
    if (result->HasError()) return failed(result->GetErrorObject());

    // Owned by the stream, which the reader owns.
    auto* wrapper = new duckdb::ResultArrowArrayStreamWrapper(std::move(result), kResultRows);
    SLUICE_ASSIGN_OR_RETURN(const auto reader,
                            columnar::FromArrow(arrow::ImportRecordBatchReader(&wrapper->stream)));
    const columnar::Schema schema =
        parsed.plan ? parsed.plan->Mark(reader->schema()) : reader->schema();
    SLUICE_RETURN_IF_ERROR(sink.Begin(schema));
    int64_t rows = 0;
    while (true) {
      columnar::Batch batch;
      const arrow::Status read = reader->ReadNext(&batch);
      if (wrapper->last_error.HasError()) return failed(wrapper->last_error);
      SLUICE_RETURN_IF_ERROR(columnar::FromArrow(read));
      if (batch == nullptr) return {};
      rows += batch->num_rows();
      if (rows > limits.rows_max) {
        diagnosis.code = "SL2203";
        return Unavailable("the result has more than {} rows", limits.rows_max);
      }
      if (watch.expired()) return Unavailable("out of time");
      if (parsed.plan) {
        batch = arrow::RecordBatch::Make(schema, batch->num_rows(), batch->columns());
      }
      SLUICE_RETURN_IF_ERROR(sink.Add(batch));
    }
  }

  const EngineOptions options_;
  std::unique_ptr<Watchdog> watchdog_;  // Made last, for its thread; then never changed.
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
