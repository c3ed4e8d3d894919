#include "sluice/cli/internal/journal_commands.h"

#include <pwd.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "sluice/catalog/catalog.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/json_line.h"
#include "sluice/columnar/batch.h"
#include "sluice/columnar/row_writer.h"
#include "sluice/journal/inspect.h"
#include "sluice/journal/repair.h"
#include "sluice/lake/timestamps.h"
#include "sluice/server/config.h"

namespace sluice::cli::internal {

namespace {

using journal::Inspection;
using journal::Loss;
using journal::PartitionId;

/// A journal's folder, and the topics of its partitions.
struct Subject {
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  std::string folder;
  std::map<PartitionId, std::string> topics;

  std::string NameOf(PartitionId partition) const {
    const auto topic = topics.find(partition);
    return topic == topics.end() ? fmt::format("partition {}", partition) : topic->second;
  }
  std::vector<PartitionId> Partitions() const {
    std::vector<PartitionId> partitions;
    for (const auto& [partition, topic] : topics) partitions.push_back(partition);
    return partitions;
  }
};

/// The catalog is beside the journal; a journal alone has partitions without names.
void ReadTopics(const std::string& folder, Subject& subject) {
  const auto exists = subject.disk.Exists(folder);
  if (!exists.ok() || !*exists) return;
  const auto catalog = catalog::Catalog::Open(subject.disk, folder);
  if (!catalog.ok()) {
    std::fprintf(stderr, "warning: %s; partitions are shown by number\n",
                 catalog.error().message().c_str());
    return;
  }
  for (const catalog::Topic& topic : (*catalog)->All()) {
    subject.topics[topic.partition] = topic.contract->topic;
  }
}

Result<std::unique_ptr<Subject>> Open(const Global& global, const JournalArguments& arguments) {
  auto subject = std::make_unique<Subject>();
  if (!arguments.folder.empty()) {
    subject->folder = arguments.folder;
    ReadTopics(arguments.folder + "/../control", *subject);
    return subject;
  }
  SLUICE_ASSIGN_OR_RETURN(const server::Config config,
                          server::LoadConfig(subject->disk, global.folder));
  subject->folder = config.DataPath() + "/journal";
  ReadTopics(config.DataPath() + "/control", *subject);
  return subject;
}

std::string TimeText(os::Timestamp time) {
  return lake::TimestampText(time.time_since_epoch().count());
}

std::string TextOf(const Loss& loss, const Subject& subject) {
  return fmt::format("{} offsets {} to {}{}", subject.NameOf(loss.partition), loss.begin,
                     loss.end - 1, loss.exact ? "" : " at most");
}

std::string JsonOf(const std::vector<Loss>& losses, const Subject& subject) {
  std::string list;
  for (const Loss& loss : losses) {
    JsonLine line;
    line.Text("topic", subject.NameOf(loss.partition))
        .Number("partition", loss.partition)
        .Number("first_offset", loss.begin)
        .Number("last_offset", loss.end - 1)
        .Raw("exact", loss.exact ? "true" : "false");
    if (loss.accepted != os::Timestamp{}) {
      line.Text("accepted", TimeText(loss.accepted)).Text("note", loss.note);
    }
    if (!list.empty()) list += ',';
    list += line.Finish();
  }
  return "[" + list + "]";
}

std::string JsonOf(const std::vector<journal::Damage>& damages) {
  std::string list;
  for (const journal::Damage& damage : damages) {
    JsonLine line;
    line.Text("file", damage.file)
        .Number("position", static_cast<int64_t>(damage.position))
        .Number("group", static_cast<int64_t>(damage.group))
        .Text("reason", damage.reason);
    if (!list.empty()) list += ',';
    list += line.Finish();
  }
  return "[" + list + "]";
}

bool WantsJson(const Global& global) {
  return global.output == "json" || global.output == "ndjson";
}

struct Sums {
  uint64_t groups = 0;
  int64_t rows = 0;
  uint64_t bytes = 0;

