#pragma once
/// \file
/// For tests: a socket that sends what it is told, HTTP or not.

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <string>
#include <string_view>

namespace sluice::api::internal {

class RawSocket {
 public:
  explicit RawSocket(uint16_t port) : socket_(io_) {
    boost::system::error_code error;
    socket_.connect({boost::asio::ip::address_v4::loopback(), port}, error);
  }

  /// Sends as much as the other side takes.
  void Send(std::string_view bytes) {
    boost::system::error_code ignored;
    boost::asio::write(socket_, boost::asio::buffer(bytes), ignored);
  }

  void FinishSending() {
    boost::system::error_code ignored;
    socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  }

  /// Returns all that comes up to the connection's end.
  std::string ReadAll() {
    while (ReadSome()) {
    }
    return received_;
  }

  /// Reads until `text` has come, and returns all that came up to its end; empty if it does not
  /// come.
  std::string ReadUntil(std::string_view text) {
    size_t place = 0;
    while ((place = received_.find(text)) == std::string::npos) {
      if (!ReadSome()) return "";
    }
    const std::string result = received_.substr(0, place + text.size());
    received_.erase(0, place + text.size());
    return result;
  }

 private:
  bool ReadSome() {
    std::array<char, 16384> bytes;
    boost::system::error_code error;
    const size_t count = socket_.read_some(boost::asio::buffer(bytes), error);
    received_.append(bytes.data(), count);
    return !error;
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  std::string received_;
};

}  // namespace sluice::api::internal
