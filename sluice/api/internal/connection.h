#pragma once
/// \file
/// One connection of the HTTP server, from accept to close.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <vector>

#include "sluice/api/http_server.h"
#include "sluice/api/internal/certificates.h"
#include "sluice/api/internal/http_parse.h"
#include "sluice/api/internal/message.h"
#include "sluice/api/internal/wire.h"
#include "sluice/os/clock.h"

namespace sluice::api::internal {

class Connection;

/// One thread's sockets and timers. That nobody else runs it spares a lock and, more, the wakes of
/// other threads at each step of a request. What holds its thread up holds up its connections.
struct EventLoop {
  static constexpr os::Monotonic::rep kIdle = os::Monotonic::max().time_since_epoch().count();

  std::atomic<int> connections{0};  // That it has.
  // Since when the handler that runs has run.
  std::atomic<os::Monotonic::rep> handling_since{kIdle};
  boost::asio::io_context io{1};  // Last: what waits in it may hold connections.
};

/// What the connections of a server share; outlives all of them.
struct Shared {
  HttpOptions options;
  Handler handler;
  std::unique_ptr<Certificates> certificates;  // Of TLS; nullptr: none.
  os::SystemClock clock;

  std::mutex mutex;
  std::condition_variable changed;
  std::unordered_set<std::shared_ptr<Connection>> open;  // Guarded by mutex.
  int served = 0;                                        // Of these, not refused; guarded by mutex.
  bool stopping = false;                                 // Guarded by mutex.

  // Each has a thread of its own. Last, so that they go first: what waits in them refers to the
  // rest.
  std::vector<std::unique_ptr<EventLoop>> loops;
};

/// Reads a request, hands it to the handler, writes the answer, and again. Requests that arrive
/// together (pipelined) are handled one after the other.
///
/// Not thread-safe but for what says so: everything else runs on the thread of its loop.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Executor = boost::asio::io_context::executor_type;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;

  /// `socket` runs on `loop`, which is one of the shared ones.
  Connection(Socket socket, EventLoop& loop, const std::shared_ptr<Shared>& shared);
  ~Connection() { --loop_.connections; }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Thread-safe.
  Executor executor() { return loop_.io.get_executor(); }

  /// Begins to serve; counted in Shared::served from before until the close.
  void Start();
  /// Instead of Start(): says that the server is full, and closes.
  void Refuse();
  /// Closes when the request at hand is answered; at once if there is none.
  void Drain();
  /// Closes at once.
  void Abort();
  /// For a server that is full: since when the client keeps the connection without need, by idling
  /// or by sending or reading slowly; the time may lie ahead. Thread-safe.
  os::Monotonic WaitsSince() const {
    return os::Monotonic(os::Monotonic::duration(waits_since_.load(std::memory_order_relaxed)));
  }
  /// Claims the connection for YieldPlace(), so that nobody claims it again. Thread-safe.
  void ClaimPlace() { waits_since_.store(kClaimed, std::memory_order_relaxed); }
  /// Closes, unless the client has done its part since the place was claimed.
  void YieldPlace();
  /// Answers the request that the handler has; ignored if the connection is gone.
  void Answer(Response response);
  /// Looks from now on whether the client goes away before the answer is whole; if so, `gone`
  /// stops.
  void Watch(std::shared_ptr<std::stop_source> gone);

 private:
  using ErrorCode = boost::system::error_code;
  enum class State { kHandshake, kHead, kBody, kHandling, kWriting, kLingering, kClosed };

  void ShakeHands();
  void ReadHead();
  void OnHeadBytes(size_t count);
  void OnHead(size_t length);
  void StartBody();
  void ReadBody();
  void ReadChunks();
  void OnBody();
  void OnRequest();
  void Fail(const Fault& fault);
  /// There is no memory for the body now: the rest of it is read and forgotten.
  void Discard();
  /// Says so.
  void PutOff(Then then);
  void Write(Response response, Then then);
  void WriteMore();
  void WriteStream();
  void WriteChunk();
  void OnStreamBytes();
  void LookAtTaken();
  void OnWritten();
  void Next();
  void ReadWatching();
  void Linger();
  void ReadLingering();
  void Close();

  std::string_view buffered() const { return std::string_view(in_).substr(begin_, end_ - begin_); }
  /// Makes room behind what is buffered and reads into it; then calls `on_bytes`.
  template <typename OnBytes>
  void ReadMore(OnBytes on_bytes);

  /// Sets the time by which the current state must end.
  void SetDeadline(std::chrono::milliseconds from_now);
  void ClearDeadline() { deadline_ = os::Monotonic::max(); }
  void AwaitTimer();
  void OnTimeout();

  static constexpr os::Monotonic::rep kClaimed =
      os::Monotonic::max().time_since_epoch().count() - 1;
  void WaitsFrom(os::Monotonic time) {
    waits_since_.store(time.time_since_epoch().count(), std::memory_order_relaxed);
  }
  /// Notes that `bytes` more of a body or an answer have passed. Some now and then are not enough.
  void Passed(size_t bytes);

  Shared& shared_;
  std::weak_ptr<Shared> shared_weak_;
  EventLoop& loop_;
  Wire<Socket> wire_;
  State state_ = State::kHead;
  bool served_ = false;
  bool draining_ = false;

  std::atomic<os::Monotonic::rep> waits_since_{os::Monotonic::max().time_since_epoch().count()};
  size_t passed_ = 0;  // Since it was last put off.

  // Bytes read and not consumed: [begin_, end_) of in_.
  std::string in_;
  size_t begin_ = 0;
  size_t end_ = 0;

  HeadScanner scanner_;
  bool head_started_ = false;
  std::shared_ptr<Request> request_;
  Framing framing_;
  std::shared_ptr<std::string> body_;
  size_t body_read_ = 0;
  bool discarding_ = false;  // The body will not be handled.
  std::optional<ChunkDecoder> chunks_;
  bool head_only_ = false;  // The request was HEAD.

  std::string out_head_;
  Response out_;
  size_t written_ = 0;
  Then then_ = Then::kKeepAlive;
  std::string chunk_;          // Of a stream, framed.
  int unsent_ = 0;             // That the kernel had at the last look.
  bool stream_idle_ = false;   // Nothing of the stream waits to be written.
  bool stream_ended_ = false;  // `chunk_` has its end.

  // While an answer is made, a read may be under way that only the end of the connection should
  // meet.
  std::shared_ptr<std::stop_source> gone_;
  bool watching_ = false;

  // The timer is not moved at each change of the deadline: it looks at the deadline when it fires.
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
      timer_;
  os::Monotonic deadline_ = os::Monotonic::max();
  os::Monotonic timer_at_ = os::Monotonic::max();
  uint64_t timer_round_ = 0;
};

}  // namespace sluice::api::internal
