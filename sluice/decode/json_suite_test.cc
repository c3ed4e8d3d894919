// The cases of JSONTestSuite (https://github.com/nst/JSONTestSuite), each as the value of a member
// that the schema does not name.

#include <arrow/api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "sluice/base/trim.h"
#include "sluice/decode/json_decoder.h"

namespace sluice::decode {
namespace {

namespace fs = std::filesystem;

class JsonSuiteTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* testdata = std::getenv("SLUICE_TESTDATA");
    const fs::path folder =
        (testdata != nullptr ? fs::path(testdata)
                             : fs::path(SLUICE_SOURCE_DIR) / "../shared/testdata") /
        "json-test-suite/test_parsing";
    if (!fs::is_directory(folder)) {
      GTEST_SKIP() << "the JSON test suite is not in " << folder << "; set SLUICE_TESTDATA";
    }
    for (const auto& entry : fs::directory_iterator(folder)) {
      std::ostringstream text;
      text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      cases_[entry.path().filename().string()] = text.str();
    }
    ASSERT_EQ(cases_.size(), 318u);
    auto compiled = event::CompileCapnp(
        {{"t.capnp",
          "@0x9a41c6de07b35f18; using Sl = import \"sluice.capnp\"; struct T $Sl.event(\"t\") { "
          "n @0 :Int32; m @1 :Int32; }"}},
        "t.capnp");
    ASSERT_TRUE(compiled.ok());
    contract_ = std::make_shared<event::Contract>(compiled->front());
  }

  Result<Decoded> Decode(const std::string& body, Framing framing, Shape shape) {
    padded_ = body + std::string(JsonDecoder::kPaddingBytes, ']');
    return decoder_.Decode(
        std::string_view(padded_).substr(0, body.size()), framing, shape, "t",
        [this](std::string_view) { return contract_; },
        std::chrono::sys_days(std::chrono::year(2026) / 1 / 5));
  }

  // The body that holds `value`, between members that the schema knows.
  static std::string Body(const std::string& value, Framing framing, Shape shape) {
    std::string row = "{\"n\":1,\"x\":" + value + ",\"m\":2}";
    if (shape == Shape::kEnvelope) {
      row = "{\"event\":\"t\",\"metadata\":{\"x\":" + value + "},\"content\":{\"n\":1}}";
    }
    return framing == Framing::kJson ? "[{\"n\":0}," + row + ",{\"n\":2}]" : row + "\n";
  }

  std::map<std::string, std::string> cases_;
  std::shared_ptr<const event::Contract> contract_;
  JsonDecoder decoder_;
  std::string padded_;
};

TEST_F(JsonSuiteTest, TakesAllThatIsJsonAndRefusesAllElse) {
  int accepted = 0;
  int refused = 0;
  int either = 0;
  for (const auto& [name, value] : cases_) {
    SCOPED_TRACE(name);
    const bool lines = value.find('\n') != std::string::npos;
    for (const Framing framing : {Framing::kJson, Framing::kNdjson}) {
      if (framing == Framing::kNdjson && lines) continue;
      for (const Shape shape : {Shape::kContent, Shape::kEnvelope}) {
        if (shape == Shape::kEnvelope && framing == Framing::kJson)
          continue;  // Its neighbours are content.
        const auto decoded = Decode(Body(value, framing, shape), framing, shape);
        if (name[0] == 'i') continue;  // To come back is all.
        if (name[0] == 'n') {
          if (framing == Framing::kJson) {
            ASSERT_FALSE(decoded.ok());
            EXPECT_EQ(decoded.error().code(), ErrorCode::kInvalid);
            EXPECT_TRUE(decoded.error().message().starts_with("SL3001: not valid JSON at byte "))
                << decoded.error().message();
          } else {
            ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
            EXPECT_TRUE(decoded->topics.empty());
            ASSERT_EQ(decoded->errors.size(), 1u);
            EXPECT_EQ(decoded->errors[0].code, codes::kSyntax);
            EXPECT_TRUE(decoded->errors[0].message.starts_with("not valid JSON at byte "));
          }
          continue;
        }
        ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
        ASSERT_TRUE(decoded->errors.empty()) << decoded->errors[0].message;
        const auto& batch = *decoded->topics.at(0).batch;
        const bool content = shape == Shape::kContent;
        const auto column = batch.GetColumnByName(content ? "_extra" : "_metadata");
        const auto& kept = static_cast<const arrow::StringArray&>(*column);
        EXPECT_EQ(kept.GetView(framing == Framing::kJson ? 1 : 0),
                  "{\"x\":" + std::string(content ? Trim(value) : value) + "}");
      }
    }
    ++(name[0] == 'y' ? accepted : name[0] == 'n' ? refused : either);
  }
  EXPECT_EQ(accepted, 95);
  EXPECT_EQ(refused, 188);
  EXPECT_EQ(either, 35);
}

}  // namespace
}  // namespace sluice::decode
