#pragma once
/// \file
/// Which handler answers an address.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/api/http_server.h"
#include "sluice/base/worker_pool.h"

namespace sluice::api {

/// A request and what its address says.
struct Call {
  std::shared_ptr<const Request> request;
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

  explicit Router(WorkerPool& workers) : workers_(workers) {}

  /// Adds a handler that runs on the connection's thread: it must not block.
  void Add(std::string method, std::string_view pattern, Asynchronous handler);
  /// Adds a handler that may block: it runs on a worker. While all are busy and the queue is full
  /// the answer is 503.
  void AddBlocking(std::string method, std::string_view pattern, Blocking handler);

  /// Answers 404 for an address without routes, 405 for a method that it does not have.
  void Handle(std::shared_ptr<const Request> request, Respond respond) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;  // A name in braces takes any one segment.
    Asynchronous handler;
  };

  WorkerPool& workers_;
  std::vector<Route> routes_;
};

}  // namespace sluice::api
