#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/journal_cut.h"
#include "sluice/cli/internal/json_line.h"
#include "sluice/event/contract.h"
#include "sluice/lake/timestamps.h"
#include "sluice/ledger/proof.h"
#include "sluice/ledger/signed_off.h"
#include "sluice/server/config.h"
#include "sluice/store/store_set.h"

namespace sluice::cli::internal {

namespace {

/// A table to count as it is now, up to where its server said that it had come; without one up to
/// the end of the journal that is beside it. Without that, too, what is pending is not known.
struct Subject {
  std::string topic;
  std::string address;
  std::optional<lake::Version> version = {};  ///< That its server knew.
  int64_t landed = -1;                        ///< The last offset in that version.
  std::optional<int64_t> end = {};
  bool end_is_of_journal = false;
  int64_t kept_from = 0;  ///< Of the journal, where `end_is_of_journal`.
  std::vector<journal::Loss> given_up = {};
  std::string stopped = {};  ///< Why its server does not land into it.
  std::optional<ledger::OffsetRange> range = {};
  std::string signed_off = {};  ///< File with what was counted before; empty: none is kept.
};

std::string Grouped(int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    const bool behind_digit = i > 0 && digits[i - 1] != '-';
    if (behind_digit && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

/// The tables that a running server lands into.
Result<std::vector<Subject>> AskServer(const Global& global, const std::string& tables) {
  SLUICE_ASSIGN_OR_RETURN(auto client, Client::Connect(global));
  SLUICE_ASSIGN_OR_RETURN(const auto answer, client.Ask("GET", "/v1/admin/tables"));
  simdjson::dom::parser parser;
  simdjson::dom::array listed;
  if (parser.parse(answer.body)["tables"].get(listed) != simdjson::SUCCESS) {
    return Corrupt("the server's list of tables is no JSON");
  }
  std::vector<Subject> subjects;
  for (const simdjson::dom::element table : listed) {
    std::string_view topic;
    std::string_view path;
    std::string_view stopped;
    int64_t version = 0;
    int64_t landed = 0;
    int64_t end = 0;
    if (table["topic"].get(topic) != simdjson::SUCCESS ||
        table["path"].get(path) != simdjson::SUCCESS ||
        table["stopped"].get(stopped) != simdjson::SUCCESS ||
        table["version"].get(version) != simdjson::SUCCESS ||
        table["landed_offset"].get(landed) != simdjson::SUCCESS ||
        table["next_offset"].get(end) != simdjson::SUCCESS) {
      return Corrupt("the server's list of tables lacks members; is it of another version?");
    }
    subjects.push_back({.topic = std::string(topic),
                        .address = fmt::format("{}/{}", tables, path),
                        .version = version,
                        .landed = landed,
                        .end = end,
                        .stopped = std::string(stopped)});
  }
  return subjects;
}

// Tables lie in folders of their tenant and schema.
constexpr int kDepthMax = 3;

/// All tables in a folder, which may be one itself, at most `depth` folders down.
Status FindTables(os::Disk& disk, const std::string& folder, const std::string& name, int depth,
                  std::vector<Subject>& subjects) {
  SLUICE_ASSIGN_OR_RETURN(const bool is_table, disk.Exists(folder + "/_delta_log"));
  if (is_table) {
    subjects.push_back({.topic = name, .address = folder});
    return {};
  }
  if (depth == 0) return {};
  SLUICE_ASSIGN_OR_RETURN(const auto names, disk.List(folder), "{}", folder);
  for (std::string inner : names) {
    if (inner.ends_with('/')) {
      inner.pop_back();
    } else if (!disk.List(folder + "/" + inner).ok()) {
      continue;  // A file. Links to folders are followed: tables lie behind them, too.
    }
    SLUICE_RETURN_IF_ERROR(FindTables(disk, folder + "/" + inner,
                                      name.empty() ? inner : name + "/" + inner, depth - 1,
                                      subjects));
  }
  return {};
}

/// The same in a bucket, which has no folders: all names are looked through.
Status FindTables(store::StoreSet& stores, const std::string& address,
                  std::vector<Subject>& subjects) {
  SLUICE_ASSIGN_OR_RETURN(const store::Place place, stores.Folder(address));
  const std::string prefix = place.path.empty() ? "" : place.path + "/";
  SLUICE_ASSIGN_OR_RETURN(const auto objects, place.store->List(prefix), "{}", address);
  std::set<std::string> found;
  for (const store::ObjectInfo& object : objects) {
    const std::string_view path = std::string_view(object.path).substr(prefix.size());
    const size_t log = path.find("_delta_log/");
    if (log == 0) found.emplace();
    if (log == std::string_view::npos || log == 0 || path[log - 1] != '/') continue;
    const std::string_view table = path.substr(0, log - 1);
    if (std::ranges::count(table, '/') < kDepthMax) found.emplace(table);
  }
  for (const std::string& name : found) {
    subjects.push_back({.topic = name.empty() ? address : name,
                        .address = name.empty() ? address : address + "/" + name});
  }
  return {};
}

Status FindTables(os::Disk& disk, store::StoreSet& stores, const std::string& address,
                  std::vector<Subject>& subjects) {
  if (address.find("://") != std::string::npos) return FindTables(stores, address, subjects);
  return FindTables(disk, address, "", kDepthMax, subjects);
}

/// Nothing if the option was not given.
Result<std::optional<int64_t>> ParseTime(const std::string& text, std::string_view flag) {
  if (text.empty()) return std::optional<int64_t>();
  if (const auto time_us = lake::ParseTimestampText(text)) return std::optional<int64_t>(*time_us);
  return Invalid("{} '{}': expected a time such as 2026-01-31T12:00:00Z", flag, text);
}

/// Where a count stands in for those before it.
std::optional<ledger::SignedOff> ReadSignedOff(os::Disk& disk, const std::string& file) {
  constexpr uint64_t kBytesMax = 4096;
  if (file.empty()) return std::nullopt;
  const auto text = os::ReadFile(disk, file, kBytesMax);
  if (!text.ok()) return std::nullopt;
  const auto signed_off = ledger::DecodeSignedOff(*text);
  return signed_off.ok() ? std::optional(*signed_off) : std::nullopt;
}

/// Keeps what was counted. A count that cannot be kept is one all the same.
void KeepSignedOff(os::Disk& disk, const std::string& file, const ledger::SignedOff& signed_off) {
  Status kept = disk.MakeFolders(os::FolderOf(file));
  if (kept.ok()) kept = os::ReplaceFile(disk, file, ledger::Encode(signed_off));
  if (!kept.ok()) {
    std::fprintf(stderr, "warning: the count is not kept: %s\n", kept.error().message().c_str());
  }
}

Result<ledger::Proof> ProveOne(const VerifyArguments& arguments, Subject& subject,
                               store::StoreSet& stores, os::Disk& disk, const os::Clock& clock,
                               os::Random& random) {
  SLUICE_ASSIGN_OR_RETURN(const store::Place place, stores.Folder(subject.address));
  const lake::DeltaTable table(*place.store, place.path, clock, random);
  // What others did a moment ago counts, though its server may not have seen it yet.
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot, table.Load());
  ledger::ProofOptions options;
  options.end = subject.end;
  options.all_bytes = arguments.full;
  // Of another moment than the version: what has landed meanwhile had been accepted. And what a
  // journal had before it was lost, the table alone knows.
  const bool later = subject.version && snapshot->version() > *subject.version;
  if ((later || subject.end_is_of_journal) && options.end)
    options.end = std::max(*options.end, ledger::LandedOffset(*snapshot) + 1);
  if (!arguments.from.empty() || !arguments.to.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const auto from_us, ParseTime(arguments.from, "--from"));
    SLUICE_ASSIGN_OR_RETURN(const auto to_us, ParseTime(arguments.to, "--to"));
    SLUICE_ASSIGN_OR_RETURN(subject.range, ledger::OffsetsBetween(table, snapshot, from_us, to_us));
    options.range = subject.range;
    return ledger::Prove(table, snapshot, options);
  }
  const auto since = arguments.full ? std::nullopt : ReadSignedOff(disk, subject.signed_off);
  std::optional<Result<ledger::Proof>> proof;
  if (since) proof = ledger::ProveSince(table, snapshot, *since, options);
  // What the short way cannot answer the long way does, whatever the reason.
  if (!proof || !proof->ok()) proof = ledger::Prove(table, snapshot, options);
  if (proof->ok() && (*proof)->Balanced() && !subject.signed_off.empty()) {
    const int64_t now_ms =
        std::chrono::floor<std::chrono::milliseconds>(clock.Now()).time_since_epoch().count();
    KeepSignedOff(disk, subject.signed_off, ledger::SignOff(*snapshot, **proof, now_ms));
  }
  return std::move(*proof);
}

std::string_view NameOf(ledger::Cause cause) {
  switch (cause) {
    case ledger::Cause::kRemoved:
      return "removed";
    case ledger::Cause::kExpired:
      return "expired";
    case ledger::Cause::kErased:
      return "erased";
    case ledger::Cause::kLost:
      return "lost";
  }
  return "";
}

std::string TextOf(const ledger::Removal& removal) {
  if (removal.operation == "BEFORE") {
    return fmt::format("{} gone before the oldest commit that is left, by its counters",
                       Grouped(removal.rows));
  }
  if (removal.cause == ledger::Cause::kLost) {
    return fmt::format("{} lost before they landed, from offset {}; accepted by an operator",
                       Grouped(removal.rows), removal.first_offset);
  }
  std::string text = fmt::format("{} {} by version {}: {}", Grouped(removal.rows),
                                 NameOf(removal.cause), removal.version, removal.operation);
  if (!removal.engine.empty()) text += " by " + removal.engine;
  if (removal.timestamp_ms > 0) {
    text += ", " + lake::TimestampText(removal.timestamp_ms * 1000);
  }
  text += removal.by_statistics ? "; its files are gone, counted by their statistics"
                                : fmt::format("; the first has offset {}", removal.first_offset);
  return text;
}

/// How to land again what a RESTORE took away, and nothing else: rows keep their offsets, and what
/// landed since stays. Empty where that cannot be told, or was meant.
std::string OfferToLandAgain(const Subject& subject, const ledger::Removal& removal) {
  if (removal.operation != "RESTORE" || removal.cause != ledger::Cause::kRemoved ||
      removal.by_statistics || removal.first_offset < 0 || removal.version < 1) {
    return {};
  }
  return fmt::format(
      "    to land them again:\n"
      "    sluice table read '{0}' --version {1} --where '_offset >= {2}' -o parquet > "
      "gone.parquet\n"
      "    sluice table merge '{0}' --source gone.parquet --key _offset --matched keep\n",
      subject.address, removal.version - 1, removal.first_offset);
}

void PrintText(const Subject& subject, const ledger::Proof& proof) {
  std::string text = fmt::format("{}: version {}, {} of {} files read", subject.topic,
                                 proof.version, Grouped(proof.files_read), Grouped(proof.files));
  if (proof.counted_from) {
    text += fmt::format("; up to version {} counted before", *proof.counted_from);
  }
  if (subject.range) {
    text += fmt::format("; received in that time: offsets {} to {}", subject.range->begin,
                        subject.range->end - 1);
  }
  text += '\n';
  const std::string accepted =
      proof.accepted ? fmt::format("accepted {}", Grouped(*proof.accepted)) : "accepted ?";
  std::string pending =
      proof.pending ? fmt::format("pending {}", Grouped(*proof.pending)) : "pending ?";
  if (subject.range) pending = "pending not counted";
  std::string gone = fmt::format("removed {}", Grouped(proof.removed));
  if (proof.expired > 0) gone += fmt::format(" + expired {}", Grouped(proof.expired));
  if (proof.erased > 0) gone += fmt::format(" + erased {}", Grouped(proof.erased));
  text += fmt::format("  {} = landed {} + {} + {}: {}\n", accepted, Grouped(proof.landed), gone,
                      pending, proof.Balanced() ? "balanced" : "NOT BALANCED");
  if (proof.duplicates > 0) {
    text += fmt::format("  {} more were answered duplicate\n", Grouped(proof.duplicates));
  }
  if (proof.foreign > 0) {
    text += fmt::format("  {} rows were added by SQL or another engine, not sent as events\n",
                        Grouped(proof.foreign));
  }
  for (const ledger::Removal& removal : proof.removals) {
    text += "  " + TextOf(removal) + "\n" + OfferToLandAgain(subject, removal);
  }
  for (const std::string& damage : proof.damaged) text += "  DAMAGED: " + damage + "\n";
  for (const std::string& fault : proof.faults) text += "  GAP: " + fault + "\n";
  std::fputs(text.c_str(), stdout);
}

void PrintJson(const Subject& subject, const ledger::Proof& proof) {
  const auto known = [](const std::optional<int64_t>& number) {
    return number ? std::to_string(*number) : std::string();
  };
  std::string removals;
  for (const ledger::Removal& removal : proof.removals) {
    JsonLine line;
    line.Number("version", removal.version)
        .Text("operation", removal.operation)
        .Text("engine", removal.engine)
        .Number("rows", removal.rows)
        .Raw("first_offset", removal.first_offset < 0 ? "" : std::to_string(removal.first_offset))
        .Raw("by_statistics", removal.by_statistics ? "true" : "false")
        .Text("cause", NameOf(removal.cause));
    if (!removals.empty()) removals += ',';
    removals += line.Finish();
  }
  std::vector<std::string> faults = proof.damaged;
  faults.insert(faults.end(), proof.faults.begin(), proof.faults.end());
  JsonLine line;
  line.Text("topic", subject.topic)
      .Number("version", proof.version)
      .Number("files", proof.files)
      .Number("files_read", proof.files_read)
      .Raw("counted_from", known(proof.counted_from))
      .Raw("first_offset", subject.range ? std::to_string(subject.range->begin) : "")
      .Raw("last_offset", subject.range ? std::to_string(subject.range->end - 1) : "")
      .Raw("balanced", proof.Balanced() ? "true" : "false")
      .Raw("accepted", known(proof.accepted))
      .Number("landed", proof.landed)
      .Number("removed", proof.removed)
      .Number("expired", proof.expired)
      .Number("erased", proof.erased)
      .Raw("pending", known(proof.pending))
      .Number("duplicate", proof.duplicates)
      .Number("foreign_rows", proof.foreign)
      .Raw("removals", "[" + removals + "]")
      .List("faults", faults);
  std::fputs((line.Finish() + "\n").c_str(), stdout);
}

/// Adds what the journal of a stopped server says. Where it does not, returns why: then what is
/// pending stays unknown.
Status AddJournalCut(os::Disk& disk, const std::string& data, const std::string& tables,
                     std::vector<Subject>& subjects) {
  JournalCut cuts = ReadJournalCut(disk, data);
  const bool known = cuts.journal.ok();
  if (known) {
    std::fprintf(stderr, "no server answers: counting up to the end of the journal in %s\n",
                 data.c_str());
  } else {
    std::fprintf(stderr,
                 "no server answers, and what is pending is not known (%s): counting the tables "
                 "alone\n",
                 cuts.journal.error().message().c_str());
  }
  for (TopicCut& cut : cuts.topics) {
    const std::string address = fmt::format("{}/{}", tables, cut.table_path);
    auto subject = std::ranges::find(subjects, address, &Subject::address);
    if (subject == subjects.end()) {
      // A start that was cut short makes the topic before its table.
      if (known && cut.end == 0) continue;
      subject = subjects.insert(subject, Subject{.topic = {}, .address = address});
    }
    subject->topic = std::move(cut.topic);
    if (!known) continue;
    subject->end = cut.end;
    subject->end_is_of_journal = true;
    subject->kept_from = cut.kept_from;
    subject->given_up = std::move(cut.given_up);
  }
  return std::move(cuts.journal);
}

/// What the count of a table cannot see: rows that are said to wait must be somewhere.
void AddWaitingFaults(const Subject& subject, ledger::Proof& proof) {
  if (!subject.stopped.empty()) {
    proof.faults.push_back("landing has stopped: " + subject.stopped);
  } else if (subject.version &&
             (proof.version < *subject.version || proof.landed_end <= subject.landed)) {
    proof.faults.push_back(fmt::format(
        "version {} ends with offset {}, and the server had landed up to offset {} by version {}: "
        "an older copy of the table was put in its place, or its log was changed",
        proof.version, proof.landed_end - 1, subject.landed, *subject.version));
  }
  if (!subject.end_is_of_journal || subject.range) return;
  std::vector<journal::Loss> given_up = subject.given_up;
  std::ranges::sort(given_up, {}, &journal::Loss::begin);
  int64_t first = proof.landed_end;
  for (const journal::Loss& loss : given_up) {
    if (loss.begin <= first) first = std::max(first, loss.end);
  }
  const int64_t end = std::min(subject.kept_from, *subject.end);
  if (first >= end) return;
  proof.faults.push_back(
      fmt::format("offsets {} to {} were accepted, and are neither in the table nor in the journal",
                  first, end - 1));
}

/// Says what a start would record: the table does not have it yet, so it counts as pending.
void TellGivenUp(const Subject& subject, const ledger::Proof& proof) {
  int64_t rows = 0;
  for (const journal::Loss& loss : subject.given_up) {
    rows += std::max<int64_t>(0, loss.end - std::max(loss.begin, proof.landed_end));
  }
  if (rows == 0 || subject.range) return;
  std::fprintf(stderr,
               "%s: of what is pending %s were given up as lost; the next start records that\n",
               subject.topic.c_str(), Grouped(rows).c_str());
}

/// What is to be counted.
struct Subjects {
  std::vector<Subject> tables;
  /// Why a journal that should be there tells nothing: what it had may be lost.
  Status journal = {};
};

Result<Subjects> FindSubjects(const Global& global, const VerifyArguments& arguments,
                              os::Disk& disk, store::StoreSet& stores) {
  std::vector<Subject> subjects;
  if (!arguments.tables.empty()) {
    SLUICE_RETURN_IF_ERROR(FindTables(disk, stores, arguments.tables, subjects));
    if (subjects.empty()) return NotFound("{}: there are no tables in it", arguments.tables);
    return Subjects{.tables = std::move(subjects)};
  }
  SLUICE_ASSIGN_OR_RETURN(const server::Config config,
                          server::LoadConfig(disk, global.folder, global.overrides));
  const std::string tables = config.TablesAddress();
  // What was counted is kept beside the tables, a file each.
  const auto with_files = [&](std::vector<Subject> found) {
    for (Subject& subject : found) {
      std::string name =
          subject.address.substr(std::min(subject.address.size(), tables.size() + 1));
      std::ranges::replace(name, '/', '.');
      subject.signed_off = config.DataPath() + "/ledger/" + name;
    }
    return found;
  };
  auto asked = AskServer(global, tables);
  if (asked.ok()) return Subjects{.tables = with_files(std::move(*asked))};
  if (asked.error().code() != ErrorCode::kUnavailable) return std::move(asked).error();
  SLUICE_RETURN_IF_ERROR(FindTables(disk, stores, tables, subjects));
  Status journal = AddJournalCut(disk, config.DataPath(), tables, subjects);
  // A process that has it open keeps it; where nothing was ever made nothing is missing.
  const bool harmless =
      subjects.empty() || (!journal.ok() && journal.error().code() == ErrorCode::kConflict);
  return Subjects{.tables = with_files(std::move(subjects)),
                  .journal = harmless ? Status() : std::move(journal)};
}

}  // namespace

int Verify(const Global& global, const VerifyArguments& arguments) {
  std::vector<std::optional<int64_t>> times_us;
  for (const auto& [text, flag] :
       {std::pair(arguments.from, "--from"), std::pair(arguments.to, "--to")}) {
    const auto time_us = ParseTime(text, flag);
    if (!time_us.ok()) {
      Fail(time_us.error());
      return kUsage;
    }
    times_us.push_back(*time_us);
  }
  if (times_us[0] && times_us[1] && *times_us[0] >= *times_us[1]) {
    Fail(Invalid("--from '{}' is not before --to '{}'", arguments.from, arguments.to));
    return kUsage;
  }
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  store::StoreSet stores(disk, random);
  auto found = FindSubjects(global, arguments, disk, stores);
  if (!found.ok()) return Fail(found.error());
  std::vector<Subject>& subjects = found->tables;
  if (!arguments.topic.empty()) {
    // Without a server tables are known by their folders.
    const std::string folder = "/" + event::TableName(arguments.topic);
    std::erase_if(subjects, [&](const Subject& subject) {
      return subject.topic != arguments.topic && !subject.address.ends_with(folder);
    });
    if (subjects.empty()) {
      return Fail(NotFound("there is no topic '{}'; `sluice status` lists them", arguments.topic));
    }
  }
  size_t unbalanced = 0;
  for (Subject& subject : subjects) {
    auto proof = ProveOne(arguments, subject, stores, disk, clock, random);
    if (!proof.ok()) {
      std::fprintf(stderr, "error: %s: %s\n", subject.topic.c_str(),
                   proof.error().message().c_str());
      ++unbalanced;
      continue;
    }
    AddWaitingFaults(subject, *proof);
    if (!proof->Balanced()) ++unbalanced;
    TellGivenUp(subject, *proof);
    if (global.output == "json" || global.output == "ndjson") {
      PrintJson(subject, *proof);
    } else {
      PrintText(subject, *proof);
    }
  }
  if (unbalanced > 0) {
    std::fprintf(stderr, "error: %zu of %zu tables are not balanced\n", unbalanced,
                 subjects.size());
  }
  if (!found->journal.ok()) {
    std::fprintf(stderr, "error: what was acknowledged and had not landed may be lost: %s\n",
                 found->journal.error().message().c_str());
  }
  if (unbalanced > 0 || !found->journal.ok()) return kFailed;
  if (!global.quiet) std::fprintf(stderr, "%zu tables, all balanced\n", subjects.size());
  return kDone;
}

}  // namespace sluice::cli::internal
