#include "sluice/sql/database.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <arrow/type.h>

#include "sluice/base/ascii.h"
#include "sluice/base/diagnostic.h"
#include "sluice/base/sql_text.h"
#include "sluice/duck/change_plan.h"
#include "sluice/lake/timestamps.h"
#include "sluice/sql/internal/change_text.h"
#include "sluice/sql/internal/file_index.h"
#include "sluice/sql/internal/read_rows.h"
#include "sluice/sql/internal/reader.h"
#include "sluice/sql/internal/system_tables.h"
#include "sluice/sql/table_relation.h"

namespace sluice::sql {
namespace {

constexpr size_t kTablesToldMax = 3;
constexpr std::string_view kErrors = "errors";
constexpr int64_t kErrorsSeenMax = 100'000;
constexpr int kColumnsToldMax = 30;

/// `columns of bronze.t are a, b, c`
std::string TellColumns(const duck::Relation& relation) {
  std::string out = fmt::format("columns of {}.{} are ", relation.schema_name, relation.name);
  int told = 0;
  for (const auto& field : relation.schema->fields()) {
    if (told++ > 0) out += ", ";
    if (told > kColumnsToldMax) return out + "…";
    out += field->name();
  }
  return out;
}

Result<lake::Version> VersionOf(const std::string& text) {
  lake::Version version = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (bad != std::errc() || end != text.data() + text.size() || version < 0) {
    return Invalid("a version is a number from 0");
  }
  return version;
}

/// When a table is meant, if its name says so.
Result<std::optional<AsOf>> TimeOf(const duck::RelationName& name) {
  const auto version = name.arguments.find("version");
  const auto timestamp = name.arguments.find("timestamp");
  if (version != name.arguments.end() && timestamp != name.arguments.end()) {
    return Invalid("a table is meant at a version or at a timestamp, not both");
  }
  if (version != name.arguments.end()) {
    SLUICE_ASSIGN_OR_RETURN(const lake::Version number, VersionOf(version->second));
    return std::optional<AsOf>(number);
  }
  if (timestamp == name.arguments.end()) return std::optional<AsOf>();
  const auto micros = lake::ParseTimestampText(timestamp->second);
  if (!micros) return Invalid("a timestamp is written 2026-01-31 or 2026-01-31 12:00:00");
  return std::optional<AsOf>(os::Timestamp(std::chrono::microseconds(*micros)));
}

/// Keeps the whole answer.
class BodyText final : public worker::BodySink {
 public:
  Status Write(std::string_view bytes, std::optional<int64_t>, os::Monotonic) override {
    text_.append(bytes);
    return {};
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

/// Tells the log how far the answer is.
class CountingSink final : public worker::BodySink {
 public:
  CountingSink(worker::BodySink& sink, QueryLog::Running& running)
      : sink_(sink), running_(running) {}

  void SetOthersWait(std::function<bool()> ask) override { sink_.SetOthersWait(std::move(ask)); }
  std::string_view ErrorCodeOfWrite() const override { return sink_.ErrorCodeOfWrite(); }
  Status Write(std::string_view bytes, std::optional<int64_t> rows,
               os::Monotonic deadline) override {
    bytes_ += static_cast<int64_t>(bytes.size());
    rows_ = rows.value_or(rows_);
    running_.Progress(rows_, bytes_);
    return sink_.Write(bytes, rows, deadline);
  }

 private:
  worker::BodySink& sink_;
  QueryLog::Running& running_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace

Database::Database(worker::Pool& pool, worker::Tenant tenant, land::Lander& lander,
                   const os::Clock& clock, os::Random& random, Metrics& metrics,
                   std::unique_ptr<ExternalTables> external)
    : pool_(pool),
      tenant_(std::move(tenant)),
      lander_(lander),
      clock_(clock),
      metrics_(metrics),
      log_(clock, random),
      indexes_(std::make_unique<internal::FileIndexes>()),
      external_(std::move(external)) {}

Database::~Database() = default;

Result<std::optional<duck::Relation>> Database::Find(const QueryRequest& request,
                                                     const internal::Reader& reader,
                                                     const duck::RelationName& name) {
  if (name.arguments.contains(duck::kChangeArgument)) return std::optional<duck::Relation>();
  if (name.is_function && name.name == "table_changes") return FindChanges(reader, name);
  SLUICE_ASSIGN_OR_RETURN(const auto at, TimeOf(name));
  if (name.is_function) return FindExternal(reader, name.arguments.at("path"), at);
  const std::string in = name.schema.empty() ? "bronze" : LowerCase(name.schema);
  const std::string table = LowerCase(name.name);
  if (in == "system") {
    SLUICE_ASSIGN_OR_RETURN(auto found,
                            internal::FindSystemTable(table, lander_, log_, tenant_.name, reader));
    if (found && at) return Unsupported("system.{} has no past", table);
    if (found) return found;
  }
  return FindTable(reader, in, table, at ? at : request.as_of);
}

Result<std::optional<duck::Relation>> Database::FindTable(const internal::Reader& reader,
                                                          const std::string& schema,
                                                          const std::string& name,
                                                          const std::optional<AsOf>& as_of) {
  // A table of another version or time is an error of its own; one that is not there is not.
  if ((as_of || !reader.SeesAllTables()) && !reader.FindTable(lander_, schema, name)) {
    return std::optional<duck::Relation>();
  }
  auto view = as_of ? lander_.ViewAt(schema, name, *as_of) : lander_.View(schema, name);
  if (!view.ok()) {
    if (view.error().code() == ErrorCode::kNotFound && !as_of) {
      return std::optional<duck::Relation>();  // Dropped just now.
    }
    return std::move(view).error();
  }
  duck::Relation relation;
  relation.schema_name = schema;
  relation.name = name;
  relation.schema = std::move(view->schema);
  SLUICE_RETURN_IF_ERROR(AddFiles(*view->table, view->snapshot, indexes_.get(), relation));
  relation.batches = std::move(view->tail);
  return std::optional<duck::Relation>(std::move(relation));
}

Result<std::shared_ptr<const lake::DeltaTable>> Database::OpenExternal(
    const internal::Reader& reader, const std::string& address) {
  if (external_ == nullptr) {
    return Denied("tables outside need the setting sql.external in sluice.yaml");
  }
  if (!reader.SeesAllTables()) {
    return Denied("tables outside are for those who may read all tables");
  }
  return external_->Open(address);
}

Result<std::optional<duck::Relation>> Database::FindExternal(const internal::Reader& reader,
                                                             const std::string& address,
                                                             const std::optional<AsOf>& as_of) {
  SLUICE_ASSIGN_OR_RETURN(const auto table, OpenExternal(reader, address));
  std::shared_ptr<const lake::Snapshot> snapshot;
  if (!as_of) {
    SLUICE_ASSIGN_OR_RETURN(snapshot, external_->Load(*table), "'{}'", address);
  } else {
    SLUICE_ASSIGN_OR_RETURN(const lake::Version version, land::VersionAsOf(*table, *as_of), "'{}'",
                            address);
    SLUICE_ASSIGN_OR_RETURN(snapshot, table->LoadAt(version), "'{}'", address);
  }
  SLUICE_RETURN_IF_ERROR(snapshot->CheckOwnFiles(), "'{}'", address);
  SLUICE_RETURN_IF_ERROR(table->MakeLocal(snapshot->files()), "'{}'", address);
  duck::Relation relation;
  relation.schema_name = "delta_scan";
  relation.name = address;
  relation.schema = snapshot->schema();
  SLUICE_RETURN_IF_ERROR(AddFiles(*table, snapshot, indexes_.get(), relation), "'{}'", address);
  return std::optional<duck::Relation>(std::move(relation));
}

Result<std::optional<duck::Relation>> Database::FindChanges(const internal::Reader& reader,
                                                            const duck::RelationName& name) {
  const std::string& of = name.arguments.at("table");
  SLUICE_ASSIGN_OR_RETURN(const lake::Version from, VersionOf(name.arguments.at("from")));
  std::optional<lake::Version> to;
  if (const auto last = name.arguments.find("to"); last != name.arguments.end()) {
    SLUICE_ASSIGN_OR_RETURN(to, VersionOf(last->second));
  }
  std::shared_ptr<const lake::DeltaTable> table;
  if (of.find('/') != std::string::npos) {
    SLUICE_ASSIGN_OR_RETURN(table, OpenExternal(reader, of));
  } else {
    const size_t dot = of.find('.');
    const std::string schema = dot == std::string::npos ? "bronze" : LowerCase(of.substr(0, dot));
    const std::string bare = LowerCase(dot == std::string::npos ? of : of.substr(dot + 1));
    if (!reader.FindTable(lander_, schema, bare)) return std::optional<duck::Relation>();
    SLUICE_ASSIGN_OR_RETURN(const auto view, lander_.View(schema, bare));
    table = view.table;
  }
  SLUICE_ASSIGN_OR_RETURN(auto relation, ChangesRelation(*table, from, to), "'{}'", of);
  relation.schema_name = "table_changes";
  relation.name = of;
  return std::optional<duck::Relation>(std::move(relation));
}

Result<duck::Relation> Database::ErrorsSeenBy(const internal::Reader& reader,
                                              const QueryRequest& request, std::stop_token stop) {
  // The files have the errors of all topics, so this program reads them, not the reader's worker.
  const auto read = [&](std::string sql) -> Result<internal::StreamRows> {
    SLUICE_ASSIGN_OR_RETURN(QueryResult answer,
                            Query({.sql = std::move(sql),
                                   .format = Format::kArrow,
                                   .limits = {.rows_max = kErrorsSeenMax},
                                   .as_of = request.as_of,
                                   .background = true},
                                  stop),
                            "system.errors");
    return internal::ReadArrowStream(std::move(answer.body));
  };
  SLUICE_ASSIGN_OR_RETURN(const auto topics, read("select distinct topic from system.errors"));
  std::string seen = "''";
  for (const std::string& topic : internal::FirstTexts(topics)) {
    if (!topic.empty() && reader.SeesTopic(topic)) seen += fmt::format(", {}", SqlText(topic));
  }
  SLUICE_ASSIGN_OR_RETURN(
      auto rows,
      read(fmt::format("select * from system.errors where topic <> '' and topic in ({})", seen)));
  duck::Relation relation;
  relation.schema_name = "system";
  relation.name = kErrors;
  relation.schema = std::move(rows.schema);
  relation.batches = std::move(rows.batches);
  return relation;
}

void Database::SuggestTable(std::string_view missing, const internal::Reader& reader,
                            Diagnostic& diagnosis) const {
  std::vector<std::string> known;
  for (const land::TableStatus& table : lander_.Tables()) {
    if (reader.SeesTopic(table.topic)) known.push_back(table.table);
  }
  for (const std::string_view name : internal::SystemTables()) {
    known.push_back(fmt::format("system.{}", name));
  }
  const std::string wanted = LowerCase(missing);
  auto meant = Closest(wanted, {known.begin(), known.end()});
  if (!meant) {
    // A wrong schema is one mistake, however long its name.
    const auto bare = [](std::string_view name) { return name.substr(name.find('.') + 1); };
    std::vector<std::string_view> names;
    for (const std::string& table : known) names.push_back(bare(table));
    if (const auto name = Closest(bare(wanted), names)) {
      meant = known[static_cast<size_t>(std::ranges::find(names, *name) - names.begin())];
    }
  }
  if (meant) diagnosis.suggestion = fmt::format("did you mean \"{}\"?", *meant);
}

Result<worker::Outcome> Database::Run(const QueryRequest& request, worker::BodySink& sink,
                                      std::stop_token stop, Diagnostic* diagnosis,
                                      const std::function<void(const std::string&)>& begun) {
  const internal::Reader reader(request.principal);
  const auto change = internal::ReadChangeText(request.sql);
  SLUICE_ASSIGN_OR_RETURN(const auto running,
                          log_.Begin({.tenant = tenant_.name,
                                      .principal = reader.Name(),
                                      // Who changes rows stays in the list.
                                      .background = request.background && !change},
                                     request.sql, request.id));
  if (begun) begun(running->id());
  const std::stop_callback on_stop(stop, [&running] { running->Stop(); });
  const os::Monotonic start = clock_.Steady();
  CountingSink counting(sink, *running);
  Diagnostic found;
  auto outcome = change ? Change(request, reader, *change, *running, counting, found)
                        : Select(request, reader, *running, counting, found);
  if (!outcome.ok()) found.message = outcome.error().message();
  running->End(outcome.ok() ? "" : found.code.empty() ? "SL2999" : found.code);
  metrics_.GetHistogram("sluice_query_seconds", "interface=\"http\"")
      .Observe(std::chrono::duration<double>(clock_.Steady() - start).count());
  if (!outcome.ok() && diagnosis != nullptr) *diagnosis = std::move(found);
  return outcome;
}

duck::RelationLookup Database::LookUp(const QueryRequest& request, const internal::Reader& reader,
                                      Names& names) {
  return [&](const duck::RelationName& name) -> Result<std::optional<duck::Relation>> {
    if (names.errors && LowerCase(name.schema) == "system" && LowerCase(name.name) == kErrors &&
        name.arguments.empty()) {
      if (!names.errors->ok()) return names.errors->error();
      return std::optional<duck::Relation>(**names.errors);
    }
    auto found = Find(request, reader, name);
    if (found.ok() && !*found) {
      names.missing = name.schema.empty() ? name.name : name.schema + "." + name.name;
      if (name.is_function) names.missing = name.arguments.at("table");
    }
    if (found.ok() && *found && names.columns.size() < kTablesToldMax) {
      names.columns.push_back(TellColumns(**found));
    }
    return found;
  };
}

Result<worker::Outcome> Database::Select(const QueryRequest& request,
                                         const internal::Reader& reader, QueryLog::Running& running,
                                         worker::BodySink& sink, Diagnostic& found) {
  Names names;
  // Before this query has a worker: two that wait for each other's would wait for ever.
  if (!reader.SeesAllTables() && LowerCase(request.sql).find(kErrors) != std::string::npos) {
    // Where they cannot be had, that is an error only if the query means them.
    names.errors = ErrorsSeenBy(reader, request, running.stop());
  }
  auto outcome = pool_.Run(reader.WorkersOf(tenant_, lander_),
                           {.sql = request.sql,
                            .form = request.format,
                            .parameters = request.parameters,
                            .limits = request.limits},
                           LookUp(request, reader, names), sink, running.stop(), &found);
  if (!outcome.ok()) {
    if (found.code == "SL2104") found.notes = std::move(names.columns);
    if (found.code == "SL2101" && !names.missing.empty()) {
      SuggestTable(names.missing, reader, found);
    }
    if (found.code.empty() && request.as_of) found.code = "SL2301";
  }
  return outcome;
}

Result<QueryResult> Database::Query(std::string_view sql, Format format,
                                    const worker::Limits& limits, std::stop_token stop) {
  return Query({.sql = std::string(sql), .format = format, .limits = limits, .background = true},
               std::move(stop));
}

Result<QueryResult> Database::Query(const QueryRequest& request, std::stop_token stop) {
  BodyText body;
  SLUICE_ASSIGN_OR_RETURN(const worker::Outcome outcome, Run(request, body, std::move(stop)));
  return QueryResult{std::string(worker::ContentType(request.format)), body.Take(), outcome.rows};
}

}  // namespace sluice::sql
