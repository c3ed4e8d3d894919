#pragma once
/// \file
/// An HTTP/1.1 server: connections, limits, framing. It knows nothing of events or SQL.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/byte_budget.h"
#include "sluice/base/error.h"

namespace sluice::api {

class BodyStream;

struct Request {
  std::string method;                        ///< Upper case.
  std::string path;                          ///< Percent-decoded, without query; segments checked.
  std::map<std::string, std::string> query;  ///< Decoded; a repeated name refuses the request.
  std::map<std::string, std::string> headers;  ///< Lower-case names.
  /// The whole body, and behind its end at least 64 readable bytes (body_storage has them).
  std::string_view body;
  std::shared_ptr<std::string> body_storage;
  /// Of HttpOptions::bodies: has the body; who makes more of it takes more. Never null.
  std::shared_ptr<ByteLease> body_lease = std::make_shared<ByteLease>(nullptr);
  /// Returns a token that stops when the client goes away, or ends its side, before it has the
  /// whole answer. For requests that take long: without this call nobody looks. May be called on
  /// any thread, once.
  std::function<std::stop_token()> watch_client = {};

  std::string_view Header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  /// In place of `body`: sent in chunks as they are written. Must be ended.
  std::shared_ptr<BodyStream> stream = {};
};

/// Sends the answer; may be called on any thread, at any later time, exactly once.
using Respond = std::function<void(Response)>;
/// Handles a request; must not block: it runs on a connection thread, whose other connections wait.
using Handler = std::function<void(std::shared_ptr<const Request>, Respond)>;

/// A certificate chain and its key, in PEM.
struct TlsFiles {
  std::string certificate;
  std::string key;
};

struct HttpOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 7117;  ///< 0: any free one.
  int threads = 2;       ///< That have connections; one more accepts them.
  uint64_t body_bytes_max = 16ull << 20;
  /// For the bodies of all connections; beyond: 429. Null: no limit.
  std::shared_ptr<ByteBudget> bodies = {};
  uint32_t header_bytes_max = 32u << 10;
  /// Beyond, the connection goes that idles, or sends or reads too slowly, for longest; 503 if none
  /// does.
  int connections_max = 1024;
  std::chrono::milliseconds header_time_max{10'000};
  std::chrono::milliseconds body_time_max{60'000};
  std::chrono::milliseconds idle_time_max{60'000};
  /// A thread whose handler runs for longer gets no new connections until it returns.
  std::chrono::milliseconds held_up{50};
  /// TLS 1.2 or newer, with these; read again when they change. Absent: no TLS.
  std::optional<TlsFiles> tls = {};
};

/// Serves one handler. Answers itself, as application/problem+json: 400 (bad framing, conflicting
/// lengths, bad path), 408, 411, 413 (declared or real size), 431; with Retry-After 429 (memory for
/// bodies) and 503 (connections).
///
/// Thread-safe.
class HttpServer {
 public:
  /// Binds and serves at once. kUnavailable: the address is taken or not ours. kInvalid: the
  /// certificate or its key cannot be used.
  static Result<std::unique_ptr<HttpServer>> Start(const HttpOptions& options, Handler handler);
  virtual ~HttpServer() = default;

  virtual uint16_t port() const = 0;
  /// Accepts no more, lets open requests finish for up to `grace`, then closes all.
  virtual void Stop(std::chrono::milliseconds grace) = 0;
};

/// Whether a server could listen there now.
bool IsFree(const std::string& address, uint16_t port);

/// Returns `text` as a JSON string with its quotes.
std::string JsonQuote(std::string_view text);

}  // namespace sluice::api
