#include <fmt/format.h>
#include <simdjson.h>

#include <cstdio>

#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/json_line.h"
#include "sluice/event/contract.h"
#include "sluice/lake/timestamps.h"
#include "sluice/ledger/proof.h"
#include "sluice/server/config.h"
#include "sluice/store/store_set.h"

namespace sluice::cli::internal {

namespace {

/// A table to count, at the cut that its server told; without one as it is, and what is pending is
/// not known.
struct Subject {
  std::string topic;
  std::string address;
  std::optional<lake::Version> version = {};
  std::optional<int64_t> end = {};
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
    int64_t version = 0;
    int64_t end = 0;
    if (table["topic"].get(topic) != simdjson::SUCCESS ||
        table["path"].get(path) != simdjson::SUCCESS ||
        table["version"].get(version) != simdjson::SUCCESS ||
        table["next_offset"].get(end) != simdjson::SUCCESS) {
      return Corrupt("the server's list of tables lacks members; is it of another version?");
    }
    subjects.push_back({.topic = std::string(topic),
                        .address = fmt::format("{}/{}", tables, path),
                        .version = version,
                        .end = end});
  }
  return subjects;
}

/// All tables in a folder, which may be one itself, at most three folders down:
/// tenant, schema, table.
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
    if (!inner.ends_with('/')) continue;
    inner.pop_back();
    SLUICE_RETURN_IF_ERROR(FindTables(disk, folder + "/" + inner,
                                      name.empty() ? inner : name + "/" + inner, depth - 1,
                                      subjects));
  }
  return {};
}

Result<ledger::Proof> ProveOne(const Subject& subject, store::StoreSet& stores,
                               const os::Clock& clock, os::Random& random) {
  SLUICE_ASSIGN_OR_RETURN(const store::Place place, stores.Folder(subject.address));
  const lake::DeltaTable table(*place.store, place.path, clock, random);
  SLUICE_ASSIGN_OR_RETURN(const auto snapshot,
                          subject.version ? table.LoadAt(*subject.version) : table.Load());
  ledger::ProofOptions options;
  options.end = subject.end;
  return ledger::Prove(table, snapshot, options);
}

std::string TextOf(const ledger::Removal& removal) {
  if (removal.accepted_loss) {
    return fmt::format("{} lost before they landed, from offset {}; accepted by `table adopt`",
                       Grouped(removal.rows), removal.first_offset);
  }
  std::string text = fmt::format("{} removed by version {}: {}", Grouped(removal.rows),
                                 removal.version, removal.operation);
  if (!removal.engine.empty()) text += " by " + removal.engine;
  if (removal.timestamp_ms > 0) {
    text += ", " + lake::TimestampText(removal.timestamp_ms * 1000);
  }
  text += removal.by_statistics ? "; its files are gone, counted by their statistics"
                                : fmt::format("; the first has offset {}", removal.first_offset);
  return text;
}

void PrintText(const Subject& subject, const ledger::Proof& proof) {
  std::string text =
      fmt::format("{}: version {}, {} files\n", subject.topic, proof.version, Grouped(proof.files));
  const std::string accepted =
      proof.accepted ? fmt::format("accepted {}", Grouped(*proof.accepted)) : "accepted ?";
  const std::string pending =
      proof.pending ? fmt::format("pending {}", Grouped(*proof.pending)) : "pending ?";
  text +=
      fmt::format("  {} = landed {} + removed {} + {}: {}\n", accepted, Grouped(proof.landed),
                  Grouped(proof.removed), pending, proof.Balanced() ? "balanced" : "NOT BALANCED");
  if (proof.duplicates > 0) {
    text += fmt::format("  {} more were answered duplicate\n", Grouped(proof.duplicates));
  }
  if (proof.foreign > 0) {
    text += fmt::format("  {} rows were written by others\n", Grouped(proof.foreign));
  }
  for (const ledger::Removal& removal : proof.removals) text += "  " + TextOf(removal) + "\n";
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
        .Raw("accepted_loss", removal.accepted_loss ? "true" : "false");
    if (!removals.empty()) removals += ',';
    removals += line.Finish();
  }
  JsonLine line;
  line.Text("topic", subject.topic)
      .Number("version", proof.version)
      .Number("files", proof.files)
      .Raw("balanced", proof.Balanced() ? "true" : "false")
      .Raw("accepted", known(proof.accepted))
      .Number("landed", proof.landed)
      .Number("removed", proof.removed)
      .Raw("pending", known(proof.pending))
      .Number("duplicate", proof.duplicates)
      .Number("foreign_rows", proof.foreign)
      .Raw("removals", "[" + removals + "]")
      .List("faults", proof.faults);
  std::fputs((line.Finish() + "\n").c_str(), stdout);
}

Result<std::vector<Subject>> FindSubjects(const Global& global, const VerifyArguments& arguments) {
  os::SystemDisk disk;
  std::vector<Subject> subjects;
  if (!arguments.tables.empty()) {
    if (arguments.tables.find("://") != std::string::npos) {
      return std::vector<Subject>{{.topic = arguments.tables, .address = arguments.tables}};
    }
    SLUICE_RETURN_IF_ERROR(FindTables(disk, arguments.tables, "", 3, subjects));
    if (subjects.empty()) return NotFound("{}: there are no tables in it", arguments.tables);
    return subjects;
  }
  SLUICE_ASSIGN_OR_RETURN(const server::Config config,
                          server::LoadConfig(disk, global.folder, global.overrides));
  const std::string tables = config.DataPath() + "/tables";
  auto asked = AskServer(global, tables);
  if (asked.ok() || asked.error().code() != ErrorCode::kUnavailable) return asked;
  std::fprintf(stderr,
               "no server answers, so what is pending is not known: counting the tables alone\n");
  SLUICE_RETURN_IF_ERROR(FindTables(disk, tables, "", 3, subjects));
  return subjects;
}

}  // namespace

int Verify(const Global& global, const VerifyArguments& arguments) {
  auto subjects = FindSubjects(global, arguments);
  if (!subjects.ok()) return Fail(subjects.error());
  if (!arguments.topic.empty()) {
    // Without a server tables are known by their folders.
    const std::string folder = "/" + event::TableName(arguments.topic);
    std::erase_if(*subjects, [&](const Subject& subject) {
      return subject.topic != arguments.topic && !subject.address.ends_with(folder);
    });
    if (subjects->empty()) {
      return Fail(NotFound("there is no topic '{}'; `sluice status` lists them", arguments.topic));
    }
  }
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  store::StoreSet stores(disk, random);
  size_t unbalanced = 0;
  for (const Subject& subject : *subjects) {
    const auto proof = ProveOne(subject, stores, clock, random);
    if (!proof.ok()) {
      std::fprintf(stderr, "error: %s: %s\n", subject.topic.c_str(),
                   proof.error().message().c_str());
      ++unbalanced;
      continue;
    }
    if (!proof->Balanced()) ++unbalanced;
    if (global.output == "json" || global.output == "ndjson") {
      PrintJson(subject, *proof);
    } else {
      PrintText(subject, *proof);
    }
  }
  if (unbalanced == 0) {
    if (!global.quiet) std::fprintf(stderr, "%zu tables, all balanced\n", subjects->size());
    return kDone;
  }
  std::fprintf(stderr, "error: %zu of %zu tables are not balanced\n", unbalanced, subjects->size());
  return kFailed;
}

}  // namespace sluice::cli::internal
