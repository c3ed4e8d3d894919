// A whole backup and its way back, on a disk that loses its power.

#include "sluice/backup/make.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/backup/restore.h"
#include "sluice/catalog/catalog.h"
#include "sluice/journal/journal.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/local_store.h"

namespace sluice::backup {
namespace {

constexpr int64_t kNext = 6;  // Of the topic, by the journal.

event::Contract ContractOf(const std::string& topic) {
  return event::CompileCapnp({{"c.capnp", fmt::format(R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Click $Sl.event("{}") {{ page @0 :Text; at @1 :Text $Sl.eventTime; }}
)",
                                                      topic)}},
                             "c.capnp")
      ->front();
}

/// An installation with a journal of six rows, all of which have landed, and one behind
/// them that the journal does not have.
class MakeTest : public testing::Test {
 protected:
  MakeTest() {
    auto catalog = catalog::Catalog::Open(disk_, installation_.data + "/control");
    EXPECT_TRUE(catalog.ok());
    catalog_ = std::move(*catalog);
    const auto topic = catalog_->Put(ContractOf("clicks"));
    EXPECT_TRUE(topic.ok()) << topic.error().ToString();
    FillJournal(topic->partition);
    FillTable(*topic);
    for (const char* const path :
         {"/project/sluice.yaml", "/project/schemas/c.capnp", "/project/data/control/keys",
          "/project/data/control/clock", "/project/data/journal/keys", "/keys/tokens"}) {
      EXPECT_TRUE(disk_.MakeFolders(os::FolderOf(path)).ok());
      EXPECT_TRUE(os::ReplaceFile(disk_, path, fmt::format("what is in {}", path)).ok());
    }
  }

  void FillJournal(uint32_t partition) {
    journal::Options options;
    options.folder = installation_.data + "/journal";
    options.segment_bytes = 64 << 10;
    options.free_bytes_min = 0;
    auto journal = journal::Journal::Open(options, disk_, clock_, random_, threads_);
    ASSERT_TRUE(journal.ok()) << journal.error().ToString();
    uuid_ = (*journal)->uuid();
    for (int64_t i = 0; i < kNext; i += 2) {
      std::promise<bool> durable;
      (*journal)->Append({{.partition = partition, .schema_id = 7, .rows = 2, .payload = "two"}},
                         [&](const auto& outcome) { durable.set_value(outcome.ok()); });
      ASSERT_TRUE(durable.get_future().get());
    }
    (*journal)->Stop();
  }

  /// Writes its log and files as any engine would, rows or not: a backup copies bytes.
  void FillTable(const catalog::Topic& topic) {
    const auto put = [&](const std::string& path, std::string_view bytes) {
      ASSERT_TRUE(tables_.PutIfAbsent(topic.table_path + "/" + path, bytes).ok());
    };
    put("_delta_log/00000000000000000000.json",
        R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"metaData":{"id":"6f1c6f62-0000-4000-8000-000000000000","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"_offset\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":[],"configuration":{}}}
)");
    // Two rows in each version, and one in the last.
    const std::string app =
        fmt::format("sluice/{}/{}-{}", uuid_, topic.partition, topic.incarnation);
    for (int64_t version = 1; version <= kNext / 2 + 1; ++version) {
      const std::string file = fmt::format("part-{}.parquet", version);
      put(file, std::string(1000, 'x'));
      put(fmt::format("_delta_log/{:020}.json", version),
          fmt::format(R"({{"txn":{{"appId":"{}","version":{}}}}}
{{"add":{{"path":"{}","partitionValues":{{}},"size":1000,"modificationTime":1,"dataChange":true}}}}
)",
                      app, std::min(2 * version - 1, kNext), file));
    }
  }

  Result<Contents> MakeIn(const std::string& folder) {
    return Make(installation_, folder, {.program = "test"}, disk_, tables_, clock_, random_);
  }

  /// Why the folder is no backup that can be restored.
  Status Check(const std::string& folder) {
    SLUICE_ASSIGN_OR_RETURN(const Contents contents, ReadContents(disk_, folder));
    return CheckFiles(disk_, folder, contents);
  }

