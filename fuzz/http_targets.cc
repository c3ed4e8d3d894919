#include <fmt/format.h>
#include <simdjson.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <set>

#include "fuzz/targets.h"
#include "sluice/api/http_server.h"
#include "sluice/api/internal/cloud_events.h"
#include "sluice/api/internal/content_coding.h"
#include "sluice/api/internal/header_elements.h"
#include "sluice/api/internal/http_parse.h"
#include "sluice/api/internal/sql_request.h"
#include "sluice/api/internal/text.h"
#include "sluice/base/utf8.h"

namespace sluice::fuzz {

namespace {

using namespace api::internal;  // NOLINT: all of it is what is fuzzed here.
using api::Request;

void CheckFault(const Fault& fault) {
  SLUICE_CHECK(fault.status >= 400 && fault.status < 600);
  SLUICE_CHECK(fault.code.starts_with("SL") && !fault.detail.empty());
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '/') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

/// Writes what was understood as a head of its own.
std::string HeadOf(const Request& request, const Framing& framing) {
  std::string head =
      request.method + " " + (request.path == "*" ? request.path : PercentEncode(request.path));
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    head += fmt::format("{}{}={}", separator, PercentEncode(name), PercentEncode(value));
    separator = '&';
  }
  head += framing.old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n";
  for (const auto& [name, value] : request.headers) {
    head += fmt::format("{}: {}\r\n", name, value);
  }
  return head + "\r\n";
}

void CheckRequest(Request request, const Framing& framing) {
  // Where the last of several values of a name is empty, a separator ends what they were joined to.
  for (auto& [name, value] : request.headers) value.erase(value.find_last_not_of(" \t") + 1);
  SLUICE_CHECK(request.path == "*" || request.path.starts_with('/'));
  SLUICE_CHECK(IsUtf8(request.path) && request.path.find('\0') == std::string::npos);
  SLUICE_CHECK((request.path + "/").find("/../") == std::string::npos);
  SLUICE_CHECK(!(framing.chunked && framing.content_length));
  for (const auto& [name, value] : request.headers) {
    SLUICE_CHECK(!name.empty() && std::ranges::all_of(name, IsTokenChar));
    SLUICE_CHECK(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  // Another reader of what we understood must understand the same.
  Request again;
  Framing framing_again;
  const std::string head = HeadOf(request, framing);
  const auto fault = ParseRequestHead(head, again, framing_again);
  SLUICE_CHECK(!fault);
  SLUICE_CHECK(again.method == request.method && again.path == request.path);
  SLUICE_CHECK(again.query == request.query && again.headers == request.headers);
  SLUICE_CHECK(framing_again.content_length == framing.content_length);
  SLUICE_CHECK(framing_again.chunked == framing.chunked && framing_again.close == framing.close);
}

bool RunHead(std::string_view input) {
  HeadScanner whole;
  size_t length = 0;
  const auto fault = whole.Scan(input, length);
  // The end of a head does not depend on how its bytes come.
  HeadScanner scanner;
  size_t come = 0;
  size_t length_in_pieces = 0;
  std::optional<Fault> fault_in_pieces;
  for (const std::string_view piece : Pieces(input)) {
    come += piece.size();
    fault_in_pieces = scanner.Scan(input.substr(0, come), length_in_pieces);
    if (fault_in_pieces || length_in_pieces > 0) break;
  }
  SLUICE_CHECK(fault.has_value() == fault_in_pieces.has_value());
  SLUICE_CHECK(length == length_in_pieces && length <= input.size());
  if (fault) CheckFault(*fault);
  if (fault || length == 0) return false;

  const std::string_view head = input.substr(0, length);
  Request request;
  Framing framing;
  const auto refused = ParseRequestHead(head, request, framing);
  if (refused) CheckFault(*refused);
  if (!refused) CheckRequest(request, framing);
  int status = 0;
  std::map<std::string, std::string> fields;
  Framing answer_framing;
  const auto no_answer = ParseResponseHead(head, status, fields, answer_framing);
  if (no_answer) CheckFault(*no_answer);
  if (!no_answer) SLUICE_CHECK(status >= 100 && status <= 999);
  return !refused || !no_answer;
}

constexpr uint64_t kBodyBytesMax = 4096;

struct Unchunked {
  std::string out;
  size_t taken = 0;
  bool done = false;
  std::optional<Fault> fault;
};

Unchunked Unchunk(const std::vector<std::string_view>& pieces) {
  Unchunked result;
  ChunkDecoder decoder(kBodyBytesMax);
  for (std::string_view piece : pieces) {
    const size_t size = piece.size();
    result.fault = decoder.Decode(piece, result.out);
    result.taken += size - piece.size();
    result.done = decoder.done();
    if (result.fault || result.done) break;
    SLUICE_CHECK(piece.empty());
  }
  return result;
}

bool RunChunks(std::string_view input) {
  const Unchunked whole = Unchunk({input});
  const Unchunked cut = Unchunk(Pieces(input));
  SLUICE_CHECK(whole.fault.has_value() == cut.fault.has_value());
  SLUICE_CHECK(whole.out == cut.out && whole.done == cut.done);
  SLUICE_CHECK(whole.out.size() <= kBodyBytesMax);
  if (whole.fault) {
    CheckFault(*whole.fault);
    SLUICE_CHECK(whole.fault->detail == cut.fault->detail);
    return false;
  }
  SLUICE_CHECK(whole.taken == cut.taken);
  return whole.done;
}

bool RunCoding(std::string_view input) {
  constexpr uint64_t kLimit = 256u << 10;
  bool any = false;
  for (const std::string_view coding : {"gzip", "zstd"}) {
    const auto content = DecodeContent(coding, input, kLimit);
    if (!Understood(content)) {
      SLUICE_CHECK(content.error().message().starts_with("SL4"));
      continue;
    }
    any = true;
    const std::string_view bytes = content->bytes;
    SLUICE_CHECK(bytes.size() <= kLimit);
    // 64 bytes behind it can be read.
    SLUICE_CHECK(bytes.data() + bytes.size() + 64 <=
                 content->storage->data() + content->storage->size());
    // The limit is exact.
    const auto exact = DecodeContent(coding, input, bytes.size());
    SLUICE_CHECK(exact.ok() && exact->bytes == bytes);
    if (!bytes.empty()) SLUICE_CHECK(!DecodeContent(coding, input, bytes.size() - 1).ok());
  }
  return any;
}

std::string Gzip(std::string_view text) {
  z_stream stream{};
  SLUICE_CHECK(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  SLUICE_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  SLUICE_CHECK(ZSTD_isError(size) == 0);
  out.resize(size);
  return out;
}

/// What becomes of CloudEvents must be envelopes and nothing more: no member of theirs may be given
/// by data that only looks like JSON.
void CheckEnvelope(simdjson::dom::element value) {
  simdjson::dom::object members;
  SLUICE_CHECK(value.get(members) == simdjson::SUCCESS);
  std::set<std::string_view> seen;
  for (const auto& [key, member] : members) {
    SLUICE_CHECK(key == "event" || key == "topic" || key == "event_id" || key == "metadata" ||
                 key == "content");
    SLUICE_CHECK(seen.insert(key).second);
  }
}

bool CheckEnvelopes(const Result<std::string>& envelopes, bool batch) {
  if (!Understood(envelopes)) {
    SLUICE_CHECK(envelopes.error().message().starts_with("SL4006: "));
    return false;
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  // Data is JSON as its sender wrote it, which the decoder checks.
  if (parser.parse(*envelopes).get(root) != simdjson::SUCCESS) return true;
  if (!batch) {
    CheckEnvelope(root);
    return true;
  }
  simdjson::dom::array events;
  SLUICE_CHECK(root.get(events) == simdjson::SUCCESS);
  for (const auto event : events) CheckEnvelope(event);
  return true;
}

/// Lines of fields, an empty line, a body.
Request RequestOf(std::string_view input, std::string_view& body) {
  Request request;
  while (!input.empty()) {
    const std::string_view line = input.substr(0, input.find('\n'));
    input.remove_prefix(std::min(line.size() + 1, input.size()));
    if (line.empty()) break;
    const size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    request.headers[std::string(line.substr(0, colon))] = line.substr(colon + 2);
  }
  body = input;
  return request;
}

bool RunCloudEvents(std::string_view input) {
  bool any = false;
  for (const std::optional<std::string>& topic :
       {std::optional<std::string>(), std::optional<std::string>("a\"b")}) {
    any |= CheckEnvelopes(ToEnvelopes({}, CloudEventsMode::kStructured, input, topic), false);
    any |= CheckEnvelopes(ToEnvelopes({}, CloudEventsMode::kBatch, input, topic), true);
    std::string_view body;
    const Request request = RequestOf(input, body);
    static_cast<void>(ModeOf(request));
    any |= CheckEnvelopes(ToEnvelopes(request, CloudEventsMode::kBinary, body, topic), false);
  }
  return any;
}

bool RunHeaderElements(std::string_view input) {
  bool any = false;
  std::vector<std::string_view> elements;
  ForEachElement(input, [&](const HeaderElement& element) {
    const std::string_view text = elements.emplace_back(element.text());
    SLUICE_CHECK(!text.empty() && text.data() >= input.data());
    SLUICE_CHECK(text.data() + text.size() <= input.data() + input.size());
    SLUICE_CHECK(element.Name().size() <= text.size());
    const double weight = element.Weight();
    SLUICE_CHECK(weight >= 0 && weight <= 1);
    any |= element.Parameter("q").has_value();
    // Alone it is the same element.
    ForEachElement(text, [&](const HeaderElement& alone) { SLUICE_CHECK(alone.text() == text); });
  });
  // Empty elements between them mean nothing, as far as each quoted string ends.
  std::string again(input);
  std::ranges::replace(again, '\n', ' ');
  if (FindUnquoted(again + "\n", '\n') == std::string_view::npos) return any;
  again.clear();
  for (const std::string_view element : elements) again += fmt::format(" ,\t{} , ", element);
  size_t count = 0;
  ForEachElement(again, [&](const HeaderElement& element) {
    SLUICE_CHECK(count < elements.size() && element.text() == elements[count++]);
  });
  SLUICE_CHECK(count == elements.size());
  return any;
}

bool RunSqlRequest(std::string_view input) {
  bool any = ParseAsOf(input).ok();
  Request request;
  request.body_storage = std::make_shared<std::string>(input);
  request.body_storage->append(64, '"');
  request.body = std::string_view(*request.body_storage).substr(0, input.size());
  for (const char* const type : {"application/json", "text/plain"}) {
    request.headers["content-type"] = type;
    request.query["as_of"] = std::string(input.substr(0, 30));
    for (const bool as_of : {true, false}) {
      if (!as_of) request.query.clear();
      const auto read = ReadSqlRequest(request);
      if (const auto* const answer = std::get_if<api::Response>(&read)) {
        SLUICE_CHECK(answer->status >= 400 && !answer->body.empty());
        continue;
      }
      const auto& query = std::get<sql::QueryRequest>(read);
      SLUICE_CHECK(query.parameters.size() <= 1000 && query.limits.rows_max > 0);
      any |= request.headers["content-type"] == "application/json";
    }
  }
  return any;
}

}  // namespace

std::vector<Target> HttpTargets() {
  std::vector<Target> targets;
  targets.push_back(
      {.name = "http-head",
       .corpus =
           {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /v1/events/shop.orders?wait=table&x=%C3%A4+b HTTP/1.1\r\nHost: "
            "localhost:7117\r\nContent-Type: application/json\r\nContent-Length: 42\r\n"
            "Authorization: Bearer slt_x\r\nCookie: a=b\r\nCookie: c=d\r\nAccept: a, b\r\n\r\nbody",
            "PUT /a%20b/c HTTP/1.1\r\nhost: [::1]:80\r\ntransfer-encoding: chunked\r\nexpect: "
            "100-continue\r\nconnection: keep-alive, close\r\n\r\n0\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", "GET http://a.example:1/x?y HTTP/1.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "HTTP/1.0 503 \r\nTransfer-Encoding: chunked\r\nRetry-After: 1\r\n\r\n"},
       .words = {"\r\n",
                 "\n",
                 "\r",
                 "\r\n\r\n",
                 " ",
                 "\t",
                 ":",
                 ": ",
                 "%",
                 "%2F",
                 "%00",
                 "%2e%2e",
                 "..",
                 "/",
                 "//",
                 "?",
                 "&",
                 "=",
                 "+",
                 "#",
                 "HTTP/1.1",
                 "HTTP/2.0",
                 "chunked",
                 "Content-Length: 1\r\n",
                 "Transfer-Encoding: chunked\r\n",
                 "Host: b\r\n",
                 "18446744073709551616",
                 "\xC3\xA4",
                 "\xFF",
                 "http://",
                 std::string(1, '\0')},
       .run = RunHead});
  std::string long_chunk = fmt::format("{:x}\r\n", 3000) + std::string(3000, 'x') + "\r\n0\r\n\r\n";
  targets.push_back(
      {.name = "chunks",
       .corpus = {"5\r\nhello\r\n0\r\n\r\n", "1;a=b;c=\"d\"\r\nx\r\n0000\r\nTrailer: 1\r\n\r\nnext",
                  "A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", long_chunk},
       .words = {"\r\n", "\n", "\r", "0\r\n\r\n", ";", "FFFFFFFF", "100000000", "fff", "1000", "0x",
                 "-1", "a: b\r\n", std::string(1200, 'e')},
       .run = RunChunks});
  std::string json;
  for (int i = 0; i < 300; ++i) json += fmt::format("{{\"n\":{},\"s\":\"text\"}}\n", i);
  targets.push_back(
      {.name = "content-coding",
       .corpus = {Gzip("hello"), Gzip(json), Gzip("a") + Gzip(json),
                  Gzip(std::string(2 << 20, 'x')), Zstd("hello"), Zstd(json),
                  Zstd("a") + Zstd(json), Zstd(std::string(2 << 20, 'x')), Gzip(""), Zstd("")},
       .words = {"\x1f\x8b\x08", "\x28\xB5\x2F\xFD",
                 std::string("\x50\x2A\x4D\x18\x04\0\0\0abcd", 12), std::string(4, '\xFF'),
                 std::string(4, '\0')},
       .run = RunCoding});
  targets.push_back(
      {.name = "cloud-events",
       .corpus =
           {R"({"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-05T10:00:00Z","subject":"a","ext":1,"flag":true,"datacontenttype":"application/json","data":{"a":[1,{"b":null}]}})",
            R"([{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"eyJhIjoxfQ=="},{"specversion":"1.0","id":"2","source":"/s","type":"u","data":"x"}])",
            R"([])",
            "ce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: t\nce-subject: "
            "%C3%A4\nce-x: \"quo\\\"ted\"\ncontent-type: application/json\n\n{\"a\":1}"},
       .words = {"\"data\":", "\"data_base64\":\"", "\"id\":", "\"type\":\"", "}", "{", "]", "[",
                 "},\"event\":\"x\",\"content\":{", "\\u0000", "\\ud800", "1e999", "null",
                 "ce-id: ", "%", "\xFF", "\"specversion\":\"0.3\"", "\"metadata\":{}"},
       .run = RunCloudEvents});
  targets.push_back(
      {.name = "header-elements",
       .corpus = {"gzip;q=0.5, br", "text/csv; header=present; q=.2, */*;q=0",
                  R"(a/b;x="c,\"d\\";Q=1.000 , application/json)", "application/x-capnp; packed=1"},
       .words = {",", ";", "=", "\"", "\\", " ", "\t", "q=", ";q=0.", "\"q=1\"", "nan", "1e999",
                 "-", "*/*", "\xFF"},
       .run = RunHeaderElements});
  targets.push_back(
      {.name = "sql-request",
       .corpus =
           {R"({"sql":"SELECT $a","params":{"a":1,"b":"x","c":null,"d":1.5,"e":true},"as_of":"2026-01-05T10:00:00.123456Z","limits":{"time_ms":1000,"rows":5,"bytes":100},"id":"q"})",
            R"({"query":"SELECT 1","as_of":42})", "2026-01-05", "42", "2026-01-05T10:00:00Z",
            "2026-01-05 23:59:60.5+00:00"},
       .words = {"\"as_of\":", "\"limits\":{", "\"rows\":", "-1", "0", "9223372036854775808", "1e9",
                 "null", "{", "}", "[", "T", ":", "+", "-", ".", "Z", "\\u0000", "\xFF"},
       .run = RunSqlRequest});
  return targets;
}

}  // namespace sluice::fuzz
