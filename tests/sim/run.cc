#include "tests/sim/run.h"

#include <algorithm>

#include "sluice/event/contract.h"
#include "sluice/journal/inspect.h"

namespace sluice::sim {
namespace {

using os::DiskCall;

constexpr std::array<std::pair<DiskCall, std::string_view>, 10> kDiskCalls = {{
    {DiskCall::kOpen, "open"},
    {DiskCall::kRead, "read"},
    {DiskCall::kWrite, "write"},
    {DiskCall::kSync, "sync"},
    {DiskCall::kTruncate, "truncate"},
    {DiskCall::kAllocate, "allocate"},
    {DiskCall::kRename, "rename"},
    {DiskCall::kRemove, "remove"},
    {DiskCall::kMakeFolder, "make folder"},
    {DiskCall::kSyncDirectory, "sync folder"},
}};


// Of a call that only reads, a lost answer is a failure like any other.
bool Changes(store::StoreCall call) {
  return call == store::StoreCall::kPut || call == store::StoreCall::kWritePart ||
         call == store::StoreCall::kPutIfAbsent || call == store::StoreCall::kDelete;
}

constexpr int kVersionMax = 3;
constexpr int kNestedMax = 3;
constexpr std::string_view kMaintaining = "maintaining tables";

event::Contract Compile(std::string_view text) {
  const std::string whole = fmt::format(
      "@0x9a41c6de07b35f18;\nusing Sl = import \"sluice.capnp\";\n{}\n", text);
  auto contracts = event::CompileCapnp({{"t.capnp", whole}}, "t.capnp");
  SLUICE_CHECK(contracts.ok());
  return std::move(contracts->front());
}

event::Contract Orders(int version) {
  std::string more;
  for (int i = 2; i <= version; ++i) more += fmt::format(" more{} @{} :Text;", i, i + 2);
  return Compile("struct Order $Sl.event(\"orders\") { id @0 :Text $Sl.id; n @1 :Int64; text @2 "
                 ":Text; at @3 :Text $Sl.eventTime;" +
                 more + " }");
}

event::Contract ClicksContract() {
  event::Contract contract = Compile(
      "struct Click $Sl.event(\"clicks\") { n @0 :Int64; text @1 :Text; at @2 :Text "
      "$Sl.eventTime; }");
  contract.identity.by_producer = true;
  return contract;
}

}  // namespace

Run::Run(uint64_t seed, Counts& counts)
    : counts_(counts), engine_(seed), machine_(seed), model_(counts.model) {
  setup_.segment_bytes = (16 << 10) << Below(4);
  setup_.group_bytes_max = Chance(3) ? 1 << 10 : 4 << 20;
  setup_.queue_bytes_max = Chance(8) ? 16 << 10 : 1 << 20;
  setup_.free_bytes_min = Chance(4) ? 32 << 10 : 0;
  setup_.land_every = std::chrono::milliseconds(Chance(2) ? 1'000 : 20'000);
  setup_.land_bytes_max = Chance(3) ? 4 << 10 : 256 << 10;
  setup_.dates_max = static_cast<int>(1 + Below(4));
  fault_kinds_ = engine_();
  with_foreign_ = Chance(2);
  setup_.writes = Chance(3) ? journal::Writes::kDirect : journal::Writes::kCached;
  // In a run all comes from one thread, so that without this no request would ever wait for another.
  if (Chance(2)) setup_.caller_bytes_max = Chance(2) ? 0 : 512;
  // Compressed files of a few rows are a fifth of what a run takes, and hide no other bugs.
  setup_.cluster = Chance(2);
  setup_.joined_after = std::chrono::hours(Chance(4) ? 1 : 0);
  setup_.compression = Chance(16) ? columnar::Compression::kZstd : columnar::Compression::kNone;
}

std::vector<std::string> Run::Execute() {
  ++counts_.runs;
  const uint64_t lives = 3 + Below(5);
  for (uint64_t life = 0; life < lives && model_.violations().empty(); ++life) Live();
  if (model_.violations().empty()) Finish();
  return model_.violations();
}

void Run::Live() {
  if (Chance(6)) DamageSealedSegment();
  if (!model_.violations().empty()) return;
  for (int nested = 0;; ++nested) {
    if (Boot(nested < kNestedMax && Chance(3))) break;
    if (!model_.violations().empty()) return;
    ++counts_.nested;
    Lose("in recovery");
  }
  Verify();
  if (!model_.violations().empty()) return;
  Harm();
  try {
    for (uint64_t i = 8 + Below(40); i > 0; --i) {
      Operate();
      if (!model_.violations().empty()) return;
      if (!machine_.disk.powered()) return Lose("power");
      if (Chance(60)) Harm();
    }
    if (Chance(4)) {
      Note("stop");
      machine_.disk.ClearFaults();
      machine_.disk.SetCapacity(UINT64_MAX);
      process_->store().Clear();
      const Status stopped = process_->Stop();
      if (!stopped.ok()) model_.Violation("stop: " + stopped.error().ToString());
      ++counts_.stops;
    }
  } catch (const ProcessDeath& death) {
    ++counts_.aborts;
    Note("abort: {}", death.reason);
    if (machine_.disk.powered() && !Chance(4)) return Lose("abort", Loss::kProcess);
  }
  Lose("end");
}

// A flipped bit in a sealed segment stops the start or does no harm; put right, all is as before.
void Run::DamageSealedSegment() {
  const auto found = journal::Inspect(machine_.disk, "/data/journal");
  std::vector<std::string> segments;  // The active one need not be that of the highest number.
  for (const journal::SegmentReport& segment :
       found.ok() ? found->segments : std::vector<journal::SegmentReport>()) {
    if (segment.sealed) segments.push_back(segment.file);
  }
  if (segments.empty()) return;
  const std::string& path = segments[Below(segments.size())];
  const uint64_t offset = Below(machine_.disk.Look(path)->size());
  const auto bits = static_cast<uint8_t>(1u << Below(8));
  SLUICE_CHECK(machine_.disk.Damage(path, offset, bits).ok());
  ++counts_.damaged;
  opened_.clear();
  process_ = std::make_unique<Process>(setup_, machine_);
  try {
    const Status started = process_->Start();
    Note("start with damage at byte {} of {}: {}", offset, path,
         started.ok() ? "ok" : started.error().ToString());
    if (started.ok()) {
      LookForClicks();
      Verify();
    } else if (started.error().code() == ErrorCode::kCorrupt) {
      ++counts_.detected;
    } else {
      model_.Violation("start with damage: " + started.error().ToString());
    }
  } catch (const ProcessDeath& death) {
    model_.Violation("abort without a fault: " + death.reason);
  }
  process_.reset();
  (void)machine_.disk.Damage(path, offset, bits);
  machine_.disk.Restart();
}

bool Run::Boot(bool may_fail) {
  if (may_fail) {
    if (Chance(2)) {
      machine_.disk.CutPowerAfter(Below(30));
    } else {
      machine_.disk.Fail(kDiskCalls[Below(kDiskCalls.size())].first, Below(12));
    }
  }
  interleave_ = false;
  opened_.clear();
  process_ = std::make_unique<Process>(setup_, machine_);
  process_->OnPause([this] { return !Chance(50); });  // Else the server is about to stop.
  process_->store().Observe(
      [this](store::StoreCall call, std::string_view path) { DuringStoreCall(call, path); });
  if (may_fail && Chance(3)) {
    // Only a start reads parts of files, and makes sure that what it saw is durable.
    const uint64_t roll = Below(3);
    const auto call = roll == 0   ? store::StoreCall::kGetRange
                      : roll == 1 ? store::StoreCall::kSyncFolder
                                  : kStoreCalls[Below(kStoreCalls.size())].first;
    const bool once = call == store::StoreCall::kSyncFolder;
    process_->store().Add({.call = call, .skip = static_cast<int>(Below(once ? 2 : 6))});
  }
  Status started;
  try {
    started = process_->Start();
    if (started.ok()) LookForClicks();
    // One by one: the tables of several are made on threads that the simulation does not run.
    std::vector<event::Contract> contracts = {Orders(version_)};
    if (clicks_wanted_) contracts.push_back(ClicksContract());
    for (const event::Contract& contract : contracts) {
      if (started.ok()) started = process_->ingest().RegisterAtStart({contract});
    }
    if (started.ok()) LookForClicks();
  } catch (const ProcessDeath& death) {
    started = Unavailable("{}", death.reason);
  }
  Note("boot: {}", started.ok() ? "ok" : started.error().ToString());
  if (started.ok()) {
    if (process_->journal().recovery().torn_bytes > 0) ++counts_.torn;
    process_->store().Clear();
    return machine_.disk.powered();
  }
  if (!may_fail || started.error().code() != ErrorCode::kUnavailable) {
    model_.Violation("start: " + started.error().ToString());
  }
  return false;
}

// Chooses what goes wrong next.
void Run::Harm() {
  os::SimulatedDisk& disk = machine_.disk;
  if (Chance(2)) disk.CutPowerAfter(Below(400));
  for (size_t i = 0; i < kDiskCalls.size(); ++i) {
    if ((fault_kinds_ >> i & 1) != 0 && Chance(4)) {
      // Some calls are made once or twice in a life.
      const os::DiskCall call = kDiskCalls[i].first;
      const bool rare = call == os::DiskCall::kTruncate || call == os::DiskCall::kAllocate;
      disk.Fail(call, Below(rare ? 3 : 60), 1 + Below(2));
    }
  }
  disk.SetCapacity(Chance(6) ? disk.UsedBytes() + Below(64 << 10) : UINT64_MAX);
  if (Chance(6)) {
    // The answer to a commit is lost, and for a while nobody can see whether it is there.
    const int times = static_cast<int>(1 + Below(3));
    process_->store().Add({.call = store::StoreCall::kPutIfAbsent,
                           .when = store::Fault::When::kAfter,
                           .path_part = ".json"});
    process_->store().Add(
        {.call = store::StoreCall::kGet, .path_part = ".json", .times = times});
    process_->store().Add({.call = store::StoreCall::kList, .times = times});
  } else if (Chance(2)) {
    store::Fault fault;
    fault.call = Chance(4) ? store::StoreCall::kPutIfAbsent
                           : kStoreCalls[Below(kStoreCalls.size())].first;
    fault.when = Chance(2) ? store::Fault::When::kAfter : store::Fault::When::kBefore;
    // Some calls are made once or twice in a life.
    const bool rare =
        fault.call == store::StoreCall::kHead || fault.call == store::StoreCall::kDelete;
    fault.skip = static_cast<int>(Below(rare ? 2 : 6));
    fault.times = static_cast<int>(1 + Below(3));
    process_->store().Add(fault);
  }
}

// Ends the process, with or without the power.
void Run::Lose(std::string_view why, Loss loss) {
  CountFaults();
  if (why != "end") ++counts_.losses[why == "in recovery" ? "in recovery" : doing_];
  process_.reset();
  model_.Crash();
  machine_.disk.SetCapacity(UINT64_MAX);
  // Where the power was cut, the process may as well have been killed there: in the middle of what
  // it was doing, with all that it wrote still in the cache.
  if (loss == Loss::kProcess || Chance(3)) {
    ++counts_.kills;
    machine_.disk.Restart();
    Note("kill ({})", why);
  } else {
    ++counts_.power_losses;
    machine_.disk.Crash(engine_());
    Note("power loss ({})", why);
  }
  if (Chance(4)) machine_.clock.Advance(std::chrono::minutes(Below(30)));
  if (Chance(20)) JumpClock();
}

void Run::CountFaults() {
  for (const auto& [call, name] : kDiskCalls) {
    const os::SimulatedDisk::Fired fired = machine_.disk.TakeFired(call);
    counts_.faults[fmt::format("disk: {} fails", name)] += static_cast<int64_t>(fired.faults);
    if (call != DiskCall::kRead) {
      counts_.faults[fmt::format("disk: power lost at {}", name)] +=
          static_cast<int64_t>(fired.power_losses);
    }
    if (fired.full > 0 || call == DiskCall::kWrite || call == DiskCall::kAllocate) {
      counts_.faults[fmt::format("disk: full at {}", name)] += static_cast<int64_t>(fired.full);
    }
  }
  using When = store::Fault::When;
  for (const auto& [call, name] : kStoreCalls) {
    // A call that is never made cannot fail: Counts::store_calls tells of those.
    if (!counts_.store_calls.contains(call)) continue;
    const int before = process_->store().failed(call, When::kBefore);
    const int after = process_->store().failed(call, When::kAfter);
    counts_.faults[fmt::format("store: {} fails", name)] += before + (Changes(call) ? 0 : after);
    if (!Changes(call)) continue;
    counts_.faults[fmt::format("store: answer to {} is lost", name)] += after;
  }
}

// The faults have ended: everything must work, and everything must land.
void Run::Finish() {
  if (!Boot(false)) return;
  try {
    Verify();
    for (int i = 0; i < 5; ++i) {
      SendBody({MakeRow(true)}, true, ingest::WaitLevel::kLog);
      process_->threads().RunAll();
    }
    if (!model_.quiet()) model_.Violation("rows sent without faults were not answered");
    SendBody({MakeRow(true)}, true, ingest::WaitLevel::kTable);
    for (int i = 0; i < 100 && !model_.quiet(); ++i) {
      process_->threads().RunAll();
      machine_.clock.Advance(std::chrono::milliseconds(100));
    }
    if (!model_.quiet()) model_.Violation("a row did not land within 10 s after the faults");
    const Status stopped = process_->Stop();
    if (!stopped.ok()) model_.Violation("last stop: " + stopped.error().ToString());
    for (const land::TableStatus& table : process_->lander().Tables()) {
      if (!table.stopped.empty()) {
        model_.Violation(fmt::format("{} has stopped: {}", table.table, table.stopped));
      } else if (table.landed + 1 != table.end) {
        model_.Violation(fmt::format("{} has landed {} of {} rows at the end", table.table,
                                     table.landed + 1, table.end));
      }
    }
    VerifyCounters(process_->lander().Tables());
    Verify();
  } catch (const ProcessDeath& death) {
    model_.Violation("abort without a fault: " + death.reason);
  }
  CountFaults();
  process_.reset();
  machine_.disk.Crash(engine_());
  if (!model_.violations().empty() || !Boot(false)) return;
  Verify();
}

void Run::Operate() {
  const uint64_t roll = Below(100);
  if (roll < 34) return Submit();
  if (roll < 76) return RunThread();
  if (roll < 87) return Tick();
  if (roll < 90) return Land();
  if (roll < 93) return View();
  if (roll < 96) return Maintain();
  if (roll < 98 && with_foreign_) return AppendForeign();
  if (roll < 99 && version_ < kVersionMax) {
    const Status evolved = Evolve(version_ + 1);
    if (!evolved.ok() && evolved.error().code() != ErrorCode::kUnavailable) {
      model_.Violation("evolve: " + evolved.error().ToString());
    }
    return;
  }
  if (roll == 99) return clicks_open_ ? RemoveClicks() : MakeClicksAgain();
  Submit();
}

std::optional<catalog::Topic> Run::Clicks() const {
  for (const catalog::Topic& topic : process_->ingest().Topics()) {
    if (topic.contract->topic == "clicks") return topic;
  }
  return std::nullopt;
}

std::string Run::NameOf(uint32_t partition, const std::string& topic) const {
  const auto name = names_.find(partition);
  return name == names_.end() ? topic : name->second;
}

bool Run::IsThere(const std::string& topic) const {
  return topic == "orders" || topic == "nowhere" || (clicks_open_ && topic == clicks_name_);
}

void Run::RemoveClicks() {
  doing_ = "deleting a topic";
  const catalog::Topic topic = *Clicks();
  clicks_open_ = clicks_stays_ = clicks_wanted_ = false;
  clicks_leaves_ = true;
  model_.BeginRemoval(clicks_name_);
  interleave_ = true;
  const auto removed = process_->ingest().Remove("clicks");
  interleave_ = clicks_leaves_ = false;
  Note("delete {}: {}", clicks_name_, removed.ok() ? "ok" : removed.error().ToString());
  if (!removed.ok() && removed.error().code() != ErrorCode::kUnavailable &&
      removed.error().code() != ErrorCode::kConflict) {
    model_.Violation("delete: " + removed.error().ToString());
  }
  if (!machine_.disk.powered()) return;
  clicks_open_ = Clicks().has_value();
  if (clicks_open_) return model_.BeginRemoval({});
  if (removed.ok()) VerifyRemoved(topic);
  model_.RemoveTopic(clicks_name_);
  sequence_ = 0;
  ++counts_.deleted;
}

void Run::MakeClicksAgain() {
  doing_ = "taking a contract";
  clicks_wanted_ = true;
  const auto topic = process_->ingest().Register(ClicksContract());
  Note("make clicks again: {}", topic.ok() ? "ok" : topic.error().ToString());
  if (!topic.ok() && topic.error().code() != ErrorCode::kUnavailable) {
    model_.Violation("make clicks again: " + topic.error().ToString());
  }
  if (!topic.ok() || !machine_.disk.powered()) return;
  LookForClicks();
  ++counts_.made_again;
}

void Run::LookForClicks() {
  clicks_leaves_ = false;
  const auto found = Clicks();
  const std::string name =
      !found                   ? ""
      : found->incarnation > 1 ? fmt::format("clicks-{}", found->incarnation)
                               : "clicks";
  const bool had = !clicks_name_.empty() && !model_.WasRemoved(clicks_name_);
  if (had && name != clicks_name_) {
    Note("{} is gone", clicks_name_);
    if (clicks_stays_) model_.Violation(fmt::format("{} was not deleted, but is gone", clicks_name_));
    model_.RemoveTopic(clicks_name_);
    sequence_ = 0;
  }
  clicks_open_ = clicks_stays_ = found.has_value();
  if (!found) return;
  clicks_name_ = name;
  names_[found->partition] = name;
}

Status Run::Evolve(int version) {
  doing_ = "taking a contract";
  const auto topic = process_->ingest().Register(Orders(version));
  Note("evolve: {}", topic.ok() ? "ok" : topic.error().ToString());
  if (!topic.ok()) return topic.status();
  if (machine_.disk.powered()) {
    version_ = version;
    ++counts_.evolutions;
  }
  return {};
}

void Run::RunThread() {
  interleave_ = true;
  doing_ = "running a thread";
  const std::string name = process_->threads().RunOne(engine_());
  interleave_ = false;
  if (name.empty()) return;
  Note("step {}", name);
  doing_ = fmt::format("running the {}", name);
}

void Run::Land() {
  doing_ = "landing";
  const auto before = process_->lander().Tables();
  interleave_ = true;
  const Status landed = process_->lander().LandAll();
  interleave_ = false;
  Note("land: {}", landed.ok() ? "ok" : landed.error().ToString());
  ++counts_.landings;
  if (!landed.ok() && landed.error().code() != ErrorCode::kUnavailable &&
      landed.error().code() != ErrorCode::kConflict) {
    model_.Violation("land: " + landed.error().ToString());
  }
  if (landed.ok() && machine_.disk.powered()) VerifyCounters(before);
}

// The server's own work on its tables, with other things in the middle of it.
void Run::Maintain() {
  constexpr int kHoursMax = 6;  // Together far less than the horizon of identities.
  if (hours_ < kHoursMax && Chance(3)) {
    ++hours_;
    machine_.clock.Advance(std::chrono::minutes(61));
  }
  doing_ = kMaintaining;
  land::MaintenanceLog& log = process_->lander().maintenance();
  const size_t before = log.List().size();
  interleave_ = true;
  const bool whole = process_->maintenance().Look();
  interleave_ = false;
  Note("maintain: {}", whole ? "whole" : "cut short");
  if (!machine_.disk.powered()) return;
  const auto runs = log.List();
  for (size_t i = before; i < runs.size(); ++i) {
    const land::MaintenanceRun& run = runs[i];
    Note("{} {}: {} {}, {} files before, {} after", run.action, run.table, run.outcome, run.reason,
         run.files_before, run.files_after);
    const bool stopped = run.outcome == "off" || run.outcome == "stopped";
    if (run.outcome == "failed" && !run.reason.ends_with("(unavailable)") &&
        !run.reason.ends_with("(conflict)")) {
      model_.Violation(fmt::format("{} {}: {}", run.action, run.table, run.reason));
    } else if (!stopped && run.action == "vacuum") {
      counts_.vacuumed += run.files_before - run.files_after;
    } else if (!stopped && run.outcome != "failed") {
      ++counts_.rewrites;
    }
  }
}

void Run::Tick() {
  doing_ = "waiting";
  machine_.clock.Advance(std::chrono::microseconds(1) * (1 << Below(25)));
  if (Chance(10)) {  // An operator, or a time server, sets the clock.
    const auto by = std::chrono::seconds(static_cast<int64_t>(Below(1200)) - 600);
    machine_.clock.SetWall(machine_.clock.Now() + by);
  }
  if (Chance(50)) JumpClock();
  // A file that is not written tells of less time than has passed, which is no harm.
  if (Chance(10)) (void)process_->expiry().Keep();
}

// Sets the clock ten years ahead or back, or right again.
void Run::JumpClock() {
  constexpr std::chrono::hours kYears{24 * 3650};
  const os::Timestamp right = machine_.TrueTime();
  const bool is_off = std::chrono::abs(machine_.clock.Now() - right) > kYears / 2;
  machine_.clock.SetWall(is_off ? right : Chance(2) ? right + kYears : right - kYears);
  ++counts_.clock_jumps;
  Note("clock is set to {} s", machine_.clock.Now().time_since_epoch() / std::chrono::seconds(1));
}

void Run::DuringStoreCall(store::StoreCall call, std::string_view path) {
  ++counts_.store_calls[call];
  // What a rewriting gives up it deletes on its way out, where nothing may throw.
  if (!interleave_ || call == store::StoreCall::kDelete) return;
  if (!Chance(doing_ == kMaintaining ? 40 : 4)) return;  // It reads its files in many calls.
  interleave_ = false;
  const std::string outer = doing_;
  ++counts_.interleaved;
  const bool commits = call == store::StoreCall::kPutIfAbsent && path.ends_with(".json");
  const uint64_t roll = Below(10);
  if (commits && with_foreign_ && roll < 4) {
    AppendForeign();
  } else if (roll < 6) {
    Submit();
  } else if (roll < 8) {
    const std::string name = process_->threads().RunOne(engine_());
    if (!name.empty()) Note("step {} meanwhile", name);
  } else {  // A new contract waits for the landing to end, so it cannot come here.
    View();
  }
  doing_ = outer;
  interleave_ = true;
}

}  // namespace sluice::sim
