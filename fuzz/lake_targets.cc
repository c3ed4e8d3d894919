#include <arrow/api.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/targets.h"
#include "sluice/base/percent.h"
#include "sluice/columnar/row_runs.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/internal/bounds.h"
#include "sluice/lake/internal/checkpoint.h"
#include "sluice/lake/internal/deletion_vector.h"
#include "sluice/lake/internal/partition_value.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/skipping.h"
#include "sluice/lake/internal/table_state.h"

namespace sluice::fuzz {

namespace {

using namespace lake;            // NOLINT: all of it is what is fuzzed here.
using namespace lake::internal;  // NOLINT

/// Files of the golden tables whose path ends so, small ones first, at most `count`.
std::vector<std::string> Files(const std::string& testdata, std::string_view ending, size_t count) {
  std::vector<std::filesystem::path> paths;
  std::error_code none;
  for (std::filesystem::recursive_directory_iterator at(testdata, none), end; at != end;
       at.increment(none)) {
    const std::string path = at->path().string();
    if (path.find("/_delta_log/") != std::string::npos && path.ends_with(ending)) {
      paths.push_back(at->path());
    }
  }
  std::ranges::sort(paths, {}, [](const auto& path) {
    return std::pair(std::filesystem::file_size(path), path);
  });
  std::vector<std::string> files;
  for (const auto& path : paths) {
    if (files.size() == count) break;
    std::ifstream file(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return files;
}

constexpr std::string_view kCommit =
    R"({"commitInfo":{"timestamp":1,"operation":"WRITE","inCommitTimestamp":5,"txnId":"x"}})"
    "\n"
    R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors","rowTracking","domainMetadata"]}})"
    "\n"
    R"({"metaData":{"id":"m","name":"n","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\",\"nullable\":true,\"metadata\":{\"delta.columnMapping.id\":1}},{\"name\":\"s\",\"type\":{\"type\":\"struct\",\"fields\":[{\"name\":\"l\",\"type\":{\"type\":\"array\",\"elementType\":\"decimal(10,2)\",\"containsNull\":true},\"nullable\":true,\"metadata\":{}},{\"name\":\"m\",\"type\":{\"type\":\"map\",\"keyType\":\"string\",\"valueType\":\"date\",\"valueContainsNull\":true},\"nullable\":true,\"metadata\":{}}]},\"nullable\":true,\"metadata\":{}}]}","partitionColumns":["a"],"configuration":{"delta.enableDeletionVectors":"true"},"createdTime":1}})"
    "\n"
    R"({"add":{"path":"a%20b","partitionValues":{"a":"1"},"size":10,"modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":3,\"minValues\":{\"a\":1},\"maxValues\":{\"a\":9},\"nullCount\":{\"a\":0}}","tags":{"t":"v"},"deletionVector":{"storageType":"u","pathOrInlineDv":"ab^-aqEH.-t@S}K{vb[*k^","offset":1,"sizeInBytes":36,"cardinality":2},"baseRowId":0,"defaultRowCommitVersion":1}})"
    "\n"
    R"({"remove":{"path":"c","deletionTimestamp":1,"dataChange":true,"extendedFileMetadata":true,"partitionValues":{"a":null},"size":1}})"
    "\n"
    R"({"txn":{"appId":"app","version":3,"lastUpdated":2}})"
    "\n"
    R"({"domainMetadata":{"domain":"delta.rowTracking","configuration":"{\"rowIdHighWaterMark\":9}","removed":false}})"
    "\n"
    R"({"cdc":{"path":"_change_data/x","partitionValues":{},"size":1,"dataChange":false}})"
    "\n";

/// Puts the state of one commit together.
Result<StatePtr> StateOf(Actions actions) {
  Replay replay;
  replay.AddCommit(std::move(actions));
  return replay.Finish(1, -1);
}

bool RunLog(std::string_view input) {
  auto actions = ParseActions(input);
  if (!actions.ok()) return false;
  for (const Add& add : actions->adds) {
    static_cast<void>(PercentDecode(add.file.path));
    static_cast<void>(CanonicalPath(add.file.path));
    static_cast<void>(CheckRelativePath(add.file.path).ok());
    if (const auto& vector = add.file.deletion_vector) {
      static_cast<void>(DeletionVectorPath(*vector).ok());
    }
  }
  // What we write of it says the same again.
  const size_t applications = actions->transactions.size();
  Replay compacted;
  compacted.AddCommit(*actions);
  const auto again = ParseActions(compacted.Lines());
  SLUICE_CHECK(again.ok());
  SLUICE_CHECK(again->transactions.size() <= applications);
  const auto state = StateOf(std::move(*actions));
  if (!state.ok()) return true;
  static_cast<void>((*state)->CheckWritable().ok());
  static_cast<void>((*state)->CheckOwnFiles().ok());
  return true;
}

