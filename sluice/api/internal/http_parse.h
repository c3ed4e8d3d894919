#pragma once
/// \file
/// HTTP/1.1 heads and chunks, read strictly: what two programs could read in two ways is refused.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/api/http_server.h"

namespace sluice::api::internal {

/// Why a message is refused: what its sender is told.
struct Fault {
  int status;
  std::string_view code;
  std::string_view detail;
};

/// What is said of a body beyond the limit.
inline constexpr std::string_view kBodyTooLarge =
    "the body is larger than the server takes (limits.body); send fewer rows at once";

/// Finds the end of a head whose bytes come piece by piece.
///
/// Not thread-safe: a connection owns it.
class HeadScanner {
 public:
  void Reset() { scanned_ = 0; }
  /// Returns the length of the head with its empty line, or 0 if more bytes are needed. `bytes` are
  /// all so far. A line feed without a carriage return is a fault at once.
  std::optional<Fault> Scan(std::string_view bytes, size_t& length);

 private:
  size_t scanned_ = 0;
};

/// What a head says about the bytes behind it.
struct Framing {
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool close = false;  ///< The connection ends after this exchange.
  bool old = false;    ///< HTTP/1.0: the other side knows no chunks.
  bool expects_continue = false;
};

/// Parses a request line and fields, up to and with the empty line. Fills all of `request` but its
/// body.
std::optional<Fault> ParseRequestHead(std::string_view head, Request& request, Framing& framing);

/// Parses a status line and fields, as ParseRequestHead() does.
std::optional<Fault> ParseResponseHead(std::string_view head, int& status,
                                       std::map<std::string, std::string>& fields,
                                       Framing& framing);

/// Decodes a path: percent signs once; no control character, backslash, encoded slash, `.` or `..`.
std::optional<Fault> DecodePath(std::string_view text, std::string& path);
/// Decodes `a=b&c=d`, where `+` is a space.
std::optional<Fault> DecodeQuery(std::string_view text, std::map<std::string, std::string>& query);

/// Decodes a chunked body whose bytes come piece by piece. Extensions and trailers are checked,
/// then dropped.
///
/// Not thread-safe: a connection owns it.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(uint64_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

  /// Takes what it can from the front of `in` and appends the content to `out`.
  std::optional<Fault> Decode(std::string_view& in, std::string& out);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kSize, kData, kDataEnd, kTrailer, kDone };

  /// Moves a line from `in` to `line_`, without its end; true when the line is whole.
  std::optional<Fault> TakeLine(std::string_view& in, bool& whole);
  std::optional<Fault> OnSize();

  const uint64_t body_bytes_max_;
  State state_ = State::kSize;
  std::string line_;
  uint64_t chunk_left_ = 0;
  uint64_t overhead_ = 0;  // Bytes of extensions and trailers so far.
};

}  // namespace sluice::api::internal
