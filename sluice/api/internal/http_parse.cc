#include "sluice/api/internal/http_parse.h"

#include <algorithm>
#include <utility>

#include "sluice/api/internal/header_elements.h"
#include "sluice/api/internal/text.h"
#include "sluice/base/ascii.h"
#include "sluice/base/utf8.h"

namespace sluice::api::internal {

namespace {

constexpr size_t kFieldsMax = 128;
constexpr size_t kMethodBytesMax = 32;
constexpr uint64_t kChunkOverheadMax = 16u << 10;
constexpr size_t kChunkLineBytesMax = 1u << 10;

using Fields = std::map<std::string, std::string>;

Fault Bad(std::string_view detail) { return Fault{400, "SL4004", detail}; }

/// Fields that decide where a message ends or whose it is; twice, and two readers may pick
/// differently.
bool MustBeSingle(std::string_view name) {
  return name == "host" || name == "content-length" || name == "transfer-encoding" ||
         name == "content-type" || name == "content-encoding" || name == "authorization" ||
         name == "expect";
}

std::optional<Fault> ParseField(std::string_view line, Fields& fields) {
  if (line.front() == ' ' || line.front() == '\t') return Bad("a header field is folded");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return Bad("a header field has no name");
  std::string name(line.substr(0, colon));
  for (char& c : name) {
    if (!IsTokenChar(c)) return Bad("a header field's name has a character that is not allowed");
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  std::string_view value = line.substr(colon + 1);
  const size_t first = value.find_first_not_of(" \t");
  value = first == std::string_view::npos ? std::string_view() : value.substr(first);
  value = value.substr(0, value.find_last_not_of(" \t") + 1);
  for (const char c : value) {
    if (IsControl(c) && c != '\t') return Bad("a header field has a control character");
  }
  const auto [place, added] = fields.try_emplace(std::move(name), value);
  if (!added) {
    if (MustBeSingle(place->first)) return Bad("a header field that must be single is repeated");
    place->second.append(place->first == "cookie" ? "; " : ", ").append(value);
  }
  return std::nullopt;
}

/// Takes the next line, without its end, from the front of `text`.
std::string_view TakeLine(std::string_view& text) {
  const size_t end = text.find("\r\n");
  const std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 2);
  return line;
}

std::optional<Fault> ParseFields(std::string_view text, Fields& fields) {
  size_t count = 0;
  for (std::string_view line = TakeLine(text); !line.empty(); line = TakeLine(text)) {
    if (++count > kFieldsMax) return Fault{431, "SL4310", "there are too many header fields"};
    if (auto fault = ParseField(line, fields)) return fault;
  }
  return std::nullopt;
}

std::optional<Fault> ParseFraming(const Fields& fields, Framing& framing) {
  if (const auto length = fields.find("content-length"); length != fields.end()) {
    const std::string& digits = length->second;
    if (digits.empty() || digits.size() > 18 || !std::ranges::all_of(digits, IsDigit)) {
      return Bad("the content length is no number");
    }
    uint64_t value = 0;
    for (const char digit : digits) value = value * 10 + static_cast<uint64_t>(digit - '0');
    framing.content_length = value;
  }
  if (const auto coding = fields.find("transfer-encoding"); coding != fields.end()) {
    if (framing.content_length)
      return Bad("a message has both content length and transfer encoding");
    if (!EqualsIgnoringCase(coding->second, "chunked")) {
      return Bad("the only transfer encoding understood is chunked");
    }
    framing.chunked = true;
  }
  if (const auto connection = fields.find("connection"); connection != fields.end()) {
    ForEachElement(connection->second, [&framing](const HeaderElement& option) {
      framing.close |= EqualsIgnoringCase(option.text(), "close");
    });
  }
  return std::nullopt;
}

/// Takes the next part of a start line, up to one space.
std::string_view TakeWord(std::string_view& line) {
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  return word;
}

bool IsHost(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~:[]%").find(c) != std::string_view::npos;
  });
}

