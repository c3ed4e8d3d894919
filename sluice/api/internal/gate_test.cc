#include "sluice/api/internal/gate.h"

#include <gtest/gtest.h>

#include "sluice/os/simulated_disk.h"

namespace sluice::api::internal {
namespace {

class GateTest : public testing::Test {
 protected:
  std::string Ask(std::map<std::string, std::string> headers) {
    Request request;
    request.headers = std::move(headers);
    const auto principal = gate_.Admit(request);
    return principal.ok() ? principal->id : principal.error().message();
  }

  os::SimulatedClock clock_{os::Timestamp(std::chrono::seconds(1'000'000))};
  os::SimulatedRandom random_{7};
  os::SimulatedDisk disk_;
  govern::Tokens tokens_{disk_, clock_, random_, "keys/tokens"};
  Gate gate_{tokens_};
};

TEST_F(GateTest, TrustsTheLoopbackAddressButNoForeignPage) {
  EXPECT_EQ(Ask({{"host", "127.0.0.1:7117"}}), "local");
  EXPECT_EQ(Ask({{"host", "localhost"}, {"origin", "http://localhost:3000"}}), "local");
  EXPECT_EQ(Ask({{"host", "[::1]:7117"}}), "local");
  for (const char* host :
       {"", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:7117", "[::1",
        "[::1]evil", "0x7f.1", "10.0.0.7:7117"}) {
    EXPECT_NE(Ask({{"host", host}}), "local") << host;
  }
  for (const char* origin : {"https://evil.example", "null", "http://localhost.evil.example",
                             "http://evil.example:127"}) {
    EXPECT_NE(Ask({{"host", "localhost"}, {"origin", origin}}), "local") << origin;
  }
}

TEST_F(GateTest, ReadsTheTokenOnceThereIsOne) {
  const std::string token = *tokens_.Create({*govern::ParseScope("admin")}, std::nullopt);
  const std::string id = token.substr(4, 12);
  EXPECT_EQ(Ask({{"host", "shop.example"}, {"authorization", "Bearer " + token}}), id);
  EXPECT_EQ(Ask({{"authorization", "bearer  " + token}}), id);
  EXPECT_EQ(Ask({{"authorization", "Basic " + token}}), "Authorization must be `Bearer TOKEN`");
  EXPECT_EQ(Ask({{"authorization", token}}), "Authorization must be `Bearer TOKEN`");
  EXPECT_EQ(Ask({{"host", "localhost"}}),
            "a token is needed: send it as `Authorization: Bearer TOKEN`");
}

}  // namespace
}  // namespace sluice::api::internal
