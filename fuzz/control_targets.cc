#include <memory>

#include "fuzz/targets.h"
#include "sluice/backup/contents.h"
#include "sluice/base/base64.h"
#include "sluice/base/percent.h"
#include "sluice/catalog/catalog.h"
#include "sluice/cli/internal/answer_table.h"
#include "sluice/cli/internal/sql_client.h"
#include "sluice/event/contract.h"
#include "sluice/govern/tokens.h"
#include "sluice/lake/internal/commit_times.h"
#include "sluice/lake/internal/log_names.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/internal/timestamp_text.h"
#include "sluice/lake/timestamps.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/privacy/internal/pseudonym.h"
#include "sluice/privacy/key_file.h"
#include "sluice/privacy/keys.h"
#include "sluice/privacy/protect.h"
#include "sluice/privacy/seal.h"
#include "sluice/sql/internal/change_text.h"

namespace sluice::fuzz {

namespace {

std::unique_ptr<os::SimulatedDisk> DiskWith(std::string_view path, std::string_view bytes) {
  auto disk = std::make_unique<os::SimulatedDisk>();
  SLUICE_CHECK(disk->MakeFolders(os::FolderOf(path)).ok());
  SLUICE_CHECK(os::ReplacePrivateFile(*disk, path, bytes).ok());
  return disk;
}

constexpr std::string_view kCatalogFile = "control/topics";

event::Contract ContractOf(std::string_view topic, std::string_view fields) {
  const auto compiled = event::CompileCapnp(
      {{"t.capnp", fmt::format("@0x9a41c6de07b35f18; using Sl = import \"sluice.capnp\"; struct A "
                               "$Sl.event(\"{}\") {{ {} }}",
                               topic, fields)}},
      "t.capnp");
  SLUICE_CHECK(compiled.ok());
  return compiled->front();
}

std::string CatalogText() {
  os::SimulatedDisk disk;
  const auto catalog = catalog::Catalog::Open(disk, "control");
  SLUICE_CHECK((*catalog)->Put(ContractOf("a", "n @0 :Int32;")).ok());
  SLUICE_CHECK((*catalog)->Put(ContractOf("a", "n @0 :Int32; m @1 :Text;")).ok());
  SLUICE_CHECK((*catalog)->Put(ContractOf("b.c", "x @0 :List(Text);")).ok());
  SLUICE_CHECK((*catalog)->Remove("b.c").ok());
  return *disk.Look(kCatalogFile);
}

bool RunCatalog(std::string_view input) {
  static_cast<void>(Understood(catalog::Catalog::Open(*DiskWith(kCatalogFile, input), "control")));
  const auto disk = DiskWith(kCatalogFile, WithSum(input, "\nsum ", true));
  const auto catalog = catalog::Catalog::Open(*disk, "control");
  if (!Understood(catalog)) return false;
  const auto topics = (*catalog)->All();
  for (const catalog::Topic& topic : topics) {
    static_cast<void>(Understood((*catalog)->Versions(topic.contract->topic)));
  }
  // A change writes all anew, and it reads back.
  if (!(*catalog)->Put(ContractOf("new", "n @0 :Int32;")).ok()) return true;
  const auto again = catalog::Catalog::Open(*disk, "control");
  SLUICE_CHECK(again.ok() && (*again)->All().size() == (*catalog)->All().size());
  return true;
}

bool RunTokens(std::string_view input) {
  os::SimulatedClock clock{os::Timestamp(std::chrono::seconds(1'000'000))};
  os::SimulatedRandom random{7};
  const auto disk = DiskWith("keys/tokens", input);
  govern::Tokens tokens(*disk, clock, random, "keys/tokens");
  const auto scope = govern::ParseScope(input);
  if (Understood(scope)) {
    const auto again = govern::ParseScope(govern::ToString(*scope));
    SLUICE_CHECK(again.ok() && govern::ToString(*again) == govern::ToString(*scope));
  }
  const auto list = tokens.List();
  const auto shown = tokens.Authenticate("slt_000000000000_" + std::string(64, '0'));
  // Without a list nobody is let in.
  if (!Understood(list)) {
    SLUICE_CHECK(!shown.ok());
    return scope.ok();
  }
  if (shown.ok()) SLUICE_CHECK(list->empty());
  const auto made = tokens.Create({*govern::ParseScope("send:x")}, std::nullopt);
  if (!Understood(made)) return true;
  SLUICE_CHECK(tokens.Authenticate(*made).ok());
  SLUICE_CHECK(tokens.List()->size() == list->size() + 1);
  return true;
}

bool RunKeys(std::string_view input) {
  constexpr const char* kPath = "keys/file";
  const std::string wrapping(64, '1');
  bool any = false;
  for (const std::string& key : {std::string(), wrapping}) {
    os::SimulatedRandom random{3};
    const auto disk = DiskWith(kPath, input);
    SLUICE_CHECK(privacy::IsSealedKeyFile(*disk, kPath).ok());
    auto keys = privacy::Keys::LoadOrMake(*disk, kPath, random, nullptr, key);
    if (!Understood(keys)) {
      // It may be the only copy.
      SLUICE_CHECK(disk->Look(kPath) == std::string(input));
      continue;
    }
    any = true;
    for (const int32_t day : {0, 20'000, INT32_MAX}) {
      static_cast<void>(Understood(keys->SealingKey("t", day)));
    }
    const uint32_t kid = keys->Newest(privacy::KeyUse::kSubject).kid;
    static_cast<void>(Understood(keys->SubjectKey(kid, 12345)));
    SLUICE_CHECK(keys->DestroySubject(12345).ok());
    SLUICE_CHECK(!keys->SubjectKey(kid, 12345).ok());
    static_cast<void>(Understood(keys->Rotate(privacy::KeyUse::kHash, 2, random)));
    static_cast<void>(Understood(keys->DestroySealingKeysBefore(20'000)));
    const auto again = privacy::Keys::LoadOrMake(*disk, kPath, random, nullptr, key);
    SLUICE_CHECK(again.ok() && again->Fingerprints() == keys->Fingerprints());
    SLUICE_CHECK(!again->SubjectKey(kid, 12345).ok());
  }
  // What the data says of its keys.
  os::SimulatedRandom random{3};
  const auto disk = DiskWith("data/keys", input);
  const auto keys = privacy::Keys::LoadOrMake(*disk, kPath, random);
  SLUICE_CHECK(keys.ok());
  any |= Understood(keys->Bind(*disk, "data/keys"));
  return any;
}

std::vector<std::string> KeyFiles() {
  std::vector<std::string> files;
  for (const std::string& wrapping : {std::string(), std::string(64, '1')}) {
    os::SimulatedDisk disk;
    os::SimulatedRandom random{3};
    auto keys = privacy::Keys::LoadOrMake(disk, "keys/file", random, nullptr, wrapping);
    SLUICE_CHECK(keys.ok());
    files.push_back(*disk.Look("keys/file"));
    SLUICE_CHECK(keys->DestroySubject(7).ok() && keys->DestroySubject(8).ok());
    SLUICE_CHECK(keys->Rotate(privacy::KeyUse::kToken, 2, random).ok());
    files.push_back(*disk.Look("keys/file"));
    SLUICE_CHECK(disk.MakeFolders("data").ok() && keys->Bind(disk, "data/keys").ok());
    files.push_back(*disk.Look("data/keys"));
  }
  return files;
}

bool RunBackup(std::string_view input) {
  static_cast<void>(Understood(backup::ReadContents(*DiskWith("b/backup", input), "b")));
  const auto disk = DiskWith("b/backup", WithSum(input, "sum\t"));
  const auto contents = backup::ReadContents(*disk, "b");
  if (!Understood(contents)) return false;
  for (const backup::StoredFile& file : contents->files) {
    SLUICE_CHECK(("/" + file.path + "/").find("/../") == std::string::npos);
    SLUICE_CHECK(!file.path.starts_with('/'));
  }
  static_cast<void>(Understood(backup::CheckFiles(*disk, "b", *contents)));
  SLUICE_CHECK(disk->MakeFolders("c").ok());
  if (!backup::WriteContents(*disk, "c", *contents).ok()) return true;
  const auto again = backup::ReadContents(*disk, "c");
  SLUICE_CHECK(again.ok() && again->files.size() == contents->files.size());
  SLUICE_CHECK(again->tables.size() == contents->tables.size() && again->made == contents->made);
  return true;
}

std::string BackupText() {
  os::SimulatedDisk disk;
  backup::Contents contents;
  contents.made = os::Timestamp(std::chrono::hours(5));
  contents.program = "0.1";
  contents.project = "shop";
  contents.journal = "123e4567-e89b-12d3-a456-426614174000";
  contents.tables = {
      {.topic = "a", .path = "default/bronze/a", .version = 3, .landed = 5, .next = 9}};
  contents.files = {{.path = "project/sluice.yaml", .content = {.bytes = 5, .crc32c = 0xabc}},
                    {.path = "data/journal/00000000000000000001", .content = {.bytes = 4096}}};
  SLUICE_CHECK(disk.MakeFolders("b").ok() && backup::WriteContents(disk, "b", contents).ok());
  return *disk.Look("b/backup");
}

/// One installation's keys and a topic that protects in every way.
struct Protection {
  os::SimulatedDisk disk;
  os::SimulatedRandom random{3};
  privacy::Keys keys = *privacy::Keys::LoadOrMake(disk, "keys/file", random);
  std::vector<std::shared_ptr<const event::Contract>> contracts = {
      std::make_shared<event::Contract>(
          ContractOf("p",
                     "u @0 :Text $Sl.subject; a @1 :Text $Sl.tokenize; b @2 :Text "
                     "$Sl.encrypt; c @3 :Text $Sl.hash(hmacSha256);"))};
};

bool RunSealed(std::string_view input) {
  static Protection protection;
  const auto& keys = protection.keys;
  bool any = false;
  const auto base64 = DecodeBase64(input);
  if (base64.ok()) SLUICE_CHECK(base64->size() <= input.size());
  const auto opened = privacy::UnsealOfDay(keys, "t", input, "context");
  if (opened.ok()) SLUICE_CHECK(*opened == "plain");  // All others were sealed by nobody.
  any |= Understood(opened);
  any |= privacy::internal::ReadPseudonym(input).has_value();
  any |= Understood(privacy::Reveal(input, protection.contracts, keys, "t"));
  return any;
}

std::vector<std::string> SealedTexts() {
  Protection protection;
  const auto sealed =
      privacy::SealForDay(protection.keys, "t", os::Timestamp(std::chrono::hours(24 * 100)),
                          "plain", "context", protection.random);
  SLUICE_CHECK(sealed.ok());
  return {*sealed, "s1.1.AAAAAAAAAAAAAAAAAAAAAAAAAA", "e1.1.AAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAA",
          "x1.20000.AAAAAAAAAAAAAAAAAAAAAAAAAA", EncodeBase64("some bytes")};
}

bool RunSqlText(std::string_view input) {
  const auto change = sql::internal::ReadChangeText(input);
  // Space and comments before it say nothing.
  const auto behind = sql::internal::ReadChangeText(" -- x\n/* y */\t" + std::string(input));
  SLUICE_CHECK(change.has_value() == behind.has_value());
  if (change) {
    SLUICE_CHECK(change->kind == behind->kind && change->table == behind->table &&
                 change->schema == behind->schema);
  }
  std::string rest;
  size_t bytes = 0;
  const auto statements = cli::internal::SplitStatements(input, rest);
  for (const std::string& statement : statements) bytes += statement.size();
  SLUICE_CHECK(bytes + rest.size() <= input.size());
  return change.has_value() || statements.size() > 1;
}

bool RunAnswer(std::string_view input) {
  bool any = false;
  for (const auto& table : {cli::internal::ReadAnswer(input), cli::internal::ReadLines(input)}) {
    if (!table) continue;
    any = true;
    SLUICE_CHECK(table->rows.size() == table->values.size());
    for (size_t i = 0; i < table->rows.size(); ++i) {
      SLUICE_CHECK(table->rows[i].size() == table->columns.size());
      SLUICE_CHECK(table->values[i].size() == table->columns.size());
    }
    // Nothing of it may steer the terminal.
    for (const char c : cli::internal::AlignedText(*table)) {
      SLUICE_CHECK(c == '\n' || static_cast<unsigned char>(c) >= ' ');
      SLUICE_CHECK(c != 0x7F);
    }
    for (const char* const form : {"table", "ndjson", "csv", "md"}) {
      SLUICE_CHECK(cli::internal::Render(*table, form).has_value());
    }
  }
  return any;
}

bool RunTableText(std::string_view input) {
  using namespace lake::internal;  // NOLINT
  bool any = lake::ParseTimestampText(input).has_value();
  any |= ParseInterval(input).has_value();
  any |= ParseDate(input).has_value();
  any |= ParseTimestamp(input).has_value();
  any |= !FindCommitInfo(input).empty();
  std::vector<std::string> names;
  for (std::string_view rest = input; !rest.empty() && names.size() < 200;) {
    const std::string_view name = rest.substr(0, rest.find('\n'));
    names.emplace_back(name);
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
  }
  const LogListing listing = ClassifyLog(names);
  for (const auto& [version, name] : listing.commits) SLUICE_CHECK(version >= 0);
  for (const CheckpointFiles& checkpoint : listing.checkpoints) {
    SLUICE_CHECK(checkpoint.version >= 0 && !checkpoint.names.empty());
  }
  return any || !listing.commits.empty() || !listing.checkpoints.empty();
}

}  // namespace

std::vector<Target> ControlTargets() {
  std::vector<Target> targets;
  targets.push_back({.name = "catalog",
                     .corpus = {CatalogText()},
                     .words = {"\t", "\n", "\nsum ", "0", "-1", "4294967295", "99999999999", "{",
                               "}", "null", "../", "\"fields\":[", "default/bronze/a"},
                     .run = RunCatalog,
                     .cost = 5});
  const std::string hash(64, 'a');
  targets.push_back(
      {.name = "tokens",
       .corpus = {"sluice tokens 1\n000000000000 " + hash +
                      " 1000 - valid send:a read:shop.* admin\n00000000000b " + hash +
                      " 1000 2000 revoked collect:a@https://shop.example:8443\n",
                  "sluice tokens 1\n", "send:shop.orders", "collect:a@http://[::1]"},
       .words = {" ", "\n", ":", "@", "*", "-", "valid", "revoked", "admin", "9223372036854775808",
                 "sluice tokens 2", "https://", "\t", "\r", std::string(1, '\0')},
       .run = RunTokens});
  targets.push_back({.name = "keys",
                     .corpus = KeyFiles(),
                     .words = {" ", "\n", ":", ",", "0", "-2147483648", "2147483647", "4294967295",
                               "subject 1 none", "sealing ", "hash ", "token ", "identity ",
                               "sluice wrapped keys 1\n", "0000000000000000:64:", "="},
                     .run = RunKeys,
                     .cost = 20});
  targets.push_back({.name = "backup-list",
                     .corpus = {BackupText()},
                     .words = {"\t", "\n", "file\t", "table\t", "sum\t", "../", "/..", "data/",
                               "-1", "18446744073709551615", "keys\tclear", std::string(1, '\0')},
                     .run = RunBackup});
  targets.push_back({.name = "sealed",
                     .corpus = SealedTexts(),
                     .words = {".", "s1.", "e1.", "x1.", "4294967295", "-1", "=", "-", "_",
                               std::string(4, '\xFF'), std::string(4, '\0')},
                     .run = RunSealed});
  targets.push_back(
      {.name = "sql-text",
       .corpus = {"DELETE FROM bronze.t WHERE a = 'x;y'; SELECT 1;",
                  "update \"a\"\"b\" . c set x=1",
                  "insert into t values ($$a;b$$); -- ;\n select 2",
                  "/* a /* b */ ; */ merge into x"},
       .words = {";", "'", "''", "\"", "$$", "$a$", "--", "\n", "/*", "*/", ".", "delete from ",
                 "insert into ", "\xC3\xA4", "\\", std::string(1, '\0')},
       .run = RunSqlText});
  targets.push_back(
      {.name = "answer",
       .corpus =
           {R"({"columns":[{"name":"a","type":"BIGINT"},{"name":"b","type":"VARCHAR"}],"rows":[[1,"x"],[null,"\u001b[2J"]],"row_count":2,"complete":true})",
            R"({"tables":[{"name":"a","rows":1},{"name":"b","columns":[{"name":"x"}]}]})",
            R"({"a":1,"b":{"c":[1,2]},"d":"\u009b31m"})", "{\"a\":1}\n{\"b\":\"x\\ty\"}\n"},
       .words = {"{", "}", "[", "]", ",", "null", "\"columns\":", "\"rows\":[[", "\"name\":",
                 "\\u0000", "\\u001b", "\\u009b", "\\u202e", "\\u007f", "\\n", "|", "\n", "1e999"},
       .run = RunAnswer});
  targets.push_back(
      {.name = "table-text",
       .corpus = {"2026-01-31T12:00:00.5+01:00", "2026-01-31", "interval 1 week",
                  "interval 30 days",
                  "{\"commitInfo\":{\"timestamp\":1,\"inCommitTimestamp\":2}}\n{\"add\":{}}\n",
                  "00000000000000000000.json\n00000000000000000001.json\n"
                  "00000000000000000001.checkpoint.parquet\n"
                  "00000000000000000002.checkpoint.0000000001.0000000002.parquet\n"
                  "00000000000000000002.checkpoint.0000000002.0000000002.parquet\n"
                  "00000000000000000000.00000000000000000002.compacted.json\n"
                  "00000000000000000003.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json\n"},
       .words = {"\n", ".", "-", ":", "T", "Z", "+", "interval ", " hours", "9223372036854775808",
                 "0000000000", ".checkpoint.", ".parquet", ".json", "\"commitInfo\":", "{", "}"},
       .run = RunTableText});
  return targets;
}

}  // namespace sluice::fuzz
