#include "sluice/os/random.h"

#include <vector>

#include <gtest/gtest.h>

namespace sluice::os {
namespace {

TEST(SimulatedRandomTest, RepeatsItself) {
  SimulatedRandom a(7);
  SimulatedRandom b(7);
  SimulatedRandom c(8);
  const uint64_t first = a.Next();
  EXPECT_EQ(first, b.Next());
  EXPECT_NE(first, c.Next());
  EXPECT_EQ(a.Uuid(), b.Uuid());
}

TEST(SystemRandomTest, FillsEverySizeAndDiffers) {
  SystemRandom random;
  std::vector<std::byte> bytes(1003);
  random.Fill(bytes);
  EXPECT_NE(bytes, std::vector<std::byte>(1003));
  EXPECT_NE(random.Next(), random.Next());
}

TEST(RandomTest, MakesUuidsOfVersionFour) {
  SystemRandom random;
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = random.Uuid();
    ASSERT_EQ(uuid.size(), 36u);
    EXPECT_EQ(uuid[14], '4');
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos) << uuid;
    EXPECT_EQ(uuid[8], '-');
    EXPECT_EQ(uuid[23], '-');
  }
}

}  // namespace
}  // namespace sluice::os
