#include "sluice/decode/json_decoder.h"

#include <simdjson.h>

#include <cstring>
#include <utility>

#include "sluice/decode/internal/json_syntax.h"
#include "sluice/decode/internal/row_decoder.h"

namespace sluice::decode {

namespace {

using internal::JsonSyntax;
using internal::RowDecoder;
using internal::SkipSpace;
using internal::TrimEnd;
using internal::Verdict;

// Offsets into one column's text are 31 bits wide; half of that leaves room for what is added to
// it.
constexpr size_t kBodyBytesMax = size_t{512} << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

static_assert(JsonDecoder::kPaddingBytes >= simdjson::SIMDJSON_PADDING);

}  // namespace

struct JsonDecoder::State {
  std::string_view body;
  DecodeLimits limits;
  Decoded decoded;

  RowDecoder rows;
  JsonSyntax syntax;
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;

  Status DecodeNdjson();
  Status DecodeJson();
  Status DecodeArray(const char* begin);
  Status DecodeArrayByRow(const char* p, bool first);
  Status CountRow();
  void DecodeRow(std::string_view text);
  void AddError(std::string_view payload, internal::Failure failure, std::string topic);
  Error BodyError(const Verdict& verdict) const;
};

JsonDecoder::JsonDecoder() : state_(std::make_unique<State>()) {}
JsonDecoder::~JsonDecoder() = default;

Result<Decoded> JsonDecoder::Decode(std::string_view body, Framing framing, Shape shape,
                                    std::string_view topic, const ContractLookup& contracts,
                                    os::Timestamp received, const DecodeLimits& limits) {
  if (body.size() > kBodyBytesMax) {
    return Invalid("{}: the body has {} bytes; at most {} are decoded at once", codes::kRowTooLarge,
                   body.size(), kBodyBytesMax);
  }
  State& state = *state_;
  state.body = body;
  state.limits = limits;
  state.decoded = {};
  state.rows.Begin({.shape = shape,
                    .topic = topic,
                    .contracts = &contracts,
                    .received = received.time_since_epoch().count(),
                    .depth_max = limits.depth_max,
                    .row_cells_max = limits.row_cells_max});
  SLUICE_RETURN_IF_ERROR(framing == Framing::kNdjson ? state.DecodeNdjson() : state.DecodeJson());
  SLUICE_ASSIGN_OR_RETURN(state.decoded.topics, state.rows.Finish());
  return std::move(state.decoded);
}

Error JsonDecoder::State::BodyError(const Verdict& verdict) const {
  return Invalid("{}: not valid JSON at byte {}: {}", codes::kSyntax, verdict.at - body.data(),
                 verdict.what);
}

Status JsonDecoder::State::CountRow() {
  if (rows.cells() > limits.body_cells_max) {
    return Invalid("{}: the lists of the body hold more than {} values; send fewer rows",
                   codes::kTooManyCells, limits.body_cells_max);
  }
  if (decoded.received == limits.rows_max) {
    return Invalid("{}: more than {} rows; send fewer in a request", codes::kTooManyRows,
                   limits.rows_max);
  }
  ++decoded.received;
  return {};
}

void JsonDecoder::State::AddError(std::string_view payload, internal::Failure failure,
                                  std::string topic) {
  decoded.errors.push_back({decoded.received - 1, std::move(topic), std::string(failure.code),
                            std::move(failure.path), std::move(failure.message), payload});
}

// Decodes `text`, which is all of one row, already counted.
void JsonDecoder::State::DecodeRow(std::string_view text) {
  if (text.size() > static_cast<size_t>(limits.row_bytes_max)) {
    AddError(text,
             {codes::kRowTooLarge, "",
              fmt::format("{} bytes; at most {} are allowed", text.size(), limits.row_bytes_max)},
             "");
    return;
  }
  if (rows.DecodeText(text)) {
    rows.FinishRow(decoded.received - 1, text);
    return;
  }
  rows.DiscardRow();
  // The parser fails at what it meets first, with little to say. What is wrong with the text itself
  // comes before what is wrong with its values.
  const Verdict verdict = syntax.CheckDocument(text);
  internal::Failure failure = rows.failure();
  if (!verdict.ok()) {
    failure = {codes::kSyntax, "",
               fmt::format("not valid JSON at byte {} of the row: {}", verdict.at - text.data(),
                           verdict.what)};
  } else if (verdict.depth > limits.depth_max) {
    failure = {codes::kTooDeep, "", fmt::format("deeper than {} levels", limits.depth_max)};
  }
  AddError(text, std::move(failure), rows.topic());
}

Status JsonDecoder::State::DecodeNdjson() {
  const char* p = body.data();
  const char* end = p + body.size();
  if (body.starts_with(kByteOrderMark)) p += kByteOrderMark.size();
  while (p != end) {
    const auto* newline =
        static_cast<const char*>(std::memchr(p, '\n', static_cast<size_t>(end - p)));
    const char* line_end = newline == nullptr ? end : newline;
    const char* begin = SkipSpace(p, line_end);
    p = newline == nullptr ? end : newline + 1;
    if (begin == line_end) continue;
    SLUICE_RETURN_IF_ERROR(CountRow());
    DecodeRow(TrimEnd({begin, static_cast<size_t>(line_end - begin)}));
  }
  return {};
}

Status JsonDecoder::State::DecodeJson() {
  const char* end = body.data() + body.size();
  const char* begin = body.data();
  if (body.starts_with(kByteOrderMark)) begin += kByteOrderMark.size();
  begin = SkipSpace(begin, end);
  if (begin != end && *begin == '[') return DecodeArray(begin);

  const Verdict verdict = syntax.CheckDocument({begin, static_cast<size_t>(end - begin)});
  if (!verdict.ok()) return BodyError(verdict);
  if (*begin != '{') {
    return Invalid("{}: the body is neither an object nor an array of objects", codes::kNotObject);
  }
  SLUICE_RETURN_IF_ERROR(CountRow());
  DecodeRow(TrimEnd({begin, static_cast<size_t>(end - begin)}));
  return {};
}

// Decodes the array that begins at `begin` in one go. At the first row that fails, row by row takes
// over: the parser cannot say where a broken row ends.
Status JsonDecoder::State::DecodeArray(const char* begin) {
  const char* good_end = begin + 1;
  const size_t size = body.size() - static_cast<size_t>(begin - body.data());
  simdjson::ondemand::array array;
  if (!internal::Iterate(parser, {begin, size}, document) || document.get_array().get(array)) {
    return DecodeArrayByRow(good_end, true);
  }
  for (auto element : array) {
    simdjson::ondemand::value value;
    simdjson::ondemand::object object;
    const char* row_begin;
    const char* behind;
    const bool first = decoded.received == 0;
    if (std::move(element).get(value) || value.current_location().get(row_begin) ||
        value.get_object().get(object)) {
      return DecodeArrayByRow(good_end, first);
    }
    if (!rows.DecodeObject(object) || document.current_location().get(behind)) {
      rows.DiscardRow();
      return DecodeArrayByRow(good_end, first);
    }
    const std::string_view text = TrimEnd({row_begin, static_cast<size_t>(behind - row_begin)});
    if (text.size() > static_cast<size_t>(limits.row_bytes_max)) {
      rows.DiscardRow();
      return DecodeArrayByRow(good_end, first);
    }
    SLUICE_RETURN_IF_ERROR(CountRow());
    rows.FinishRow(decoded.received - 1, text);
    good_end = text.data() + text.size();
  }
  if (document.at_end()) return {};
  return DecodeArrayByRow(good_end, decoded.received == 0);
}

// Goes on behind the row that ends at `p`, or behind the opening bracket if no row came before.
Status JsonDecoder::State::DecodeArrayByRow(const char* p, bool first) {
  const char* end = body.data() + body.size();
  for (;; first = false) {
    p = SkipSpace(p, end);
    if (p != end && *p == ']') break;
    if (!first) {
      if (p == end) return BodyError({p, "the text ends too early"});
      if (*p != ',') return BodyError({p, "expected ',' or ']'"});
      p = SkipSpace(p + 1, end);
    }
    const Verdict verdict = syntax.CheckValue(p, end);
    if (!verdict.ok()) return BodyError(verdict);
    SLUICE_RETURN_IF_ERROR(CountRow());
    DecodeRow({p, static_cast<size_t>(verdict.at - p)});
    p = verdict.at;
  }
  p = SkipSpace(p + 1, end);
  if (p != end) return BodyError({p, "expected the end of the text"});
  return {};
}

}  // namespace sluice::decode
