// Random schemas with random rows, sound and broken, against a plain decoder over another parser.
// With SLUICE_SCHEMAS_FOLDER the rows also go there, an Arrow IPC file a schema:
// tests/interop/random_schemas.py takes them through Delta tables.

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/columnar/parquet.h"
#include "sluice/decode/internal/cell_text.h"
#include "sluice/decode/internal/random_schemas.h"
#include "sluice/decode/json_decoder.h"

namespace sluice::decode {
namespace {

using event::Field;
using event::FieldType;
using event::TimeUnit;
using event::UnknownFields;
namespace dom = simdjson::dom;

constexpr int kSchemas = 600;

// ---- The reference: as slow and plain as can be.

struct Wrong {
  std::string code;
  std::string path;
};

// Either every column's text, or what is wrong.
struct Row {
  std::map<std::string, std::string> values;
  std::string code;
  std::string path;
  bool operator==(const Row&) const = default;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.code << " " << row.path;
  for (const auto& [column, value] : row.values) *out << " " << column << "=" << value;
}

class Reference {
 public:
  explicit Reference(const event::Contract& contract) : contract_(contract) {}

  Row Decode(dom::element element) {
    Row row;
    extra_.clear();
    wrong_.reset();
    dom::object object;
    if (element.get(object)) return {{}, std::string(codes::kNotObject), ""};
    const auto values = Object(contract_.fields, object, "");
    if (wrong_) return {{}, wrong_->code, wrong_->path};
    for (size_t i = 0; i < values.size(); ++i) row.values[contract_.fields[i].column] = values[i];
    if (!extra_.empty() && contract_.unknown == UnknownFields::kKeep) row.values["_extra"] = extra_;
    return row;
  }

 private:
  std::string Fail(std::string_view code, std::string_view path) {
    if (!wrong_) wrong_ = {std::string(code), std::string(path)};
    return {};
  }

  static std::string Join(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
  }

  // A name that the schema does not know is shown only if it is plain.
  static std::string JoinUnknown(const std::string& path, const std::string& name) {
    const bool plain = name.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                           "0123456789_$") == name.npos &&
                       !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0;
    return plain ? Join(path, name) : path;
  }

