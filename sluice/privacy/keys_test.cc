#include "sluice/privacy/keys.h"

#include <gtest/gtest.h>

#include "sluice/os/simulated_disk.h"

namespace sluice::privacy {
namespace {

constexpr auto kPath = "secret/sluice.keys";

class KeysTest : public testing::Test {
 protected:
  Result<Keys> Load(uint64_t seed = 1) {
    os::SimulatedRandom random(seed);
    return Keys::LoadOrMake(disk_, kPath, random, &made_);
  }
  os::SimulatedDisk disk_;
  bool made_ = false;
};

TEST_F(KeysTest, AreMadeOnceAndReadBackFromThenOn) {
  const Keys keys = *Load(1);
  EXPECT_TRUE(made_);
  const Keys again = *Load(2);
  EXPECT_FALSE(made_);
  EXPECT_EQ(keys.identity(), again.identity());
  EXPECT_EQ(keys.sealing(), again.sealing());
  EXPECT_EQ(keys.Fingerprint(), again.Fingerprint());
}

TEST_F(KeysTest, AreRandomAndTheirFingerprintTellsThemApart) {
  const Keys keys = *Load(1);
  ASSERT_TRUE(disk_.Remove(kPath).ok());
  const Keys others = *Load(2);
  EXPECT_NE(keys.identity(), others.identity());
  EXPECT_NE(keys.sealing(), others.sealing());
  EXPECT_NE(keys.Fingerprint(), others.Fingerprint());
  EXPECT_EQ(keys.Fingerprint().size(), 16u);
}

TEST_F(KeysTest, AnUnreadableFileIsNeverReplaced) {
  ASSERT_TRUE(Load().ok());
  const std::string good = *os::ReadFile(disk_, kPath, 4096);
  for (const std::string& bad :
       {std::string(), std::string("sluice keys 1\n"), good.substr(0, good.size() - 3), "x" + good,
        std::string(5000, 'x')}) {
    ASSERT_TRUE(os::ReplaceFile(disk_, kPath, bad).ok());
    const auto keys = Load();
    ASSERT_FALSE(keys.ok());
    EXPECT_EQ(keys.error().code(), ErrorCode::kInvalid);
    EXPECT_EQ(*os::ReadFile(disk_, kPath, 1 << 20), bad);
  }
}

TEST_F(KeysTest, NoErrorQuotesAKey) {
  ASSERT_TRUE(Load().ok());
  const std::string good = *os::ReadFile(disk_, kPath, 4096);
  ASSERT_TRUE(os::ReplaceFile(disk_, kPath, good.substr(0, good.size() - 3)).ok());
  const std::string message = Load().error().ToString();
  const size_t at = good.find("identity ") + 9;
  EXPECT_EQ(message.find(good.substr(at, 8)), std::string::npos);
}

TEST_F(KeysTest, ThatWereUsedSurviveAPowerLoss) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    os::SimulatedDisk disk;
    os::SimulatedRandom random(seed);
    disk.CutPowerAfter(seed % 8);
    const auto keys = Keys::LoadOrMake(disk, kPath, random);
    disk.Crash(seed);
    const auto again = Keys::LoadOrMake(disk, kPath, random);
    ASSERT_TRUE(again.ok()) << "seed " << seed << ": " << again.error().ToString();
    if (!keys.ok()) continue;
    EXPECT_EQ(keys->Fingerprint(), again->Fingerprint()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sluice::privacy