bool RunCheckpoint(std::string_view input) {
  Replay replay;
  const Status read =
      ReadCheckpoint(input, [&](Actions actions) { replay.AddCheckpoint(std::move(actions)); });
  if (!read.ok()) return false;
  const auto state = replay.Finish(1, 1);
  if (!state.ok()) return false;
  const auto written = WriteCheckpoint(**state, 0);
  if (!written.ok()) return false;
  Replay second;
  const Status reread = ReadCheckpoint(
      written->bytes, [&](Actions actions) { second.AddCheckpoint(std::move(actions)); });
  SLUICE_CHECK(reread.ok());
  const auto twin = second.Finish(1, 1);
  SLUICE_CHECK(twin.ok());
  SLUICE_CHECK((*twin)->files().size() == (*state)->files().size());
  return true;
}

std::string Little(uint64_t number, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i) & 0xFF);
  return text;
}

std::vector<std::string> Bitmaps() {
  const std::string head = Little(1681511377, 4);
  const std::string values = Little(2, 2) + Little(7, 2) + Little(900, 2);
  const std::string array = Little(12346, 4) + Little(1, 4) + Little(0, 2) + Little(2, 2) +
                            Little(16, 4) + values;
  const std::string runs = Little(12347, 4) + "\1" + Little(0, 2) + Little(9, 2) + Little(1, 2) +
                           Little(5, 2) + Little(9, 2);
  std::string bits = Little(12346, 4) + Little(1, 4) + Little(0, 2) + Little(4999, 2) +
                     Little(16, 4) + std::string(625, '\xFF') + std::string(8192 - 625, '\0');
  std::vector<std::string> bitmaps;
  for (const std::string& bitmap : {array, runs, bits}) {
    bitmaps.push_back(head + Little(1, 8) + Little(0, 4) + bitmap);
    bitmaps.push_back(head + Little(2, 8) + Little(0, 4) + array + Little(1, 4) + bitmap);
    bitmaps.push_back(Little(1681511376, 4) + Little(1, 4) + Little(bitmap.size(), 4) + bitmap);
  }
  bitmaps.push_back(head + Little(0, 8));
  return bitmaps;
}

bool RunVector(std::string_view input) {
  const int64_t rows = input.empty() ? 0 : int64_t{1} << (static_cast<uint8_t>(input.back()) % 24);
  const auto set = DecodeBitmap(input, rows);
  static_cast<void>(DecodeZ85(input).ok());
  static_cast<void>(
      DeletionVectorPath({.storage = "u", .data = std::string(input.substr(0, 64))}).ok());
  const auto decoded = columnar::RowRuns::Decode(input);
  if (decoded.ok()) SLUICE_CHECK(decoded->Encode().size() <= input.size());
  if (!set.ok()) return false;
  const columnar::RowRuns runs = set->Runs();
  SLUICE_CHECK(runs.rows() == set->count());
  SLUICE_CHECK(runs.rows() + runs.Others(rows).rows() == rows);
  const auto again = columnar::RowRuns::Decode(runs.Encode());
  SLUICE_CHECK(again.ok() && again->runs() == runs.runs());
  return true;
}

const std::vector<std::shared_ptr<arrow::DataType>>& Types() {
  static const std::vector<std::shared_ptr<arrow::DataType>> kTypes = {
      arrow::int8(),         arrow::int16(),  arrow::int32(),
      arrow::int64(),        arrow::float32(), arrow::float64(),
      arrow::boolean(),      arrow::utf8(),   arrow::binary(),
      arrow::date32(),       arrow::decimal128(38, 10),
      arrow::decimal128(5, 2), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
      arrow::timestamp(arrow::TimeUnit::MICRO)};
  return kTypes;
}

bool RunPartition(std::string_view input) {
  const std::string text(input);
  static_cast<void>(HiveEscape(text));
  SLUICE_CHECK(PercentDecode(UriEncode(text)) == text);
  static_cast<void>(CanonicalPath(text));
  bool any = false;
  for (const auto& type : Types()) {
    for (const char* zone : {"UTC", "America/Los_Angeles"}) {
      const auto value = ParsePartitionValue(text, type, zone);
      if (!value.ok()) continue;
      any = true;
      const auto written = PartitionText(**value);
      if (!written.ok()) continue;
      const auto again = ParsePartitionValue(*written, type, "UTC");
      SLUICE_CHECK(again.ok());
      SLUICE_CHECK((*again)->Equals(**value, arrow::EqualOptions::Defaults().nans_equal(true)));
    }
  }
  return any;
}

