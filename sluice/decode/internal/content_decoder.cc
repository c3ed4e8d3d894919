// RowDecoder: the content of an event, field by field.

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "sluice/decode/internal/base64.h"
#include "sluice/decode/internal/row_decoder.h"

namespace sluice::decode::internal {

namespace {

using event::FieldType;

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

bool IsInteger(FieldType type) { return type >= FieldType::kInt8 && type <= FieldType::kUInt64; }
bool IsNumber(FieldType type) { return type >= FieldType::kInt8 && type <= FieldType::kFloat64; }

// A Decimal128 as Arrow stores it.
struct Decimal {
  uint64_t low;
  uint64_t high;
};

}  // namespace

bool RowDecoder::DecodeContent(Object& object) {
  const event::Contract& contract = rows_->contract();
  const NameTable& names = rows_->names();
  size_t expected = 0;
  for (auto result : object) {
    if (result.error()) return Suspect();
    Member& member = result.value_unsafe();
    Name name;
    if (!ReadName(member, names, expected, name)) return false;
    if (const size_t index = name.index; index != NameTable::kNone) {
      if (rows_->field(index).IsSet(row_)) {
        return Fail(codes::kRepeatedKey, contract.fields[index].name,
                    "the name stands twice in its object");
      }
      if (!DecodeField(index, member.value())) return false;
      expected = index + 1;
      continue;
    }
    if (!KeepUnknown(name, member.value())) return false;
  }
  return ReadEventTime();
}

bool RowDecoder::KeepUnknown(const Name& name, Value& value) {
  const event::UnknownFields unknown = rows_->contract().unknown;
  if (unknown == event::UnknownFields::kError) {
    return Fail(codes::kUnknownField, ShownName("", name.text), "the schema has no such field");
  }
  std::string_view json;
  if (!NoteUnknownName("", name.text) || !ReadJson(value, content_depth_, json)) return false;
  if (unknown == event::UnknownFields::kKeep) {
    extra_.append(extra_.empty() ? "\"" : ",\"").append(name.written).append("\":").append(json);
  }
  return true;
}

bool RowDecoder::DecodeField(size_t index, Value& value) {
  const event::Field& field = rows_->contract().fields[index];
  Column& column = rows_->field(index);
  if (field.privacy.action == event::PrivacyAction::kDrop) {
    std::string_view unused;
    if (!ReadJson(value, content_depth_, unused)) return false;
    column.SetNull(row_);
    return true;
  }
  using Limits32 = std::numeric_limits<int32_t>;
  using Limits64 = std::numeric_limits<int64_t>;
  switch (field.type) {
    case FieldType::kBool: {
      bool truth;
      if (value.get_bool().get(truth)) return NullOrWrong(field, column, value);
      column.Set<uint8_t>(row_, truth ? 1 : 0);
      return true;
    }
    case FieldType::kInt8:
      return DecodeInteger<int8_t, -128, 127>(field, column, value);
    case FieldType::kInt16:
      return DecodeInteger<int16_t, -32'768, 32'767>(field, column, value);
    case FieldType::kInt32:
      return DecodeInteger<int32_t, Limits32::min(), Limits32::max()>(field, column, value);
    case FieldType::kInt64:
      return DecodeInteger<int64_t, Limits64::min(), Limits64::max()>(field, column, value);
    case FieldType::kUInt8:
      return DecodeInteger<int16_t, 0, 255>(field, column, value);
    case FieldType::kUInt16:
      return DecodeInteger<int32_t, 0, 65'535>(field, column, value);
    case FieldType::kUInt32:
      return DecodeInteger<int64_t, 0, 4'294'967'295>(field, column, value);
    case FieldType::kUInt64: {
      uint64_t number;
      if (value.get_uint64().get(number)) return NullOrWrong(field, column, value);
      column.Set(row_, Decimal{number, 0});
      return true;
    }
    case FieldType::kFloat32:
      return DecodeFloat<float>(field, column, value);
    case FieldType::kFloat64:
      return DecodeFloat<double>(field, column, value);
    default:
      break;
  }
  auto size = CopyText(column, value);
  if (!size) return NullOrWrong(field, column, value);
  if (field.type == FieldType::kText) {
    column.SetText(row_, *size);
    return true;
  }
  char* text = column.Text(row_, *size);
  if (field.type == FieldType::kData) {
    size = DecodeBase64({text, *size}, text);
    if (!size) return Fail(codes::kBadBase64, field.name, "expected base64 with padding");
  } else if (rows_->enumerants(index).Find({text, *size}, NameTable::kNone) == NameTable::kNone) {
    return Fail(codes::kUnknownEnumerant, field.name, "the schema's enum has no such name");
  }
  column.SetText(row_, *size);
  return true;
}

template <typename Stored, int64_t kMinimum, int64_t kMaximum>
bool RowDecoder::DecodeInteger(const event::Field& field, Column& column, Value& value) {
  int64_t number;
  if (value.get_int64().get(number)) return NullOrWrong(field, column, value);
  if (number < kMinimum || number > kMaximum) {
    return Fail(codes::kOutOfRange, field.name,
                fmt::format("out of range of {}", ToString(field.type)));
  }
  column.Set(row_, static_cast<Stored>(number));
  return true;
}

template <typename Stored>
bool RowDecoder::DecodeFloat(const event::Field& field, Column& column, Value& value) {
  double number;
  if (value.get_double().get(number)) return NullOrWrong(field, column, value);
  const auto stored = static_cast<Stored>(number);
  if (std::isinf(stored)) {
    return Fail(codes::kOutOfRange, field.name,
                fmt::format("out of range of {}", ToString(field.type)));
  }
  column.Set(row_, stored);
  return true;
}

std::optional<size_t> RowDecoder::CopyText(Column& column, Value& value) {
  constexpr size_t kUsual = 256;
  simdjson::ondemand::raw_json_string raw;
  if (value.get_raw_json_string().get(raw)) return std::nullopt;
  char* to = column.Text(row_, kUsual);
  const ptrdiff_t plain = CopyPlain(raw.raw(), to, column.Room(row_));
  if (plain >= 0) return static_cast<size_t>(plain);
  auto* out = reinterpret_cast<uint8_t*>(column.Text(row_, WrittenSize(raw.raw())));
  std::string_view text;
  if (parser_.unescape(raw, out).get(text)) return std::nullopt;
  return text.size();
}

bool RowDecoder::NullOrWrong(const event::Field& field, Column& column, Value& value) {
  const std::string_view token = TrimEnd(value.raw_json_token());
  if (token == "null") {
    column.SetNull(row_);
    return true;
  }
  const std::string_view kind = token.empty() ? "nothing" : KindOf(token[0]);
  if (kind == "number" && IsNumber(field.type)) {
    const bool integral = token.find_first_of(".eE") == std::string_view::npos;
    if (token == "-0" && field.type == FieldType::kUInt64) {
      column.Set(row_, Decimal{0, 0});
      return true;
    }
    if (IsInteger(field.type) && !integral) {
      return Fail(codes::kWrongType, field.name,
                  fmt::format("expected {}, found a number with fraction or exponent",
                              ToString(field.type)));
    }
    return Fail(codes::kOutOfRange, field.name,
                fmt::format("out of range of {}", ToString(field.type)));
  }
  return Fail(codes::kWrongType, field.name,
              fmt::format("expected {}, found {}", ToString(field.type), kind));
}

bool RowDecoder::ReadEventTime() {
  const event::Contract& contract = rows_->contract();
  if (!contract.event_time_field) return true;
  const event::Field& field = contract.fields[*contract.event_time_field];
  const Column& column = rows_->field(*contract.event_time_field);
  if (!column.HasValue(row_))
    return Fail(codes::kNullTime, field.name, "the event time is missing");
  has_event_time_ = true;
  if (field.type == FieldType::kText) {
    const auto time = times_.Read(column.TextOf(row_));
    if (!time) return Fail(codes::kBadTime, field.name, "expected an RFC 3339 time with zone");
    event_time_ = *time;
  } else {
    constexpr int64_t kMillisMax = std::numeric_limits<int64_t>::max() / 1'000;
    const int64_t millis = field.type == FieldType::kInt64
                               ? column.ValueOf<int64_t>(row_)
                               : static_cast<int64_t>(std::min<uint64_t>(
                                     column.ValueOf<Decimal>(row_).low, kMillisMax));
    event_time_ = millis < 0 ? -1 : std::min(millis, kMillisMax) * 1'000;
  }
  return CheckTime(event_time_, field.name);
}

bool RowDecoder::DecodeSchemaless(Object& object) {
  for (auto result : object) {
    if (result.error()) return Suspect();
    Member& member = result.value_unsafe();
    Name name;
    if (!ReadName(member, rows_->names(), NameTable::kNone, name)) return false;
    Value& value = member.value();
    if (name.index == NameTable::kNone) {
      if (!KeepUnknown(name, value)) return false;
      continue;
    }
    Column& column = rows_->field(name.index);
    if (column.IsSet(row_)) {
      return Fail(codes::kRepeatedKey, name.text, "the name stands twice in its object");
    }
    std::string_view json;
    if (const auto size = CopyText(column, value)) {
      column.SetText(row_, *size);
    } else if (name.index == 0) {
      if (!NullOrWrong(rows_->contract().fields[0], column, value)) return false;
    } else if (!ReadJson(value, content_depth_, json)) {
      return false;
    } else if (json == "null") {
      column.SetNull(row_);
    } else {
      column.SetText(row_, json);
    }
  }
  return true;
}

bool RowDecoder::FinishContent() {
  if (!CheckUnknownNames("")) return false;
  if (!has_event_time_) event_time_ = context_.received;
  rows_->envelope(kEventTime).Set(row_, event_time_);
  rows_->envelope(kSchemaVersion).Set(row_, rows_->contract().version);
  if (!extra_.empty()) {
    rows_->envelope(kExtra).SetText(row_, extra_.insert(0, "{").append("}"));
  }
  return true;
}

}  // namespace sluice::decode::internal
