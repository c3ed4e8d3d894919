#include "sluice/journal/copy.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "sluice/journal/internal/manifest_age.h"
#include "sluice/journal/internal/segment_reader.h"
#include "sluice/journal/internal/storage.h"

namespace sluice::journal {

namespace {

using internal::Cursor;
using internal::Manifest;
using internal::SegmentEntry;
using internal::SegmentReader;

constexpr int kOpeningsMax = 20;
constexpr int kReadingsMax = 500;
// Half of what an idle journal takes to prove its last group.
constexpr std::chrono::milliseconds kReadAgainAfter{5};

constexpr std::string_view kAdvice =
    "see `sluice journal verify`; a damaged journal is not copied, as the copy would hide it";

void Pause() {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable().wait_for(lock, kReadAgainAfter);
}

/// The segments that a manifest names, held open: they stay readable when they are removed.
struct Held {
  Manifest manifest;
  std::vector<std::unique_ptr<os::File>> files;
};

class Copier {
 public:
  Copier(os::Disk& disk, const std::string& folder, const std::string& target)
      : disk_(disk), source_(disk, folder, [](const Error&) {}), target_(target) {}

  Result<JournalCopy> Run() {
    SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(target_));
    SLUICE_ASSIGN_OR_RETURN(const auto names, disk_.List(target_));
    if (!names.empty()) return Conflict("'{}' is not empty", target_);
    SLUICE_ASSIGN_OR_RETURN(Held held, Hold());
    Manifest& manifest = held.manifest;
    if (!manifest.segments.empty() && !manifest.segments.back().sealed()) {
      SLUICE_RETURN_IF_ERROR(CutActive(manifest, *held.files.back()));
    }
    for (size_t i = 0; i < manifest.segments.size(); ++i) {
      const SegmentEntry& entry = manifest.segments[i];
      const std::string name = internal::SegmentName(entry.key.id);
      SLUICE_ASSIGN_OR_RETURN(const auto copied, os::CopyToNewFile(*held.files[i], entry.end, disk_,
                                                                   target_ + "/" + name));
      copy_.files.push_back({.name = name, .content = copied});
    }
    internal::Storage storage(disk_, target_, [](const Error&) {});
    SLUICE_RETURN_IF_ERROR(storage.StoreManifest(manifest));
    SLUICE_ASSIGN_OR_RETURN(const auto sum, os::SumOfFile(disk_, target_ + "/manifest"));
    copy_.files.push_back({.name = "manifest", .content = sum});
    // What counts is what the copy reads like, not what was read while it was made.
    SLUICE_ASSIGN_OR_RETURN(copy_.found, Inspect(disk_, target_));
    if (copy_.found.Sound()) return std::move(copy_);
    const Damage& damage = copy_.found.damages.front();
    return Corrupt("journal '{}': '{}' at byte {}: {}; {}", source_.folder(), damage.file,
                   damage.position, damage.reason, kAdvice);
  }

 private:
  Result<Held> Hold() {
    for (int i = 0; i < kOpeningsMax; ++i) {
      SLUICE_ASSIGN_OR_RETURN(auto manifest, source_.LoadManifest());
      if (!manifest) return NotFound("there is no journal in '{}'", source_.folder());
      Held held{.manifest = std::move(*manifest), .files = {}};
      Status opened;
      for (const SegmentEntry& entry : held.manifest.segments) {
        auto file = disk_.Open(source_.SegmentPath(entry.key.id), os::OpenMode::kRead);
        opened = file.status();
        if (!opened.ok()) break;
        held.files.push_back(std::move(*file));
      }
      if (opened.ok()) {
        SLUICE_ASSIGN_OR_RETURN(const auto why, internal::WhyOutdated(source_, held.manifest));
        if (!why) return held;
        // Replaced since it was read; or put back from a copy, and so it stays.
        last_ = Corrupt("'{}/manifest' is older than its journal: {}", source_.folder(), *why);
        continue;
      }
      if (opened.error().code() != ErrorCode::kNotFound) return opened;
      last_ = std::move(opened);  // Released and removed since the list was read, or missing.
    }
    return Corrupt("{}; {}", last_.error().message(), kAdvice);
  }

  /// Whether a writer may still add groups to the segment.
  Result<bool> IsWritten(uint64_t segment) {
    std::unique_ptr<os::File> lock;
    SLUICE_ASSIGN_OR_RETURN(const bool in_use, source_.InUse(lock));
    if (!in_use) return false;
    SLUICE_ASSIGN_OR_RETURN(const auto manifest, source_.LoadManifest());
    if (!manifest || manifest->segments.empty()) return false;
    const SegmentEntry& last = manifest->segments.back();
    return last.key.id == segment && !last.sealed();
  }

  /// Seals the last segment in `manifest` where its proven groups end; forgets it if it has none.
  Status CutActive(Manifest& manifest, os::File& file) {
    const SegmentEntry& entry = manifest.segments.back();
    Cursor cut = entry.first;  // Behind the last group that is proven.
    cut.position = internal::kBlockBytes;
    uint64_t wanted = 0;  // Behind the last group that was there at first.
    for (int reading = 0; reading < kReadingsMax; ++reading) {
      if (reading > 0) Pause();
      // Asked before the bytes are read: only then is nothing added to them afterwards.
      SLUICE_ASSIGN_OR_RETURN(const bool written, IsWritten(entry.key.id));
      SLUICE_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
      SegmentReader reader(file, entry.key, size);
      SLUICE_RETURN_IF_ERROR(reader.CheckHeader(manifest.uuid), "'{}'",
                             source_.SegmentPath(entry.key.id));
      Cursor cursor = cut;
      while (true) {
        const Cursor before = cursor;
        const auto group = reader.Next(cursor);
        if (!group.ok() && group.error().code() != ErrorCode::kCorrupt) return group.status();
        if (!group.ok()) break;
        // A group is written when the one before it is synced. One without frames has nothing that
        // a crash could take back.
        cut = group->empty() ? cursor : before;
      }
      if (!written) {
        SLUICE_RETURN_IF_ERROR(CheckTail(reader, cursor, entry));
        cut = cursor;
      }
      if (reading == 0) wanted = cursor.sequence;
      if (cut.sequence >= wanted) return Seal(manifest, cut);
    }
    return Unavailable("journal '{}': its writer has synced nothing for seconds", source_.folder());
  }

  /// What cannot be read behind the groups must be a torn tail.
  Status CheckTail(SegmentReader& reader, const Cursor& end, const SegmentEntry& entry) {
    SLUICE_ASSIGN_OR_RETURN(const SegmentReader::Rest rest, reader.LookAhead(end));
    if (!rest.proof) return {};
    return Corrupt("'{}' at byte {}: acknowledged rows are damaged; {}",
                   source_.SegmentPath(entry.key.id), end.position, kAdvice);
  }

  static Status Seal(Manifest& manifest, const Cursor& cut) {
    manifest.next = cut;
    manifest.segments.back().end = cut.position;
    if (cut.position == internal::kBlockBytes) manifest.segments.pop_back();
    return {};
  }

  os::Disk& disk_;
  internal::Storage source_;
  const std::string target_;
  JournalCopy copy_;
  Status last_;
};

}  // namespace

Result<JournalCopy> CopyJournal(os::Disk& disk, const std::string& folder,
                                const std::string& target) {
  return Copier(disk, folder, target).Run();
}

}  // namespace sluice::journal