const arrow::Schema& StatisticsSchema() {
  static const auto kSchema = [] {
    arrow::FieldVector fields;
    for (size_t i = 0; i < Types().size(); ++i) {
      fields.push_back(arrow::field(fmt::format("c{}", i), Types()[i]));
    }
    fields.push_back(arrow::field("s", arrow::struct_({arrow::field("x", arrow::int64())})));
    return arrow::schema(fields);
  }();
  return *kSchema;
}

bool RunStatistics(std::string_view input) {
  const auto& schema = StatisticsSchema();
  static_cast<void>(RowsOf(input));
  DataFile file;
  file.stats = std::string(input);
  file.partition_values = {{"c0", std::string(input.substr(0, 20))}};
  for (const auto& field : schema.fields()) {
    static_cast<void>(MaximumOf(file, field->name()));
    static_cast<void>(MinimumOf(file, field->name()));
    static_cast<void>(NullsOf(file, field->name()));
  }
  const StatisticsText text(input);
  bool any = false;
  for (const auto& field : schema.fields()) {
    const ColumnBounds bounds = text.Find({field->name()}, field->type());
    any = any || bounds.low != nullptr || bounds.high != nullptr || bounds.nulls;
    SLUICE_CHECK(bounds.low == nullptr || bounds.low->type->Equals(field->type()));
  }
  static const std::vector<Expression> kConditions = [] {
    std::vector<Expression> conditions;
    for (const char* condition :
         {"c3 > 5 and c7 = 'b'", "c12 < '2024-01-01' or c9 is null", "not (c10 <= 1.5)",
          "c4 = 0.5 and c5 in (1.0, 2.0)", "s.x <=> 4", "c0 = 1", "c6 and c13 is not null"}) {
      auto parsed = Expression::Parse(condition);
      if (parsed.ok()) conditions.push_back(std::move(*parsed));
    }
    return conditions;
  }();
  static const std::vector<std::string> kPartition = {"c0"};
  for (const Expression& condition : kConditions) {
    const FileSkipper skipper(condition, schema, kPartition, ColumnMapping::kNone, "UTC");
    static_cast<void>(skipper.MayMatch(file));
  }
  return any;
}

bool RunSchema(std::string_view input) {
  const auto parsed = ParseSchema(input);
  if (!parsed.ok()) return false;
  static_cast<void>(
      AppendFields(input, {arrow::field("added", arrow::int64())}).ok());
  const auto again = ParseSchema(SchemaToJson(*parsed->schema));
  // Names and types survive; a struct that stands for a variant comes back as a struct.
  SLUICE_CHECK(!again.ok() || again->schema->num_fields() == parsed->schema->num_fields());
  return true;
}

bool RunExpression(std::string_view input) {
  const auto expression = Expression::Parse(input);
  if (!expression.ok()) return false;
  arrow::ArrayVector columns;
  for (const auto& field : StatisticsSchema().fields()) {
    columns.push_back(arrow::MakeArrayOfNull(field->type(), 3).ValueOrDie());
  }
  const auto batch = arrow::RecordBatch::Make(
      std::make_shared<arrow::Schema>(StatisticsSchema()), 3, std::move(columns));
  static_cast<void>(expression->Evaluate(*batch).ok());
  return true;
}

}  // namespace

