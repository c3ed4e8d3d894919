#include "sluice/api/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <mutex>
#include <thread>

#include "sluice/api/http_client.h"
#include "sluice/api/internal/raw_socket.h"

namespace sluice::api {
namespace {

using internal::RawSocket;
using std::chrono::milliseconds;

/// Answers with what came: method, path and body.
void Echo(const std::shared_ptr<const Request>& request, const Respond& respond) {
  Response response;
  response.content_type = "text/plain";
  response.body = request->method + " " + request->path + " " + std::string(request->body);
  respond(std::move(response));
}

/// Echo, but what comes to `/held`, once, is answered by who takes the promise's value.
Handler EchoUnlessHeld(std::promise<Respond>& held) {
  return [&held](const std::shared_ptr<const Request>& request, const Respond& respond) {
    if (request->path != "/held") return Echo(request, respond);
    // The body stays as long as somebody has the request.
    held.set_value([request, respond](const Response& response) { respond(response); });
  };
}

std::unique_ptr<HttpServer> Serve(Handler handler = Echo, HttpOptions options = {}) {
  options.port = 0;
  auto server = HttpServer::Start(options, std::move(handler));
  EXPECT_TRUE(server.ok()) << server.error().ToString();
  return std::move(*server);
}

HttpClient ClientOf(const HttpServer& server) {
  ClientOptions options;
  options.port = server.port();
  return HttpClient(options);
}

std::string_view StatusOf(std::string_view answer) {
  return answer.size() < 12 ? std::string_view() : answer.substr(9, 3);
}

std::string Exchange(const HttpServer& server, std::string_view bytes) {
  RawSocket socket(server.port());
  socket.Send(bytes);
  socket.FinishSending();
  return socket.ReadAll();
}

TEST(HttpServerTest, AnswersOnOneConnectionAgainAndAgain) {
  const auto server = Serve();
  HttpClient client = ClientOf(*server);
  for (int i = 0; i < 100; ++i) {
    const std::string body = std::string(static_cast<size_t>(i) * 1000, 'x');
    const auto answer = client.Send("POST", "/v1/events", {}, body);
    ASSERT_TRUE(answer.ok()) << answer.error().ToString();
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->content_type, "text/plain");
    EXPECT_EQ(answer->body, "POST /v1/events " + body);
  }
}

TEST(HttpServerTest, TakesALargeBodyWithReadablePaddingBehindIt) {
  std::atomic<bool> padded = false;
  const auto server = Serve([&padded](const auto& request, const Respond& respond) {
    const char* end = request->body.data() + request->body.size();
    padded = request->body_storage->data() + request->body_storage->size() >= end + 64 &&
             std::all_of(end, end + 64, [](char c) { return c == '\0'; });
    Response response;
    response.body = std::to_string(request->body.size());
    respond(std::move(response));
  });
  HttpClient client = ClientOf(*server);
  const auto answer = client.Send("POST", "/", {}, std::string(16u << 20, 'x'));
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(answer->body, std::to_string(16u << 20));
  EXPECT_TRUE(padded);
}

TEST(HttpServerTest, PutsOffBodiesForWhichThereIsNoMemory) {
  HttpOptions options;
  options.bodies = std::make_shared<ByteBudget>(100'000);
  std::promise<Respond> held;
  const auto server = Serve(EchoUnlessHeld(held), options);
  // Alone it may have more than there is.
  RawSocket first(server->port());
  first.Send("POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n" +
             std::string(150'000, 'x'));
  Respond respond = held.get_future().get();
  EXPECT_EQ(options.bodies->taken(), 150'000u);
  // Also where the length is not known, and without the body where the client asks.
  const std::string declared =
      Exchange(*server, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(StatusOf(declared), "429");
  EXPECT_NE(declared.find("Retry-After: 1"), std::string::npos) << declared;
  const std::string chunked = Exchange(
      *server,
      "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(StatusOf(chunked), "429");
  const std::string asked = Exchange(
      *server, "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(StatusOf(asked), "429") << asked;
  // Requests without a body need none.
  EXPECT_EQ(StatusOf(Exchange(*server, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")), "200");
  respond(Response());
  respond = nullptr;
  // Written by the thread that called the handler, after it: nobody has the request any more.
  EXPECT_NE(first.ReadUntil("\r\n\r\n"), "");
  EXPECT_EQ(options.bodies->taken(), 0u);
  EXPECT_EQ(
      StatusOf(Exchange(*server, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")),
      "200");
}

TEST(HttpServerTest, BodiesOfUnknownLengthTakeTheirMemoryToo) {
  HttpOptions options;
  options.bodies = std::make_shared<ByteBudget>(100'000);
  std::promise<Respond> held;
  auto server = Serve(EchoUnlessHeld(held), options);
  const std::string chunks = "ea60\r\n" + std::string(60'000, 'x') + "\r\n0\r\n\r\n";
  const std::string fields = " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  RawSocket first(server->port());
  first.Send("POST /held" + fields + chunks);
  Respond respond = held.get_future().get();
  EXPECT_EQ(options.bodies->taken(), 60'000u);
  EXPECT_EQ(StatusOf(Exchange(*server, "POST /a" + fields + chunks)), "429");
  respond(Response());
  respond = nullptr;
  EXPECT_NE(first.ReadUntil("\r\n\r\n"), "");
  EXPECT_EQ(StatusOf(Exchange(*server, "POST /a" + fields + chunks)), "200");
  // Echo answers while it has the request: only once its thread has ended is the memory given back.
  server.reset();
  EXPECT_EQ(options.bodies->taken(), 0u);
}

TEST(HttpServerTest, SendsALargeAnswerWhole) {
  const auto server = Serve([](const auto&, const Respond& respond) {
    Response response;
    response.body = std::string(40u << 20, 'y');
    respond(std::move(response));
  });
  HttpClient client = ClientOf(*server);
  const auto answer = client.Send("GET", "/");
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(answer->body, std::string(40u << 20, 'y'));
}

TEST(HttpServerTest, DecodesPathQueryAndFields) {
  const auto server = Serve([](const auto& request, const Respond& respond) {
    Response response;
    response.body = request->path + "|" + request->query.at("q") + "|" +
                    request->query.at("empty") + "|" + std::string(request->Header("x-name")) +
                    "|" + std::string(request->Header("absent"));
    respond(std::move(response));
  });
  HttpClient client = ClientOf(*server);
  const auto answer =
      client.Send("GET", "/a%20b/%C3%A4?q=1%2B1+is%3D2&empty", {{"X-Name", "  some value "}});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->body, "/a b/ä|1+1 is=2||some value|");
}

TEST(HttpServerTest, HandlesPipelinedRequestsInOrder) {
  const auto server = Serve();
  std::string bytes;
  for (int i = 0; i < 50; ++i) {
    bytes += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  }
  const std::string answers = Exchange(*server, bytes);
  size_t place = 0;
  for (int i = 0; i < 50; ++i) {
    place = answers.find("POST /" + std::to_string(i) + " abc", place);
    ASSERT_NE(place, std::string::npos) << i;
  }
}

TEST(HttpServerTest, DecodesChunksHoweverTheyAreCut) {
  const auto server = Serve();
  const std::string bytes =
      "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n6;name=value\r\n world\r\n0\r\nTrailer: yes\r\n\r\n"
      "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
  RawSocket socket(server->port());
  for (const char c : bytes) socket.Send(std::string_view(&c, 1));
  EXPECT_NE(socket.ReadUntil("POST /c hello world"), "");
  EXPECT_NE(socket.ReadUntil("GET /next "), "");
}

TEST(HttpServerTest, AnswersHeadWithoutABody) {
  const auto server = Serve();
  const std::string answer = Exchange(*server, "HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(StatusOf(answer), "200");
  EXPECT_NE(answer.find("Content-Length: 8\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
  HttpClient client = ClientOf(*server);
  EXPECT_EQ(client.Send("HEAD", "/h")->body, "");
  EXPECT_EQ(client.Send("GET", "/h")->body, "GET /h ");
}

TEST(HttpServerTest, SaysContinueOnlyBeforeABodyItTakes) {
  const auto server = Serve();
  RawSocket socket(server->port());
  socket.Send("POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(socket.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.Send("abc");
  EXPECT_NE(socket.ReadUntil("POST /e abc"), "");

  const std::string refused =
      Exchange(*server,
               "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n"
               "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(StatusOf(refused), "413");
}

TEST(HttpServerTest, SendsTheFieldsThatKeepBrowsersHonest) {
  const auto server = Serve();
  HttpClient client = ClientOf(*server);
  const auto answer = client.Send("GET", "/");
  ASSERT_TRUE(answer.ok());
  const std::map<std::string, std::string> fields(answer->headers.begin(), answer->headers.end());
  EXPECT_EQ(fields.at("server"), "sluice");
  EXPECT_EQ(fields.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(fields.at("date").size(), 29u);
}

TEST(HttpServerTest, LetsNoFieldOfAHandlerStartAnother) {
  const auto server = Serve([](const auto&, const Respond& respond) {
    Response response;
    response.headers.emplace_back("X-Echo", "a\r\nSet-Cookie: stolen=1");
    respond(std::move(response));
  });
  HttpClient client = ClientOf(*server);
  const auto answer = client.Send("GET", "/");
  ASSERT_TRUE(answer.ok());
  for (const auto& [name, value] : answer->headers) EXPECT_NE(name, "set-cookie");
}

TEST(HttpServerTest, AnswersFromAnyThreadAtAnyTimeOnce) {
  std::mutex mutex;
  std::vector<Respond> waiting;
  std::latch arrived(1);
  const auto server = Serve([&](const auto&, Respond respond) {
    const std::lock_guard lock(mutex);
    waiting.push_back(std::move(respond));
    arrived.count_down();
  });
  auto answer = std::async(std::launch::async, [&] {
    HttpClient client = ClientOf(*server);
    return client.Send("GET", "/");
  });
  arrived.wait();
  Response response;
  response.status = 202;
  waiting[0](response);
  response.status = 500;
  waiting[0](response);
  EXPECT_EQ(answer.get()->status, 202);
}

TEST(HttpServerTest, AnswersForAHandlerThatForgetsOrThrows) {
  const auto server = Serve([](const auto& request, const Respond&) {
    if (request->path == "/throw") throw std::runtime_error("secret");
  });
  HttpClient client = ClientOf(*server);
  for (const std::string path : {"/forget", "/throw", "/forget"}) {
    const auto answer = client.Send("GET", path);
    ASSERT_TRUE(answer.ok()) << answer.error().ToString();
    EXPECT_EQ(answer->status, 500);
    EXPECT_EQ(answer->content_type, "application/problem+json");
    EXPECT_EQ(answer->body.find("secret"), std::string::npos);
  }
}

TEST(HttpServerTest, IgnoresAnAnswerToAConnectionThatIsGone) {
  std::promise<Respond> handed;
  auto server = Serve([&](const auto&, Respond respond) { handed.set_value(std::move(respond)); });
  auto socket = std::make_unique<RawSocket>(server->port());
  socket->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const Respond respond = handed.get_future().get();
  socket.reset();
  server.reset();  // Now server and connection are gone.
  respond(Response());
}

TEST(HttpServerTest, ServesManyConnectionsAtOnce) {
  const auto server = Serve();
  std::vector<std::unique_ptr<RawSocket>> sockets;
  for (int i = 0; i < 300; ++i) sockets.push_back(std::make_unique<RawSocket>(server->port()));
  for (int round = 0; round < 3; ++round) {
    for (auto& socket : sockets) socket->Send("GET /many HTTP/1.1\r\nHost: x\r\n\r\n");
    for (auto& socket : sockets) ASSERT_NE(socket->ReadUntil("GET /many "), "");
  }
}

TEST(HttpServerTest, AHandlerThatTakesLongHoldsUpItsOwnThreadOnly) {
  HttpOptions options;
  options.threads = 2;
  options.held_up = milliseconds(0);
  std::promise<void> begun;
  std::promise<void> goes_on;
  const auto server = Serve(
      [&](const auto& request, const Respond& respond) {
        if (request->path == "/long") {
          begun.set_value();
          goes_on.get_future().wait();
        }
        Echo(request, respond);
      },
      options);
  RawSocket held(server->port());
  held.Send("GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
  begun.get_future().wait();
  RawSocket other(server->port());
  other.Send("GET /other HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(other.ReadUntil("GET /other"), "");
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(StatusOf(Exchange(*server, "GET /new HTTP/1.1\r\nHost: x\r\n\r\n")), "200");
  }
  goes_on.set_value();
  EXPECT_NE(held.ReadUntil("GET /long"), "");
}

TEST(HttpServerTest, RefusesConnectionsOverTheLimit) {
  HttpOptions options;
  options.connections_max = 2;
  std::mutex mutex;
  std::vector<Respond> owed;
  const auto server = Serve(
      [&](const std::shared_ptr<const Request>& request, Respond respond) {
        if (request->path == "/again") return Echo(request, std::move(respond));
        const std::lock_guard lock(mutex);
        owed.push_back(std::move(respond));
      },
      options);
  auto first = std::make_unique<RawSocket>(server->port());
  RawSocket second(server->port());
  for (RawSocket* socket : {first.get(), &second}) {
    socket->Send("GET /ok HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  const auto both = [&] {
    const std::lock_guard lock(mutex);
    return owed.size() == 2;
  };
  while (!both()) std::this_thread::yield();  // Both have their places, and keep them.
  RawSocket third(server->port());
  const std::string refused = third.ReadUntil("\r\n\r\n");
  EXPECT_EQ(StatusOf(refused), "503");
  EXPECT_NE(refused.find("Retry-After: 1\r\n"), std::string::npos);
  EXPECT_NE(refused.find("Connection: close\r\n"), std::string::npos);

  for (Respond& respond : owed) respond({});
  first.reset();
  std::string answer;
  while (StatusOf(answer) != "200") {  // Until the server has seen the end of the first.
    answer = Exchange(*server, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
  }
}

TEST(HttpServerTest, IdleConnectionsMakePlaceForNewOnes) {
  HttpOptions options;
  options.connections_max = 4;
  const auto server = Serve(Echo, options);
  // Two say nothing, two only begin a request.
  std::vector<std::unique_ptr<RawSocket>> idle;
  for (int i = 0; i < 4; ++i) {
    idle.push_back(std::make_unique<RawSocket>(server->port()));
    if (i % 2 == 1) idle.back()->Send("GET /half HTTP/1.1\r\nHo");
  }
  // Until those that came last have had their time.
  std::vector<std::unique_ptr<RawSocket>> served;
  while (served.size() < 4) {
    auto socket = std::make_unique<RawSocket>(server->port());
    socket->Send("GET /new HTTP/1.1\r\nHost: x\r\n\r\n");
    if (StatusOf(socket->ReadUntil("\r\n\r\n")) == "200") served.push_back(std::move(socket));
  }
  for (const auto& socket : idle) EXPECT_EQ(socket->ReadUntil("x"), "");
}

TEST(HttpServerTest, RefusesAnAddressThatIsTaken) {
  const auto server = Serve();
  HttpOptions options;
  options.port = server->port();
  const auto second = HttpServer::Start(options, Echo);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
  options.address = "not an address";
  EXPECT_EQ(HttpServer::Start(options, Echo).error().ToString(),
            "'not an address' is no IP address (invalid)");
}

TEST(HttpServerTest, TimesOutASlowHeadAndASlowBody) {
  HttpOptions options;
  options.header_time_max = milliseconds(50);
  options.body_time_max = milliseconds(50);
  const auto server = Serve(Echo, options);
  RawSocket head(server->port());
  head.Send("GET / HTTP/1.1\r\nHos");
  EXPECT_EQ(StatusOf(head.ReadAll()), "408");
  RawSocket body(server->port());
  body.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(StatusOf(body.ReadAll()), "408");
  RawSocket silent(server->port());
  EXPECT_EQ(silent.ReadAll(), "");
}

TEST(HttpServerTest, DoesNotLetSingleBytesExtendTheTimeOfAHead) {
  HttpOptions options;
  options.header_time_max = milliseconds(100);
  const auto server = Serve(Echo, options);
  RawSocket socket(server->port());
  std::atomic<bool> ended = false;
  std::thread dripper([&] {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    socket.Send("GET / HTTP/1.1\r\nX: ");
    while (!ended) {
      socket.Send("x");
      never.wait_for(lock, milliseconds(5));
    }
  });
  EXPECT_EQ(StatusOf(socket.ReadAll()), "408");
  ended = true;
  dripper.join();
}

TEST(HttpServerTest, ClosesAnIdleConnectionSilently) {
  HttpOptions options;
  options.idle_time_max = milliseconds(50);
  const auto server = Serve(Echo, options);
  RawSocket socket(server->port());
  socket.Send("GET /i HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(socket.ReadUntil("GET /i "), "");
  EXPECT_EQ(socket.ReadAll(), "");
}

TEST(HttpServerTest, StopLetsTheRequestAtHandFinish) {
  std::promise<Respond> handed;
  const auto server =
      Serve([&](const auto&, Respond respond) { handed.set_value(std::move(respond)); });
  RawSocket idle(server->port());
  RawSocket busy(server->port());
  busy.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const Respond respond = handed.get_future().get();
  auto stop = std::async(std::launch::async, [&] { server->Stop(milliseconds(10'000)); });
  EXPECT_EQ(idle.ReadAll(), "");  // Closed at once.
  EXPECT_EQ(stop.wait_for(milliseconds(0)), std::future_status::timeout);
  respond(Response());
  const std::string answer = busy.ReadAll();
  EXPECT_EQ(StatusOf(answer), "200");
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
  busy.FinishSending();
  stop.get();
  RawSocket late(server->port());
  EXPECT_EQ(late.ReadAll(), "");
}

TEST(HttpServerTest, AStoppedServerListensNoMore) {
  for (int round = 0; round < 50; ++round) {
    const auto server = Serve(Echo);
    server->Stop(milliseconds(0));
    ASSERT_TRUE(IsFree("127.0.0.1", server->port())) << "else clients would wait for an answer";
  }
}

TEST(HttpServerTest, StopClosesWhatDoesNotFinishInTime) {
  std::promise<Respond> handed;
  const auto server =
      Serve([&](const auto&, Respond respond) { handed.set_value(std::move(respond)); });
  RawSocket socket(server->port());
  socket.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const Respond respond = handed.get_future().get();
  server->Stop(milliseconds(20));
  EXPECT_EQ(socket.ReadAll(), "");
  respond(Response());
}

TEST(HttpServerTest, TakesSizesUpToTheirLimitsAndNotOneMore) {
  HttpOptions options;
  options.body_bytes_max = 1000;
  options.header_bytes_max = 2000;
  const auto server = Serve(Echo, options);
  const auto post = [&](size_t size) {
    return Exchange(*server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                                 std::to_string(size) + "\r\n\r\n" + std::string(size, 'x'));
  };
  EXPECT_EQ(StatusOf(post(999)), "200");
  EXPECT_EQ(StatusOf(post(1000)), "200");
  EXPECT_EQ(StatusOf(post(1001)), "413");
  EXPECT_EQ(StatusOf(post(3'000'000)), "413");

  const auto chunks = [&](size_t count) {
    std::string bytes = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (size_t i = 0; i < count; ++i) bytes += "64\r\n" + std::string(100, 'x') + "\r\n";
    return Exchange(*server, bytes + "0\r\n\r\n");
  };
  EXPECT_EQ(StatusOf(chunks(10)), "200");
  EXPECT_EQ(StatusOf(chunks(11)), "413");

  const auto head = [&](size_t size) {
    const std::string start = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
    return Exchange(*server, start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n");
  };
  EXPECT_EQ(StatusOf(head(2000)), "200");
  EXPECT_EQ(StatusOf(head(2001)), "431");
  EXPECT_EQ(StatusOf(head(200'000)), "431");
}

TEST(HttpServerTest, ReservesNoMemoryForABodyThatIsOnlyPromised) {
  HttpOptions options;
  options.body_bytes_max = 1ull << 30;
  const auto server = Serve(Echo, options);
  std::vector<std::unique_ptr<RawSocket>> sockets;
  for (int i = 0; i < 100; ++i) {
    sockets.push_back(std::make_unique<RawSocket>(server->port()));
    sockets.back()->Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 268435456\r\n\r\nabc");
  }
  HttpClient client = ClientOf(*server);
  EXPECT_EQ(client.Send("GET", "/")->status, 200);  // 25 GiB promised, and all is well.
}

}  // namespace
}  // namespace sluice::api
