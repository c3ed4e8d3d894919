#include "sluice/privacy/keys.h"

#include <gtest/gtest.h>

#include <random>

#include "sluice/os/simulated_disk.h"
#include "sluice/privacy/internal/subject_keys.h"
#include "sluice/privacy/seal.h"

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
  os::SimulatedRandom random_{3};
  bool made_ = false;
};

TEST_F(KeysTest, AreSealedUnderAKeyFromElsewhere) {
  const std::string one(64, '1');
  const std::string two(64, '2');
  const auto load = [&](std::string_view wrapping) {
    return Keys::LoadOrMake(disk_, "w.keys", random_, nullptr, wrapping);
  };
  // In clear at first, sealed from then on, through changes too.
  const auto clear = load("");
  ASSERT_TRUE(clear.ok());
  auto sealed = load(one);
  ASSERT_TRUE(sealed.ok()) << sealed.error().ToString();
  EXPECT_EQ(sealed->Fingerprints(), clear->Fingerprints());
  EXPECT_TRUE(disk_.Look("w.keys")->starts_with("sluice wrapped keys 1\n")) << "at once";
  ASSERT_TRUE(sealed->Rotate(KeyUse::kHash, 2, random_).ok());
  const std::string file = *os::ReadFile(disk_, "w.keys", 1 << 20);
  EXPECT_EQ(file.find("identity"), std::string::npos);
  EXPECT_TRUE(file.starts_with("sluice wrapped keys 1\n"));
  EXPECT_EQ(load(one)->Fingerprints(), sealed->Fingerprints());
  EXPECT_EQ(load(two).error().code(), ErrorCode::kDenied);
  EXPECT_EQ(load("").error().code(), ErrorCode::kDenied);
  EXPECT_EQ(load("11").error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(*os::ReadFile(disk_, "w.keys", 1 << 20), file) << "what cannot be opened is kept";
  // One changed byte is noticed.
  std::string changed = file;
  changed[40] = changed[40] == 'A' ? 'B' : 'A';
  ASSERT_TRUE(os::ReplacePrivateFile(disk_, "w.keys", changed).ok());
  EXPECT_EQ(load(one).error().code(), ErrorCode::kDenied);
}

TEST_F(KeysTest, RefusesAFileOfAnImpossibleDay) {
  ASSERT_TRUE(Load().ok());
  const std::string file = *disk_.Look(kPath);
  const size_t at = file.find("sealing 0 ");
  ASSERT_NE(at, std::string::npos);
  for (const char* const day : {"-2147483648", "-1"}) {
    std::string changed = file;
    changed.replace(at + 8, 1, day);
    ASSERT_TRUE(os::ReplacePrivateFile(disk_, kPath, changed).ok());
    const auto keys = Load();
    ASSERT_FALSE(keys.ok()) << day;
    EXPECT_EQ(keys.error().code(), ErrorCode::kInvalid);
  }
}

TEST_F(KeysTest, AreMadeOnceAndReadBackFromThenOn) {
  const Keys keys = *Load(1);
  EXPECT_TRUE(made_);
  const Keys again = *Load(2);
  EXPECT_FALSE(made_);
  EXPECT_EQ(keys.identity(), again.identity());
  EXPECT_EQ(*keys.SealingKey("a", 1), *again.SealingKey("a", 1));
  EXPECT_EQ(keys.Fingerprint(), again.Fingerprint());
}

TEST_F(KeysTest, AreRandomAndTheirFingerprintTellsThemApart) {
  const Keys keys = *Load(1);
  ASSERT_TRUE(disk_.Remove(kPath).ok());
  const Keys others = *Load(2);
  EXPECT_NE(keys.identity(), others.identity());
  EXPECT_NE(*keys.SealingKey("a", 1), *others.SealingKey("a", 1));
  EXPECT_NE(keys.Fingerprint(), others.Fingerprint());
  EXPECT_EQ(keys.Fingerprint().size(), 16u);
}

TEST_F(KeysTest, AnUnreadableFileIsNeverReplaced) {
  ASSERT_TRUE(Load().ok());
  const std::string good = *os::ReadFile(disk_, kPath, 4096);
  for (const std::string& bad :
       {std::string(), std::string("sluice keys 2\n"), good.substr(0, good.size() - 3), "x" + good,
        good + std::string(5000, 'x')}) {
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

// The process that made them was killed in the middle; the next one found them in the cache.
TEST_F(KeysTest, ThatAKilledProcessMadeSurviveAPowerLossWhenTheyWereUsed) {
  for (uint64_t calls = 0; calls < 8; ++calls) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      os::SimulatedDisk disk;
      os::SimulatedRandom random(seed);
      disk.CutPowerAfter(calls);
      (void)Keys::LoadOrMake(disk, kPath, random).ok();
      disk.Restart();
      const auto used = Keys::LoadOrMake(disk, kPath, random);
      ASSERT_TRUE(used.ok()) << used.error().ToString();
      disk.Crash(seed);
      const auto again = Keys::LoadOrMake(disk, kPath, random);
      ASSERT_TRUE(again.ok()) << again.error().ToString();
      EXPECT_EQ(used->Fingerprint(), again->Fingerprint()) << calls << " calls, seed " << seed;
    }
  }
}

TEST_F(KeysTest, AreTheSameForEachUse) {
  bool made = false;
  const Keys first = *Keys::LoadOrMake(disk_, "keys/sluice.keys", random_, &made);
  EXPECT_TRUE(made);
  const Keys second = *Keys::LoadOrMake(disk_, "keys/sluice.keys", random_, &made);
  EXPECT_FALSE(made);
  EXPECT_EQ(first.Fingerprints(), second.Fingerprints());
  EXPECT_EQ(first.identity(), second.identity());
  EXPECT_EQ(*first.SubjectKey(1, 7), *second.SubjectKey(1, 7));
  EXPECT_EQ(*first.SealingKey("a", 20'000), *second.SealingKey("a", 20'000));
  EXPECT_NE(*first.SealingKey("a", 20'000), *first.SealingKey("b", 20'000));
  EXPECT_NE(*first.SealingKey("a", 20'000), *first.SealingKey("a", 19'999));
}

TEST_F(KeysTest, RefuseAFileThatIsNotOne) {
  ASSERT_TRUE(os::ReplacePrivateFile(disk_, "broken", "sluice keys 2\nidentity 00\n").ok());
  EXPECT_EQ(Keys::LoadOrMake(disk_, "broken", random_).error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(*os::ReadFile(disk_, "broken", 100), "sluice keys 2\nidentity 00\n");
}

TEST_F(KeysTest, RotateOneByOne) {
  Keys keys = *Load();
  const NumberedKey old = keys.Newest(KeyUse::kHash);
  EXPECT_EQ(old.kid, 1u);
  EXPECT_EQ(keys.Rotate(KeyUse::kHash, 3, random_).error().code(), ErrorCode::kInvalid);
  ASSERT_TRUE(keys.Rotate(KeyUse::kHash, 2, random_).ok());
  ASSERT_TRUE(keys.Rotate(KeyUse::kHash, 2, random_).ok());
  EXPECT_EQ(keys.Rotate(KeyUse::kHash, 1, random_).error().code(), ErrorCode::kInvalid);
  keys = *Load();
  EXPECT_EQ(keys.Newest(KeyUse::kHash).kid, 2u);
  EXPECT_NE(keys.Newest(KeyUse::kHash).key, old.key);
  EXPECT_EQ(keys.Get(KeyUse::kHash, 1)->key, old.key);
  EXPECT_EQ(keys.Newest(KeyUse::kToken).kid, 1u);
  EXPECT_EQ(keys.Get(KeyUse::kToken, 2).error().code(), ErrorCode::kNotFound);
}

TEST_F(KeysTest, DestroySealingKeysForGood) {
  Keys keys = *Load();
  const auto tenth = *keys.SealingKey("a", 10);
  const auto twentieth = *keys.SealingKey("a", 20);
  ASSERT_TRUE(keys.DestroySealingKeysBefore(15).ok());
  for (const Keys& each : {keys, *Load()}) {
    EXPECT_EQ(each.SealingKey("a", 10).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(*each.SealingKey("a", 20), twentieth);
    EXPECT_EQ(each.FirstSealingDay(), 15);
  }
  EXPECT_NE(tenth, twentieth);
}

TEST_F(KeysTest, DestroyOneSubjectAndNoOther) {
  Keys keys = *Load();
  const SubjectId ada = keys.IdOfSubject("a", "ada");
  const SubjectId bob = keys.IdOfSubject("a", "bob");
  EXPECT_NE(ada, keys.IdOfSubject("b", "ada"));
  const auto key_of_bob = *keys.SubjectKey(1, bob);
  ASSERT_TRUE(keys.DestroySubject(ada).ok());
  for (const Keys& each : {keys, *Load()}) {
    EXPECT_EQ(each.SubjectKey(1, ada).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(*each.SubjectKey(1, bob), key_of_bob);
  }
  // With the next root the person can come back, and what was destroyed stays so.
  ASSERT_TRUE(keys.Rotate(KeyUse::kSubject, 2, random_).ok());
  EXPECT_TRUE(keys.SubjectKey(2, ada).ok());
  EXPECT_EQ(keys.SubjectKey(1, ada).error().code(), ErrorCode::kNotFound);
  // Who is destroyed now is so under every root.
  ASSERT_TRUE(keys.DestroySubject(bob).ok());
  for (const Keys& each : {keys, *Load()}) {
    EXPECT_EQ(each.SubjectKey(1, bob).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(each.SubjectKey(2, bob).error().code(), ErrorCode::kNotFound);
    EXPECT_TRUE(each.SubjectKey(2, ada).ok());
  }
}

TEST_F(KeysTest, RefuseDataMadeWithOthers) {
  Keys keys = *Load();
  ASSERT_TRUE(disk_.MakeFolders("data").ok());
  ASSERT_TRUE(keys.Bind(disk_, "data/keys").ok());
  ASSERT_TRUE(keys.Bind(disk_, "data/keys").ok());
  ASSERT_TRUE(keys.Rotate(KeyUse::kToken, 2, random_).ok());
  ASSERT_TRUE(keys.Bind(disk_, "data/keys").ok());
  const std::string noted = *os::ReadFile(disk_, "data/keys", 10'000);
  EXPECT_NE(noted.find("token 2 " + keys.Fingerprints().at("token 2")), std::string::npos);

  const Keys others = *Keys::LoadOrMake(disk_, "other.keys", random_);
  const Status refused = others.Bind(disk_, "data/keys");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kDenied);
  EXPECT_NE(refused.error().message().find("put back the key file"), std::string::npos);
  EXPECT_EQ(*os::ReadFile(disk_, "data/keys", 10'000), noted);
}

TEST_F(KeysTest, AnOlderFileLacksWhatDataWereMadeWith) {
  Keys keys = *Load();
  const std::string older = *disk_.Look(kPath);
  ASSERT_TRUE(keys.Rotate(KeyUse::kHash, 2, random_).ok());
  ASSERT_TRUE(disk_.MakeFolders("data").ok());
  ASSERT_TRUE(keys.Bind(disk_, "data/keys").ok());
  ASSERT_TRUE(os::ReplacePrivateFile(disk_, kPath, older).ok());
  const Status refused = Load()->Bind(disk_, "data/keys");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kDenied);
  EXPECT_NE(refused.error().message().find("hash 2 is missing"), std::string::npos);
}

TEST_F(KeysTest, AClockBehindTheOldestKeySealsUnderIt) {
  Keys keys = *Load();
  ASSERT_TRUE(keys.DestroySealingKeysBefore(20'000).ok());
  const os::Timestamp behind{std::chrono::days(3)};
  const auto sealed = SealForDay(keys, "a", behind, "plain", "context", random_);
  ASSERT_TRUE(sealed.ok()) << sealed.error().ToString();
  EXPECT_EQ(*UnsealOfDay(keys, "a", *sealed, "context"), "plain");
  ASSERT_TRUE(keys.DestroySealingKeysBefore(20'001).ok());
  EXPECT_EQ(UnsealOfDay(keys, "a", *sealed, "context").error().code(), ErrorCode::kNotFound);
}

TEST(SubjectKeysTest, DestroysExactlyWhatItIsTold) {
  const auto seed = std::random_device()();
  std::mt19937_64 random(seed);
  const internal::SubjectKeys whole(internal::Sha256("root"));
  internal::SubjectKeys punctured = whole;
  std::vector<uint64_t> destroyed = {0, 1, UINT64_MAX};
  for (int i = 0; i < 40; ++i) destroyed.push_back(random());
  for (const uint64_t subject : destroyed) {
    punctured.Destroy(subject);
    punctured.Destroy(subject);
  }
  const auto read = internal::SubjectKeys::FromText(punctured.ToText());
  ASSERT_TRUE(read.has_value());
  for (const uint64_t subject : destroyed) {
    EXPECT_EQ(punctured.Find(subject), std::nullopt) << "seed " << seed;
    EXPECT_EQ(read->Find(subject), std::nullopt);
    for (const uint64_t other : {subject + 2, subject ^ (uint64_t{1} << 40), random()}) {
      if (std::find(destroyed.begin(), destroyed.end(), other) != destroyed.end()) continue;
      EXPECT_EQ(punctured.Find(other), whole.Find(other)) << "seed " << seed;
      EXPECT_EQ(read->Find(other), whole.Find(other));
    }
  }
  for (const char* const broken :
       {"", "x", "0000000000000000:65:00", "0000000000000000:1:00", "none,"}) {
    EXPECT_FALSE(internal::SubjectKeys::FromText(broken).has_value()) << broken;
  }
}

}  // namespace
}  // namespace sluice::privacy
