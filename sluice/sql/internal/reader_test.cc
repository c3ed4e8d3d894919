#include "sluice/sql/internal/reader.h"

#include <gtest/gtest.h>

#include "sluice/store/memory_store.h"

namespace sluice::sql::internal {
namespace {

using Folders = std::vector<std::string>;

class ReaderTest : public testing::Test {
 protected:
  ReaderTest() {
    for (const char* const name : {"clicks", "orders"}) {
      catalog::Topic topic;
      topic.contract = std::make_shared<const event::Contract>(
          event::CompileCapnp({{"c.capnp", fmt::format(R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Row $Sl.event("{}") {{ n @0 :Int64; }}
)",
                                                       name)}},
                              "c.capnp")
              ->front());
      topic.partition = ++partition_;
      topic.table_path = fmt::format("default/bronze/{}", name);
      EXPECT_TRUE(lander_.Open(topic).ok());
    }
  }

  static std::optional<govern::Principal> With(std::string_view scope) {
    return govern::Principal{.id = "ada", .scopes = {*govern::ParseScope(scope)}};
  }
  worker::Tenant WorkersOf(const std::optional<govern::Principal>& principal) {
    return Reader(principal).WorkersOf(tenant_, lander_);
  }

  os::SimulatedClock clock_{os::Timestamp(std::chrono::hours(1))};
  os::SimulatedRandom random_{1};
  os::SystemThreads threads_;
  Metrics metrics_;
  store::MemoryStore store_;
  land::Lander lander_{land::LandOptions{}, store_, clock_, random_, threads_, metrics_,
                       "journal-1"};
  uint32_t partition_ = 0;
  const worker::Tenant tenant_{.name = "default", .files_folders = {"/tables", "/outside"}};
};

TEST_F(ReaderTest, WorkersSeeTheFoldersOfTheirReadersTablesAlone) {
  const Folders all = tenant_.files_folders;
  EXPECT_EQ(WorkersOf({}).files_folders, all);
  EXPECT_EQ(WorkersOf(With("read:*")).files_folders, all);
  EXPECT_EQ(WorkersOf(With("admin")).files_folders, all);
  EXPECT_EQ(WorkersOf(With("read:clicks")).files_folders, Folders{"/tables/bronze/clicks"});
  EXPECT_EQ(WorkersOf(With("read:orders")).files_folders, Folders{"/tables/bronze/orders"});
  EXPECT_EQ(WorkersOf(With("send:*")).files_folders, Folders{});
}

TEST_F(ReaderTest, OnlyWhoSeesTheSameTablesSharesWorkers) {
  const std::vector<std::optional<govern::Principal>> readers = {
      std::nullopt, With("read:clicks"), With("read:orders"), With("send:clicks")};
  for (size_t i = 0; i < readers.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      EXPECT_NE(WorkersOf(readers[i]).name, WorkersOf(readers[j]).name) << i << ", " << j;
    }
  }
  EXPECT_EQ(WorkersOf(With("read:clicks")).name, WorkersOf(With("read:cl*")).name);
}

TEST_F(ReaderTest, OnlyWhoAdministersSeesTheQueriesOfOthers) {
  EXPECT_FALSE(Reader(std::nullopt).SeesQueriesOf());
  const auto admin = With("admin");
  EXPECT_FALSE(Reader(admin).SeesQueriesOf());
  for (const char* const scope : {"read:*", "read:clicks", "send:*"}) {
    const auto principal = With(scope);
    EXPECT_EQ(Reader(principal).SeesQueriesOf(), "ada") << scope;
  }
}

}  // namespace
}  // namespace sluice::sql::internal