  explicit Sums(const Inspection& found) {
    for (const journal::SegmentReport& segment : found.segments) {
      groups += segment.groups;
      rows += segment.rows;
      bytes += segment.used_bytes;
    }
  }
};

void PrintText(const Inspection& found, const Subject& subject) {
  const Sums sums(found);
  std::string text = fmt::format(
      "journal {}\n  {} segments, {} groups, {} rows, {} bytes; epoch {}; {}{}\n", found.folder,
      found.segments.size(), sums.groups, sums.rows, sums.bytes, found.epoch,
      found.Sound() ? "sound" : "DAMAGED", found.in_use ? "; a server has it open" : "");
  if (found.TornBytes() > 0) {
    text += fmt::format("  {} bytes behind the last group: {}\n", found.TornBytes(),
                        found.in_use ? "being written"
                                     : "a torn tail, never acknowledged; the next start, or "
                                       "`sluice journal repair`, cuts it off");
  }
  for (const Loss& loss : found.losses) {
    text += fmt::format("  given up at {}: {}; {}\n", TimeText(loss.accepted),
                        TextOf(loss, subject), loss.note);
  }
  for (const journal::Damage& damage : found.damages) {
    text +=
        fmt::format("  DAMAGE: '{}' at byte {}{}: {}\n", damage.file, damage.position,
                    damage.group > 0 ? fmt::format(", group {}", damage.group) : "", damage.reason);
  }
  for (const Loss& loss : found.lost) text += "  LOST: " + TextOf(loss, subject) + "\n";
  if (!found.Sound() && found.lost.empty()) text += "  no row is lost by it\n";
  std::fputs(text.c_str(), stdout);
}

void PrintJson(const Inspection& found, const Subject& subject) {
  const Sums sums(found);
  JsonLine line;
  line.Text("folder", found.folder)
      .Text("uuid", found.uuid)
      .Number("epoch", static_cast<int64_t>(found.epoch))
      .Raw("sound", found.Sound() ? "true" : "false")
      .Raw("in_use", found.in_use ? "true" : "false")
      .Number("segments", static_cast<int64_t>(found.segments.size()))
      .Number("groups", static_cast<int64_t>(sums.groups))
      .Number("rows", sums.rows)
      .Number("bytes", static_cast<int64_t>(sums.bytes))
      .Number("torn_bytes", static_cast<int64_t>(found.TornBytes()))
      .Raw("damages", JsonOf(found.damages))
      .Raw("lost", JsonOf(found.lost, subject))
      .Raw("given_up", JsonOf(found.losses, subject));
  std::puts(line.Finish().c_str());
}

std::string StateOf(const journal::SegmentReport& segment) {
  if (segment.damaged) return "damaged";
  if (segment.torn_bytes > 0) return "torn";
  return segment.sealed ? "sealed" : "active";
}

void PrintSegment(const journal::SegmentReport& segment, const Subject& subject, bool json) {
  std::string topics;
  for (const auto& [partition, span] : segment.partitions) {
    if (!topics.empty()) topics += json ? "," : "; ";
    if (json) {
      JsonLine line;
      line.Text("topic", subject.NameOf(partition))
          .Number("partition", partition)
          .Number("first_offset", span.begin)
          .Number("last_offset", span.end - 1);
      topics += line.Finish();
    } else {
      topics += fmt::format("{} {}-{}", subject.NameOf(partition), span.begin, span.end - 1);
    }
  }
  const bool any = segment.frames > 0;
  if (json) {
    JsonLine line;
    line.Number("segment", static_cast<int64_t>(segment.id))
        .Number("epoch", static_cast<int64_t>(segment.epoch))
        .Text("state", StateOf(segment))
        .Number("bytes", static_cast<int64_t>(segment.used_bytes))
        .Number("torn_bytes", static_cast<int64_t>(segment.torn_bytes))
        .Number("groups", static_cast<int64_t>(segment.groups))
        .Number("frames", static_cast<int64_t>(segment.frames))
        .Number("rows", segment.rows);
    if (any) {
      line.Text("received_first", TimeText(segment.received_first))
          .Text("received_last", TimeText(segment.received_last));
    }
    std::puts(line.Raw("topics", "[" + topics + "]").Finish().c_str());
    return;
  }
  std::puts(fmt::format("{:>8} {:>6} {:8} {:>11} {:>8} {:>9}  {:27}  {}", segment.id, segment.epoch,
                        StateOf(segment), segment.used_bytes, segment.groups, segment.rows,
                        any ? TimeText(segment.received_last) : "-", topics)
                .c_str());
}

/// Writes rows as members of lines that tell where they are.
Status DumpRows(const journal::PlacedFrame& placed, const columnar::Schema& schema,
                const Subject& subject) {
  SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch,
                          columnar::DeserializeBatch(schema, placed.frame.payload));
  std::string lines;
  SLUICE_ASSIGN_OR_RETURN(
      const auto writer,
      columnar::RowWriter::Open(columnar::RowForm::kNdjson, schema, [&](std::string_view bytes) {
        lines += bytes;
        return Status();
      }));
  SLUICE_RETURN_IF_ERROR(writer->Write(batch));
  SLUICE_RETURN_IF_ERROR(writer->Finish());
  journal::Offset offset = placed.frame.base;
  for (size_t begin = 0; begin < lines.size(); ++offset) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    JsonLine line;
    line.Text("topic", subject.NameOf(placed.frame.partition))
        .Number("offset", offset)
        .Text("received", TimeText(placed.frame.received))
        .Raw("row", std::string_view(lines).substr(begin, end - begin));
    std::puts(line.Finish().c_str());
    begin = end + 1;
  }
  return {};
}

