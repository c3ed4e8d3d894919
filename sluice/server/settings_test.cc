#include "sluice/server/settings.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <set>

#include "sluice/base/diagnostic.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/server/config.h"
#include "sluice/server/project_schema.h"

namespace sluice::server {
namespace {

std::string OriginOf(const std::vector<Setting>& settings, const std::string& key) {
  for (const Setting& setting : settings) {
    if (setting.key == key) return setting.value + " " + setting.origin;
  }
  return "no " + key;
}

TEST(SettingsTest, TellsWhereEachValueComesFrom) {
  os::SimulatedDisk disk;
  ASSERT_TRUE(disk.MakeFolders("p").ok());
  ASSERT_TRUE(os::ReplaceFile(disk, "p/sluice.yaml",
                              "version: 1\nland:\n  every: 90s\nlimits: {body: 2MiB}\n"
                              "topics:\n  a.b: {unknown: error}\n")
                  .ok());
  const auto settings = LoadSettings(disk, "p");
  ASSERT_TRUE(settings.ok()) << settings.error().ToString();
  EXPECT_EQ(OriginOf(*settings, "land.every"), "90s p/sluice.yaml:3");
  EXPECT_EQ(OriginOf(*settings, "limits.body"), "2MiB p/sluice.yaml:4");
  EXPECT_EQ(OriginOf(*settings, "topics.a.b.unknown"), "error p/sluice.yaml:6");
  EXPECT_EQ(OriginOf(*settings, "serve.http"), "127.0.0.1:7117 default");
  EXPECT_EQ(OriginOf(*settings, "errors.retain"), "90d default");
}

TEST(SettingsTest, TellsOfProfilesAndOfWhatIsSetElsewhere) {
  os::SimulatedDisk disk;
  ASSERT_TRUE(disk.MakeFolders("p").ok());
  ASSERT_TRUE(os::ReplaceFile(disk, "p/sluice.yaml",
                              "land: {every: 90s}\ntopics: {a: {unknown: error}}\nprofiles:\n"
                              "  prod: {land: {every: 2m}, topics: {a: {unknown: keep}}}\n")
                  .ok());
  const auto settings = LoadSettings(
      disk, "p", {.profile = "prod", .settings = {{"limits.rows", "7", "$SLUICE_LIMITS_ROWS"}}});
  ASSERT_TRUE(settings.ok()) << settings.error().ToString();
  EXPECT_EQ(OriginOf(*settings, "land.every"), "2m p/sluice.yaml:4");
  EXPECT_EQ(OriginOf(*settings, "topics.a.unknown"), "keep p/sluice.yaml:4");
  EXPECT_EQ(OriginOf(*settings, "limits.rows"), "7 $SLUICE_LIMITS_ROWS");
}

// What a mistake in the section says that it knows.
std::set<std::string> KnownKeys(const std::string& section) {
  const auto wrong = ParseConfig(section, "f");
  EXPECT_FALSE(wrong.ok());
  std::set<std::string> keys;
  std::string known = DiagnosticsOf(wrong.error()).front().notes.front().substr(10) + ", ";
  while (!known.empty()) {
    keys.insert(known.substr(0, known.find(',')));
    known.erase(0, known.find(',') + 2);
  }
  return keys;
}

TEST(SettingsTest, ThePublishedSchemaHasTheKeysThatTheProjectFileKnows) {
  const YAML::Node schema = YAML::Load(std::string(ProjectSchema()));  // JSON is YAML, too.
  const auto keys = [](const YAML::Node& object) {
    std::set<std::string> names;
    for (const auto& property : object["properties"]) {
      const YAML::Node about = property.second["description"];
      if (about && about.Scalar().starts_with("No effect")) continue;
      names.insert(property.first.Scalar());
    }
    return names;
  };
  const YAML::Node settings = schema["$defs"]["settings"];
  std::set<std::string> outermost = keys(settings);
  EXPECT_EQ(outermost, KnownKeys("profiles: {a: {zzz: 1}}\n"));
  outermost.insert("profiles");
  EXPECT_EQ(outermost, KnownKeys("zzz: 1\n"));
  int sections = 0;
  for (const auto& section : settings["properties"]) {
    if (!section.second["properties"]) continue;
    ++sections;
    EXPECT_EQ(keys(section.second), KnownKeys(section.first.Scalar() + ": {zzz: 1}\n"));
  }
  EXPECT_EQ(sections, 11);
  const YAML::Node topic = settings["properties"]["topics"]["additionalProperties"];
  EXPECT_EQ(keys(topic), KnownKeys("topics: {a: {zzz: 1}}\n"));
  EXPECT_EQ(keys(topic["properties"]["dedup"]), KnownKeys("topics: {a: {dedup: {zzz: 1}}}\n"));
  EXPECT_EQ(keys(settings["properties"]["serve"]["properties"]["tls"]),
            KnownKeys("serve: {tls: {zzz: 1}}\n"));
  const YAML::Node maintenance = settings["properties"]["maintenance"]["properties"];
  EXPECT_EQ(keys(maintenance["compact"]), KnownKeys("maintenance: {compact: {zzz: 1}}\n"));
  EXPECT_EQ(keys(maintenance["vacuum"]), KnownKeys("maintenance: {vacuum: {zzz: 1}}\n"));
}

TEST(SettingsTest, HasEveryKeyThatTheProjectFileKnowsAndValuesThatItTakes) {
  os::SimulatedDisk disk;
  ASSERT_TRUE(disk.MakeFolders("p").ok());
  ASSERT_TRUE(os::ReplaceFile(disk, "p/sluice.yaml", "version: 1\n").ok());
  const auto settings = LoadSettings(disk, "p");
  ASSERT_TRUE(settings.ok()) << settings.error().ToString();
  std::map<std::string, std::string> sections;
  for (const Setting& setting : *settings) {
    const size_t dot = setting.key.find('.');
    if (dot == std::string::npos) continue;
    const std::string name = setting.key.substr(dot + 1);
    std::string& lines = sections[setting.key.substr(0, dot)];
    if (const size_t inner = name.find('.'); inner == std::string::npos) {
      lines += "  " + name + ": \"" + setting.value + "\"\n";
    } else if (lines.find("  " + name.substr(0, inner) + ": ") == std::string::npos) {
      lines += "  " + name.substr(0, inner) + ": {}\n";
    }
  }
  for (const auto& [section, lines] : sections) {
    const auto whole = ParseConfig("version: 1\n" + section + ":\n" + lines, "f");
    EXPECT_TRUE(whole.ok()) << whole.error().ToString();
    // The mistake names the keys there are.
    const auto wrong = ParseConfig("version: 1\n" + section + ": {zzz: 1}\n", "f");
    ASSERT_FALSE(wrong.ok());
    std::string known = DiagnosticsOf(wrong.error()).front().notes.front();
    ASSERT_TRUE(known.starts_with("known are "));
    known = known.substr(10) + ", ";
    EXPECT_EQ(std::ranges::count(known, ','), std::ranges::count(lines, '\n')) << section;
    while (!known.empty()) {
      const std::string name = known.substr(0, known.find(','));
      EXPECT_NE(lines.find("  " + name + ": "), std::string::npos) << section << "." << name;
      known.erase(0, name.size() + 2);
    }
  }
  EXPECT_EQ(sections.size(), 10U);
}

}  // namespace
}  // namespace sluice::server
