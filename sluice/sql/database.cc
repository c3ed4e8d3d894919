#include "sluice/sql/database.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "sluice/sql/internal/file_index.h"
#include "sluice/sql/internal/reader.h"
#include "sluice/sql/internal/system_tables.h"

namespace sluice::sql {
namespace {

constexpr size_t kIndexedFilesMin = 8;  // Fewer are opened as fast as their statistics are read.

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// How many letters have to change to make one of the other.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
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
                   const os::Clock& clock, os::Random& random, Metrics& metrics)
    : pool_(pool),
      tenant_(std::move(tenant)),
      lander_(lander),
      clock_(clock),
      metrics_(metrics),
      log_(clock, random),
      indexes_(std::make_unique<internal::FileIndexes>()) {}

Database::~Database() = default;

Result<std::optional<duck::Relation>> Database::Find(const QueryRequest& request,
                                                     const internal::Reader& reader,
                                                     const std::string& schema,
                                                     const std::string& name) {
  const std::string in = schema.empty() ? "bronze" : Lower(schema);
  if (in == "system") {
    SLUICE_ASSIGN_OR_RETURN(
        auto table, internal::FindSystemTable(Lower(name), lander_, log_, tenant_.name, reader));
    if (table) return table;
  }
  // A table of another version or time is an error of its own; one that is not there is not.
  if ((request.as_of || !reader.SeesAllTables()) && !reader.FindTable(lander_, in, Lower(name))) {
    return std::optional<duck::Relation>();
  }
  auto view = request.as_of ? lander_.ViewAt(in, Lower(name), *request.as_of)
                            : lander_.View(in, Lower(name));
  if (!view.ok()) {
    if (view.error().code() == ErrorCode::kNotFound && !request.as_of) {
      return std::optional<duck::Relation>();  // Dropped just now.
    }
    return std::move(view).error();
  }
  duck::Relation relation;
  relation.schema_name = in;
  relation.name = Lower(name);
  relation.schema = std::move(view->schema);
  relation.hive_columns = view->snapshot->partition_columns();
  for (const lake::DataFile& file : view->snapshot->files()) {
    relation.file_rows += file.rows.value_or(0);
  }
  if (view->files.size() < kIndexedFilesMin) {
    relation.files = std::move(view->files);
  } else {
    SLUICE_ASSIGN_OR_RETURN(relation.indexed_files,
                            indexes_->Get(view->snapshot, view->files, relation.schema));
  }
  relation.batches = std::move(view->tail);
  return std::optional<duck::Relation>(std::move(relation));
}

void Database::SuggestTable(std::string_view missing, const internal::Reader& reader,
                            duck::Diagnosis& diagnosis) const {
  std::vector<std::string> known;
  for (const land::TableStatus& table : lander_.Tables()) {
    if (reader.SeesTopic(table.topic)) known.push_back(table.table);
  }
  for (const std::string_view name : internal::SystemTables()) {
    known.push_back(fmt::format("system.{}", name));
  }
  const std::string wanted = Lower(std::string(missing));
  const std::string_view wanted_name = std::string_view(wanted).substr(wanted.find('.') + 1);
  size_t best = std::max<size_t>(2, wanted_name.size() / 3) + 1;
  for (const std::string& table : known) {
    // A wrong schema is one mistake, however long its name.
    const std::string_view name = std::string_view(table).substr(table.find('.') + 1);
    const size_t distance = std::min(Distance(wanted, table), Distance(wanted_name, name) + 1);
    if (distance < best) {
      best = distance;
      diagnosis.hint = fmt::format("did you mean \"{}\"?", table);
    }
  }
}

Result<worker::Outcome> Database::Run(const QueryRequest& request, worker::BodySink& sink,
                                      std::stop_token stop, duck::Diagnosis* diagnosis,
                                      const std::function<void(const std::string&)>& begun) {
  const internal::Reader reader(request.principal);
  SLUICE_ASSIGN_OR_RETURN(
      const auto running,
      log_.Begin({.tenant = tenant_.name, .principal = reader.Name()}, request.sql, request.id));
  if (begun) begun(running->id());
  const std::stop_callback on_stop(stop, [&running] { running->Stop(); });
  const os::Monotonic start = clock_.Steady();
  std::string missing;
  const auto relations = [&](const std::string& schema,
                             const std::string& name) -> Result<std::optional<duck::Relation>> {
    auto found = Find(request, reader, schema, name);
    if (found.ok() && !*found) missing = schema.empty() ? name : schema + "." + name;
    return found;
  };
  CountingSink counting(sink, *running);
  duck::Diagnosis found;
  auto outcome = pool_.Run(reader.WorkersOf(tenant_, lander_),
                           {.sql = request.sql,
                            .form = request.format,
                            .parameters = request.parameters,
                            .limits = request.limits},
                           relations, counting, running->stop(), &found);
  if (!outcome.ok()) {
    if (found.id == "SL2101" && !missing.empty()) SuggestTable(missing, reader, found);
    if (found.id.empty() && request.as_of) found.id = "SL2301";
  }
  running->End(outcome.ok() ? "" : found.id.empty() ? "SL2999" : found.id);
  metrics_.GetHistogram("sluice_query_seconds", "interface=\"http\"")
      .Observe(std::chrono::duration<double>(clock_.Steady() - start).count());
  if (!outcome.ok() && diagnosis != nullptr) *diagnosis = std::move(found);
  return outcome;
}

Result<QueryResult> Database::Query(std::string_view sql, Format format,
                                    const worker::Limits& limits, std::stop_token stop) {
  BodyText body;
  SLUICE_ASSIGN_OR_RETURN(
      const worker::Outcome outcome,
      Run({.sql = std::string(sql), .format = format, .limits = limits}, body, std::move(stop)));
  return QueryResult{std::string(worker::ContentType(format)), body.Take(), outcome.rows};
}

}  // namespace sluice::sql
