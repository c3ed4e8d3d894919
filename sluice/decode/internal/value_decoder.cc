// RowDecoder: single values, each into its column.

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "sluice/decode/internal/base64.h"
#include "sluice/decode/internal/decimal_text.h"
#include "sluice/decode/internal/row_decoder.h"
#include "sluice/decode/internal/uuid_text.h"

namespace sluice::decode::internal {

namespace {

using event::FieldType;
using event::TimeUnit;

// The years 1 to 9999: what every engine can show.
constexpr int64_t kMicrosMin = -62'135'596'800'000'000;
constexpr int64_t kMicrosMax = 253'402'300'799'999'999;

// Copies a string's inside up to its closing quote, if it has no escape and ends within `room`;
// returns its size, else -1. Reads up to 15 bytes behind the quote, and writes as many beyond
// `room`.
ptrdiff_t CopyPlain(const char* from, char* to, size_t room) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  for (size_t i = 0; i <= room; i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), bytes);
    const __m128i stops =
        _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
    const auto mask = static_cast<uint32_t>(_mm_movemask_epi8(stops));
    if (mask == 0) continue;
    const size_t at = i + static_cast<size_t>(std::countr_zero(mask));
    return from[at] == '"' ? static_cast<ptrdiff_t>(at) : -1;
  }
#else
  for (size_t i = 0; i <= room; ++i) {
    if (from[i] == '"') return static_cast<ptrdiff_t>(i);
    if (from[i] == '\\') return -1;
    to[i] = from[i];
  }
#endif
  return -1;
}

// Bytes of a string's inside, as written. The closing quote is known to be there.
size_t WrittenSize(const char* inside) {
  size_t size = 0;
  while (inside[size] != '"') size += inside[size] == '\\' ? 2 : 1;
  return size;
}

std::string_view KindOf(char first) {
  switch (first) {
    case '"':
      return "string";
    case '{':
      return "object";
    case '[':
      return "array";
    case 't':
    case 'f':
      return "boolean";
    case 'n':
      return "null";
    default:
      return "number";
  }
}

bool IsInteger(const event::Field& field) {
  return (field.type >= FieldType::kInt8 && field.type <= FieldType::kUInt64) ||
         (field.type == FieldType::kTimestamp && field.unit != TimeUnit::kRfc3339);
}
bool IsNumber(const event::Field& field) {
  return IsInteger(field) || field.type == FieldType::kFloat32 || field.type == FieldType::kFloat64;
}

// What a value of the field is called in messages.
std::string_view Expected(const event::Field& field) {
  switch (field.type) {
    case FieldType::kTimestamp:
      return field.unit == TimeUnit::kRfc3339 ? "a time as text" : "an integer";
    case FieldType::kDecimal:
      return "a number, or a text that is one";
    case FieldType::kUuid:
      return "a UUID as text";
    case FieldType::kStruct:
      return "an object";
    case FieldType::kList:
      return "an array";
    case FieldType::kVoid:
      return "null";
    default:
      return ToString(field.type);
  }
}

}  // namespace

