#include "sluice/base/diagnostic.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace sluice {
namespace {

Diagnostic Typo() {
  return {.code = "SL2104",
          .message = "column \"emial\" is not in bronze.user_identity_created",
          .place = {.file = "models/users.sql", .line = 2, .column = 9, .length = 5},
          .suggestion = "did you mean \"email\"?",
          .notes = {"columns are user_id, email, name"}};
}

std::optional<std::string> Sources(const std::string& file) {
  if (file != "models/users.sql") return std::nullopt;
  return "SELECT\n  lower(emial) AS email\nFROM t\n";
}

TEST(DiagnosticTest, ShowsThePlaceWithCarets) {
  // Colours change nothing else.
  std::string coloured = Render({Typo()}, DiagnosticFormat::kColour, Sources);
  EXPECT_EQ(coloured.rfind("\x1b[1;31merror", 0), 0u) << coloured;
  coloured = std::regex_replace(coloured, std::regex("\x1b\\[[0-9;]*m"), "");
  EXPECT_EQ(coloured, Render({Typo()}, DiagnosticFormat::kText, Sources));
  EXPECT_EQ(Render({Typo()}, DiagnosticFormat::kText, Sources),
            "error[SL2104]: column \"emial\" is not in bronze.user_identity_created\n"
            " --> models/users.sql:2:9\n"
            "  |\n"
            "2 |   lower(emial) AS email\n"
            "  |         ^^^^^ did you mean \"email\"?\n"
            "  = note: columns are user_id, email, name\n"
            "  = help: sluice explain SL2104\n");
}

TEST(DiagnosticTest, LivesWithoutTheTextOrThePlace) {
  Diagnostic elsewhere = Typo();
  elsewhere.place.file = "gone.sql";
  const std::string text = Render({elsewhere}, DiagnosticFormat::kText, Sources);
  EXPECT_NE(text.find(" --> gone.sql:2:9\n  = did you mean"), std::string::npos) << text;
  elsewhere.place = {};
  EXPECT_EQ(ToString(elsewhere),
            "SL2104: column \"emial\" is not in bronze.user_identity_created; did you mean "
            "\"email\"?");
  Diagnostic beyond = Typo();
  beyond.place.line = 99;
  beyond.place.column = 1000;
  EXPECT_FALSE(Render({beyond}, DiagnosticFormat::kText, Sources).empty());
}

TEST(DiagnosticTest, HasFormsForMachines) {
  Diagnostic diagnostic = Typo();
  diagnostic.place.file = "a,b.sql";
  EXPECT_EQ(Render({diagnostic}, DiagnosticFormat::kGithub, Sources),
            "::error file=a%2Cb.sql,line=2,col=9,title=SL2104::column \"emial\" is not in "
            "bronze.user_identity_created; did you mean \"email\"?\n");
  EXPECT_EQ(Render({}, DiagnosticFormat::kJson, Sources), "{\"diagnostics\":[]}\n");
  const std::string sarif = Render({diagnostic}, DiagnosticFormat::kSarif, Sources, "1.2.3");
  EXPECT_NE(sarif.find("\"region\":{\"startLine\":2,\"startColumn\":9}"), std::string::npos);
  EXPECT_NE(sarif.find("\"version\":\"1.2.3\""), std::string::npos);
}

TEST(DiagnosticTest, TravelsInAnError) {
  const Error error = ToError(ErrorCode::kInvalid, {Typo(), Typo()}).Wrap("check");
  EXPECT_EQ(DiagnosticsOf(error).size(), 2u);
  EXPECT_TRUE(error.message().starts_with("check: models/users.sql:2:9: SL2104: column"));
  EXPECT_TRUE(DiagnosticsOf(Invalid("other")).empty());
}

TEST(ClosestTest, KnowsWhatWasMeant) {
  EXPECT_EQ(Closest("emial", {"name", "email", "mail_to"}), "email");
  EXPECT_EQ(Closest("lnad", {"serve", "land"}), "land");
  EXPECT_EQ(Closest("Serve", {"serve"}), "serve");
  EXPECT_EQ(Closest("xyz", {"serve", "land"}), std::nullopt);
  EXPECT_EQ(Closest("", {"serve"}), std::nullopt);
}

}  // namespace
}  // namespace sluice