void DumpFrame(const journal::PlacedFrame& placed, const Subject& subject) {
  const journal::Frame& frame = placed.frame;
  const bool data = frame.kind == journal::FrameKind::kData;
  const bool counts = frame.kind == journal::FrameKind::kDuplicates;
  JsonLine line;
  line.Number("segment", static_cast<int64_t>(placed.segment))
      .Number("position", static_cast<int64_t>(placed.position))
      .Number("group", static_cast<int64_t>(placed.group))
      .Text("kind", data     ? "data"
                    : counts ? "duplicates"
                             : "schema")
      .Text("topic", subject.NameOf(frame.partition));
  if (counts) line.Number("count", frame.rows).Number("sum", frame.base);
  if (!counts) line.Text("schema_id", fmt::format("{:016x}", frame.schema_id));
  if (data) {
    line.Number("first_offset", frame.base).Number("last_offset", frame.base + frame.rows - 1);
  }
  line.Text("received", TimeText(frame.received))
      .Number("bytes", static_cast<int64_t>(frame.payload.size()));
  std::puts(line.Finish().c_str());
}

std::string UserName() {
  const passwd* const entry = ::getpwuid(::geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(::geteuid());
}

Result<Inspection> Dump(const JournalArguments& arguments, Subject& subject) {
  const auto is_asked_for = [&](const auto& topic) { return topic.second == arguments.topic; };
  if (!arguments.topic.empty() && !arguments.topic.starts_with("partition ") &&
      std::ranges::none_of(subject.topics, is_asked_for)) {
    return NotFound(
        "the catalog beside the journal has no topic '{}'; `sluice journal inspect` "
        "lists what the journal has",
        arguments.topic);
  }
  std::map<uint64_t, columnar::Schema> schemas;
  journal::InspectOptions options;
  if (arguments.rows) {
    // First all schemas: what retention has written again lies behind rows that need it.
    options.visit = [&](const journal::PlacedFrame& placed) -> Status {
      if (placed.frame.kind != journal::FrameKind::kSchema) return {};
      SLUICE_ASSIGN_OR_RETURN(schemas[placed.frame.schema_id],
                              columnar::DeserializeSchema(placed.frame.payload));
      return {};
    };
    SLUICE_RETURN_IF_ERROR(journal::Inspect(subject.disk, subject.folder, options).status());
  }
  options.visit = [&](const journal::PlacedFrame& placed) -> Status {
    if (!arguments.topic.empty() && subject.NameOf(placed.frame.partition) != arguments.topic) {
      return {};
    }
    if (!arguments.rows) {
      DumpFrame(placed, subject);
      return {};
    }
    if (placed.frame.kind != journal::FrameKind::kData) return {};
    const auto schema = schemas.find(placed.frame.schema_id);
    if (schema == schemas.end()) {
      std::fprintf(stderr, "warning: the schema of offset %lld of %s is among what is lost\n",
                   static_cast<long long>(placed.frame.base),
                   subject.NameOf(placed.frame.partition).c_str());
      return {};
    }
    return DumpRows(placed, schema->second, subject);
  };
  return journal::Inspect(subject.disk, subject.folder, options);
}

}  // namespace

