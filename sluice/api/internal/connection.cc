#include "sluice/api/internal/connection.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <atomic>
#include <utility>

#include "sluice/api/body_stream.h"
#include "sluice/api/problem.h"
#include "sluice/decode/json_decoder.h"

namespace sluice::api::internal {

namespace asio = boost::asio;

namespace {

constexpr size_t kReadBytes = 16u << 10;
constexpr size_t kBodyStepBytes = 256u << 10;
constexpr std::chrono::milliseconds kLingerTime{2'000};
// Where the server is full, who has just come is given so long to begin,
constexpr std::chrono::milliseconds kPlaceTime{250};
// and a body or an answer must pass at this pace: 13 KB/s.
constexpr std::chrono::milliseconds kPaceTime{5'000};
constexpr size_t kPaceBytes = 64u << 10;
constexpr size_t kWatchedBytesMax = 64u << 10;  // Of requests that wait behind a watched one.
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

/// The one answer that a handler owes. If it forgets, the client still gets one.
class Pending {
 public:
  Pending(std::weak_ptr<Shared> shared, std::weak_ptr<Connection> connection)
      : shared_(std::move(shared)), connection_(std::move(connection)) {}
  ~Pending() { Send(Problem(500, "SL5000", "the request was dropped")); }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  std::stop_token Watch() {
    auto gone = std::make_shared<std::stop_source>();
    const std::stop_token token = gone->get_token();
    const auto shared = shared_.lock();
    const auto connection = connection_.lock();
    if (!shared || !connection) {
      gone->request_stop();
    } else {
      asio::dispatch(connection->executor(),
                     [connection, gone = std::move(gone)] { connection->Watch(gone); });
    }
    return token;
  }

  void Send(Response response) {
    if (sent_.exchange(true)) return;
    // In this order: the connection is released before what it lives on.
    const auto shared = shared_.lock();
    const auto connection = connection_.lock();
    if (!shared || !connection) {
      if (response.stream) response.stream->Leave();
      return;
    }
    asio::dispatch(connection->executor(), [connection, response = std::move(response)]() mutable {
      connection->Answer(std::move(response));
    });
  }

 private:
  std::atomic<bool> sent_{false};
  const std::weak_ptr<Shared> shared_;
  const std::weak_ptr<Connection> connection_;
};

}  // namespace

Connection::Connection(Socket socket, EventLoop& loop, const std::shared_ptr<Shared>& shared)
    : shared_(*shared),
      shared_weak_(shared),
      loop_(loop),
      wire_(std::move(socket)),
      timer_(wire_.get_executor()) {
  WaitsFrom(shared_.clock.Steady() + kPlaceTime);
  ++loop_.connections;
}

void Connection::Start() {
  served_ = true;
  ErrorCode ignored;
  wire_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  SetDeadline(shared_.options.header_time_max);
  if (shared_.certificates) return ShakeHands();
  ReadHead();
}

void Connection::ShakeHands() {
  state_ = State::kHandshake;
  wire_.StartTls(shared_.certificates->Current())
      .async_handshake(asio::ssl::stream_base::server,
                       [self = shared_from_this()](ErrorCode error) {
                         if (self->state_ != State::kHandshake) return;
                         if (error || self->draining_) return self->Close();
                         self->SetDeadline(self->shared_.options.header_time_max);
                         self->ReadHead();
                       });
}

void Connection::Refuse() {
  if (shared_.certificates) return Close();  // A handshake would cost more than it tells.
  Response full = Problem(503, "SL5033", "the server has too many connections");
  full.headers.emplace_back("Retry-After", "1");
  Write(std::move(full), Then::kClose);
}

void Connection::Drain() {
  draining_ = true;
  if (state_ == State::kHead && !head_started_) Close();
}

void Connection::Abort() { Close(); }

void Connection::YieldPlace() {
  if (waits_since_.load(std::memory_order_relaxed) == kClaimed) Close();
}

void Connection::Passed(size_t bytes) {
  passed_ += bytes;
  if (passed_ < kPaceBytes) return;
  passed_ = 0;
  WaitsFrom(shared_.clock.Steady() + kPaceTime);
}

template <typename OnBytes>
void Connection::ReadMore(OnBytes on_bytes) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (in_.size() - end_ < kReadBytes / 4) {
    in_.erase(0, begin_);
    end_ -= begin_;
    begin_ = 0;
    in_.resize(std::max(kReadBytes, end_ * 2));
  }
  wire_.async_read_some(
      asio::buffer(in_.data() + end_, in_.size() - end_),
      [self = shared_from_this(), expected = state_, on_bytes](ErrorCode error, size_t count) {
        if (self->state_ != expected) return;  // A timeout or a stop came first.
        if (error) return self->Close();
        self->end_ += count;
        on_bytes(*self);
      });
}

void Connection::ReadHead() {
  state_ = State::kHead;
  while (!head_started_ && buffered().starts_with("\r\n")) begin_ += 2;
  const std::string_view bytes = buffered();
  size_t length = 0;
  if (!bytes.empty() && bytes != "\r") {
    if (bytes.front() < 'A' || bytes.front() > 'Z') {
      return Fail({400, "SL4004", "this is no HTTP request"});
    }
    if (auto fault = scanner_.Scan(bytes, length)) return Fail(*fault);
    if (std::max(length, length == 0 ? bytes.size() : 0) > shared_.options.header_bytes_max) {
      return Fail({431, "SL4310", "the request line and header fields are too long"});
    }
    if (length > 0) return OnHead(length);
    // The time counts from the first byte, so that sending one now and then wins nothing.
    if (!std::exchange(head_started_, true)) SetDeadline(shared_.options.header_time_max);
  } else if (draining_) {
    return Close();
  }
  ReadMore([](Connection& self) { self.ReadHead(); });
}

void Connection::OnHead(size_t length) {
  head_started_ = true;
  request_ = std::make_shared<Request>();
  framing_ = Framing();
  const auto fault = ParseRequestHead(buffered().substr(0, length), *request_, framing_);
  begin_ += length;
  head_only_ = request_->method == "HEAD";
  if (fault) return Fail(*fault);
  const uint64_t body_bytes_max = shared_.options.body_bytes_max;
  if (framing_.content_length.value_or(0) > body_bytes_max) {
    return Fail({413, "SL4130", kBodyTooLarge});
  }
  const auto& budget = shared_.options.bodies;
  const bool has_body = framing_.chunked || framing_.content_length.value_or(0) > 0;
  discarding_ = has_body && budget && !budget->HasRoom(framing_.content_length.value_or(0));
  // Who asks before sending is spared it; who does not would not read an answer before the end.
  if (discarding_ && framing_.expects_continue) return PutOff(Then::kClose);
  request_->body_lease = std::make_shared<ByteLease>(budget);
  body_ = std::make_shared<std::string>();
  body_read_ = 0;
  if (!has_body) return OnRequest();

  state_ = State::kBody;
  SetDeadline(shared_.options.body_time_max);
  Passed(kPaceBytes);
  if (!framing_.expects_continue || begin_ != end_) return StartBody();
  asio::async_write(wire_, asio::buffer(kContinue),
                    [self = shared_from_this()](ErrorCode error, size_t) {
                      if (self->state_ != State::kBody) return;
                      if (error) return self->Close();
                      self->StartBody();
                    });
}

void Connection::Discard() {
  discarding_ = true;
  *body_ = std::string();
  request_->body_lease->Shrink(0);
}

void Connection::PutOff(Then then) {
  body_.reset();
  request_.reset();
  Write(TryAgain(429, "SL4290", "too many bodies are under way; send again later", 1), then);
}

void Connection::StartBody() {
  if (framing_.chunked) {
    chunks_.emplace(shared_.options.body_bytes_max);
    return ReadChunks();
  }
  const size_t size = static_cast<size_t>(*framing_.content_length);
  const std::string_view bytes = buffered().substr(0, size);
  if (!discarding_ && !request_->body_lease->Grow(bytes.size())) Discard();
  if (!discarding_) {
    // Reserved memory costs nothing until bytes come: a client that only promises a body takes
    // none.
    body_->reserve(size + decode::JsonDecoder::kPaddingBytes);
    body_->assign(bytes);
  }
  body_read_ = bytes.size();
  begin_ += bytes.size();
  ReadBody();
}

void Connection::ReadBody() {
  const size_t size = static_cast<size_t>(*framing_.content_length);
  if (body_read_ == size) return OnBody();
  if (!discarding_ && body_->size() == body_read_) {
    // As much again as has come: who sends little takes little.
    const size_t step = std::clamp(body_read_, kReadBytes, kBodyStepBytes);
    const size_t next = std::min(size, body_read_ + step);
    if (request_->body_lease->Grow(next - body_read_)) {
      body_->resize(next);
    } else {
      Discard();
    }
  }
  if (discarding_) body_->resize(kReadBytes);
  const auto room = discarding_
                        ? asio::buffer(*body_, size - body_read_)
                        : asio::buffer(body_->data() + body_read_, body_->size() - body_read_);
  wire_.async_read_some(room, [self = shared_from_this()](ErrorCode error, size_t count) {
    if (self->state_ != State::kBody) return;
    if (error) return self->Close();
    self->body_read_ += count;
    self->Passed(count);
    self->ReadBody();
  });
}

void Connection::ReadChunks() {
  std::string_view bytes = buffered();
  const size_t before = bytes.size();
  const size_t body_before = body_->size();
  const auto fault = chunks_->Decode(bytes, *body_);
  begin_ += before - bytes.size();
  Passed(before - bytes.size());
  if (fault) return Fail(*fault);
  if (discarding_ || !request_->body_lease->Grow(body_->size() - body_before)) Discard();
  if (chunks_->done()) {
    body_read_ = body_->size();
    return OnBody();
  }
  ReadMore([](Connection& self) { self.ReadChunks(); });
}

void Connection::OnBody() {
  if (!discarding_) return OnRequest();
  ClearDeadline();
  PutOff(framing_.close || draining_ ? Then::kClose : Then::kKeepAlive);
}

void Connection::OnRequest() {
  state_ = State::kHandling;
  WaitsFrom(os::Monotonic::max());
  ClearDeadline();
  body_->resize(body_read_ + decode::JsonDecoder::kPaddingBytes);
  request_->body_storage = std::move(body_);
  request_->body = std::string_view(*request_->body_storage).substr(0, body_read_);
  const auto pending = std::make_shared<Pending>(shared_weak_, weak_from_this());
  request_->watch_client = [pending] { return pending->Watch(); };
  loop_.handling_since = shared_.clock.Steady().time_since_epoch().count();
  // The last catch of a request: whatever a library below throws fails this one alone.
  try {
    shared_.handler(std::move(request_),
                    [pending](Response response) { pending->Send(std::move(response)); });
  } catch (...) {
    pending->Send(Problem(500, "SL5000", "the request failed"));
  }
  loop_.handling_since = EventLoop::kIdle;
}

void Connection::Watch(std::shared_ptr<std::stop_source> gone) {
  if (state_ == State::kClosed) {
    gone->request_stop();
  } else if (state_ == State::kHandling) {
    gone_ = std::move(gone);
    ReadWatching();
  }
}

void Connection::ReadWatching() {
  if (watching_ || end_ - begin_ >= kWatchedBytesMax) return;
  if (end_ == in_.size()) {
    in_.erase(0, begin_);
    end_ -= begin_;
    begin_ = 0;
    in_.resize(std::max(kReadBytes, end_ * 2));
  }
  watching_ = true;
  wire_.async_read_some(asio::buffer(in_.data() + end_, in_.size() - end_),
                        [self = shared_from_this()](ErrorCode error, size_t count) {
                          self->watching_ = false;
                          self->end_ += count;
                          if (self->state_ == State::kClosed) return;
                          // Answered meanwhile, and called off.
                          if (self->gone_ == nullptr) return self->Next();
                          if (error) return self->Close();
                          self->ReadWatching();
                        });
}

void Connection::Answer(Response response) {
  if (state_ != State::kHandling) {
    if (response.stream) response.stream->Leave();
    return;
  }
  Write(std::move(response), framing_.close || draining_ ? Then::kClose : Then::kKeepAlive);
}

void Connection::Fail(const Fault& fault) {
  Write(Problem(fault.status, fault.code, fault.detail), Then::kClose);
}

void Connection::Write(Response response, Then then) {
  state_ = State::kWriting;
  then_ = then;
  out_ = std::move(response);
  out_head_ = FormatHead(out_, std::chrono::floor<std::chrono::seconds>(shared_.clock.Now()), then,
                         !framing_.old);
  if (head_only_ || !MayHaveBody(out_.status)) {
    out_.body.clear();
    if (out_.stream) std::exchange(out_.stream, nullptr)->Leave();
  }
  written_ = 0;
  Passed(kPaceBytes);
  WriteMore();
}

void Connection::WriteMore() {
  // Counts anew at each step: a slow reader may take its time, one that stopped may not.
  SetDeadline(shared_.options.idle_time_max);
  const size_t head = std::min(written_, out_head_.size());
  const size_t body = written_ - head;
  const std::array buffers = {asio::buffer(out_head_) + head, asio::buffer(out_.body) + body};
  wire_.async_write_some(buffers, [self = shared_from_this()](ErrorCode error, size_t count) {
    if (self->state_ != State::kWriting) return;
    if (error) return self->Close();
    self->written_ += count;
    self->Passed(count);
    if (self->written_ < self->out_head_.size() + self->out_.body.size()) return self->WriteMore();
    if (self->out_.stream == nullptr) return self->OnWritten();
    // Called with bytes on any thread, also long after the connection is gone.
    const auto call = [&self](void (Connection::*method)()) {
      return [weak = self->weak_from_this(), shared_weak = self->shared_weak_, method] {
        const auto shared = shared_weak.lock();
        const auto connection = weak.lock();
        if (!shared || !connection) return;
        asio::post(connection->executor(), [connection, method] { ((*connection).*method)(); });
      };
    };
    self->out_.stream->Attach(call(&Connection::OnStreamBytes), call(&Connection::LookAtTaken));
    self->stream_ended_ = false;
    self->WriteStream();
  });
}

void Connection::OnStreamBytes() {
  if (state_ == State::kWriting && out_.stream && out_.stream->given_up()) return Close();
  if (state_ == State::kWriting && std::exchange(stream_idle_, false)) WriteStream();
}

// The kernel takes megabytes before it holds us up, and then again only when a good part of them is
// gone: what it still has to send tells of each byte.
void Connection::LookAtTaken() {
  if (state_ != State::kWriting || out_.stream == nullptr) return;
  int unsent = 0;
  if (::ioctl(wire_.socket().native_handle(), SIOCOUTQ, &unsent) != 0) return;
  if (std::exchange(unsent_, unsent) != unsent) out_.stream->Progress();
}

void Connection::WriteStream() {
  if (stream_ended_) return OnWritten();
  std::string bytes;
  const BodyStream::State ended = out_.stream->Take(bytes);
  if (bytes.empty() && ended == BodyStream::State::kOpen) {
    stream_idle_ = true;
    ClearDeadline();  // It is not the client who is slow.
    WaitsFrom(os::Monotonic::max());
    return;
  }
  if (ended == BodyStream::State::kCut || ended == BodyStream::State::kGone) return Close();
  chunk_.clear();
  if (framing_.old) {
    chunk_ = std::move(bytes);
  } else if (!bytes.empty()) {
    chunk_ = fmt::format("{:x}\r\n", bytes.size());
    chunk_.append(bytes).append("\r\n");
  }
  stream_ended_ = ended == BodyStream::State::kWhole;
  if (stream_ended_ && !framing_.old) chunk_.append("0\r\n\r\n");
  if (chunk_.empty()) return OnWritten();
  written_ = 0;
  Passed(kPaceBytes);
  WriteChunk();
}

void Connection::WriteChunk() {
  SetDeadline(shared_.options.idle_time_max);
  wire_.async_write_some(asio::buffer(chunk_) + written_,
                         [self = shared_from_this()](ErrorCode error, size_t count) {
                           if (self->state_ != State::kWriting) return;
                           if (error) return self->Close();
                           self->written_ += count;
                           self->Passed(count);
                           if (self->written_ < self->chunk_.size()) return self->WriteChunk();
                           self->WriteStream();
                         });
}

void Connection::OnWritten() {
  out_ = Response();
  gone_ = nullptr;
  // A read that is under way has the buffer: it is called off, and goes on when it has ended.
  ErrorCode ignored;
  if (watching_) {
    wire_.socket().cancel(ignored);
  } else {
    Next();
  }
}

void Connection::Next() {
  if (then_ == Then::kClose || draining_) return Linger();
  scanner_.Reset();
  head_started_ = false;
  SetDeadline(shared_.options.idle_time_max);
  WaitsFrom(shared_.clock.Steady());
  ReadHead();
}

void Connection::Linger() {
  // Closing with bytes unread would reset the connection, and the client might never see the
  // answer.
  state_ = State::kLingering;
  SetDeadline(kLingerTime);
  WaitsFrom(shared_.clock.Steady());
  in_.resize(std::max(in_.size(), kReadBytes));
  if (wire_.tls() == nullptr) {
    ErrorCode ignored;
    wire_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    return ReadLingering();
  }
  // Tells the client that the answer was not cut off, and waits for its word.
  wire_.tls()->async_shutdown([self = shared_from_this()](ErrorCode) {
    if (self->state_ != State::kLingering) return;
    ErrorCode ignored;
    self->wire_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    self->ReadLingering();
  });
}

void Connection::ReadLingering() {
  wire_.socket().async_read_some(asio::buffer(in_),
                                 [self = shared_from_this()](ErrorCode error, size_t) {
                                   if (self->state_ != State::kLingering) return;
                                   if (error) return self->Close();
                                   self->ReadLingering();
                                 });
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  ErrorCode ignored;
  wire_.socket().close(ignored);
  timer_.cancel();
  if (out_.stream) out_.stream->Leave();
  if (gone_) gone_->request_stop();
  const std::lock_guard lock(shared_.mutex);
  shared_.open.erase(shared_from_this());
  if (served_) --shared_.served;
  shared_.changed.notify_all();
}

void Connection::SetDeadline(std::chrono::milliseconds from_now) {
  deadline_ = shared_.clock.Steady() + from_now;
  if (deadline_ < timer_at_) AwaitTimer();
}

void Connection::AwaitTimer() {
  timer_at_ = deadline_;
  timer_.expires_at(std::chrono::steady_clock::time_point(deadline_.time_since_epoch()));
  timer_.async_wait([self = shared_from_this(), round = ++timer_round_](ErrorCode) {
    // An older wait that a new one replaced, or nothing to watch.
    if (round != self->timer_round_ || self->state_ == State::kClosed) return;
    self->timer_at_ = os::Monotonic::max();
    if (self->deadline_ == os::Monotonic::max()) return;
    if (self->deadline_ > self->shared_.clock.Steady()) return self->AwaitTimer();
    self->OnTimeout();
  });
}

void Connection::OnTimeout() {
  if (state_ == State::kBody || (state_ == State::kHead && head_started_)) {
    return Fail({408, "SL4080", "the request took too long to arrive"});
  }
  Close();
}

}  // namespace sluice::api::internal
