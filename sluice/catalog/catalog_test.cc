#include "sluice/catalog/catalog.h"

#include <gtest/gtest.h>

#include <set>

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
    auto catalog = Open();
    EXPECT_EQ(catalog->Put(ContractOf("a.b", ""))->partition, 1u);
    catalog = Open();
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

TEST_F(CatalogTest, RefusesAVersionThatStoredRowsDoNotFit) {
  const auto catalog = Open();
  ASSERT_TRUE(catalog->Put(ContractOf("a", "more")).ok());
  event::Contract other = ContractOf("a", "more");
  other.fields[1].type = event::FieldType::kBool;
  EXPECT_EQ(catalog->Put(other).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(catalog->Find("a")->contract->version, 1);
}

TEST_F(CatalogTest, KeepsEveryVersion) {
  ASSERT_TRUE(Open()->Put(ContractOf("a", "")).ok());
  ASSERT_TRUE(Open()->Put(ContractOf("a", "more")).ok());
  ASSERT_TRUE(Open()->Put(ContractOf("a", "")).ok());
  const auto versions = Open()->Versions("a");
  ASSERT_TRUE(versions.ok()) << versions.error().ToString();
  ASSERT_EQ(versions->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*versions)[i].version, static_cast<int32_t>(i) + 1);
    EXPECT_EQ((*versions)[i].fields.size(), i == 1 ? 2u : 1u);
  }
  ASSERT_EQ(versions->back().retired.size(), 1u) << "the column stays in the table";
  EXPECT_EQ(versions->back().retired[0].column, "more");
  EXPECT_EQ(Open()->Versions("b").error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE(*Open()->FindLater(ContractOf("a", "")));
  EXPECT_FALSE(*Open()->FindLater(ContractOf("a", "other")));
  EXPECT_EQ((*Open()->FindLater(ContractOf("a", "more")))->contract->version, 3);
}

TEST_F(CatalogTest, PutsManyAsCheaplyAsOne) {
  const auto catalog = Open();
  std::vector<event::Contract> contracts;
  for (int i = 0; i < 100; ++i) contracts.push_back(ContractOf(fmt::format("t{}", i), ""));
  uint64_t before = disk_.calls();
  ASSERT_TRUE(catalog->Put(ContractOf("one", "")).ok());
  const uint64_t one = disk_.calls() - before;
  before = disk_.calls();
  const auto put = catalog->PutAll(contracts);
  ASSERT_TRUE(put.ok()) << put.error().ToString();
  EXPECT_EQ(disk_.calls() - before, one);
  std::set<uint32_t> partitions;
  for (const Topic& topic : *put) partitions.insert(topic.partition);
  EXPECT_EQ(partitions.size(), 100u);
  EXPECT_EQ(Open()->Find("t99")->partition, put->back().partition);
  before = disk_.calls();
  EXPECT_TRUE(catalog->PutAll(contracts).ok());
  EXPECT_EQ(disk_.calls(), before) << "there is nothing to write";
}