  std::vector<std::string> Object(const std::vector<Field>& fields, dom::object object,
                                  const std::string& path) {
    std::vector<std::string> values(fields.size(), "null");
    std::set<std::string> seen;
    for (const auto member : object) {
      const std::string name(member.key);
      size_t index = fields.size();
      for (size_t i = 0; i < fields.size(); ++i) {
        if (fields[i].name == name && fields[i].type != FieldType::kWhich) index = i;
      }
      if (index == fields.size() && contract_.unknown == UnknownFields::kError) {
        Fail(codes::kUnknownField, JoinUnknown(path, name));
      } else if (!seen.insert(name).second) {
        Fail(codes::kRepeatedKey,
             index < fields.size() ? Join(path, name) : JoinUnknown(path, name));
      } else if (index == fields.size()) {
        extra_ +=
            fmt::format("{}:{};", Join(path, name), std::string(simdjson::minify(member.value)));
      } else {
        values[index] = Value(fields[index], member.value, Join(path, name));
      }
      if (wrong_) return values;
    }
    int with_value = 0;
    std::vector<size_t> named;
    size_t chosen = fields.size();
    for (size_t i = 0; i < fields.size(); ++i) {
      const Field& field = fields[i];
      const bool absent = !seen.contains(field.name);
      // What is dropped has no value, but was there.
      const bool dropped = field.privacy.action == event::PrivacyAction::kDrop;
      if (field.required && (dropped ? absent : values[i] == "null")) {
        Fail(codes::kMissing, Join(path, field.name));
      }
      if (wrong_) return values;
      if (absent && !field.default_json.empty()) {
        dom::parser parser;
        dom::array one;
        EXPECT_FALSE(parser.parse("[" + field.default_json + "]").get(one));
        for (const dom::element value : one) values[i] = Value(field, value, "");
      }
      if (!field.alternative || absent) continue;
      named.push_back(i);
      if (values[i] != "null") {
        ++with_value;
        chosen = i;
      }
    }
    if (with_value > 1) Fail(codes::kTwoAlternatives, path);
    if (with_value == 0 && named.size() == 1) chosen = named[0];
    if (chosen == fields.size()) return values;
    if (fields[chosen].type == FieldType::kVoid) values[chosen] = "true";
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].type == FieldType::kWhich) values[i] = fields[chosen].name;
    }
    return values;
  }

  std::string Value(const Field& field, dom::element value, const std::string& path) {
    if (value.is_null() || field.privacy.action == event::PrivacyAction::kDrop) return "null";
    const bool integer = value.is<int64_t>() || value.is<uint64_t>();
    switch (field.type) {
      case FieldType::kBool: {
        bool truth;
        if (value.get(truth)) return Fail(codes::kWrongType, path);
        return truth ? "true" : "false";
      }
      case FieldType::kFloat32:
      case FieldType::kFloat64: {
        double real;
        if (!value.is_number() || value.get(real)) return Fail(codes::kWrongType, path);
        if (field.type == FieldType::kFloat64) return fmt::format("{}", real);
        const auto single = static_cast<float>(real);
        return std::isinf(single) ? Fail(codes::kOutOfRange, path) : fmt::format("{}", single);
      }
      case FieldType::kText: {
        std::string_view text;
        return value.get(text) ? Fail(codes::kWrongType, path) : std::string(text);
      }
      case FieldType::kEnum: {
        std::string_view text;
        if (value.get(text)) return Fail(codes::kWrongType, path);
        const bool known = text == "one" || text == "two" || text == "three";
        return known ? std::string(text) : Fail(codes::kUnknownEnumerant, path);
      }
      case FieldType::kData: {
        static const std::map<std::string_view, std::string> kBytes = {
            {"", ""},           {"AA==", "00"},           {"AQID", "010203"},
            {"////", "FFFFFF"}, {"AQIDAA==", "01020300"}, {"AQL/", "0102FF"}};
        std::string_view text;
        if (value.get(text)) return Fail(codes::kWrongType, path);
        const auto found = kBytes.find(text);
        return found == kBytes.end() ? Fail(codes::kBadBase64, path) : "0x" + found->second;
      }
      case FieldType::kUuid: {
        std::string_view text;
        if (value.get(text)) return Fail(codes::kWrongType, path);
        std::string lower(text);
        for (char& c : lower) c = static_cast<char>(std::tolower(c));
        const bool good =
            lower.size() == 36 && lower.find_first_not_of("0123456789abcdef-") == lower.npos;
        return good ? lower : Fail(codes::kBadUuid, path);
      }
      case FieldType::kTimestamp:
        return Time(field, value, integer, path);
      case FieldType::kDecimal:
        return Decimal(field, value, path);
      case FieldType::kVoid:
        return Fail(codes::kWrongType, path);
      case FieldType::kStruct: {
        dom::object object;
        if (value.get(object)) return Fail(codes::kWrongType, path);
        std::string text = "{";
        for (const std::string& part : Object(field.children, object, path)) text += part + ";";
        return text + "}";
      }
      case FieldType::kList: {
        dom::array array;
        if (value.get(array)) return Fail(codes::kWrongType, path);
        std::string text = "[";
        int64_t at = 0;
        for (const dom::element item : array) {
          text += Value(field.children[0], item, fmt::format("{}[{}]", path, at++)) + ";";
          if (wrong_) return {};
        }
        return text + "]";
      }
      default:
        break;
    }
    return Integer(field, value, integer, path);
  }

  std::string Integer(const Field& field, dom::element value, bool integer,
                      const std::string& path) {
    static const std::map<FieldType, std::pair<double, double>> kRanges = {
        {FieldType::kInt8, {-128, 127}},
        {FieldType::kInt16, {-32768, 32767}},
        {FieldType::kInt32, {-2147483648.0, 2147483647}},
        {FieldType::kInt64, {-9.3e18, 9.3e18}},
        {FieldType::kUInt8, {0, 255}},
        {FieldType::kUInt16, {0, 65535}},
        {FieldType::kUInt32, {0, 4294967295}},
        {FieldType::kUInt64, {0, 1.9e19}}};
    if (!integer) return Fail(codes::kWrongType, path);
    uint64_t natural = 0;
    int64_t number = 0;
    const bool is_signed = !value.get(number);
    const bool is_unsigned = !value.get(natural);
    if (field.type == FieldType::kUInt64) {
      return is_unsigned ? std::to_string(natural) : Fail(codes::kOutOfRange, path);
    }
    const auto [minimum, maximum] = kRanges.at(field.type);
    const bool fits = is_signed && static_cast<double>(number) >= minimum &&
                      static_cast<double>(number) <= maximum;
    return fits ? std::to_string(number) : Fail(codes::kOutOfRange, path);
  }

  std::string Time(const Field& field, dom::element value, bool integer, const std::string& path) {
    if (field.unit == TimeUnit::kRfc3339) {
      static const std::map<std::string_view, std::string> kTimes = {
          {"2026-01-05T00:00:00Z", "1767571200000000"},
          {"2026-01-05T01:00:00.25+01:00", "1767571200250000"},
          {"1969-12-31T23:59:59.5Z", "-500000"},
          {"9999-12-31T23:59:59Z", "253402300799000000"},
          {"0001-01-01T00:00:00Z", "-62135596800000000"},
          {"1970-01-01T00:00:00Z", "0"}};
      std::string_view text;
      if (value.get(text)) return Fail(codes::kWrongType, path);
      if (text == "0000-01-01T00:00:00Z") return Fail(codes::kOutOfRange, path);
      const auto found = kTimes.find(text);
      return found == kTimes.end() ? Fail(codes::kBadTime, path) : found->second;
    }
    if (!integer) return Fail(codes::kWrongType, path);
    int64_t number;
    if (value.get(number)) return Fail(codes::kOutOfRange, path);
    if (field.unit == TimeUnit::kNanoseconds) {
      return std::to_string(
          static_cast<int64_t>(std::floor(static_cast<long double>(number) / 1000)));
    }
    const long double factor = field.unit == TimeUnit::kSeconds        ? 1e6L
                               : field.unit == TimeUnit::kMilliseconds ? 1e3L
                                                                       : 1;
    const long double micros = static_cast<long double>(number) * factor;
    if (std::abs(micros) > 253402300800000000.0L) return Fail(codes::kOutOfRange, path);
    return std::to_string(static_cast<int64_t>(micros));
  }

  std::string Decimal(const Field& field, dom::element value, const std::string& path) {
    std::string text;
    std::string_view view;
    double real;
    if (!value.get(view)) {
      text = view;
      if (text.empty() || text.back() == '.') return Fail(codes::kBadDecimal, path);
    } else if (value.is_number() && !value.get(real)) {
      text = std::string(simdjson::minify(value));
    } else {
      return Fail(codes::kWrongType, path);
    }
    arrow::Decimal128 decimal;
    int32_t precision = 0;
    int32_t scale = 0;
    if (!arrow::Decimal128::FromString(text, &decimal, &precision, &scale).ok()) {
      return Fail(codes::kBadDecimal, path);
    }
    const auto scaled = decimal.Rescale(scale, field.scale);
    if (!scaled.ok() || !scaled->FitsInPrecision(field.precision))
      return Fail(codes::kOutOfRange, path);
    return scaled->ToString(field.scale);
  }

  const event::Contract& contract_;
  std::string extra_;
  std::optional<Wrong> wrong_;
};

