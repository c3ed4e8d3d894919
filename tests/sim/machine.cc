#include "tests/sim/machine.h"

#include <utility>

namespace sluice::sim {
namespace {

/// As eager as it may be: each look finds something to do, and files go once no query can need them.
land::MaintenanceOptions MaintenanceOf(const Setup& setup) {
  land::MaintenanceOptions options;
  options.every = std::chrono::milliseconds(1);
  options.files_min = 2;
  options.quiet = setup.joined_after;
  if (setup.cluster) options.cluster_by = {{"orders", {"n"}}};
  options.cluster_bytes = 32 << 10;
  options.vacuum_retention = std::chrono::hours(1);
  options.vacuum_every = std::chrono::milliseconds(1);
  return options;
}

}  // namespace

Process::Process(const Setup& setup, Machine& machine)
    : setup_(setup),
      machine_(machine),
      expiry_(machine.clock),
      threads_(machine.clock),
      files_(machine.disk, std::string(Machine::kTables),
             [this](const Error& error) { Abort(error.ToString()); }),
      dated_(files_, machine.clock, machine.times),
      store_(dated_) {}

Process::~Process() { Kill(); }

void Process::Kill() {
  threads_.Kill();
  maintenance_.reset();
  ingest_.reset();
  lander_.reset();
  journal_.reset();
}

void Process::Abort(const std::string& reason) {
  dated_.End();
  throw ProcessDeath{reason};
}

Status Process::Start() {
  os::SimulatedDisk& disk = machine_.disk;
  bool made = false;
  SLUICE_ASSIGN_OR_RETURN(
      keys_, privacy::Keys::LoadOrMake(disk, "/keys/sluice.keys", machine_.random, &made));
  if (made) {
    // As the server does: else each start derives the keys of all days since 1970.
    SLUICE_RETURN_IF_ERROR(
        keys_->DestroySealingKeysBefore(privacy::DayOf(machine_.clock.Now())));
  }
  journal::Options options;
  options.folder = "/data/journal";
  options.segment_bytes = setup_.segment_bytes;
  options.group_bytes_max = setup_.group_bytes_max;
  options.queue_bytes_max = setup_.queue_bytes_max;
  options.free_bytes_min = setup_.free_bytes_min;
  options.writes = setup_.writes;
  options.caller_bytes_max = setup_.caller_bytes_max;
  options.expiry = &expiry_;
  options.on_sync_failure = [this](const Error& error) { Abort(error.ToString()); };
  SLUICE_RETURN_IF_ERROR(expiry_.Open(disk, "/data/control/clock"), "trusted time");
  SLUICE_ASSIGN_OR_RETURN(
      journal_,
      journal::Journal::Open(options, disk, machine_.clock, machine_.random, threads_),
      "open journal");
  SLUICE_ASSIGN_OR_RETURN(catalog_, catalog::Catalog::Open(disk, "/data/control"));
  SLUICE_RETURN_IF_ERROR(expiry_.Keep(), "trusted time");
  land::LandOptions land;
  land.every = setup_.land_every;
  land.bytes_max = setup_.land_bytes_max;
  land.dates_max = setup_.dates_max;
  land.compression = setup_.compression;
  land.expiry = &expiry_;
  lander_ = std::make_unique<land::Lander>(land, store_, machine_.clock, machine_.random, threads_,
                                           metrics_, journal_->uuid());
  ingest::IngestOptions ingest;
  ingest.expiry = &expiry_;
  ingest_ = std::make_unique<ingest::Ingest>(ingest, *journal_, *lander_, *catalog_, store_, *keys_,
                                             machine_.clock, machine_.random, threads_, metrics_);
  const land::PaceOptions pace{
      .processor_time = [] { return std::chrono::microseconds(0); },
      .wait = [this](std::chrono::microseconds) { return !pause_ || pause_(); }};
  maintenance_ = std::make_unique<land::Maintenance>(MaintenanceOf(setup_), pace, *lander_,
                                                     machine_.clock, metrics_);
  SLUICE_RETURN_IF_ERROR(ingest_->Recover());
  lander_->Start([this](uint32_t partition, journal::Offset next) {
    journal_->Release(partition, next);
  });
  return {};
}

Status Process::Stop() {
  Status landed = lander_->Stop();
  journal_->Stop();
  return landed;
}

}  // namespace sluice::sim
