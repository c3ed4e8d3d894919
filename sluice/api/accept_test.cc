#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>

#include "sluice/api/http_client.h"
#include "sluice/api/http_server.h"
#include "sluice/api/internal/connection.h"

// What the accepting thread does when there is no memory for a connection.

namespace {

// Of the next allocations that are as large as a connection so many fail.
std::atomic<int> failures{0};

[[maybe_unused]] bool Fails(size_t size) {
  constexpr size_t kConnection = sizeof(sluice::api::internal::Connection);
  if (size < kConnection || size > kConnection + 64 || failures.load() <= 0) return false;
  return failures.fetch_sub(1) > 0;
}

}  // namespace

#ifndef __SANITIZE_ADDRESS__  // Which has its own, and pairs them with others.
void* operator new(size_t size) {
  void* const memory = Fails(size) ? nullptr : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace sluice::api {
namespace {

TEST(AcceptTest, GoesOnBehindAConnectionThatThereWasNoMemoryFor) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "memory comes from the sanitizer, so none of it can fail";
#endif
  HttpOptions options;
  options.port = 0;
  options.connections_max = 1;
  const auto server = HttpServer::Start(options, [](const auto&, const Respond& respond) {
    Response response;
    response.body = "here";
    respond(std::move(response));
  });
  ASSERT_TRUE(server.ok()) << server.error().ToString();
  const auto ask = [&] {
    ClientOptions client;
    client.port = (*server)->port();
    client.time_max = std::chrono::seconds(5);
    return HttpClient(client).Send("GET", "/");
  };
  failures = 2;
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(ask().ok());
  EXPECT_EQ(failures, 0);
  const auto answer = ask();
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(answer->body, "here") << "those before take no place";
}

}  // namespace
}  // namespace sluice::api