// ---- What the decoder made, in the same words.

std::vector<Row> Rows(const event::Contract& contract, const Decoded& decoded) {
  std::vector<Row> rows(static_cast<size_t>(decoded.received));
  dom::parser parser;
  for (const TopicRows& topic : decoded.topics) {
    EXPECT_TRUE(topic.batch->ValidateFull().ok()) << topic.batch->ValidateFull().ToString();
    for (size_t i = 0; i < topic.rows.size(); ++i) {
      Row& row = rows.at(static_cast<size_t>(topic.rows[i]));
      const auto at = static_cast<int64_t>(i);
      for (size_t column = 0; column < contract.fields.size(); ++column) {
        row.values[contract.fields[column].column] =
            internal::CellText(*topic.batch->column(static_cast<int>(column)), at);
      }
      const auto extra = topic.batch->GetColumnByName("_extra");
      if (extra->IsNull(at)) continue;
      dom::object object;
      const std::string text = internal::CellText(*extra, at);
      EXPECT_FALSE(parser.parse(text).get(object)) << text;
      for (const auto member : object) {
        row.values["_extra"] += fmt::format("{}:{};", std::string(member.key),
                                            std::string(simdjson::minify(member.value)));
      }
    }
  }
  for (const RowError& error : decoded.errors) {
    rows.at(static_cast<size_t>(error.row)) = {{}, error.code, error.path};
  }
  return rows;
}

void ExpectSameThroughParquet(const columnar::Batch& batch) {
  const auto schema = batch->schema();
  const auto file = columnar::WriteParquet(schema, {batch});
  ASSERT_TRUE(file.ok()) << file.error().ToString() << schema->ToString();
  const auto read = columnar::ReadParquet(file->bytes);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  ASSERT_EQ(read->size(), 1u);
  const auto& back = *read->front();
  ASSERT_EQ(back.num_rows(), batch->num_rows());
  for (int column = 0; column < batch->num_columns(); ++column) {
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      ASSERT_EQ(internal::CellText(*back.column(column), row),
                internal::CellText(*batch->column(column), row))
          << schema->field(column)->ToString() << " row " << row;
    }
  }
}

