#include "sluice/lake/internal/log_names.h"

#include <algorithm>
#include <charconv>

namespace sluice::lake::internal {

namespace {

// Parses exactly `width` digits at the front of `text`, and takes them away.
std::optional<int64_t> TakeNumber(std::string_view& text, size_t width) {
  if (text.size() < width) return std::nullopt;
  int64_t number = 0;
  const char* const end = text.data() + width;
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 0) return std::nullopt;
  text.remove_prefix(width);
  return number;
}

bool Take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

bool IsUuid(std::string_view text) {
  return text.size() == 36 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
                  c == '-';
         });
}

}  // namespace

std::string LogFolder(std::string_view root) {
  return root.empty() ? "_delta_log/" : fmt::format("{}/_delta_log/", root);
}

std::string VersionName(Version version) { return fmt::format("{:020}", version); }
std::string CommitName(Version version) { return VersionName(version) + ".json"; }
std::string CheckpointName(Version version) { return VersionName(version) + ".checkpoint.parquet"; }

std::string CompactedName(Version first, Version last) {
  return fmt::format("{}.{}.compacted.json", VersionName(first), VersionName(last));
}

LogListing ClassifyLog(const std::vector<std::string>& names) {
  using Kind = CheckpointFiles::Kind;
  LogListing listing;
  // Parts by (version, how many there should be).
  std::map<std::pair<Version, int64_t>, std::map<int64_t, std::string>> parts;
  for (const std::string& name : names) {
    std::string_view rest = name;
    const auto version = TakeNumber(rest, 20);
    if (!version) continue;
    if (rest == ".json") {
      listing.commits.emplace(*version, name);
      continue;
    }
    if (std::string_view other = rest; Take(other, ".")) {
      const auto last = TakeNumber(other, 20);
      if (last && other == ".compacted.json" && *version < *last) {
        listing.compacted.push_back({*version, *last, name});
        continue;
      }
    }
    if (!Take(rest, ".checkpoint.")) continue;
    if (rest == "parquet") {
      listing.checkpoints.push_back({*version, Kind::kClassic, {name}});
    } else if (rest.size() == 36 + 5 && IsUuid(rest.substr(0, 36)) && rest.ends_with(".json")) {
      listing.checkpoints.push_back({*version, Kind::kV2Json, {name}});
    } else if (rest.size() == 36 + 8 && IsUuid(rest.substr(0, 36)) && rest.ends_with(".parquet")) {
      listing.checkpoints.push_back({*version, Kind::kV2Parquet, {name}});
    } else if (const auto part = TakeNumber(rest, 10); part && Take(rest, ".")) {
      const auto count = TakeNumber(rest, 10);
      if (count && rest == ".parquet" && *part >= 1 && *part <= *count) {
        parts[{*version, *count}].emplace(*part, name);
      }
    }
  }
  for (auto& [key, files] : parts) {
    if (static_cast<int64_t>(files.size()) != key.second) continue;  // Some are missing.
    CheckpointFiles& checkpoint = listing.checkpoints.emplace_back();
    checkpoint.version = key.first;
    checkpoint.kind = Kind::kParts;
    for (auto& [part, name] : files) checkpoint.names.push_back(std::move(name));
  }
  std::ranges::stable_sort(listing.checkpoints, [](const auto& a, const auto& b) {
    if (a.version != b.version) return a.version > b.version;
    return a.kind > b.kind;
  });
  return listing;
}

}  // namespace sluice::lake::internal
