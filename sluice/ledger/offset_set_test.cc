#include "sluice/ledger/offset_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace sluice::ledger {
namespace {

TEST(OffsetSetTest, AgreesWithAModel) {
  std::random_device device;
  const uint32_t seed = device();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const OffsetRange range : {OffsetRange{0, 0}, OffsetRange{0, 1}, OffsetRange{5, 64},
                                  OffsetRange{1'000, 1'128}, OffsetRange{7, 1'000}}) {
    OffsetSet set(range);
    std::set<int64_t> model;
    for (int i = 0; i < 2'000 && range.size() > 0; ++i) {
      const auto offset =
          range.begin + static_cast<int64_t>(random() % static_cast<uint64_t>(range.size()));
      if (random() % 3 == 0) {
        EXPECT_EQ(set.Remove(offset), model.erase(offset) == 1);
      } else {
        EXPECT_EQ(set.Add(offset), model.insert(offset).second);
      }
      EXPECT_EQ(set.Has(offset), model.contains(offset));
      EXPECT_EQ(set.size(), static_cast<int64_t>(model.size()));
      const auto at = model.lower_bound(offset);
      EXPECT_EQ(set.First(offset), at == model.end() ? std::nullopt : std::optional(*at));
      int64_t missing = offset;
      while (missing < range.end && model.contains(missing)) ++missing;
      EXPECT_EQ(set.FirstMissing(offset),
                missing == range.end ? std::nullopt : std::optional(missing));
    }
    EXPECT_EQ(set.First(range.end), std::nullopt);
    EXPECT_EQ(set.FirstMissing(range.end), std::nullopt);
  }
}

}  // namespace
}  // namespace sluice::ledger
