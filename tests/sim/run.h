#pragma once
/// \file
/// One simulated run: operations, faults and crashes drawn from a seed, compared with the model.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sim/machine.h"
#include "tests/sim/model.h"

namespace sluice::sim {

inline constexpr std::array<std::pair<store::StoreCall, std::string_view>, 9> kStoreCalls = {{
    {store::StoreCall::kGet, "get"},
    {store::StoreCall::kGetRange, "get range"},
    {store::StoreCall::kHead, "head"},
    {store::StoreCall::kPut, "put"},
    {store::StoreCall::kWritePart, "write part"},
    {store::StoreCall::kPutIfAbsent, "put if absent"},
    {store::StoreCall::kList, "list"},
    {store::StoreCall::kDelete, "delete"},
    {store::StoreCall::kSyncFolder, "sync folder"},
}};

/// What happened over all runs: a run in which something never happens proves nothing about it.
struct Counts {
  int64_t runs = 0;
  int64_t power_losses = 0;
  int64_t kills = 0;
  int64_t nested = 0;  ///< Of both, during recovery.
  int64_t aborts = 0;  ///< Failed syncs.
  int64_t stops = 0;
  int64_t damaged = 0;   ///< Bits flipped in sealed segments,
  int64_t detected = 0;  ///< and how many of them stopped the start.
  int64_t views = 0;
  int64_t landings = 0;
  int64_t foreign_commits = 0;
  int64_t evolutions = 0;
  int64_t deleted = 0;      ///< Topics,
  int64_t made_again = 0;   ///< and those that came back under their name.
  int64_t interleaved = 0;  ///< Operations in the middle of a landing, or of maintenance.
  int64_t rewrites = 0;     ///< Commits of maintenance, of files that were joined or clustered,
  int64_t vacuumed = 0;     ///< and files that were deleted.
  int64_t torn = 0;
  int64_t checkpoints = 0;
  int64_t clock_jumps = 0;  ///< Of ten years.
  std::map<std::string, int64_t> faults;  ///< By site.
  /// Where the process was lost, other than at the end of a life: by what it was doing.
  std::map<std::string, int64_t> losses;
  std::map<store::StoreCall, int64_t> store_calls;  ///< That the process made while it served.
  ModelCounts model;
};

/// Not thread-safe. The same seed gives the same events.
class Run {
 public:
  Run(uint64_t seed, Counts& counts);

  /// Returns the violations found; empty if all promises were kept.
  std::vector<std::string> Execute();

  /// What happened, a line an event.
  const std::vector<std::string>& events() const { return events_; }

 private:
  bool Chance(uint64_t in) { return engine_() % in == 0; }
  uint64_t Below(uint64_t end) { return engine_() % end; }
  template <typename... Args>
  void Note(fmt::format_string<Args...> format, Args&&... args) {
    events_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  // Lives of the process.
  void Live();
  bool Boot(bool may_fail);
  void Harm();
  enum class Loss : uint8_t { kAny, kProcess };
  void Lose(std::string_view why, Loss loss = Loss::kAny);
  void DamageSealedSegment();
  void CountFaults();
  void Finish();

  // Operations.
  void Operate();
  void Submit();
  void SendBody(std::vector<Serial> rows, bool envelope, ingest::WaitLevel wait);
  Serial MakeRow(bool envelope);
  void RunThread();
  void Land();
  void Maintain();
  void Tick();
  void JumpClock();
  void View();
  void AppendForeign();
  Status Evolve(int version);
  void RemoveClicks();
  void MakeClicksAgain();
  /// Brings what is known of clicks to what the process has: the outcome of a change may have been
  /// unknown.
  void LookForClicks();
  void VerifyRemoved(const catalog::Topic& topic);
  std::optional<catalog::Topic> Clicks() const;
  /// What the model calls the topic of a partition.
  std::string NameOf(uint32_t partition, const std::string& topic) const;
  /// Whether a row of the topic may be sent again, and would get the same answer.
  bool IsThere(const std::string& topic) const;
  void DuringStoreCall(store::StoreCall call, std::string_view path);

  // Reading everything back, as a user's engine would.
  Result<std::map<std::string, SeenTopic>> ReadTopics();
  Status ReadTopic(const land::TableStatus& table, SeenTopic& topic);
  /// Opened once in each life, as it takes longer than all else that is read.
  Result<Serial> SerialOfPayload(std::string_view sealed);
  Status ReadRows(const columnar::Batch& rows, bool errors, SeenTopic& topic);
  Result<std::vector<columnar::Batch>> ReadFile(const std::string& location);
  void Verify();
  /// Whether tables count all duplicates that had been answered by an earlier time.
  void VerifyCounters(const std::vector<land::TableStatus>& then);

  Counts& counts_;
  std::mt19937_64 engine_;
  Machine machine_;
  Setup setup_;
  std::unique_ptr<Process> process_;
  Model model_;
  std::vector<std::string> events_;
  struct ReadBefore {
    size_t bytes_hash = 0;
    std::vector<columnar::Batch> rows;
  };
  std::map<std::string, ReadBefore> files_;  ///< By location.
  std::map<std::string, Serial, std::less<>> opened_;  ///< Payloads, in this life.
  uint64_t fault_kinds_ = 0;  ///< A bit per kind of disk call that may fail in this run.
  bool with_foreign_ = false;
  int hours_ = 0;           ///< That were let pass, so that files get old.
  int version_ = 1;         ///< Of the contract of orders: acknowledged.
  int64_t sequence_ = 0;    ///< Of the producer.
  // Clicks is deleted and made again; each time the model has it under another name.
  std::map<uint32_t, std::string> names_;  ///< By partition.
  std::string clicks_name_ = {};           ///< The last one's.
  bool clicks_wanted_ = true;              ///< There is a schema of it: a start makes it.
  bool clicks_open_ = false;               ///< It takes rows.
  bool clicks_leaves_ = false;             ///< It is being deleted: it may take rows, or not.
  bool clicks_stays_ = false;  ///< Else the process was told to delete it, and did not say it did.
  bool interleave_ = false;  ///< Whether a store call may have other things happen.
  std::string doing_ = {};   ///< What the process does; for the count of losses.
};

}  // namespace sluice::sim
