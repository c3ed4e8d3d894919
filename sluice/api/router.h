#pragma once
/// \file
/// Which handler answers an address.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/api/http_server.h"
#include "sluice/base/error.h"
#include "sluice/base/worker_pool.h"
#include "sluice/govern/tokens.h"

namespace sluice::api {

/// Who may call an address. Handlers check further what depends on the topic.
enum class Access : uint8_t {
  kOpen,   ///< Everybody.
  kSend,   ///< Who may send to some topic.
  kRead,   ///< Who may read some topic.
  kAdmin,  ///< Administrators.
};

/// A request, who sent it, and what its address says.
struct Call {
  std::shared_ptr<const Request> request;
  govern::Principal principal;  ///< Nobody's where the address is open.
  std::map<std::string, std::string, std::less<>> segments;  ///< Name in braces → its segment.

  /// Returns a segment of the pattern; it must have one of that name.
  const std::string& Segment(std::string_view name) const { return segments.find(name)->second; }
  /// Returns a query parameter; empty without one.
  std::string Parameter(const std::string& name) const;
};

/// Finds handlers by method and pattern, e.g. `/v1/events/{topic}`. HEAD is answered as GET.
///
/// Thread-safe once all routes are added; `workers` must outlive it.
class Router {
 public:
  using Asynchronous = std::function<void(const Call&, Respond)>;
  using Blocking = std::function<Response(const Call&)>;

  /// Tells who sent a request. kDenied: the answer is 401.
  using Authenticate = std::function<Result<govern::Principal>(const Request&)>;

  Router(WorkerPool& workers, Authenticate authenticate)
      : workers_(workers), authenticate_(std::move(authenticate)) {}

  /// Adds a handler that runs on the connection's thread: it must not block.
  void Add(std::string method, std::string_view pattern, Access access, Asynchronous handler);
  /// Adds a handler that may block: it runs on a worker. While all are busy and the queue is full
  /// the answer is 503.
  void AddBlocking(std::string method, std::string_view pattern, Access access, Blocking handler);

  /// Answers 404 for an address without routes, 405 for a method that it does not have, 401 and 403
  /// for who may not call it.
  void Handle(std::shared_ptr<const Request> request, Respond respond) const;

 private:
  struct Route {
    std::string method;
    Access access;
    std::vector<std::string> segments;  // A name in braces takes any one segment.
    Asynchronous handler;
  };

  /// Puts the caller into `call`, or returns why it is not let in.
  std::optional<Response> Admit(const Route& route, Call& call) const;

  WorkerPool& workers_;
  const Authenticate authenticate_;
  std::vector<Route> routes_;
};

}  // namespace sluice::api
