#include "sluice/api/http_server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "sluice/api/internal/connection.h"

namespace sluice::api {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using internal::Connection;
using internal::EventLoop;
using internal::Shared;

// Connections beyond the limit are told so, but only so many at once.
constexpr size_t kRefusalsMax = 64;
// That yield their places, and have not done so yet.
constexpr int kOverMax = 64;
constexpr std::chrono::milliseconds kAcceptPause{50};
constexpr std::chrono::milliseconds kAbortTimeMax{2'000};

class Server final : public HttpServer {
 public:
  Server(const HttpOptions& options, Handler handler)
      : shared_(MakeShared(options, std::move(handler))), acceptor_(accept_), pause_(accept_) {}
  ~Server() override { Stop(std::chrono::milliseconds(0)); }

  Status Listen() {
    if (shared_->options.tls) {
      SLUICE_ASSIGN_OR_RETURN(shared_->certificates,
                              internal::Certificates::Load(*shared_->options.tls));
    }
    error_code error;
    const HttpOptions& options = shared_->options;
    const auto address = asio::ip::make_address(options.address, error);
    if (error) return Invalid("'{}' is no IP address", options.address);
    const asio::ip::tcp::endpoint endpoint(address, options.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) acceptor_.non_blocking(true, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (error) {
      return Unavailable("cannot listen on {} port {}: {}", options.address, options.port,
                         error.message());
    }
    return {};
  }

  void Run() {
    StartAccepting();
    for (const auto& loop : shared_->loops) Start(loop->io);
  }

  uint16_t port() const override { return port_; }

  void Stop(std::chrono::milliseconds grace) override {
    const std::lock_guard stop_lock(stop_mutex_);
    if (std::exchange(stopped_, true)) return;
    asio::post(accept_, [this] {
      error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel();
    });
    std::unique_lock lock(shared_->mutex);
    shared_->stopping = true;
    const auto all_closed = [this] { return shared_->open.empty(); };
    for (const auto& connection : shared_->open) {
      asio::post(connection->executor(), [connection] { connection->Drain(); });
    }
    if (!shared_->changed.wait_for(lock, grace, all_closed)) {
      for (const auto& connection : shared_->open) {
        asio::post(connection->executor(), [connection] { connection->Abort(); });
      }
      shared_->changed.wait_for(lock, kAbortTimeMax, all_closed);
    }
    lock.unlock();
    work_.clear();
    accept_.stop();
    for (const auto& loop : shared_->loops) loop->io.stop();
    threads_.clear();  // Joins.
    // Should that thread not have come to it: nobody would answer who connects to us from here on.
    error_code ignored;
    acceptor_.close(ignored);
    lock.lock();
    const auto rest = std::exchange(shared_->open, {});
    lock.unlock();
  }

 private:
  static std::shared_ptr<Shared> MakeShared(const HttpOptions& options, Handler handler) {
    auto shared = std::make_shared<Shared>();
    shared->options = options;
    shared->handler = std::move(handler);
    for (int i = 0; i < std::max(1, options.threads); ++i) {
      shared->loops.push_back(std::make_unique<EventLoop>());
    }
    return shared;
  }

  /// Gives it a thread.
  void Start(asio::io_context& io) {
    work_.push_back(asio::make_work_guard(io));
    threads_.emplace_back([&io] {
      while (!io.stopped()) {
        // The last catch of the thread: out of memory, say, ends one connection and not the
        // program.
        try {
          io.run();
        } catch (...) {
          continue;
        }
      }
    });
  }

  /// As Start(), for the loop that accepts: it must not end for want of memory, say, either.
  void StartAccepting() {
    work_.push_back(asio::make_work_guard(accept_));
    threads_.emplace_back([this] {
      while (!accept_.stopped()) {
        try {
          if (!waiting_) Accept();
          accept_.run();
        } catch (...) {
          error_code ignored;
          asio::steady_timer(accept_, kAcceptPause).wait(ignored);
        }
      }
    });
  }

  /// Returns the loop with the fewest connections, of those that nothing holds up; where all are,
  /// the one that has been for the shortest time.
  EventLoop& NextLoop() {
    const auto long_ago =
        (shared_->clock.Steady() - shared_->options.held_up).time_since_epoch().count();
    return **std::ranges::min_element(shared_->loops, {}, [&](const auto& loop) {
      const os::Monotonic::rep since = loop->handling_since;
      const bool held = since < long_ago;
      return std::tuple(held, held ? -since : 0, loop->connections.load());
    });
  }

  void Accept() {
    acceptor_.async_wait(asio::socket_base::wait_read, [this](error_code error) {
      waiting_ = false;
      if (!acceptor_.is_open()) return;
      EventLoop& loop = NextLoop();
      if (!error) {
        auto socket = acceptor_.accept(loop.io, error);
        if (!error) return OnAccepted(std::move(socket), loop);
      }
      if (error == asio::error::would_block || error == asio::error::connection_aborted) {
        return Accept();  // It went again.
      }
      // Out of descriptors, most likely: trying at once would only burn time.
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([this](error_code stopped) {
        waiting_ = false;
        if (!stopped) Accept();
      });
      waiting_ = true;
    });
    waiting_ = true;
  }

  void OnAccepted(Connection::Socket socket, EventLoop& loop) {
    const auto connection = std::make_shared<Connection>(std::move(socket), loop, shared_);
    {
      const std::lock_guard lock(shared_->mutex);
      if (shared_->stopping) return;
      const bool full = shared_->served >= std::max(1, shared_->options.connections_max);
      const size_t refused = shared_->open.size() - static_cast<size_t>(shared_->served);
      const bool refuse = full && !MakePlace();
      if (!refuse || refused < kRefusalsMax) {
        shared_->open.insert(connection);
        try {
          asio::post(connection->executor(),
                     [connection, refuse] { refuse ? connection->Refuse() : connection->Start(); });
        } catch (...) {
          shared_->open.erase(connection);  // Nobody else would.
          throw;
        }
        shared_->served += refuse ? 0 : 1;
      }
    }
    Accept();
  }

  /// Has the connection closed whose client has kept it waiting for longest: else who opens many
  /// and sends nothing would shut all others out. Needs the mutex. False: no client does.
  bool MakePlace() {
    const int over = shared_->served - std::max(1, shared_->options.connections_max);
    if (over >= kOverMax) return false;
    const auto longest = std::ranges::min_element(
        shared_->open, {}, [](const auto& connection) { return connection->WaitsSince(); });
    if (longest == shared_->open.end() || (*longest)->WaitsSince() > shared_->clock.Steady()) {
      return false;
    }
    (*longest)->ClaimPlace();
    asio::post((*longest)->executor(), [yielding = *longest] { yielding->YieldPlace(); });
    return true;
  }

  const std::shared_ptr<Shared> shared_;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  // A loop of its own, so that no handler keeps new connections out.
  asio::io_context accept_{1};
  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  bool waiting_ = false;  // Accept() will be called again; of the thread that accepts.
  uint16_t port_ = 0;
  std::vector<std::jthread> threads_;
  std::mutex stop_mutex_;
  bool stopped_ = false;  // Guarded by stop_mutex_.
};

}  // namespace

bool IsFree(const std::string& address, uint16_t port) {
  HttpOptions options;
  options.address = address;
  options.port = port;
  return Server(options, nullptr).Listen().ok();
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpOptions& options, Handler handler) {
  auto server = std::make_unique<Server>(options, std::move(handler));
  SLUICE_RETURN_IF_ERROR(server->Listen());
  server->Run();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace sluice::api
