#include <cstring>
#include <future>
#include <memory>
#include <span>

#include "fuzz/targets.h"
#include "sluice/base/crc32c.h"
#include "sluice/ingest/internal/identity_run.h"
#include "sluice/journal/inspect.h"
#include "sluice/journal/internal/format.h"
#include "sluice/journal/internal/manifest.h"
#include "sluice/journal/journal.h"
#include "sluice/journal/repair.h"
#include "sluice/ledger/signed_off.h"
#include "sluice/os/simulated_disk.h"

namespace sluice::fuzz {

namespace {

using namespace journal::internal;  // NOLINT: all of it is what is fuzzed here.

constexpr std::string_view kFolder = "journal";
constexpr std::string_view kFirst = "journal/00000000000000000001";
constexpr std::string_view kSecond = "journal/00000000000000000002";
constexpr std::string_view kManifest = "journal/manifest";

/// The files of a journal of two segments, as a process that was killed leaves it.
struct Files {
  std::string manifest;
  std::string first;
  std::string second;
};

journal::Options OptionsOf() {
  journal::Options options;
  options.folder = kFolder;
  options.segment_bytes = 32 << 10;
  options.frame_bytes_max = 16 << 10;
  options.group_bytes_max = 16 << 10;
  options.free_bytes_min = 0;
  options.idle_watermark = std::chrono::hours(24);
  options.on_sync_failure = [](const Error&) {};
  return options;
}

const Files& Sound() {
  static const Files kFiles = [] {
    os::SimulatedDisk disk;
    os::SimulatedClock clock{os::Timestamp(std::chrono::hours(1))};
    os::SimulatedRandom random{1};
    os::SystemThreads threads;
    auto opened = journal::Journal::Open(OptionsOf(), disk, clock, random, threads);
    SLUICE_CHECK(opened.ok());
    const auto append = [&](std::vector<journal::NewFrame> frames) {
      std::promise<bool> done;
      (*opened)->Append(std::move(frames), [&](const Result<journal::Appended>& result) {
        done.set_value(result.ok());
      });
      SLUICE_CHECK(done.get_future().get());
    };
    using Kind = journal::FrameKind;
    append({{.kind = Kind::kSchema, .schema_id = 1, .payload = "schema"}});
    for (int i = 0; i < 10; ++i) {
      append({{.partition = 1, .schema_id = 1, .rows = 2, .payload = std::string(3000, 'a')},
              {.partition = 2, .schema_id = 1, .rows = 1, .payload = "b"},
              {.kind = Kind::kDuplicates, .partition = 1, .rows = 3, .payload = {}}});
    }
    disk.CutPowerAfter(0);
    opened->reset();
    disk.Restart();
    SLUICE_CHECK(disk.Look(kSecond).has_value());
    return Files{.manifest = *disk.Look(kManifest),
                 .first = *disk.Look(kFirst),
                 .second = *disk.Look(kSecond)};
  }();
  return kFiles;
}

void Put(os::SimulatedDisk& disk, std::string_view path, std::string_view bytes) {
  SLUICE_CHECK(os::ReplaceFile(disk, path, bytes).ok());
}

void CheckInspection(const journal::Inspection& found) {
  for (const journal::SegmentReport& segment : found.segments) {
    // Of one that was cut short, what it should have.
    SLUICE_CHECK(segment.damaged || segment.used_bytes <= segment.file_bytes);
    SLUICE_CHECK(segment.rows >= 0);
    for (const auto& [partition, span] : segment.partitions) SLUICE_CHECK(span.begin <= span.end);
  }
  for (const journal::Damage& damage : found.damages) SLUICE_CHECK(!damage.reason.empty());
  for (const journal::Loss& loss : found.lost) {
    SLUICE_CHECK(loss.begin >= 0 && loss.begin < loss.end);
  }
}

/// Looks at a journal, repairs it, and looks again: nothing that a disk may hold ends the process,
/// and what was repaired can be used.
bool RunJournal(std::string_view manifest, std::string_view first, std::string_view second) {
  os::SimulatedDisk disk;
  os::SimulatedClock clock{os::Timestamp(std::chrono::hours(2))};
  os::SimulatedRandom random{2};
  SLUICE_CHECK(disk.MakeFolders(kFolder).ok());
  if (!manifest.empty()) Put(disk, kManifest, manifest);
  Put(disk, kFirst, first);
  if (!second.empty()) Put(disk, kSecond, second);

  const std::string folder(kFolder);
  int64_t rows = 0;
  const auto found = journal::Inspect(
      disk, folder,
      {.partitions = {1, 2}, .visit = [&](const journal::PlacedFrame& placed) -> Status {
         if (placed.frame.kind == journal::FrameKind::kData) rows += placed.frame.rows;
         return {};
       }});
  if (!Understood(found)) return false;
  CheckInspection(*found);
  const bool sound = found->Sound();
  const auto repaired = journal::Repair(
      disk, folder, {.accept_loss = true, .note = "fuzz", .partitions = {1, 2}}, clock, random);
  if (!Understood(repaired)) return sound;
  const auto again = journal::Inspect(disk, folder, {.partitions = {1, 2}});
  SLUICE_CHECK(again.ok());
  CheckInspection(*again);
  SLUICE_CHECK(again->Sound());
  os::SystemThreads threads;
  const auto opened = journal::Journal::Open(OptionsOf(), disk, clock, random, threads);
  // Frames whose sums fit may still be of a kind that only a newer program knows.
  SLUICE_CHECK(opened.ok() || opened.error().code() == ErrorCode::kUnsupported);
  return sound;
}

/// Makes the headers of frames whole again, so that what they say is tried: the sum of each, and
/// what links them.
std::string Sealed(std::string_view segment) {
  std::string bytes(segment);
  uint32_t previous = 0;
  uint32_t group = 0;
  for (size_t at = 0; at + sizeof(FrameHeader) <= bytes.size(); at += 8) {
    FrameHeader header;
    std::memcpy(&header, bytes.data() + at, sizeof(header));
    if (header.magic != kFrameMagic) continue;
    header.previous_crc = previous;
    const size_t begin = at + sizeof(header);
    if (header.kind == kTrailerKind) {
      header.payload_crc = group;
    } else if (header.payload_bytes <= bytes.size() - begin) {
      header.payload_crc = Crc32c(std::as_bytes(
          std::span(bytes).subspan(begin, static_cast<size_t>(header.payload_bytes))));
    }
    Seal(header);
    previous = header.header_crc;
    group = header.kind == kTrailerKind ? 0 : Crc32c(std::as_bytes(std::span(&header, 1)), group);
    std::memcpy(bytes.data() + at, &header, sizeof(header));
  }
  return bytes;
}

bool RunSegment(std::string_view input) {
  const Files& sound = Sound();
  // Also without a manifest, which is made again by the segments.
  bool any = RunJournal(sound.manifest, input, sound.second);
  any |= RunJournal(sound.manifest, Sealed(input), sound.second);
  any |= RunJournal({}, Sealed(input), {});
  return any;
}

bool RunManifest(std::string_view input) {
  const std::string sealed = WithSum(input, "checksum ");
  bool any = false;
  for (const std::string_view text : {input, std::string_view(sealed)}) {
    const auto manifest = DecodeManifest(text);
    if (!Understood(manifest)) continue;
    any = true;
    const std::string written = Encode(*manifest);
    const auto again = DecodeManifest(written);
    SLUICE_CHECK(again.ok() && Encode(*again) == written);
  }
  const Files& sound = Sound();
  RunJournal(sealed, sound.first, sound.second);
  return any;
}

constexpr uint64_t kIdentities = 300;

ingest::internal::StoredIdentity IdentityOf(uint64_t number) {
  return {.id = {.low = number * 0x9e3779b97f4a7c15, .high = number * 0xc2b2ae3d27d4eb4f},
          .content = number + 1};
}

/// A file of identities that is not what was written: each look-up says so, or is right.
bool RunIdentities(std::string_view input) {
  os::SimulatedDisk disk;
  const std::string path = "identities";
  auto runs = ingest::internal::IdentityRuns::Create(disk, path);
  SLUICE_CHECK(runs.ok());
  std::vector<ingest::internal::StoredIdentity> identities;
  for (uint64_t i = 0; i < kIdentities; ++i) identities.push_back(IdentityOf(i));
  SLUICE_CHECK((*runs)->Add(std::move(identities)).ok());
  {
    const auto file = disk.Open(path, os::OpenMode::kWrite);
    const auto bytes = std::as_bytes(std::span(input));
    SLUICE_CHECK((*file)->Truncate(input.size()).ok() && (*file)->Write(0, {&bytes, 1}).ok());
  }
  bool whole = true;
  for (uint64_t i = 0; i < kIdentities * 2; ++i) {
    const auto content = (*runs)->Find(0, IdentityOf(i).id);
    if (!Understood(content)) {
      whole = false;
    } else {
      SLUICE_CHECK(content->has_value() == (i < kIdentities));
      SLUICE_CHECK(!content->has_value() || **content == i + 1);
    }
  }
  return whole;
}

std::string IdentityFile() {
  os::SimulatedDisk disk;
  auto runs = ingest::internal::IdentityRuns::Create(disk, "identities");
  std::vector<ingest::internal::StoredIdentity> identities;
  for (uint64_t i = 0; i < kIdentities; ++i) identities.push_back(IdentityOf(i));
  SLUICE_CHECK((*runs)->Add(std::move(identities)).ok());
  return *disk.Look("identities");
}

bool RunSignedOff(std::string_view input) {
  const size_t end = input.rfind(' ') + 1;
  std::string sealed(input.substr(0, end));
  sealed += fmt::format("{:08x}\n", Crc32c(std::as_bytes(std::span(sealed))));
  static_cast<void>(Understood(ledger::DecodeSignedOff(input)));
  const auto count = ledger::DecodeSignedOff(sealed);
  if (!Understood(count)) return false;
  const auto again = ledger::DecodeSignedOff(ledger::Encode(*count));
  SLUICE_CHECK(again.ok() && *again == *count);
  return true;
}

}  // namespace

std::vector<Target> JournalTargets() {
  std::vector<Target> targets;
  const Files& sound = Sound();
  FrameHeader frame;
  const std::string magic(reinterpret_cast<const char*>(&frame.magic), sizeof(frame.magic));
  targets.push_back({.name = "journal-segment",
                     .corpus = {sound.first, sound.second},
                     .words = {magic, std::string(8, '\0'), std::string(8, '\xFF'),
                               std::string("\0\0\0\0\0\0\0\x80", 8), std::string(4096, '\0')},
                     .run = RunSegment,
                     .cost = 10});
  Manifest with_losses = *DecodeManifest(sound.manifest);
  journal::Loss loss;
  loss.partition = 1;
  loss.begin = 2;
  loss.end = 5;
  loss.note = "a disk";
  with_losses.losses.push_back(loss);
  with_losses.recoveries.emplace_back("cut off 5 bytes");
  with_losses.partitions[1].duplicates = 3;
  targets.push_back(
      {.name = "journal-manifest",
       .corpus = {sound.manifest, Encode(with_losses)},
       .words = {"\n", " ", "segment ", "partition ", "loss ", "recovery ", "next ", "checksum ",
                 "clean 2", "-1", "18446744073709551615", "9223372036854775807", "4096", "0"},
       .run = RunManifest,
       .cost = 10});
  targets.push_back({.name = "identity-file",
                     .corpus = {IdentityFile()},
                     .words = {std::string(24, '\0'), std::string(8, '\xFF')},
                     .run = RunIdentities,
                     .cost = 5});
  ledger::SignedOff count;
  count.table_id = "t";
  count.files_digest = 77;
  count.landed = 9;
  const std::string counted = ledger::Encode(count);
  targets.push_back({.name = "signed-off",
                     .corpus = {counted},
                     .words = {" ", "\n", "-1", "18446744073709551615", "0", "sluice-ledger 1 "},
                     .run = RunSignedOff});
  return targets;
}

}  // namespace sluice::fuzz
