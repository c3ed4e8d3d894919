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

bool IsOn(const std::map<std::string, std::string>& properties, const std::string& name) {
  return IsTrue(Property(properties, name, "false"));
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

namespace {

// Properties that anybody may set, and what their values are.
enum class Value : uint8_t { kFlag, kCount, kInterval, kText, kPolicy, kMapping, kIsolation };

constexpr std::array<std::pair<std::string_view, Value>, 22> kProperties = {
    {{"delta.appendOnly", Value::kFlag},
     {"delta.autoOptimize.autoCompact", Value::kText},
     {"delta.checkpointPolicy", Value::kPolicy},
     {"delta.checkpointInterval", Value::kCount},
     {"delta.checkpoint.writeStatsAsJson", Value::kFlag},
     {"delta.checkpoint.writeStatsAsStruct", Value::kFlag},
     {"delta.columnMapping.mode", Value::kMapping},
     {"delta.dataSkippingNumIndexedCols", Value::kCount},
     {"delta.dataSkippingStatsColumns", Value::kText},
     {"delta.dataSkippingStringPrefixLength", Value::kCount},
     {"delta.deletedFileRetentionDuration", Value::kInterval},
     {"delta.enableChangeDataFeed", Value::kFlag},
     {"delta.enableDeletionVectors", Value::kFlag},
     {"delta.enableExpiredLogCleanup", Value::kFlag},
     {"delta.enableInCommitTimestamps", Value::kFlag},
     {"delta.enableRowTracking", Value::kFlag},
     {"delta.enableTypeWidening", Value::kFlag},
     {"delta.isolationLevel", Value::kIsolation},
     {"delta.logRetentionDuration", Value::kInterval},
     {"delta.randomizeFilePrefixes", Value::kFlag},
     {kTransactionRetention, Value::kInterval},
     {"delta.targetFileSize", Value::kText}}};

std::string_view Expected(Value value) {
  switch (value) {
    case Value::kFlag:
      return "true or false";
    case Value::kCount:
      return "a number";
    case Value::kInterval:
      return "an interval such as 'interval 7 days'";
    case Value::kPolicy:
      return "classic or v2";
    case Value::kMapping:
      return "none, name or id";
    case Value::kIsolation:
      return "Serializable";
    case Value::kText:
      break;
  }
  return "text";
}

bool IsValue(std::string_view text, Value value) {
  const std::string lower = LowerCase(text);
  const auto is_one_of = [&](std::initializer_list<std::string_view> words) {
    return std::ranges::find(words, lower) != words.end();
  };
  switch (value) {
    case Value::kFlag:
      return is_one_of({"true", "false"});
    case Value::kCount: {
      int64_t count = 0;
      const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
      return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && count >= -1;
    }
    case Value::kInterval:
      return ParseInterval(text).has_value();
    case Value::kPolicy:
      return is_one_of({"classic", "v2"});
    case Value::kMapping:
      return is_one_of({"none", "name", "id"});
    case Value::kIsolation:
      return is_one_of({"serializable"});
    case Value::kText:
      break;
  }
  return true;
}

}  // namespace

Status CheckProperty(std::string_view name, std::string_view value) {
  if (!name.starts_with("delta.")) return {};
  const auto found =
      std::ranges::find(kProperties, name, &std::pair<std::string_view, Value>::first);
  if (found == kProperties.end()) return Unsupported("property '{}' is not supported", name);
  if (!IsValue(value, found->second)) {
    return Invalid("property '{}' must be {}", name, Expected(found->second));
  }
  return {};
}

bool IsReaderFeature(std::string_view feature) {
  constexpr std::array<std::string_view, 7> kReaderFeatures = {
      "deletionVectors",     "columnMapping", "timestampNtz",        "v2Checkpoint",
      "vacuumProtocolCheck", "typeWidening",  "typeWidening-preview"};
  return Contains(kReaderFeatures, feature);
}

Status CheckFeature(std::string_view feature) {
  if (Contains(kAppendable, feature)) return {};
  return Unsupported("the feature '{}' is not supported", feature);
}

std::vector<std::string> FeaturesAskedFor(const std::map<std::string, std::string>& properties) {
  const auto on = [&](const std::string& name) { return IsOn(properties, name); };
  std::vector<std::string> features;
  const std::string mapping = LowerCase(Property(properties, "delta.columnMapping.mode", "none"));
  if (mapping != "none") features.emplace_back("columnMapping");
  if (on("delta.enableDeletionVectors")) features.emplace_back("deletionVectors");
  if (on("delta.enableTypeWidening")) features.emplace_back("typeWidening");
  if (LowerCase(Property(properties, "delta.checkpointPolicy", "classic")) == "v2") {
    features.emplace_back("v2Checkpoint");
  }
  if (on("delta.appendOnly")) features.emplace_back("appendOnly");
  if (on("delta.enableChangeDataFeed")) features.emplace_back("changeDataFeed");
  if (on("delta.enableInCommitTimestamps")) features.emplace_back("inCommitTimestamp");
  if (on("delta.enableRowTracking")) {
    features.emplace_back("rowTracking");
    features.emplace_back("domainMetadata");
  }
  const bool constrained = std::ranges::any_of(properties, [](const auto& property) {
    return property.first.starts_with("delta.constraints.");
  });
  if (constrained) features.emplace_back("checkConstraints");
  return features;
}

Protocol WithFeatures(const Protocol& protocol, const std::vector<std::string>& features) {
  std::vector<std::string> writers = WriterFeatures(protocol);
  std::vector<std::string> readers = ReaderFeatures(protocol);
  bool more = false;
  for (const std::string& feature : features) {
    // `-preview` is the same feature under the name that it had first.
    if (Contains(writers, feature) || Contains(writers, feature + "-preview")) continue;
    writers.push_back(feature);
    if (IsReaderFeature(feature)) readers.push_back(feature);
    more = true;
  }
  if (!more) return protocol;
  Protocol wider{.reader = readers.empty() ? 1 : 3, .writer = 7, .writer_features = writers};
  if (!readers.empty()) wider.reader_features = readers;
  return wider;
}

Status CheckNewProperties(const std::map<std::string, std::string>& properties) {
  for (const auto& [name, value] : properties) {
    if (name.starts_with("delta.constraints.")) continue;
    SLUICE_RETURN_IF_ERROR(CheckProperty(name, value), "a new table");
  }
  return {};
}

Protocol NewProtocol(const std::map<std::string, std::string>& properties, bool timestamp_ntz) {
  std::vector<std::string> features = FeaturesAskedFor(properties);
  if (timestamp_ntz) features.emplace_back("timestampNtz");
  return WithFeatures({.reader = 1, .writer = 2}, features);
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
