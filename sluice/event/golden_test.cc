// What users see of each code: golden/CODE.capnp and CODE.json → the .txt beside. To write them
// anew: SLUICE_UPDATE=1.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/event/contract.h"

namespace sluice::event {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string_view> kCodes = {
    schema_codes::kSyntax,      schema_codes::kNoColumn, schema_codes::kColumn,
    schema_codes::kAnnotation,  schema_codes::kTopic,    schema_codes::kPrivacy,
    schema_codes::kParentheses, schema_codes::kLimit,    schema_codes::kKeyword};

std::string Read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Shown(const std::string& name, const std::string& text) {
  const auto result = CompileSchema({{name, text}}, name);
  if (result.ok()) return "it compiles\n";
  return Render(
      DiagnosticsOf(result.error()), DiagnosticFormat::kText,
      [&](const std::string& file) { return file == name ? std::optional(text) : std::nullopt; });
}

TEST(GoldenTest, EveryCodeOfSchemasIsShownAsPeopleKnowIt) {
  const fs::path folder = fs::path(SLUICE_SOURCE_DIR) / "sluice/event/golden";
  std::set<std::string> shown;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& input = entry.path();
    if (input.extension() == ".txt") continue;
    const std::string name = input.filename().string();
    const std::string found = Shown(name, Read(input));
    const fs::path golden = input.string() + ".txt";
    if (std::getenv("SLUICE_UPDATE") != nullptr) std::ofstream(golden) << found;
    EXPECT_EQ(found, Read(golden)) << name;
    const std::string code = input.stem().string();
    EXPECT_NE(found.find("error[" + code + "]"), std::string::npos) << name;
    shown.insert(code);
  }
  for (const std::string_view code : kCodes) {
    EXPECT_TRUE(shown.contains(std::string(code))) << code << " has no golden file";
  }
}

// Wherever the text breaks off or goes wrong, the seed's answer names the rule that it missed.
TEST(GoldenTest, TheFirstTextThatPeopleWriteIsAnsweredWithTheRule) {
  const std::string found =
      Read(fs::path(SLUICE_SOURCE_DIR) / "sluice/event/golden/SL1107.capnp.txt");
  EXPECT_NE(found.find("an annotation takes its value in parentheses: write $Sl.hash(hmacSha256)"),
            std::string::npos);
  EXPECT_NE(found.find("SL1107.capnp:5:17"), std::string::npos);
}

}  // namespace
}  // namespace sluice::event
