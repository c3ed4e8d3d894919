#include "sluice/sql/database.h"

#include <algorithm>

#include "sluice/sql/internal/result_writer.h"

namespace sluice::sql {
namespace {

constexpr size_t kAnswerBytesMax = 256u << 20;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

Result<QueryResult> Database::Query(std::string_view sql, Format format,
                                    const duck::QueryLimits& limits, std::stop_token stop) {
  const os::Monotonic start = clock_.Steady();
  const auto relations = [this](const std::string& schema,
                                const std::string& name) -> Result<std::optional<duck::Relation>> {
    const std::string in = schema.empty() ? "bronze" : Lower(schema);
    auto view = lander_.View(in, Lower(name));
    if (!view.ok()) {
      if (view.error().code() == ErrorCode::kNotFound) return std::optional<duck::Relation>();
      return std::move(view).error();
    }
    duck::Relation relation;
    relation.schema_name = in;
    relation.name = Lower(name);
    relation.schema = std::move(view->schema);
    relation.hive_columns = {"event_date"};
    relation.files = std::move(view->files);
    relation.batches = std::move(view->tail);
    return std::optional<duck::Relation>(std::move(relation));
  };
  const auto writer = internal::MakeResultWriter(format, kAnswerBytesMax);
  SLUICE_RETURN_IF_ERROR(engine_.Query(sql, relations, *writer, limits, stop));
  auto result = writer->Finish();
  metrics_.GetHistogram("sluice_query_seconds", "interface=\"http\"")
      .Observe(std::chrono::duration<double>(clock_.Steady() - start).count());
  return result;
}

}  // namespace sluice::sql