bool RowDecoder::DecodeValue(const FieldPlan& plan, Column& column, int64_t row, Value& value) {
  const event::Field& field = *plan.field;
  if (field.privacy.action == event::PrivacyAction::kDrop) {
    std::string_view unused;
    const int depth = content_depth_ + static_cast<int>(path_.size());
    if (!ReadJson(value, depth, unused)) return false;
    column.SetNull(row);
    return true;
  }
  using Limits32 = std::numeric_limits<int32_t>;
  using Limits64 = std::numeric_limits<int64_t>;
  switch (field.type) {
    case FieldType::kBool: {
      bool truth;
      if (value.get_bool().get(truth)) return NullOrWrong(plan, column, row, value);
      column.Set<uint8_t>(row, truth ? 1 : 0);
      return true;
    }
    case FieldType::kInt8:
      return DecodeInteger<int8_t, -128, 127>(plan, column, row, value);
    case FieldType::kInt16:
      return DecodeInteger<int16_t, -32'768, 32'767>(plan, column, row, value);
    case FieldType::kInt32:
      return DecodeInteger<int32_t, Limits32::min(), Limits32::max()>(plan, column, row, value);
    case FieldType::kInt64:
      return DecodeInteger<int64_t, Limits64::min(), Limits64::max()>(plan, column, row, value);
    case FieldType::kUInt8:
      return DecodeInteger<int16_t, 0, 255>(plan, column, row, value);
    case FieldType::kUInt16:
      return DecodeInteger<int32_t, 0, 65'535>(plan, column, row, value);
    case FieldType::kUInt32:
      return DecodeInteger<int64_t, 0, 4'294'967'295>(plan, column, row, value);
    case FieldType::kUInt64: {
      uint64_t number;
      if (value.get_uint64().get(number)) return NullOrWrong(plan, column, row, value);
      column.Set(row, DecimalBits{number, 0});
      return true;
    }
    case FieldType::kFloat32:
      return DecodeFloat<float>(plan, column, row, value);
    case FieldType::kFloat64:
      return DecodeFloat<double>(plan, column, row, value);
    case FieldType::kText:
    case FieldType::kData:
    case FieldType::kEnum:
    case FieldType::kUuid:
      return DecodeText(plan, column, row, value);
    case FieldType::kTimestamp:
      return DecodeTimestamp(plan, column, row, value);
    case FieldType::kDecimal:
      return DecodeDecimal(plan, column, row, value);
    case FieldType::kStruct:
      return DecodeStruct(plan, column, row, value);
    case FieldType::kList:
      return DecodeList(plan, column, row, value);
    case FieldType::kVoid:
      return NullOrWrong(plan, column, row, value);
    case FieldType::kWhich:
      break;
  }
  return Suspect();
}

bool RowDecoder::DecodeText(const FieldPlan& plan, Column& column, int64_t row, Value& value) {
  auto size = CopyText(column, row, value);
  if (!size) return NullOrWrong(plan, column, row, value);
  const FieldType type = plan.field->type;
  if (type == FieldType::kText) {
    column.SetText(row, *size);
    return true;
  }
  char* text = column.Text(row, *size);
  if (type == FieldType::kData) {
    size = DecodeBase64({text, *size}, text);
    if (!size) return Fail(codes::kBadBase64, plan.name, "expected base64 with padding");
  } else if (type == FieldType::kUuid) {
    if (!MakeUuid({text, *size}, text)) {
      return Fail(codes::kBadUuid, plan.name, "expected a UUID: 8-4-4-4-12 hexadecimal digits");
    }
  } else if (plan.enumerants.Find({text, *size}, NameTable::kNone) == NameTable::kNone) {
    return Fail(codes::kUnknownEnumerant, plan.name, "the schema's enum has no such name");
  }
  column.SetText(row, *size);
  return true;
}

bool RowDecoder::DecodeTimestamp(const FieldPlan& plan, Column& column, int64_t row, Value& value) {
  const TimeUnit unit = plan.field->unit;
  if (unit == TimeUnit::kRfc3339) {
    std::string_view text;
    if (value.get_string().get(text)) return NullOrWrong(plan, column, row, value);
    const auto time = times_.Read(text);
    if (!time) return Fail(codes::kBadTime, plan.name, "expected an RFC 3339 time with zone");
    if (*time < kMicrosMin || *time > kMicrosMax) {
      return Fail(codes::kOutOfRange, plan.name, "outside the years 1 to 9999");
    }
    column.Set(row, *time);
    return true;
  }
  int64_t number;
  if (value.get_int64().get(number)) return NullOrWrong(plan, column, row, value);
  if (unit == TimeUnit::kNanoseconds) {
    number = number / 1'000 - (number % 1'000 < 0 ? 1 : 0);
  } else {
    const int64_t factor = unit == TimeUnit::kSeconds        ? 1'000'000
                           : unit == TimeUnit::kMilliseconds ? 1'000
                                                             : 1;
    if (number < kMicrosMin / factor || number > kMicrosMax / factor) {
      return Fail(codes::kOutOfRange, plan.name, "outside the years 1 to 9999");
    }
    number *= factor;
  }
  column.Set(row, number);
  return true;
}