  /// The first file of the backup that is not at its place in the installation; empty: all are.
  /// Those of a project that was there before have none.
  std::string Missing(const std::string& backup, const Contents& contents,
                      const Installation& installation) {
    const bool has_project = disk_.Look(installation.folder + "/sluice.yaml") == "mine";
    for (const StoredFile& file : contents.files) {
      if (has_project && file.path.starts_with(kProject)) continue;
      const auto under = [&](std::string_view part, const std::string& folder) {
        return folder + "/" + file.path.substr(part.size());
      };
      const std::string path = file.path.starts_with(kData) ? under(kData, installation.data)
                               : file.path.starts_with(kProject)
                                   ? under(kProject, installation.folder)
                               : file.path.ends_with("/tokens") ? installation.tokens_file
                                                                : installation.key_file;
      const auto found = disk_.Look(path);
      if (!found || *found != disk_.Look(backup + "/" + file.path)) return path;
    }
    return {};
  }

  bool HasFiles(const std::string& folder) {
    const auto names = *disk_.List(folder);
    return std::ranges::any_of(names, [&](std::string name) {
      if (!name.ends_with('/')) return true;
      name.pop_back();
      return HasFiles(folder + "/" + name);
    });
  }

  static Installation Elsewhere(int number) {
    const std::string folder = fmt::format("/other{}", number);
    return {.project = {},
            .folder = folder,
            .data = folder + "/data",
            .key_file = folder + "/keys/sluice.keys",
            .tokens_file = folder + "/keys/tokens",
            .tables_at = {}};
  }
  static constexpr int kVariants = 4;

  /// The same with data on a disk of their own, with a project file that is there, or with a data
  /// folder that must stay, by `variant`.
  Installation Elsewhere(int number, int variant) {
    Installation installation = Elsewhere(number);
    if (variant == 1) installation.data = fmt::format("/disk{}/data", number);
    if (variant == 2) {
      EXPECT_TRUE(disk_.MakeFolders(installation.folder).ok());
      EXPECT_TRUE(os::ReplaceFile(disk_, installation.folder + "/sluice.yaml", "mine").ok());
    }
    if (variant == 3) {  // Two disks, one mounted in the other.
      EXPECT_TRUE(disk_.MakeFolders(installation.data + "/tables").ok());
      installation.data_stays = true;
    }
    return installation;
  }

  os::SimulatedDisk disk_;
  os::SimulatedClock clock_{os::Timestamp(std::chrono::hours(1))};
  os::SimulatedRandom random_{1};
  os::SystemThreads threads_;
  store::LocalStore files_{disk_, "/project/data/tables", [](const Error&) {}};
  store::FaultyStore tables_{files_};
  std::unique_ptr<catalog::Catalog> catalog_;
  std::string uuid_;
  const Installation installation_{.project = "shop",
                                   .folder = "/project",
                                   .data = "/project/data",
                                   .key_file = "/keys/sluice.keys",
                                   .tokens_file = "/keys/tokens",
                                   .tables_at = {}};
};

TEST_F(MakeTest, HasEachTableUpToTheEndOfTheJournal) {
  const auto made = MakeIn("/backup");
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  ASSERT_EQ(made->tables.size(), 1u);
  EXPECT_EQ(made->tables[0].topic, "clicks");
  EXPECT_EQ(made->tables[0].version, 3);  // The one behind it has rows of which nothing is known.
  EXPECT_EQ(made->tables[0].landed, kNext - 1);
  EXPECT_EQ(made->tables[0].next, kNext);
  std::set<std::string> paths;
  for (const StoredFile& file : made->files) paths.insert(file.path);
  for (const char* const path :
       {"data/journal/manifest", "data/journal/keys", "data/control/topics", "data/control/keys",
        "data/control/clock", "keys/tokens", "project/sluice.yaml", "project/schemas/c.capnp"}) {
    EXPECT_TRUE(paths.contains(path)) << path;
  }
}

TEST_F(MakeTest, ATopicWhoseTableIsGoneIsNotLeftOutSilently) {
  const std::string table = catalog_->Find("clicks")->table_path;
  const auto objects = *files_.List(table + "/");
  for (const auto& object : objects) {
    ASSERT_TRUE(files_.Delete(object.path).ok());
  }
  const auto made = MakeIn("/backup");
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().ToString().find(table), std::string::npos) << made.error().ToString();
  EXPECT_FALSE(ReadContents(disk_, "/backup").ok());
}