int VerifyJournal(const Global& global, const JournalArguments& arguments) {
  const auto subject = Open(global, arguments);
  if (!subject.ok()) return Fail(subject.error());
  const auto found = journal::Inspect((*subject)->disk, (*subject)->folder,
                                      {.partitions = (*subject)->Partitions(), .visit = {}});
  if (!found.ok()) return Fail(found.error());
  WantsJson(global) ? PrintJson(*found, **subject) : PrintText(*found, **subject);
  if (found->Sound()) return kDone;
  std::fprintf(stderr, "error: the journal is damaged at %zu places; see `sluice journal repair`\n",
               found->damages.size());
  return kFailed;
}

int InspectJournal(const Global& global, const JournalArguments& arguments) {
  const auto subject = Open(global, arguments);
  if (!subject.ok()) return Fail(subject.error());
  const auto found = journal::Inspect((*subject)->disk, (*subject)->folder);
  if (!found.ok()) return Fail(found.error());
  const bool json = WantsJson(global);
  if (!json) {
    std::puts(fmt::format("{:>8} {:>6} {:8} {:>11} {:>8} {:>9}  {:27}  {}", "segment", "epoch",
                          "state", "bytes", "groups", "rows", "last received", "offsets")
                  .c_str());
  }
  for (const journal::SegmentReport& segment : found->segments) {
    PrintSegment(segment, **subject, json);
  }
  if (!global.quiet) {
    for (const std::string& line : found->recoveries) {
      std::fprintf(stderr, "recovery: %s\n", line.c_str());
    }
  }
  return kDone;
}

int DumpJournal(const Global& global, const JournalArguments& arguments) {
  const auto subject = Open(global, arguments);
  if (!subject.ok()) return Fail(subject.error());
  const auto found = Dump(arguments, **subject);
  if (!found.ok()) return Fail(found.error());
  if (std::fflush(stdout) != 0) return Fail(Unavailable("standard output cannot be written"));
  if (found->Sound()) return kDone;
  std::fprintf(stderr, "error: the journal is damaged; this is what is left of it\n");
  return kFailed;
}

int RepairJournal(const Global& global, const JournalArguments& arguments) {
  const auto subject = Open(global, arguments);
  if (!subject.ok()) return Fail(subject.error());
  journal::RepairOptions options;
  options.accept_loss = arguments.accept_loss;
  options.note =
      UserName() + ": " + (arguments.reason.empty() ? "no reason given" : arguments.reason);
  options.partitions = (*subject)->Partitions();
  const auto repaired = journal::Repair((*subject)->disk, (*subject)->folder, options,
                                        (*subject)->clock, (*subject)->random);
  if (!repaired.ok()) return Fail(repaired.error());
  if (WantsJson(global)) {
    JsonLine line;
    line.Raw("changed", repaired->changed ? "true" : "false")
        .Number("cut_bytes", static_cast<int64_t>(repaired->cut_bytes))
        .Raw("damages", JsonOf(repaired->found.damages))
        .Raw("lost", JsonOf(repaired->losses, **subject))
        .List("kept_files", repaired->kept_files);
    std::puts(line.Finish().c_str());
    return kDone;
  }
  std::string text;
  if (!repaired->changed) text = "nothing to repair\n";
  if (repaired->cut_bytes > 0) {
    text += fmt::format("cut {} bytes off the tail: never acknowledged\n", repaired->cut_bytes);
  }
  for (const journal::Damage& damage : repaired->found.damages) {
    text +=
        fmt::format("repaired: '{}' at byte {}: {}\n", damage.file, damage.position, damage.reason);
  }
  for (const Loss& loss : repaired->losses) text += "LOST: " + TextOf(loss, **subject) + "\n";
  for (const std::string& file : repaired->kept_files) text += "kept: '" + file + "'\n";
  std::fputs(text.c_str(), stdout);
  return kDone;
}

}  // namespace sluice::cli::internal
