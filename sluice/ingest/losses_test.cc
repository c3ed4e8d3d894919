#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/ingest_fixture.h"
#include "sluice/journal/repair.h"

namespace sluice::ingest {
namespace {

/// A start with a journal of which rows were given up.
class LossesTest : public internal::IngestTest {};

TEST_F(LossesTest, AllOfATopicAreTakenOverAndItGoesOn) {
  MustRegister();
  const auto event = [](int i) {
    return fmt::format("{{\"id\":\"{}{}\",\"n\":1}}\n", i, std::string(15'000, 'x'));
  };
  constexpr int kEvents = 30;
  for (int i = 0; i < kEvents; ++i) ASSERT_EQ(Counts(Submit(event(i))), "1/0/0");
  Stop();
  std::vector<std::string> segments = *disk_.List(journal_folder_);
  std::erase_if(segments, [](const std::string& name) { return name.size() != 20; });
  ASSERT_GT(segments.size(), 5u);
  // The first one has the schemas, too.
  for (const size_t lost : {0, 3}) {
    ASSERT_TRUE(disk_.Remove(journal_folder_ + "/" + segments[lost]).ok());
  }
  const auto repaired = journal::Repair(
      disk_, journal_folder_, {.accept_loss = true, .note = "a test", .partitions = {1, 2}}, clock_,
      random_);
  ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
  Start();
  EXPECT_EQ(journal_->losses().size(), 2u);
  EXPECT_TRUE(lander_->LandAll().ok());
  for (const auto& table : lander_->Tables()) {
    EXPECT_EQ(table.stopped, "") << table.table;
    if (table.topic == "orders") {
      EXPECT_EQ(table.landed, kEvents - 1);
    }
  }
  int lost = 0;
  for (int i = 0; i < kEvents; ++i) {
    const auto again = Submit(event(i));
    ASSERT_TRUE(again.ok());
    lost += static_cast<int>(again->accepted);
    if (again->accepted > 0) {
      EXPECT_GE(again->offsets.at(0).first, kEvents);
    }
  }
  EXPECT_GT(lost, 3);
  EXPECT_LT(lost, kEvents / 2) << "what was left is known";
}

TEST_F(LossesTest, ATableThatIsGoneIsToldOfThoughTheJournalHasLetItsRowsGo) {
  MustRegister();
  for (int i = 0; i < 5; ++i)
    ASSERT_EQ(Counts(Submit(fmt::format("{{\"id\":\"{}\",\"n\":1}}\n", i))), "1/0/0");
  lander_->Start(
      [this](uint32_t partition, journal::Offset next) { journal_->Release(partition, next); });
  ASSERT_TRUE(lander_->LandAll().ok());
  ASSERT_TRUE(lander_->Stop().ok());
  // A boot has segments of its own, so those of the one before can go.
  Restart();
  for (const auto& table : lander_->Tables()) journal_->Release(table.partition, table.end);
  Restart();
  const auto objects = *memory_.List("default/bronze/orders/");
  for (const auto& object : objects) {
    ASSERT_TRUE(memory_.Delete(object.path).ok());
  }
  Restart();
  for (const auto& table : lander_->Tables()) {
    if (table.topic != "orders") continue;
    EXPECT_NE(table.stopped.find("offsets 0 to 4 are neither in the table nor in the journal"),
              std::string::npos)
        << table.stopped;
    EXPECT_EQ(table.end, 5);
  }
  EXPECT_EQ(Submit("{\"id\":\"new\",\"n\":1}\n")->offsets.at(0).first, 5);
}

}  // namespace
}  // namespace sluice::ingest
