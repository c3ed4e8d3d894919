#pragma once
/// \file
/// A small blocking HTTP/1.1 client: for the command line, load and tests.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/api/http_server.h"
#include "sluice/base/error.h"

namespace sluice::api {

struct ClientOptions {
  std::string host = "127.0.0.1";  ///< A name or an address.
  uint16_t port = 7117;
  std::chrono::milliseconds connect_time_max{5'000};
  std::chrono::milliseconds time_max{60'000};  ///< Of a whole exchange.
  uint64_t body_bytes_max = 1ull << 30;
  bool tls = false;              ///< 1.2 or newer; the server must have a certificate for `host`.
  std::string authorities = {};  ///< File of those trusted (PEM); empty: the system's.
};

/// Talks to one server over one connection, which it keeps open and opens again when needed.
///
/// Not thread-safe: one thread at a time.
class HttpClient {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  explicit HttpClient(ClientOptions options);
  ~HttpClient();

  /// Sends a request and waits for its answer, whatever its status. `target` is path and query,
  /// encoded. kUnavailable: no connection, no whole answer in time, or one that is no HTTP; the
  /// server may have acted on the request all the same. kInvalid: a part of the request cannot be
  /// sent.
  ///
  /// In the answer `headers` have lower-case names.
  Result<Response> Send(std::string_view method, std::string_view target,
                        const Fields& headers = {}, std::string_view body = {});

  /// Takes a piece of a body; an error ends the exchange and the connection.
  using Sink = std::function<Status(std::string_view bytes)>;

  /// The same, but hands the body of an answer of status 200 on as it comes, and does not keep it;
  /// the time limit then counts from piece to piece.
  Result<Response> Send(std::string_view method, std::string_view target, const Fields& headers,
                        std::string_view body, const Sink& sink);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::api