TEST_F(MakeTest, HasTheTopicsAsTheyWereWhenItsTablesWereChosen) {
  bool changed = false;
  tables_.Observe([&](store::StoreCall call, std::string_view) {
    if (call != store::StoreCall::kList || std::exchange(changed, true)) return;
    EXPECT_TRUE(catalog_->Put(ContractOf("orders")).ok());
  });
  const auto made = MakeIn("/backup");
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  EXPECT_TRUE(changed);
  EXPECT_EQ(disk_.Look("/backup/data/control/topics"), disk_.Look("/project/data/control/topics"));
}

TEST_F(MakeTest, OnceItIsDoneNoPowerLossTakesAnyOfIt) {
  for (int seed = 0; seed < 20; ++seed) {
    const std::string folder = fmt::format("/backup{}", seed);
    const auto made = MakeIn(folder);
    ASSERT_TRUE(made.ok()) << made.error().ToString();
    disk_.Crash(static_cast<uint64_t>(seed));
    const Status checked = Check(folder);
    ASSERT_TRUE(checked.ok()) << checked.error().ToString();
  }
}

TEST_F(MakeTest, CutShortAnywhereItPassesForNoBackup) {
  int done = 0;
  for (int calls = 0; done < 3; ++calls) {
    ASSERT_LT(calls, 2000);
    const std::string folder = fmt::format("/backup{}", calls);
    disk_.CutPowerAfter(static_cast<uint64_t>(calls));
    done += MakeIn(folder).ok() && disk_.powered() ? 1 : 0;
    disk_.Crash(static_cast<uint64_t>(calls));
    if (!ReadContents(disk_, folder).ok()) continue;
    const Status checked = Check(folder);
    ASSERT_TRUE(checked.ok()) << calls << ": " << checked.error().ToString();
  }
}

TEST_F(MakeTest, OnceItIsRestoredNoPowerLossTakesAnyOfIt) {
  const auto made = MakeIn("/backup");
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  for (int seed = 0; seed < 30; ++seed) {
    const Installation there = Elsewhere(seed, seed % kVariants);
    const Status restored = Restore(disk_, "/backup", *made, there);
    ASSERT_TRUE(restored.ok()) << restored.error().ToString();
    disk_.Crash(static_cast<uint64_t>(seed));
    EXPECT_EQ(Missing("/backup", *made, there), "") << seed;
    EXPECT_FALSE(*disk_.Exists(UnfinishedFolder(there.data))) << seed;
    EXPECT_FALSE(*disk_.Exists(UnfinishedMark(there.data))) << seed;
  }
}

TEST_F(MakeTest, ARestoreThatIsCutShortAnywherePassesForNoProject) {
  const auto made = MakeIn("/backup");
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  std::set<int> done;  // Variants.
  int cut_behind_project_file = 0;
  for (int calls = 0; done.size() < kVariants; ++calls) {
    ASSERT_LT(calls, 2000);
    // What is left of the names depends on the seed alone: none, all, or some of them.
    for (int seed = 0; seed < 2 * kVariants; ++seed) {
      const Installation there = Elsewhere(10 * calls + seed, seed % kVariants);
      disk_.CutPowerAfter(static_cast<uint64_t>(calls));
      const bool said = Restore(disk_, "/backup", *made, there).ok();
      if (said && disk_.powered()) done.insert(seed % kVariants);
      disk_.Crash(static_cast<uint64_t>(1000 * calls + seed));
      const std::string missing = Missing("/backup", *made, there);
      const bool marked = *disk_.Exists(UnfinishedMark(there.data));
      const bool whole = said || (!marked && HasFiles(there.data));
      EXPECT_TRUE(!whole || missing.empty()) << calls << ", " << seed << ": " << missing;
      const auto project = disk_.Look(there.folder + "/sluice.yaml");
      if (project && project != "mine") {
        EXPECT_EQ(project, disk_.Look("/project/sluice.yaml")) << calls << ", " << seed;
        EXPECT_EQ(disk_.Look(there.folder + "/schemas/c.capnp"),
                  disk_.Look("/project/schemas/c.capnp"))
            << calls << ", " << seed;
        // Without it a server would begin an empty project.
        const bool unfinished = marked || *disk_.Exists(UnfinishedFolder(there.data));
        EXPECT_TRUE(missing.empty() || unfinished) << calls << ", " << seed << ": " << missing;
        cut_behind_project_file += unfinished ? 1 : 0;
      }
    }
  }
  EXPECT_GT(cut_behind_project_file, 0);
}

