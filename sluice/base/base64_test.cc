#include "sluice/base/base64.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Base64Test, AgreesWithTheVectorsOfTheStandard) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(EncodeBase64(bytes), text);
    EXPECT_EQ(*DecodeBase64(text), bytes);
  }
  EXPECT_EQ(*DecodeBase64("Zg"), "f");
  for (const char* const bad : {"Z", "Zg=a", "Z*==", "Zm9v====", "====", "Zg==\n"}) {
    EXPECT_FALSE(DecodeBase64(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace sluice
