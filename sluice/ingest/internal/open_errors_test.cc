#include "sluice/ingest/internal/open_errors.h"

#include <gtest/gtest.h>

namespace sluice::ingest::internal {
namespace {

using Offsets = std::vector<journal::Offset>;
constexpr privacy::Hash128 kOne{1, 1};
constexpr privacy::Hash128 kTwo{2, 2};

TEST(OpenErrorsTest, FindsThoseOfAnIdentityUntilTheyAreClosed) {
  OpenErrors errors;
  errors.FinishRestore();
  EXPECT_TRUE(errors.empty());
  errors.Open(5, kOne);
  errors.Open(6, kOne);
  errors.Open(7, kTwo);
  errors.Open(8, {});  // Without an identity.
  EXPECT_EQ(errors.Of(kOne).size(), 2u);
  errors.Close(5);
  errors.Close(99);
  EXPECT_EQ(errors.Of(kOne), Offsets{6});
  EXPECT_EQ(errors.Of(kTwo), Offsets{7});
  EXPECT_EQ(errors.Of({}), Offsets{});
  errors.Close(6);
  errors.Close(7);
  EXPECT_TRUE(errors.empty());
}

TEST(OpenErrorsTest, IsRestoredFromRowsInAnyOrderAndTwice) {
  OpenErrors errors;
  errors.Close(5);  // The file that closes it was read first.
  errors.Open(5, kOne);
  errors.Open(6, kTwo);
  errors.Open(6, kTwo);
  errors.Open(5, kOne);
  errors.FinishRestore();
  EXPECT_EQ(errors.Of(kOne), Offsets{});
  EXPECT_EQ(errors.Of(kTwo), Offsets{6});
}

}  // namespace
}  // namespace sluice::ingest::internal