std::optional<Fault> ParseTarget(std::string_view target, Request& request) {
  for (const char c : target) {
    if (c <= ' ' || c > '~' || c == '#')
      return Bad("the target has a character that is not allowed");
  }
  if (target == "*" && request.method == "OPTIONS") {
    request.path = "*";
    return std::nullopt;
  }
  if (const size_t scheme = target.find("://"); scheme == 4 || scheme == 5) {
    const std::string_view name = target.substr(0, scheme);
    if (!EqualsIgnoringCase(name, "http") && !EqualsIgnoringCase(name, "https")) {
      return Bad("the target's scheme is not http");
    }
    target.remove_prefix(scheme + 3);
    const size_t end = std::min(target.find_first_of("/?"), target.size());
    if (end == 0 || !IsHost(target.substr(0, end))) return Bad("the target's host is malformed");
    target.remove_prefix(end);
  } else if (target.empty() || target.front() != '/') {
    return Bad("the target is no path");
  }
  const size_t question = target.find('?');
  const std::string_view path = target.substr(0, question);
  if (auto fault = DecodePath(path.empty() ? "/" : path, request.path)) return fault;
  if (question == std::string_view::npos) return std::nullopt;
  return DecodeQuery(target.substr(question + 1), request.query);
}

/// Appends `text` with `%41` turned into `A`; false if it is malformed.
bool PercentDecode(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (text.size() - i < 3) return false;
    const int high = HexValue(text[i + 1]);
    const int low = HexValue(text[i + 2]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return true;
}

}  // namespace

std::optional<Fault> HeadScanner::Scan(std::string_view bytes, size_t& length) {
  length = 0;
  while (true) {
    const size_t feed = bytes.find('\n', scanned_);
    if (feed == std::string_view::npos) {
      scanned_ = bytes.size();
      return std::nullopt;
    }
    if (feed == 0 || bytes[feed - 1] != '\r') {
      return Bad("a line ends without a carriage return");
    }
    scanned_ = feed + 1;
    if (feed >= 3 && bytes[feed - 2] == '\n') {
      length = feed + 1;
      return std::nullopt;
    }
  }
}

std::optional<Fault> ParseRequestHead(std::string_view head, Request& request, Framing& framing) {
  std::string_view line = TakeLine(head);
  const std::string_view method = TakeWord(line);
  const std::string_view target = TakeWord(line);
  const std::string_view version = line;
  if (method.empty() || method.size() > kMethodBytesMax ||
      !std::ranges::all_of(method, [](char c) { return c >= 'A' && c <= 'Z'; })) {
    return Bad("the method is no upper-case word");
  }
  request.method = method;
  const bool old = version == "HTTP/1.0";
  if (!old && version != "HTTP/1.1") {
    if (version.starts_with("HTTP/") && version.size() == 8 && version[6] == '.') {
      return Fault{505, "SL5050", "the server speaks HTTP/1.1"};
    }
    return Bad("the request line is malformed");
  }
  if (auto fault = ParseTarget(target, request)) return fault;
  if (auto fault = ParseFields(head, request.headers)) return fault;
  if (auto fault = ParseFraming(request.headers, framing)) return fault;

  const std::string_view host = request.Header("host");
  if (!old && !request.headers.contains("host")) return Bad("the host field is missing");
  if (!IsHost(host)) return Bad("the host field is malformed");
  if (old) {
    if (framing.chunked) return Bad("HTTP/1.0 has no transfer encoding");
    framing.close = true;
    framing.old = true;
  }
  if (!framing.chunked && !framing.content_length &&
      (method == "POST" || method == "PUT" || method == "PATCH")) {
    return Fault{411, "SL4110", "send a content length, 0 if there is no body, or chunks"};
  }
  if (const std::string_view expectation = request.Header("expect"); !expectation.empty() && !old) {
    if (!EqualsIgnoringCase(expectation, "100-continue")) {
      return Fault{417, "SL4170", "the only expectation understood is 100-continue"};
    }
    framing.expects_continue = true;
  }
  return std::nullopt;
}

std::optional<Fault> ParseResponseHead(std::string_view head, int& status, Fields& fields,
                                       Framing& framing) {
  std::string_view line = TakeLine(head);
  const std::string_view version = TakeWord(line);
  const std::string_view digits = TakeWord(line);
  if ((version != "HTTP/1.1" && version != "HTTP/1.0") || digits.size() != 3 ||
      !std::ranges::all_of(digits, IsDigit) || digits.front() == '0') {
    return Bad("the status line is malformed");
  }
  status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  if (auto fault = ParseFields(head, fields)) return fault;
  if (auto fault = ParseFraming(fields, framing)) return fault;
  framing.close |= version == "HTTP/1.0";
  return std::nullopt;
}