bool RowDecoder::DecodeDecimal(const FieldPlan& plan, Column& column, int64_t row, Value& value) {
  const std::string_view token = TrimEnd(value.raw_json_token());
  const bool number = !token.empty() && (token[0] == '-' || (token[0] >= '0' && token[0] <= '9'));
  std::string_view text = token;
  if (!number && value.get_string().get(text)) return NullOrWrong(plan, column, row, value);
  const int precision = plan.field->precision;
  const int scale = plan.field->scale;
  DecimalBits bits;
  switch (ReadDecimal(text, precision, scale, bits)) {
    case DecimalVerdict::kRead:
      column.Set(row, bits);
      return true;
    case DecimalVerdict::kNoNumber:
      if (number) return Suspect();
      return Fail(codes::kBadDecimal, plan.name, "expected a number such as -12.50");
    case DecimalVerdict::kTooLarge:
      return Fail(codes::kOutOfRange, plan.name,
                  fmt::format("more than {} digits in front of the point", precision - scale));
    case DecimalVerdict::kTooFine:
      break;
  }
  return Fail(codes::kOutOfRange, plan.name,
              fmt::format("more than {} digits behind the point", scale));
}

template <typename Stored, int64_t kMinimum, int64_t kMaximum>
bool RowDecoder::DecodeInteger(const FieldPlan& plan, Column& column, int64_t row, Value& value) {
  int64_t number;
  if (value.get_int64().get(number)) return NullOrWrong(plan, column, row, value);
  if (number < kMinimum || number > kMaximum) {
    return Fail(codes::kOutOfRange, plan.name,
                fmt::format("out of range of {}", ToString(plan.field->type)));
  }
  column.Set(row, static_cast<Stored>(number));
  return true;
}

template <typename Stored>
bool RowDecoder::DecodeFloat(const FieldPlan& plan, Column& column, int64_t row, Value& value) {
  double number;
  if (value.get_double().get(number)) return NullOrWrong(plan, column, row, value);
  const auto stored = static_cast<Stored>(number);
  if (std::isinf(stored)) {
    return Fail(codes::kOutOfRange, plan.name,
                fmt::format("out of range of {}", ToString(plan.field->type)));
  }
  column.Set(row, stored);
  return true;
}

std::optional<size_t> RowDecoder::CopyText(Column& column, int64_t row, Value& value) {
  constexpr size_t kUsual = 256;
  simdjson::ondemand::raw_json_string raw;
  if (value.get_raw_json_string().get(raw)) return std::nullopt;
  char* to = column.Text(row, kUsual);
  const ptrdiff_t plain = CopyPlain(raw.raw(), to, column.Room(row));
  if (plain >= 0) return static_cast<size_t>(plain);
  auto* out = reinterpret_cast<uint8_t*>(column.Text(row, WrittenSize(raw.raw())));
  std::string_view text;
  if (parser_.unescape(raw, out).get(text)) return std::nullopt;
  return text.size();
}

bool RowDecoder::NullOrWrong(const FieldPlan& plan, Column& column, int64_t row, Value& value) {
  const event::Field& field = *plan.field;
  const std::string_view token = TrimEnd(value.raw_json_token());
  if (token == "null") {
    column.SetNull(row);
    return true;
  }
  const std::string_view kind = token.empty() ? "nothing" : KindOf(token[0]);
  if (kind == "number" && IsNumber(field)) {
    const bool integral = token.find_first_of(".eE") == std::string_view::npos;
    if (token == "-0" && field.type == FieldType::kUInt64) {
      column.Set(row, DecimalBits{0, 0});
      return true;
    }
    if (IsInteger(field) && !integral) {
      return Fail(
          codes::kWrongType, plan.name,
          fmt::format("expected {}, found a number with fraction or exponent", Expected(field)));
    }
    return Fail(codes::kOutOfRange, plan.name,
                fmt::format("out of range of {}", ToString(field.type)));
  }
  return Fail(codes::kWrongType, plan.name,
              fmt::format("expected {}, found {}", Expected(field), kind));
}

}  // namespace sluice::decode::internal