TEST_F(CatalogTest, PutsAllOrNone) {
  const auto catalog = Open();
  ASSERT_TRUE(catalog->Put(ContractOf("a", "more")).ok());
  const std::vector<event::Contract> clash = {ContractOf("a", ""), ContractOf("b.c", ""),
                                              ContractOf("b-c", "")};
  EXPECT_EQ(catalog->PutAll(clash).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(catalog->All().size(), 1u);
  EXPECT_EQ(catalog->Find("a")->contract->version, 1);
  const std::vector<event::Contract> fits = {ContractOf("a", ""), ContractOf("b.c", "")};
  EXPECT_EQ(catalog->PutAll(fits)->back().partition, 2u);
  EXPECT_EQ(Open()->Versions("a")->size(), 2u);
}

TEST_F(CatalogTest, WhatCannotBeStoredIsNotKnownEither) {
  const auto catalog = Open();
  ASSERT_TRUE(catalog->Put(ContractOf("a", "")).ok());
  disk_.Fail(os::DiskCall::kWrite);
  EXPECT_EQ(catalog->Put(ContractOf("b", "")).error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(catalog->Find("b").has_value());
  EXPECT_EQ(catalog->Put(ContractOf("c", ""))->partition, 2u);
  EXPECT_EQ(Open()->All().size(), 2u);
}

TEST_F(CatalogTest, WhatAKilledProcessLeftSurvivesAPowerLossWhenItWasRead) {
  for (uint64_t calls = 0; calls < 24; ++calls) {
    os::SimulatedDisk disk;
    auto catalog = Catalog::Open(disk, "control");
    ASSERT_TRUE(catalog.ok());
    disk.CutPowerAfter(calls);
    for (const auto* const name : {"a", "b", "c"}) (void)(*catalog)->Put(ContractOf(name, "")).ok();
    disk.Restart();
    const auto read = Catalog::Open(disk, "control");
    ASSERT_TRUE(read.ok()) << calls << ": " << read.error().ToString();
    disk.Crash(calls);
    const auto again = Catalog::Open(disk, "control");
    ASSERT_TRUE(again.ok()) << calls << ": " << again.error().ToString();
    EXPECT_EQ((*again)->All().size(), (*read)->All().size()) << calls;
  }
}

TEST_F(CatalogTest, WhatItHasAnsweredSurvivesAPowerLossAtAnyCall) {
  for (uint64_t calls = 0; calls < 24; ++calls) {
    os::SimulatedDisk disk;
    std::vector<Topic> answered;
    auto catalog = Catalog::Open(disk, "control");
    ASSERT_TRUE(catalog.ok());
    disk.CutPowerAfter(calls);
    for (const auto* const name : {"a", "b", "c"}) {
      if (const auto topic = (*catalog)->Put(ContractOf(name, "")); topic.ok()) {
        answered.push_back(*topic);
      }
    }
    disk.Crash(calls);
    catalog = Catalog::Open(disk, "control");
    ASSERT_TRUE(catalog.ok()) << calls << ": " << catalog.error().ToString();
    for (const Topic& topic : answered) {
      const auto found = (*catalog)->Find(topic.contract->topic);
      ASSERT_TRUE(found.has_value()) << calls;
      EXPECT_EQ(found->partition, topic.partition);
    }
    std::set<uint32_t> partitions;
    for (const Topic& topic : (*catalog)->All()) partitions.insert(topic.partition);
    EXPECT_EQ(partitions.size(), (*catalog)->All().size()) << "no partition is given twice";
  }
}

TEST_F(CatalogTest, ATopicMadeAgainIsAnotherIncarnation) {
  auto catalog = Open();
  const event::Contract contract = event::SchemalessContract("raw.bytes");
  const Topic first = *catalog->Put(contract);
  EXPECT_EQ(catalog->Remove("raw.other").error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(catalog->Remove("raw.bytes").ok());
  EXPECT_FALSE(catalog->Find("raw.bytes").has_value());
  catalog = Open();
  EXPECT_TRUE(catalog->WasRemoved(first.partition));
  const Topic second = *catalog->Put(contract);
  EXPECT_EQ(second.incarnation, 2u);
  EXPECT_NE(second.partition, first.partition);
  EXPECT_EQ(second.table_path, "default/bronze/raw_bytes-2");
  EXPECT_FALSE(catalog->WasRemoved(second.partition));
  catalog = Open();
  EXPECT_EQ(catalog->Find("raw.bytes")->incarnation, 2u);
}

TEST_F(CatalogTest, EachIncarnationHasVersionsAndATableOfItsOwn) {
  auto catalog = Open();
  ASSERT_TRUE(catalog->Put(ContractOf("a", "")).ok());
  ASSERT_TRUE(catalog->Put(ContractOf("a", "old")).ok());
  std::set<std::string> tables = {catalog->Find("a")->table_path};
  for (const std::string column : {"second", "third"}) {
    ASSERT_TRUE(catalog->Remove("a").ok());
    EXPECT_EQ(catalog->Versions("a").error().code(), ErrorCode::kNotFound);
    ASSERT_TRUE(catalog->Put(ContractOf("a", column)).ok());
    EXPECT_EQ(catalog->Versions("a")->size(), 1u) << "those of what was deleted are not its own";
    event::Contract next = ContractOf("a", column);
    next.unknown = event::UnknownFields::kError;
    ASSERT_TRUE(catalog->Put(next).ok());
    const auto versions = catalog->Versions("a");
    ASSERT_EQ(versions->size(), 2u);
    EXPECT_EQ(versions->front().fields.back().name, column);
    tables.insert(catalog->Find("a")->table_path);
    catalog = Open();
  }
  EXPECT_EQ(tables.size(), 3u);
}

TEST_F(CatalogTest, ATableThatWasDeletedIsNotGivenToATopicOfAnotherName) {
  auto catalog = Open();
  const Topic first = *catalog->Put(ContractOf("a.b", ""));
  ASSERT_TRUE(catalog->Remove("a.b").ok());
  catalog = Open();
  const auto second = catalog->Put(ContractOf("a-b", ""));
  ASSERT_TRUE(second.ok()) << second.error().ToString();
  EXPECT_NE(second->table_path, first.table_path) << "its files stay, and are not the other's";
  ASSERT_TRUE(catalog->Remove("a-b").ok());
  const auto third = catalog->Put(ContractOf("a.b", ""));
  EXPECT_NE(third->table_path, first.table_path);
  EXPECT_NE(third->table_path, second->table_path);
}

TEST_F(CatalogTest, ATopicThatCouldNotBeRemovedStays) {
  auto catalog = Open();
  const Topic topic = *catalog->Put(ContractOf("a", ""));
  disk_.Fail(os::DiskCall::kWrite);
  EXPECT_EQ(catalog->Remove("a").error().code(), ErrorCode::kUnavailable);
  ASSERT_TRUE(catalog->Find("a").has_value());
  EXPECT_FALSE(catalog->WasRemoved(topic.partition));
  EXPECT_EQ(Open()->All().size(), 1u);
}

TEST_F(CatalogTest, ATopicWhoseRemovalWasNotMadeSureStaysForTheNextStartToo) {
  for (const os::DiskCall call :
       {os::DiskCall::kRemove, os::DiskCall::kOpen, os::DiskCall::kWrite, os::DiskCall::kSync,
        os::DiskCall::kRename, os::DiskCall::kSyncDirectory}) {
    for (const uint64_t times : {1, 2}) {
      os::SimulatedDisk disk;
      auto catalog = *Catalog::Open(disk, "control");
      ASSERT_TRUE(catalog->Put(ContractOf("a", "")).ok());
      disk.Fail(call, 0, times);
      const bool removed = catalog->Remove("a").ok();
      disk.ClearFaults();
      EXPECT_EQ(catalog->Find("a").has_value(), !removed);
      disk.Restart();
      EXPECT_EQ((*Catalog::Open(disk, "control"))->Find("a").has_value(), !removed)
          << static_cast<int>(call) << ", " << times << " times";
      disk.Crash(times);
      EXPECT_EQ((*Catalog::Open(disk, "control"))->Find("a").has_value(), !removed);
    }
  }
}

}  // namespace
}  // namespace sluice::catalog