std::optional<Fault> DecodePath(std::string_view text, std::string& path) {
  path.clear();
  if (!PercentDecode(text, path)) return Bad("the path has a malformed percent sign");
  if (std::ranges::count(path, '/') != std::ranges::count(text, '/')) {
    return Bad("the path has an encoded slash");
  }
  for (const char c : path) {
    if (IsControl(c) || c == '\\') return Bad("the path has a character that is not allowed");
  }
  if (!IsUtf8(path)) return Bad("the path is not UTF-8");
  std::string_view rest = path;
  while (!rest.empty()) {
    rest.remove_prefix(1);  // The slash.
    const std::string_view segment = rest.substr(0, rest.find('/'));
    if (segment == "." || segment == "..") return Bad("the path has a dot segment");
    rest.remove_prefix(segment.size());
  }
  return std::nullopt;
}

std::optional<Fault> DecodeQuery(std::string_view text, std::map<std::string, std::string>& query) {
  while (!text.empty()) {
    const size_t end = text.find('&');
    std::string pair(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    std::ranges::replace(pair, '+', ' ');
    const size_t equals = pair.find('=');
    std::string name;
    std::string value;
    if (!PercentDecode(std::string_view(pair).substr(0, equals), name) ||
        (equals != std::string::npos &&
         !PercentDecode(std::string_view(pair).substr(equals + 1), value))) {
      return Bad("the query has a malformed percent sign");
    }
    if (!IsUtf8(name) || !IsUtf8(value) || name.find('\0') != std::string::npos ||
        value.find('\0') != std::string::npos) {
      return Bad("the query is no text");
    }
    if (!query.try_emplace(std::move(name), std::move(value)).second) {
      return Bad("the query repeats a name");
    }
  }
  return std::nullopt;
}

std::optional<Fault> ChunkDecoder::TakeLine(std::string_view& in, bool& whole) {
  const size_t feed = in.find('\n');
  whole = feed != std::string_view::npos;
  const size_t taken = whole ? feed + 1 : in.size();
  if (line_.size() + taken > kChunkLineBytesMax) return Bad("a chunk's line is too long");
  line_.append(in.substr(0, taken));
  in.remove_prefix(taken);
  if (!whole) return std::nullopt;
  if (line_.size() < 2 || line_[line_.size() - 2] != '\r') {
    return Bad("a chunk's line ends without a carriage return");
  }
  line_.resize(line_.size() - 2);
  return std::nullopt;
}

std::optional<Fault> ChunkDecoder::OnSize() {
  size_t digits = 0;
  chunk_left_ = 0;
  while (digits < line_.size() && HexValue(line_[digits]) >= 0) {
    if (digits == 8) return Bad("a chunk's size is too long");
    chunk_left_ = chunk_left_ * 16 + static_cast<uint64_t>(HexValue(line_[digits++]));
  }
  if (digits == 0 || (digits < line_.size() && line_[digits] != ';')) {
    return Bad("a chunk's size is no hexadecimal number");
  }
  for (const char c : line_) {
    if (IsControl(c) && c != '\t') return Bad("a chunk extension has a control character");
  }
  overhead_ += line_.size() - digits;
  if (overhead_ > kChunkOverheadMax) return Bad("there are too many chunk extensions");
  return std::nullopt;
}

std::optional<Fault> ChunkDecoder::Decode(std::string_view& in, std::string& out) {
  while (!in.empty() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const size_t taken = static_cast<size_t>(std::min<uint64_t>(in.size(), chunk_left_));
      out.append(in.substr(0, taken));
      in.remove_prefix(taken);
      chunk_left_ -= taken;
      if (chunk_left_ == 0) state_ = State::kDataEnd;
      continue;
    }
    bool whole = false;
    if (auto fault = TakeLine(in, whole)) return fault;
    if (!whole) break;
    switch (state_) {
      case State::kSize:
        if (auto fault = OnSize()) return fault;
        if (chunk_left_ > body_bytes_max_ || out.size() > body_bytes_max_ - chunk_left_) {
          return Fault{413, "SL4130", kBodyTooLarge};
        }
        state_ = chunk_left_ == 0 ? State::kTrailer : State::kData;
        break;
      case State::kDataEnd:
        if (!line_.empty()) return Bad("a chunk is longer than its size");
        state_ = State::kSize;
        break;
      default: {  // A trailer, or the empty line that ends them.
        if (line_.empty()) {
          state_ = State::kDone;
          break;
        }
        overhead_ += line_.size();
        if (overhead_ > kChunkOverheadMax) {
          return Fault{431, "SL4310", "the trailers are too long"};
        }
        Fields dropped;
        if (auto fault = ParseField(line_, dropped)) return fault;
      }
    }
    line_.clear();
  }
  return std::nullopt;
}

}  // namespace sluice::api::internal
