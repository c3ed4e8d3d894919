#include "sluice/govern/tokens.h"

#include <gtest/gtest.h>

#include "sluice/os/simulated_disk.h"

namespace sluice::govern {
namespace {

using std::chrono::seconds;

class TokensTest : public testing::Test {
 protected:
  std::vector<Scope> Scopes(std::initializer_list<std::string_view> texts) {
    std::vector<Scope> scopes;
    for (const std::string_view text : texts) scopes.push_back(*ParseScope(text));
    return scopes;
  }
  std::string Refusal(std::string_view token) {
    const auto principal = server_.Authenticate(token);
    return principal.ok() ? "allowed " + principal->id : principal.error().message();
  }

  os::SimulatedClock clock_{os::Timestamp(seconds(1'000'000))};
  os::SimulatedRandom random_{7};
  os::SimulatedDisk disk_;
  Tokens tokens_{disk_, clock_, random_, "keys/tokens"};
  Tokens server_{disk_, clock_, random_, "keys/tokens"};  // As another process sees the file.
};

TEST_F(TokensTest, LetsEverybodyInUntilThereIsOne) {
  EXPECT_EQ(Refusal(""), "allowed local");
  const auto token = tokens_.Create(Scopes({"admin"}), std::nullopt);
  ASSERT_TRUE(token.ok()) << token.error().ToString();
  clock_.Advance(std::chrono::milliseconds(500));
  EXPECT_EQ(Refusal(""), "a token is needed: send it as `Authorization: Bearer TOKEN`");
  EXPECT_TRUE(server_.Authenticate(*token)->Allows(Verb::kAdmin));
}

TEST_F(TokensTest, RefusesWithinASecondWhatWasRevoked) {
  const std::string token = *tokens_.Create(Scopes({"send:a"}), std::nullopt);
  const std::string id = token.substr(4, 12);
  EXPECT_EQ(Refusal(token), "allowed " + id);
  ASSERT_TRUE(tokens_.Revoke(id).ok());
  clock_.Advance(std::chrono::milliseconds(999));
  EXPECT_EQ(Refusal(token), "the token is not valid");
  // Nobody is let in again because the last token is gone.
  EXPECT_NE(Refusal(""), "allowed local");
  EXPECT_EQ(tokens_.Revoke("nobody").error().message(), "there is no token 'nobody'");
}

TEST_F(TokensTest, Expires) {
  const std::string token = *tokens_.Create(Scopes({"read:*"}), seconds(60));
  EXPECT_TRUE(server_.Authenticate(token).ok());
  clock_.Advance(seconds(60));
  EXPECT_EQ(Refusal(token), "the token has expired");
}

TEST_F(TokensTest, KeepsNoSecret) {
  const std::string token = *tokens_.Create(Scopes({"read:*"}), std::nullopt);
  const std::string file = *os::ReadFile(disk_, "keys/tokens", 1 << 20);
  EXPECT_EQ(file.find(token.substr(17)), std::string::npos);
  EXPECT_NE(file.find(token.substr(4, 12)), std::string::npos);
}

TEST_F(TokensTest, RefusesWhatIsNearlyAToken) {
  const std::string token = *tokens_.Create(Scopes({"admin"}), std::nullopt);
  for (const std::string& wrong :
       {token.substr(0, token.size() - 1), token + "0", token.substr(4), std::string("slt_"),
        std::string("slt__"), "slt_" + token.substr(4, 12), "slt_" + token.substr(4, 12) + "_",
        "slt_x" + token.substr(5)}) {
    EXPECT_EQ(Refusal(wrong), "the token is not valid") << wrong;
  }
}

TEST_F(TokensTest, LetsNobodyInWhenTheFileIsBroken) {
  ASSERT_TRUE(tokens_.Create(Scopes({"admin"}), std::nullopt).ok());
  using Case = std::pair<const char*, ErrorCode>;
  for (const auto& [broken, code] :
       {Case{"", ErrorCode::kCorrupt}, Case{"sluice tokens 2\n", ErrorCode::kUnsupported},
        Case{"sluice tokens 1\nx y z\n", ErrorCode::kCorrupt}}) {
    ASSERT_TRUE(os::ReplaceFile(disk_, "keys/tokens", broken).ok());
    clock_.Advance(seconds(1));
    EXPECT_EQ(server_.Authenticate("").error().code(), code) << broken;
  }
}

TEST_F(TokensTest, ScopesSayWhichTopics) {
  const Principal sender{.id = "x", .scopes = Scopes({"send:shop.*", "read:iot"})};
  EXPECT_TRUE(sender.Allows(Verb::kSend, "shop.orders"));
  EXPECT_FALSE(sender.Allows(Verb::kSend, "shopping"));
  EXPECT_FALSE(sender.Allows(Verb::kSend));
  EXPECT_FALSE(sender.Allows(Verb::kRead, "shop.orders"));
  EXPECT_TRUE(sender.Allows(Verb::kRead, "iot"));
  EXPECT_FALSE(sender.Allows(Verb::kAdmin));
  EXPECT_TRUE(sender.AllowsSome(Verb::kRead));
  const Principal admin{.id = "x", .scopes = Scopes({"admin"})};
  EXPECT_TRUE(admin.Allows(Verb::kRead));
  for (const char* bad : {"", "send", "send:", "write:x", "send:a*b", "send:a b", "Admin"}) {
    EXPECT_FALSE(ParseScope(bad).ok()) << bad;
  }
  EXPECT_EQ(tokens_.Create({}, std::nullopt).error().code(), ErrorCode::kInvalid);
}

}  // namespace
}  // namespace sluice::govern