TEST_F(MakeTest, WhatARestoreThatWasCutShortHasLeftOfTheProjectIsTaken) {
  const auto made = MakeIn("/backup");
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  for (const char* const path : {"/other0/schemas/c.capnp", "/other0/keys/tokens"}) {
    ASSERT_TRUE(disk_.MakeFolders(os::FolderOf(path)).ok());
  }
  // What it had come to: the same schemas, keys, and a project file that has no name yet.
  ASSERT_TRUE(
      os::ReplaceFile(disk_, "/other0/schemas/c.capnp", *disk_.Look("/project/schemas/c.capnp"))
          .ok());
  ASSERT_TRUE(os::ReplaceFile(disk_, "/other0/sluice.yaml.restoring", "half").ok());
  ASSERT_TRUE(Restore(disk_, "/backup", *made, Elsewhere(0)).ok());
  EXPECT_EQ(Missing("/backup", *made, Elsewhere(0)), "");
  // Tokens that were made or revoked since.
  ASSERT_TRUE(disk_.MakeFolders("/other2/keys").ok());
  ASSERT_TRUE(os::ReplaceFile(disk_, "/other2/keys/tokens", "newer").ok());
  const Status newer = Restore(disk_, "/backup", *made, Elsewhere(2));
  ASSERT_FALSE(newer.ok());
  EXPECT_NE(newer.error().ToString().find("put it back afterwards"), std::string::npos);
  EXPECT_EQ(disk_.Look("/other2/keys/tokens"), "newer");
  // Other schemas are another project's.
  ASSERT_TRUE(disk_.MakeFolders("/other1/schemas").ok());
  ASSERT_TRUE(os::ReplaceFile(disk_, "/other1/schemas/c.capnp", "another").ok());
  EXPECT_EQ(Restore(disk_, "/backup", *made, Elsewhere(1)).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(*disk_.List("/other1"), std::vector<std::string>{"schemas/"});
}

TEST_F(MakeTest, DataFoldersWithFilesOrOfAnotherStoreAreNotFilled) {
  const auto made = MakeIn("/backup");
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  // What a file system has of itself is nothing; a file is something, however deep.
  ASSERT_TRUE(disk_.MakeFolders("/other0/data/lost+found").ok());
  ASSERT_TRUE(Restore(disk_, "/backup", *made, Elsewhere(0)).ok());
  EXPECT_EQ(Missing("/backup", *made, Elsewhere(0)), "");
  ASSERT_TRUE(disk_.MakeFolders("/other1/data/tables/a").ok());
  ASSERT_TRUE(os::ReplaceFile(disk_, "/other1/data/tables/a/file", "mine").ok());
  EXPECT_EQ(Restore(disk_, "/backup", *made, Elsewhere(1)).error().code(), ErrorCode::kConflict);
  Installation bucket = Elsewhere(2);
  bucket.tables_at = "s3://bucket/shop";
  const Status restored = Restore(disk_, "/backup", *made, bucket);
  ASSERT_FALSE(restored.ok());
  EXPECT_NE(restored.error().ToString().find("storage.path"), std::string::npos);
  EXPECT_TRUE(disk_.List("/other2")->empty());
}

TEST_F(MakeTest, WhatChangedSinceItWasCheckedIsNotRestored) {
  const auto made = MakeIn("/backup");
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  ASSERT_TRUE(disk_.Damage("/backup/data/journal/keys", 3, 1).ok());
  const Status restored = Restore(disk_, "/backup", *made, Elsewhere(0));
  ASSERT_FALSE(restored.ok());
  EXPECT_EQ(restored.error().code(), ErrorCode::kCorrupt);
  EXPECT_FALSE(disk_.Look("/other0/data/journal/keys"));
}

}  // namespace
}  // namespace sluice::backup
