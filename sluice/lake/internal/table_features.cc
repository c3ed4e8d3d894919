#include "sluice/lake/internal/table_features.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/schema_json.h"

namespace sluice::lake::internal {

namespace {

// What a scan copes with.
constexpr std::array<std::string_view, 14> kReadable = {
    "deletionVectors", "columnMapping", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck",
    "typeWidening", "typeWidening-preview", "variantType", "variantType-preview",
    "variantShredding", "variantShredding-preview",
    // Of writers only, but some tables list them for readers too.
    "appendOnly", "invariants", "domainMetadata"};

// What appending honours, or what asks nothing of it.
constexpr std::array<std::string_view, 19> kAppendable = {
    "appendOnly",          "invariants",           "checkConstraints",  "changeDataFeed",
    "generatedColumns",    "columnMapping",        "identityColumns",   "deletionVectors",
    "timestampNtz",        "v2Checkpoint",         "domainMetadata",    "vacuumProtocolCheck",
    "allowColumnDefaults", "checkpointProtection", "inCommitTimestamp", "rowTracking",
    "typeWidening",        "typeWidening-preview", "clustering"};

template <typename List>
bool Contains(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

bool IsTrue(std::string_view text) { return LowerCase(text) == "true"; }

}  // namespace

std::string_view Property(const std::map<std::string, std::string>& properties,
                          const std::string& name, std::string_view otherwise) {
  const auto found = properties.find(name);
  return found == properties.end() ? otherwise : std::string_view(found->second);
}

Status CheckReadable(const Protocol& protocol, const Metadata& metadata) {
  if (protocol.reader < 1 || protocol.reader > 3) {
    return Unsupported("the table needs reader version {}, at most 3 is supported",
                       protocol.reader);
  }
  if (protocol.reader == 3 && protocol.reader_features) {
    for (const std::string& feature : *protocol.reader_features) {
      if (!Contains(kReadable, feature)) {
        return Unsupported("the table needs the reader feature '{}', which is not supported",
                           feature);
      }
    }
  }
  if (metadata.provider != "parquet") {
    return Unsupported("the table's files are '{}', not Parquet", metadata.provider);
  }
  const std::string mode =
      LowerCase(Property(metadata.configuration, "delta.columnMapping.mode", "none"));
  if (mode != "none" && mode != "id" && mode != "name") {
    return Unsupported("the table uses columnMapping in an unknown mode '{}'", mode);
  }
  return {};
}

ColumnMapping MappingOf(const Metadata& metadata) {
  const std::string mode =
      LowerCase(Property(metadata.configuration, "delta.columnMapping.mode", "none"));
  if (mode == "id") return ColumnMapping::kId;
  return mode == "name" ? ColumnMapping::kName : ColumnMapping::kNone;
}

std::vector<std::string> ReaderFeatures(const Protocol& protocol) {
  if (protocol.reader >= 3) return protocol.reader_features.value_or(std::vector<std::string>());
  if (protocol.reader == 2) return {"columnMapping"};
  return {};
}

std::vector<std::string> WriterFeatures(const Protocol& protocol) {
  if (protocol.writer >= 7) return protocol.writer_features.value_or(std::vector<std::string>());
  const std::array<std::pair<int, std::string_view>, 7> implied = {{{2, "appendOnly"},
                                                                    {2, "invariants"},
                                                                    {3, "checkConstraints"},
                                                                    {4, "changeDataFeed"},
                                                                    {4, "generatedColumns"},
                                                                    {5, "columnMapping"},
                                                                    {6, "identityColumns"}}};
  std::vector<std::string> features;
  for (const auto& [version, name] : implied) {
    if (protocol.writer >= version) features.emplace_back(name);
  }
  return features;
}

Status CheckAppendable(const Protocol& protocol, const Metadata& metadata,
                       const std::set<std::string>& field_features) {
  if (protocol.writer > 7) {
    return Unsupported("the table needs writer version {}, at most 7 is supported",
                       protocol.writer);
  }
  if (protocol.writer == 7 && protocol.writer_features) {
    for (const std::string& feature : *protocol.writer_features) {
      if (!Contains(kAppendable, feature)) {
        return Unsupported("the table needs the writer feature '{}', which is not supported",
                           feature);
      }
    }
  }
  for (const std::string& feature : field_features) {
    if (!Contains(kAppendable, feature)) {
      return Unsupported("the table uses the writer feature '{}', which is not supported", feature);
    }
  }
  for (const auto& [name, value] : metadata.configuration) {
    if (name.starts_with("delta.enableIcebergCompat") && IsTrue(value)) {
      return Unsupported(
          "the table uses the writer feature '{}', which is not supported",
          "icebergCompat" + name.substr(std::string_view("delta.enableIcebergCompat").size()));
    }
  }
  return {};
}

Status CheckNewProperties(const std::map<std::string, std::string>& properties) {
  constexpr std::array<std::string_view, 20> kKnown = {"delta.appendOnly",
                                                       "delta.checkpointPolicy",
                                                       "delta.checkpointInterval",
                                                       "delta.checkpoint.writeStatsAsJson",
                                                       "delta.checkpoint.writeStatsAsStruct",
                                                       "delta.dataSkippingNumIndexedCols",
                                                       "delta.dataSkippingStatsColumns",
                                                       "delta.dataSkippingStringPrefixLength",
                                                       "delta.deletedFileRetentionDuration",
                                                       "delta.enableChangeDataFeed",
                                                       "delta.enableDeletionVectors",
                                                       "delta.enableExpiredLogCleanup",
                                                       "delta.enableInCommitTimestamps",
                                                       "delta.enableRowTracking",
                                                       "delta.enableTypeWidening",
                                                       "delta.isolationLevel",
                                                       "delta.logRetentionDuration",
                                                       "delta.randomizeFilePrefixes",
                                                       "delta.setTransactionRetentionDuration",
                                                       "delta.targetFileSize"};
  for (const auto& [name, value] : properties) {
    if (name.starts_with("delta.") && !name.starts_with("delta.constraints.") &&
        !Contains(kKnown, name)) {
      return Unsupported("property '{}' is not supported for new tables", name);
    }
  }
  return {};
}

Protocol NewProtocol(const std::map<std::string, std::string>& properties, bool timestamp_ntz) {
  const auto on = [&](const std::string& name) {
    return IsTrue(Property(properties, name, "false"));
  };
  std::vector<std::string> readers;
  std::vector<std::string> writers;
  const auto add = [&](std::string_view name, bool reads) {
    writers.emplace_back(name);
    if (reads) readers.emplace_back(name);
  };
  if (timestamp_ntz) add("timestampNtz", true);
  if (on("delta.enableDeletionVectors")) add("deletionVectors", true);
  if (on("delta.enableTypeWidening")) add("typeWidening", true);
  if (LowerCase(Property(properties, "delta.checkpointPolicy", "classic")) == "v2") {
    add("v2Checkpoint", true);
  }
  if (on("delta.enableChangeDataFeed")) add("changeDataFeed", false);
  if (on("delta.enableInCommitTimestamps")) add("inCommitTimestamp", false);
  if (on("delta.enableRowTracking")) {
    add("rowTracking", false);
    add("domainMetadata", false);
  }
  const bool constrained = std::ranges::any_of(properties, [](const auto& property) {
    return property.first.starts_with("delta.constraints.");
  });
  if (constrained) add("checkConstraints", false);
  if (writers.empty()) return {.reader = 1, .writer = 2};
  add("appendOnly", false);
  add("invariants", false);
  Protocol protocol{.reader = readers.empty() ? 1 : 3, .writer = 7, .writer_features = writers};
  if (!readers.empty()) protocol.reader_features = readers;
  return protocol;
}

std::optional<int64_t> ParseInterval(std::string_view text) {
  const std::string lower = LowerCase(text);
  std::string_view rest = lower;
  const auto skip_spaces = [&] {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  };
  skip_spaces();
  if (rest.starts_with("interval")) rest.remove_prefix(8);
  skip_spaces();
  int64_t count = 0;
  const auto number = std::from_chars(rest.data(), rest.data() + rest.size(), count);
  if (number.ec != std::errc() || count < 0 || count > 1'000'000'000) return std::nullopt;
  rest.remove_prefix(static_cast<size_t>(number.ptr - rest.data()));
  skip_spaces();
  while (!rest.empty() && rest.back() == ' ') rest.remove_suffix(1);
  if (rest.ends_with('s')) rest.remove_suffix(1);
  const std::array<std::pair<std::string_view, int64_t>, 6> units = {{{"millisecond", 1},
                                                                      {"second", 1000},
                                                                      {"minute", 60'000},
                                                                      {"hour", 3'600'000},
                                                                      {"day", 86'400'000},
                                                                      {"week", 604'800'000}}};
  for (const auto& [name, milliseconds] : units) {
    if (rest == name) return count * milliseconds;
  }
  return std::nullopt;
}

}  // namespace sluice::lake::internal
