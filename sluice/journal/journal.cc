#include "sluice/journal/journal.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "sluice/base/trace.h"
#include "sluice/journal/internal/embedded_journal.h"
#include "sluice/journal/internal/recovery.h"
#include "sluice/journal/internal/storage.h"
#include "sluice/journal/internal/write_probe.h"

namespace sluice::journal {

namespace {

[[noreturn]] void AbortOnSyncFailure(const std::string& folder, const Error& error) {
  std::fprintf(stderr,
               "journal '%s': %s; what the disk holds is unknown, so the process stops: start it "
               "again to recover\n",
               folder.c_str(), error.ToString().c_str());
  std::abort();
}

Status Check(const Options& options) {
  if (options.folder.empty()) return Invalid("the journal has no folder");
  if (options.segment_bytes < 4 * internal::kBlockBytes) {
    return Invalid("segments of {} bytes, at least {} are needed", options.segment_bytes,
                   4 * internal::kBlockBytes);
  }
  if (options.pinned_segments_max == 0) return Invalid("pinned_segments_max is 0");
  if (options.idle_watermark.count() < 0) return Invalid("idle_watermark is negative");
  return {};
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(const Options& options, os::Disk& disk,
                                               const os::Clock& clock, os::Random& random,
                                               os::Threads& threads) {
  SLUICE_RETURN_IF_ERROR(Check(options));
  SLUICE_RETURN_IF_ERROR(disk.MakeFolders(options.folder, options.on_sync_failure));
  SLUICE_ASSIGN_OR_RETURN(auto lock, disk.Lock(options.folder + "/lock"), "journal");
  auto on_sync_failure = options.on_sync_failure;
  if (!on_sync_failure) {
    on_sync_failure = [folder = options.folder](const Error& error) {
      AbortOnSyncFailure(folder, error);
    };
  }
  auto storage =
      std::make_unique<internal::Storage>(disk, options.folder, std::move(on_sync_failure));
  SLUICE_ASSIGN_OR_RETURN(auto recovered, internal::Recover(*storage, clock, random));
  Options chosen = options;
  if (options.writes != Writes::kCached) {
    auto choice = internal::ChooseWrites(options.writes, disk, clock, options.folder);
    chosen.writes = choice.writes;
    trace::Info("journal writes", {{"way", choice.writes == Writes::kDirect ? "direct" : "cached"},
                                   {"reason", std::move(choice.reason)}});
  }
  return std::unique_ptr<Journal>(std::make_unique<internal::EmbeddedJournal>(
      chosen, std::move(storage), std::move(lock), std::move(recovered), clock, random, threads));
}

}  // namespace sluice::journal
