#include "sluice/catalog/catalog.h"

#include <gtest/gtest.h>

#include "sluice/os/simulated_disk.h"

namespace sluice::catalog {
namespace {

event::Contract ContractOf(const std::string& topic, const std::string& column) {
  const std::string text =
      "@0x9a41c6de07b35f18;\nusing Sl = import \"sluice.capnp\";\nstruct A $Sl.event(\"" + topic +
      "\") {\n  a @0 :Int64;\n" + (column.empty() ? "" : "  " + column + " @1 :Text;\n") + "}\n";
  return event::CompileCapnp({{"a.capnp", text}}, "a.capnp")->front();
}

class CatalogTest : public testing::Test {
 protected:
  std::unique_ptr<Catalog> Open() { return *Catalog::Open(disk_, "control"); }
  os::SimulatedDisk disk_;
};

TEST_F(CatalogTest, KeepsTopicsPartitionsAndVersionsOverARestart) {
  {
    const auto catalog = Open();
    EXPECT_EQ(catalog->Put(ContractOf("a.b", ""))->partition, 1u);
    EXPECT_EQ(catalog->Put(ContractOf("c", ""))->partition, 2u);
    EXPECT_EQ(catalog->Put(ContractOf("a.b", ""))->contract->version, 1);
    EXPECT_EQ(catalog->Put(ContractOf("a.b", "more"))->contract->version, 2);
  }
  const auto catalog = Open();
  const auto topic = catalog->Find("a.b");
  ASSERT_TRUE(topic.has_value());
  EXPECT_EQ(topic->partition, 1u);
  EXPECT_EQ(topic->contract->version, 2);
  EXPECT_EQ(topic->contract->fields.size(), 2u);
  EXPECT_EQ(topic->table_path, "default/bronze/a_b");
  EXPECT_EQ(catalog->Put(ContractOf("d", ""))->partition, 3u);
}

TEST_F(CatalogTest, RefusesTwoTopicsThatWouldShareATable) {
  const auto catalog = Open();
  ASSERT_TRUE(catalog->Put(ContractOf("a.b", "")).ok());
  EXPECT_EQ(catalog->Put(ContractOf("a-b", "")).error().code(), ErrorCode::kConflict);
}

TEST_F(CatalogTest, NeverReplacesAFileThatItCannotRead) {
  ASSERT_TRUE(Open()->Put(ContractOf("a", "")).ok());
  std::string bytes = *os::ReadFile(disk_, "control/topics", 1 << 20);
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(os::ReplaceFile(disk_, "control/topics", bytes).ok());
  EXPECT_EQ(Catalog::Open(disk_, "control").error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::catalog
