#include "sluice/lake/internal/commit_lines.h"

#include <arrow/api.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/os/expiry_clock.h"

namespace sluice::lake::internal {

namespace {

constexpr const char* kRowTrackingDomain = "delta.rowTracking";

int64_t Milliseconds(os::Timestamp time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

bool Lists(const std::vector<std::string>& features, std::string_view name) {
  return std::ranges::find(features, name) != features.end();
}

}  // namespace

int64_t StampMs(const DeltaTable& table) {
  return Milliseconds(os::StampOf(table.expiry(), table.clock()));
}

int64_t ExpiryMs(const DeltaTable& table) {
  return Milliseconds(table.expiry() != nullptr ? table.expiry()->Now() : table.clock().Now());
}

int64_t ModifiedMs(const store::ObjectInfo& object) { return Milliseconds(object.modified); }

Result<std::optional<int64_t>> NextCommitTime(const TableState& state, int64_t now_ms) {
  if (!IsOn(state.properties(), "delta.enableInCommitTimestamps")) return std::optional<int64_t>();
  if (!state.commit_ms()) {
    return Corrupt("commit {} has no inCommitTimestamp, which the next one must follow",
                   state.version());
  }
  return std::optional(std::max(now_ms, *state.commit_ms() + 1));
}

Status AssignRowIds(std::string& lines, const TableState& state, std::vector<DataFile>& files) {
  // Also a table that could track rows, but does not, gets ids.
  if (!Lists(WriterFeatures(state.protocol()), "rowTracking") || files.empty()) return {};
  if (IsOn(state.properties(), "delta.rowTrackingSuspended")) return {};
  int64_t last = -1;
  const auto domain = state.domains().find(kRowTrackingDomain);
  if (domain != state.domains().end()) {
    simdjson::dom::parser parser;
    const std::string& text = domain->second.configuration;
    if (parser.parse(text.data(), text.size())["rowIdHighWaterMark"].get(last) !=
        simdjson::SUCCESS) {
      return Corrupt("the domain '{}' has no rowIdHighWaterMark", kRowTrackingDomain);
    }
  }
  for (DataFile& file : files) {
    if (!file.rows) return Invalid("file '{}' does not know its rows", file.path);
    file.base_row_id = last + 1;
    file.row_commit_version = state.version() + 1;
    last += *file.rows;
  }
  AppendDomain(lines, {.name = kRowTrackingDomain,
                       .configuration = fmt::format(R"({{"rowIdHighWaterMark":{}}})", last)});
  return {};
}

Status AppendIdentities(std::string& lines, const TableState& state,
                        const std::map<std::string, Identity>& identities) {
  Metadata metadata = state.metadata();
  bool moved = false;
  for (const auto& [name, identity] : identities) {
    const auto field = state.annotated_schema()->GetFieldByName(name);
    if (field == nullptr || !identity.last) continue;
    const std::string last = std::to_string(*identity.last);
    if (Annotation(*field, "delta.identity.highWaterMark") == last) continue;
    SLUICE_ASSIGN_OR_RETURN(metadata.schema, SetAnnotation(metadata.schema, name,
                                                           "delta.identity.highWaterMark", last));
    moved = true;
  }
  if (moved) AppendMetadata(lines, metadata);
  return {};
}

}  // namespace sluice::lake::internal