std::vector<Target> LakeTargets(const std::string& testdata) {
  std::vector<Target> targets;
  std::vector<std::string> logs = Files(testdata, ".json", 150);
  logs.emplace_back(kCommit);
  targets.push_back({.name = "delta-log",
                     .corpus = std::move(logs),
                     .words = {"\n", "{\"add\":{", "{\"remove\":{", "\"path\":\"", "null", "true",
                               "-1", "9223372036854775808", "1e999", "\\u0000", "\\ud800", "[]",
                               "{}", "\"deletionVector\":{\"storageType\":\"i\"}", "\"stats\":\"{\\\"",
                               "\"readerFeatures\":[]", "%", "%2", "%zz", "file:///", "../"},
                     .run = RunLog});

  std::vector<std::string> checkpoints = Files(testdata, ".parquet", 30);
  auto actions = ParseActions(kCommit);
  const auto state = StateOf(std::move(*actions));
  SLUICE_CHECK(state.ok());
  checkpoints.push_back(WriteCheckpoint(**state, 0)->bytes);
  checkpoints.push_back(WriteSidecar(**state, 0)->bytes);
  targets.push_back({.name = "checkpoint",
                     .corpus = std::move(checkpoints),
                     .words = {"PAR1", "add", "path", "stats_parsed", std::string(4, '\xFF'),
                               std::string(8, '\0'), "\x15\x04", "\x19\x5c"},
                     .run = RunCheckpoint});

  targets.push_back({.name = "deletion-vector",
                     .corpus = Bitmaps(),
                     .words = {Little(1681511377, 4), Little(1681511376, 4), Little(12346, 4),
                               Little(12347, 4), Little(0xFFFFFFFF, 4), Little(0, 8)},
                     .run = RunVector});

  targets.push_back(
      {.name = "partition-value",
       .corpus = {"1", "-128", "1.0E7", "NaN", "-Infinity", "123456789.1234567890", "true",
                  "2024-02-29", "2024-01-01T00:00:00.123456Z", "2024-01-01 00:00:00.5", "US/East",
                  "a%20b", "__HIVE_DEFAULT_PARTITION__", "0001-01-01", "9999-12-31 23:59:59",
                  "2024-03-10 02:30:00", "+00:53:28", "file:///a/b%20c"},
       .words = {"Z", "+05:30", "-00:00:01", "e", "E10", ".", "-", "T", ":", "0000000000", "%2F",
                 "%", "\xC3\xA9", "\xF0\x9F\x98\x80", "\xFF", "294247-01-10"},
       .run = RunPartition});

  targets.push_back(
      {.name = "statistics",
       .corpus =
           {R"({"numRecords":3,"tightBounds":false,"minValues":{"c0":1,"c3":-5,"c4":0.5,"c5":1e300,"c7":"a","c9":"2024-01-01","c10":1.5,"c11":"1.50","c12":"2024-01-01T00:00:00.000+00:53:28","c13":"2024-01-01 00:00:00","s":{"x":1}},"maxValues":{"c0":2,"c3":9,"c4":2,"c5":"NaN","c7":"z","c9":"2024-12-31","c10":9.5,"c12":"2024-12-31T23:59:59.999Z","s":{"x":9}},"nullCount":{"c0":0,"c3":3,"c6":1,"s":{"x":0}}})",
            R"({"numRecords":0})", R"({"minValues":{},"maxValues":{},"nullCount":{}})"},
       .words = {"null", "\"\"", "-1", "1e999", "9223372036854775807", "-9223372036854775809",
                 "\"nullCount\":", "\"minValues\":", "{", "}", "[", "\"9999-12-31\"",
                 "\"292278-01-01T00:00:00Z\"", "\\ud83d", "\"tightBounds\":true"},
       .run = RunStatistics});

  targets.push_back(
      {.name = "schema",
       .corpus =
           {R"x({"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{"delta.columnMapping.id":1,"x":[1,{"y":null}]}},{"name":"s","type":{"type":"struct","fields":[{"name":"l","type":{"type":"array","elementType":{"type":"map","keyType":"string","valueType":"decimal(10,2)","valueContainsNull":true},"containsNull":false},"nullable":false,"metadata":{}}]},"nullable":true,"metadata":{}},{"name":"v","type":"variant","nullable":true,"metadata":{}}]})x"},
       .words = {"\"type\":", "\"struct\"", "\"fields\":[", "decimal(", "decimal(39,0)",
                 "decimal(10,11)", "\"timestamp_ntz\"", "\"void\"", "\"array\"", "\"elementType\":",
                 "{\"name\":\"\",\"type\":", "[[[[[[[[", "null"},
       .run = RunSchema});

  targets.push_back(
      {.name = "expression",
       .corpus = {"c3 > 5 and c7 = 'b'", "c12 < timestamp '2024-01-01' or c9 is null",
                  "not (c10 <= 1.5)", "cast(c3 as string) like 'a%'", "c4 in (1.0, null)",
                  "case when c6 then 1 else 2 end = 1", "c7 between 'a' and 'b'", "s.x <=> 4",
                  "date_format(c12, 'yyyy') = '2024'", "c0 + c1 * c2 / 0 % 3 = -1",
                  "coalesce(c7, 'x') || 'y' = 'z'"},
       .words = {"(", ")", "((((((((", " and ", " or ", " not ", "'", "''", "`", "null", "cast(",
                 " as decimal(38,10))", "9223372036854775808", "1e400", "--", "*", "<=>"},
       .run = RunExpression});
  return targets;
}

}  // namespace sluice::fuzz
