#pragma once
/// \file
/// A connection's bytes: plain, or within TLS.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace sluice::api::internal {

/// A socket that may speak TLS. Reads and writes as asio's streams do; one of each at a time.
///
/// Not thread-safe: the thread of the socket's loop owns it.
template <typename Socket>
class Wire {
 public:
  using executor_type = typename Socket::executor_type;  // NOLINT: asio's name
  using Tls = boost::asio::ssl::stream<Socket&>;

  explicit Wire(Socket socket) : socket_(std::move(socket)) {}

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }

  /// Everything from now on is within TLS, which a handshake must begin.
  Tls& StartTls(std::shared_ptr<boost::asio::ssl::context> context) {
    context_ = std::move(context);
    return tls_.emplace(socket_, *context_);
  }
  void EndTls() { tls_.reset(); }
  Tls* tls() { return tls_ ? &*tls_ : nullptr; }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {  // NOLINT: asio's name
    if (tls_) return tls_->async_read_some(buffers, std::forward<Handler>(handler));
    socket_.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {  // NOLINT: asio's name
    if (tls_) return tls_->async_write_some(buffers, std::forward<Handler>(handler));
    socket_.async_write_some(buffers, std::forward<Handler>(handler));
  }

 private:
  Socket socket_;
  std::shared_ptr<boost::asio::ssl::context> context_;  // Outlives tls_.
  std::optional<Tls> tls_;
};

}  // namespace sluice::api::internal
