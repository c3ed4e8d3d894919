#include "sluice/api/http_client.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "sluice/api/internal/http_parse.h"
#include "sluice/api/internal/message.h"
#include "sluice/api/internal/text.h"
#include "sluice/api/internal/wire.h"
#include "sluice/os/clock.h"

namespace sluice::api {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr size_t kReadBytes = 256u << 10;
constexpr uint64_t kReserveBytesMax = 64u << 20;
constexpr size_t kHeadBytesMax = 256u << 10;

bool IsLine(std::string_view text) { return std::ranges::none_of(text, internal::IsControl); }

}  // namespace

class HttpClient::Impl {
 public:
  explicit Impl(ClientOptions options)
      : options_(std::move(options)), wire_(asio::ip::tcp::socket(io_)) {}

  Result<Response> Send(std::string_view method, std::string_view target, const Fields& headers,
                        std::string_view body, const Sink* sink) {
    sink_ = sink;
    if (method.empty() || !std::ranges::all_of(method, internal::IsTokenChar)) {
      return Invalid("'{}' is no method", method);
    }
    if (!target.starts_with('/') || !IsLine(target) || target.find(' ') != target.npos) {
      return Invalid("the target is no encoded path");
    }
    std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}:{}\r\n", method, target,
                                   options_.host, options_.port);
    if (!body.empty() || (method != "GET" && method != "HEAD")) {
      fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", body.size());
    }
    for (const auto& [name, value] : headers) {
      if (name.empty() || !std::ranges::all_of(name, internal::IsTokenChar) || !IsLine(value)) {
        return Invalid("header field '{}' cannot be sent", name);
      }
      head.append(name).append(": ").append(value).append("\r\n");
    }
    head.append("\r\n");

    Result<Response> result = Exchange(method, head, body);
    if (!result.ok()) Disconnect();
    return result;
  }

 private:
  Result<Response> Exchange(std::string_view method, std::string_view head, std::string_view body) {
    SLUICE_RETURN_IF_ERROR(Connect(), "{} port {}", options_.host, options_.port);
    deadline_ = clock_.Steady() + options_.time_max;
    const std::array buffers = {asio::buffer(head), asio::buffer(body)};
    // A server may answer and close before it has taken the whole body (413, say): read all the
    // same.
    const Status sent = Await("send", [&](auto done) { asio::async_write(wire_, buffers, done); });
    auto answer = ReadAnswer(method);
    if (!answer.ok() && !sent.ok()) return sent.error();
    return answer;
  }

  /// What an operation calls at its end.
  struct Done {
    error_code* error;
    size_t* moved;
    void operator()(error_code outcome, size_t count) const {
      *error = outcome;
      *moved = count;
    }
    void operator()(error_code outcome) const { *error = outcome; }
    void operator()(error_code outcome, const asio::ip::tcp::endpoint&) const { *error = outcome; }
  };

  /// Runs one operation to its end or the deadline. `start` gets the Done to call.
  template <typename Start>
  Status Await(std::string_view what, Start start, size_t* count = nullptr) {
    error_code error;
    size_t moved = 0;
    start(Done{&error, &moved});
    io_.restart();
    io_.run_until(std::chrono::steady_clock::time_point(deadline_.time_since_epoch()));
    if (!io_.stopped()) {
      Disconnect();
      io_.run();  // Lets the cancelled operation end.
      return Unavailable("{}: no end in time", what);
    }
    if (error) return Unavailable("{}: {}", what, error.message());
    if (count) *count = moved;
    return {};
  }

  /// Is the connection open, with nothing to read? What waits there can only be its end, or junk.
  bool IsUsable() {
    if (!wire_.socket().is_open() || begin_ != end_) return false;
    error_code error;
    wire_.socket().non_blocking(true, error);
    char byte;
    wire_.socket().receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, error);
    return error == asio::error::would_block;
  }

  Status Connect() {
    if (IsUsable()) return {};
    Disconnect();
    wire_.EndTls();
    deadline_ = clock_.Steady() + options_.connect_time_max;
    asio::ip::tcp::resolver resolver(io_);
    asio::ip::tcp::resolver::results_type endpoints;
    error_code error;
    // Blocks in the system's resolver; addresses do not.
    endpoints = resolver.resolve(options_.host, std::to_string(options_.port), error);
    if (error) return Unavailable("resolve: {}", error.message());
    SLUICE_RETURN_IF_ERROR(
        Await("connect", [&](auto done) { asio::async_connect(wire_.socket(), endpoints, done); }));
    wire_.socket().set_option(asio::ip::tcp::no_delay(true), error);
    return options_.tls ? ShakeHands() : Status();
  }

  Status ShakeHands() {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    error_code error;
    if (options_.authorities.empty()) {
      context->set_default_verify_paths(error);
    } else {
      context->load_verify_file(options_.authorities, error);
    }
    if (error) return Invalid("authorities '{}': {}", options_.authorities, error.message());
    auto& tls = wire_.StartTls(std::move(context));
    tls.set_verify_mode(asio::ssl::verify_peer);
    tls.set_verify_callback(asio::ssl::host_name_verification(options_.host));
    SSL_set_tlsext_host_name(tls.native_handle(), options_.host.c_str());
    return Await("TLS",
                 [&](auto done) { tls.async_handshake(asio::ssl::stream_base::client, done); });
  }

  void Disconnect() {
    error_code ignored;
    wire_.socket().close(ignored);
    begin_ = end_ = 0;
  }

  std::string_view buffered() const { return std::string_view(in_).substr(begin_, end_ - begin_); }

  Status ReadMore() {
    if (begin_ == end_) begin_ = end_ = 0;
    if (in_.size() - end_ < kReadBytes / 2) {
      in_.erase(0, begin_);
      end_ -= begin_;
      begin_ = 0;
      in_.resize(std::max(kReadBytes, end_ * 2));
    }
    size_t count = 0;
    SLUICE_RETURN_IF_ERROR(Await(
        "receive",
        [&](auto done) {
          wire_.async_read_some(asio::buffer(in_.data() + end_, in_.size() - end_), done);
        },
        &count));
    end_ += count;
    return {};
  }

  Result<Response> ReadAnswer(std::string_view method) {
    Response response;
    internal::Framing framing;
    do {
      framing = internal::Framing();
      SLUICE_RETURN_IF_ERROR(ReadHead(response, framing));
    } while (response.status < 200);  // 100 Continue and the like.
    if (method != "HEAD" && internal::MayHaveBody(response.status)) {
      if (response.status != 200) sink_ = nullptr;
      SLUICE_RETURN_IF_ERROR(ReadBody(framing, response.body));
    }
    if (framing.close) Disconnect();
    return response;
  }

  Status ReadHead(Response& response, internal::Framing& framing) {
    internal::HeadScanner scanner;
    size_t length = 0;
    while (true) {
      if (auto fault = scanner.Scan(buffered(), length)) return Malformed(*fault);
      if (length > 0) break;
      if (buffered().size() > kHeadBytesMax) return Unavailable("the answer's head is too long");
      SLUICE_RETURN_IF_ERROR(ReadMore());
    }
    std::map<std::string, std::string> fields;
    const auto fault =
        internal::ParseResponseHead(buffered().substr(0, length), response.status, fields, framing);
    if (fault) return Malformed(*fault);
    begin_ += length;
    response.content_type = fields["content-type"];
    response.headers.assign(fields.begin(), fields.end());
    return {};
  }

  Status ReadBody(internal::Framing& framing, std::string& body) {
    const Error too_large =
        Unavailable("the answer is larger than {} bytes", options_.body_bytes_max);
    if (framing.chunked) {
      internal::ChunkDecoder decoder(options_.body_bytes_max);
      while (true) {
        std::string_view bytes = buffered();
        const size_t before = bytes.size();
        const auto fault = decoder.Decode(bytes, body);
        begin_ += before - bytes.size();
        if (fault) return fault->status == 413 ? too_large : Malformed(*fault);
        SLUICE_RETURN_IF_ERROR(HandOn(body));
        if (decoder.done()) return {};
        SLUICE_RETURN_IF_ERROR(ReadMore());
      }
    }
    uint64_t size = framing.content_length.value_or(UINT64_MAX);  // Of what is still to come.
    if (framing.content_length && size > options_.body_bytes_max) return too_large;
    framing.close |= !framing.content_length;
    // Of what is only promised, no more is reserved than costs nothing.
    if (framing.content_length) body.reserve(static_cast<size_t>(std::min(size, kReserveBytesMax)));
    while (true) {
      const std::string_view bytes = buffered().substr(0, static_cast<size_t>(size - body.size()));
      body.append(bytes);
      begin_ += bytes.size();
      if (body.size() > options_.body_bytes_max) return too_large;
      if (sink_ != nullptr) {
        size -= bytes.size();
        SLUICE_RETURN_IF_ERROR(HandOn(body));
        if (size == 0) return {};
      } else if (body.size() == size) {
        return {};
      }
      if (const Status read = ReadMore(); !read.ok()) {
        // Without a length the connection's end is the body's.
        if (!framing.content_length && wire_.socket().is_open()) return {};
        return read;
      }
    }
  }

  Status HandOn(std::string& body) {
    if (sink_ == nullptr || body.empty()) return {};
    deadline_ = clock_.Steady() + options_.time_max;
    const Status taken = (*sink_)(body);
    body.clear();
    return taken;
  }

  static Error Malformed(const internal::Fault& fault) {
    return Unavailable("the answer is malformed: {}", fault.detail);
  }

  const ClientOptions options_;
  os::SystemClock clock_;
  asio::io_context io_;
  internal::Wire<asio::ip::tcp::socket> wire_;
  os::Monotonic deadline_{};
  const Sink* sink_ = nullptr;  // Of the exchange at hand.
  // Bytes read and not consumed: [begin_, end_) of in_.
  std::string in_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

HttpClient::HttpClient(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpClient::~HttpClient() = default;

Result<Response> HttpClient::Send(std::string_view method, std::string_view target,
                                  const Fields& headers, std::string_view body) {
  return impl_->Send(method, target, headers, body, nullptr);
}

Result<Response> HttpClient::Send(std::string_view method, std::string_view target,
                                  const Fields& headers, std::string_view body, const Sink& sink) {
  return impl_->Send(method, target, headers, body, &sink);
}

}  // namespace sluice::api