void WriteRows(const columnar::Batch& batch, const std::string& path) {
  const auto file = arrow::io::FileOutputStream::Open(path).ValueOrDie();
  const auto writer = arrow::ipc::MakeFileWriter(file, batch->schema()).ValueOrDie();
  ASSERT_TRUE(writer->WriteRecordBatch(*batch).ok());
  ASSERT_TRUE(writer->Close().ok() && file->Close().ok());
}

TEST(SchemaPropertyTest, RandomSchemasDecodeAsTheReferenceDoes) {
  const os::Timestamp received = std::chrono::sys_days(std::chrono::year(2026) / 1 / 5);
  const char* const folder = std::getenv("SLUICE_SCHEMAS_FOLDER");
  const char* const given = std::getenv("SLUICE_SEED");
  const uint32_t seed =
      given != nullptr ? static_cast<uint32_t>(std::stoul(given)) : std::random_device()();
  SCOPED_TRACE(fmt::format("SLUICE_SEED={}", seed));
  internal::SchemaGenerator generate(seed);
  JsonDecoder decoder;
  dom::parser parser;
  size_t good = 0;
  size_t bad = 0;
  for (int number = 0; number < kSchemas;) {
    const std::string text = generate.Schema();
    auto compiled = event::CompileCapnp({{"t.capnp", text}}, "t.capnp");
    // Some unions in unions Cap'n Proto refuses for what an old release of it did to them.
    if (!compiled.ok() && compiled.error().message().find("issues/344") != std::string::npos) {
      continue;
    }
    ++number;
    ASSERT_TRUE(compiled.ok()) << compiled.error().ToString() << text;
    auto made = event::FromJson(event::ToJson(compiled->front()));
    ASSERT_TRUE(made.ok());
    ASSERT_EQ(*made, compiled->front());
    made->unknown = static_cast<UnknownFields>(generate.Below(3));
    const auto contract = std::make_shared<const event::Contract>(*made);
    Reference reference(*contract);

    std::vector<Row> expected;
    std::vector<Row> expected_of_valid;
    std::string lines;
    std::string array = "[";
    for (size_t count = 20 + generate.Below(20); count > 0; --count) {
      const std::string row = generate.Row(contract->fields);
      if (row.find('\n') != row.npos) continue;
      dom::element element;
      const auto error = parser.parse(row).get(element);
      // Numbers that the other parser cannot hold are not its matter.
      if (error == simdjson::BIGINT_ERROR || error == simdjson::NUMBER_ERROR) continue;
      lines += row + "\n";
      if (error) {
        expected.push_back({{}, std::string(codes::kSyntax), ""});
        continue;
      }
      expected.push_back(reference.Decode(element));
      expected_of_valid.push_back(expected.back());
      array += (array.size() > 1 ? "," : "") + row;
    }
    array += "]";
    for (std::string* body : {&lines, &array}) {
      const size_t size = body->size();
      body->append(JsonDecoder::kPaddingBytes, '{');
      const auto decoded = decoder.Decode(
          std::string_view(*body).substr(0, size),
          body == &lines ? Framing::kNdjson : Framing::kJson, Shape::kContent, "t",
          [&](std::string_view) { return contract; }, received);
      ASSERT_TRUE(decoded.ok()) << decoded.error().ToString() << *body;
      const std::vector<Row> rows = Rows(*contract, *decoded);
      const auto& wanted = body == &lines ? expected : expected_of_valid;
      ASSERT_EQ(rows.size(), wanted.size());
      for (size_t i = 0; i < rows.size(); ++i) {
        ASSERT_EQ(rows[i], wanted[i]) << "row " << i << " of " << *body << "\n" << text;
        ++(wanted[i].code.empty() ? good : bad);
      }
      if (body == &lines && !decoded->topics.empty()) {
        const columnar::Batch& batch = decoded->topics[0].batch;
        ExpectSameThroughParquet(batch);
        if (folder != nullptr) WriteRows(batch, fmt::format("{}/{}.arrow", folder, number));
      }
      if (HasFatalFailure()) FAIL() << text;
    }
  }
  EXPECT_GT(good, size_t{kSchemas} * 10);
  EXPECT_GT(bad, size_t{kSchemas});
}

}  // namespace
}  // namespace sluice::decode
