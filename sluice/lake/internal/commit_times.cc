#include "sluice/lake/internal/commit_times.h"

#include <simdjson.h>

#include <algorithm>
#include <chrono>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/log_names.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

std::string FindCommitInfo(std::string_view text) {
  simdjson::dom::parser parser;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find("commitInfo") == std::string_view::npos) continue;
    simdjson::dom::element info;
    if (parser.parse(line.data(), line.size())["commitInfo"].get(info) == simdjson::SUCCESS) {
      return simdjson::minify(info);
    }
  }
  return {};
}

Result<CommitTimes> CommitTimes::List(const DeltaTable& table) {
  CommitTimes times(table);
  const std::string folder = LogFolder(table.root());
  SLUICE_ASSIGN_OR_RETURN(const auto objects, table.store().List(folder + "0"));
  for (const store::ObjectInfo& object : objects) {
    const LogListing one = ClassifyLog({object.path.substr(folder.size())});
    if (one.commits.empty()) continue;
    times.file_ms_[one.commits.begin()->first] = ModifiedMs(object);
  }
  if (times.file_ms_.empty()) return NotFound("there is no table, or none with commits");
  int64_t last = INT64_MIN;
  for (auto& [version, at] : times.file_ms_) {
    if (!times.versions_.empty() && times.versions_.back() + 1 != version) times.versions_.clear();
    times.versions_.push_back(version);
    if (at <= last) at = last + 1;
    last = at;
  }
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot, table.Load());
  const auto& properties = snapshot->properties();
  times.in_commit_ = IsOn(properties, "delta.enableInCommitTimestamps");
  const std::string from(Property(properties, "delta.inCommitTimestampEnablementVersion", "0"));
  times.in_commit_from_ = std::strtoll(from.c_str(), nullptr, 10);
  return times;
}

Result<std::string> CommitTimes::ReadInfo(Version version) {
  const auto known = infos_.find(version);
  if (known != infos_.end()) return known->second;
  SLUICE_ASSIGN_OR_RETURN(const std::string text,
                          table_->store().Get(LogFolder(table_->root()) + CommitName(version)));
  return infos_[version] = FindCommitInfo(text);
}

Result<int64_t> CommitTimes::At(Version version) {
  const auto found = file_ms_.find(version);
  if (found == file_ms_.end()) return NotFound("the log has no commit {}", version);
  if (!in_commit_ || version < in_commit_from_) return found->second;
  SLUICE_ASSIGN_OR_RETURN(const std::string info, ReadInfo(version));
  simdjson::dom::parser parser;
  int64_t at = 0;
  if (parser.parse(info.data(), info.size())["inCommitTimestamp"].get(at) != simdjson::SUCCESS) {
    return Corrupt("commit {} has no inCommitTimestamp, which the table asks for", version);
  }
  return at;
}

}  // namespace sluice::lake::internal
