#include "sluice/server/server.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "sluice/api/http_server.h"
#include "sluice/api/routes.h"
#include "sluice/backup/restore.h"
#include "sluice/base/byte_budget.h"
#include "sluice/base/trace.h"
#include "sluice/base/worker_pool.h"
#include "sluice/catalog/catalog.h"
#include "sluice/govern/tokens.h"
#include "sluice/ingest/audit_log.h"
#include "sluice/ingest/ingest.h"
#include "sluice/land/maintenance.h"
#include "sluice/os/background.h"
#include "sluice/os/clock.h"
#include "sluice/os/command.h"
#include "sluice/os/disk.h"
#include "sluice/os/expiry_clock.h"
#include "sluice/os/folder_place.h"
#include "sluice/os/random.h"
#include "sluice/os/threads.h"
#include "sluice/privacy/keys.h"
#include "sluice/server/data_note.h"
#include "sluice/server/internal/part_options.h"
#include "sluice/server/key_retirement.h"
#include "sluice/server/project.h"
#include "sluice/server/space_watch.h"
#include "sluice/server/version.h"
#include "sluice/server/whereabouts.h"
#include "sluice/store/cached_store.h"
#include "sluice/store/folder_store.h"
#include "sluice/store/local_store.h"
#include "sluice/store/store_set.h"
#include "sluice/worker/pool.h"

namespace sluice::server {
namespace {

constexpr std::chrono::milliseconds kStopGrace{10'000};
constexpr int kWorkers = 4;
constexpr size_t kWorkersQueueMax = 256;
constexpr std::chrono::milliseconds kSpaceEvery{250};
constexpr std::chrono::minutes kTimeEvery{5};
constexpr int kRoundsAKey = 12;  // A day's key an hour at most.

std::string Absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

/// All parts, in the order of their start; members are destroyed in the opposite order.
class RunningServer final : public Server {
 public:
  explicit RunningServer(const Config& config) : config_(config) {}
  ~RunningServer() override {
    if (const Status stopped = Stop(); !stopped.ok()) {
      trace::Error("stop failed", {{"reason", stopped.error().ToString()}});
    }
  }

  Status Start();
  uint16_t port() const override { return http_->port(); }
  const journal::Recovery& recovery() const override { return journal_->recovery(); }
  std::vector<land::TableStatus> Tables() const override { return lander_->Tables(); }
  Metrics& metrics() override { return metrics_; }
  sql::Database& database() override { return *database_; }
  Status Stop() override;

 private:
  /// Refuses an address that others can reach while there are no tokens.
  Status CheckAddress();
  Result<std::string> WrappingKey() const;
  Status OpenKeys();
  /// Notes in control state and journal which keys they are made with. kDenied: other ones.
  Status BindKeys();
  /// Refuses what a restore that was cut short has left: it would be begun as a new project.
  Status CheckRestored();
  Status OpenTables(const std::string& folder);
  Status RecordLosses();
  Status RegisterSchemas();
  Status KeepSchema(const std::string& name, const std::string& text);
  Status StartQueries(const std::string& tenant_folder);
  Status StartHttp();
  /// Looks after the clock, and retires keys by it.
  void KeepTime(std::stop_token stop);
  void WatchSpace(std::stop_token stop);
  /// Ends the process when its data are no longer where it began.
  void CheckPlace() const;
  void Maintain(std::stop_token stop);
  void AddMemoryGauges();

  const Config config_;
  os::SystemClock clock_;
  os::ExpiryClock expiry_{clock_, os::SinceBoot};
  os::SystemRandom random_;
  os::SystemThreads threads_;
  os::SystemDisk disk_;
  SpaceWatch space_{internal::SpaceOptionsOf(config_), disk_};
  Metrics metrics_;
  const std::shared_ptr<ingest::DedupeMemory> dedupe_memory_ =
      std::make_shared<ingest::DedupeMemory>(config_.DedupeBytes());
  std::optional<privacy::Keys> keys_;
  std::unique_ptr<govern::Tokens> tokens_;
  std::unique_ptr<catalog::Catalog> catalog_;
  store::StoreSet stores_{disk_, random_};
  std::unique_ptr<store::ObjectStore> bucket_;  // Where the tables are, if not on this disk.
  std::unique_ptr<store::ObjectStore> files_;   // Of this disk: the tables, or copies of them.
  std::unique_ptr<store::CachedStore> cache_;
  store::ObjectStore* store_ = nullptr;  // One of these: where the tables are.
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<land::Lander> lander_;
  const std::shared_ptr<ByteBudget> bodies_ = std::make_shared<ByteBudget>(config_.BodyBytes());
  std::unique_ptr<ingest::Ingest> ingest_;
  std::unique_ptr<worker::Pool> pool_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<api::Routes> routes_;
  std::unique_ptr<api::HttpServer> http_;
  std::string JournalLock() const { return config_.DataPath() + "/journal/lock"; }
  os::FileIdentity place_;  // Of that file, since it is locked.
  std::atomic<bool> draining_{false};
  bool stopped_ = false;
  std::jthread keep_time_;
  std::jthread watch_space_;
  std::jthread maintain_;
};

Result<std::string> RunningServer::WrappingKey() const {
  std::string key;
  if (!config_.keys_command.empty()) {
    constexpr size_t kBytesMax = 1024;
    SLUICE_ASSIGN_OR_RETURN(
        key, os::ReadCommand(config_.keys_command, kBytesMax, std::chrono::seconds(30)),
        "keys.command");
  } else if (!config_.keys_environment.empty()) {
    const char* const value = std::getenv(config_.keys_environment.c_str());
    if (value == nullptr) {
      return Invalid("keys.environment: there is no variable '{}'", config_.keys_environment);
    }
    key = value;
  } else {
    return key;
  }
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.pop_back();
  if (key.empty()) return Invalid("keys: the key that seals the key file is empty");
  return key;
}

Status RunningServer::OpenKeys() {
  // From here on the memory has keys.
  if (const Status forbidden = os::ForbidCoreDumps(); !forbidden.ok()) {
    trace::Warning("core dumps", {{"reason", forbidden.error().ToString()}});
  }
  SLUICE_ASSIGN_OR_RETURN(const std::string wrapping, WrappingKey());
  bool made = false;
  const std::string path = config_.KeysPath() + "/sluice.keys";
  SLUICE_ASSIGN_OR_RETURN(const bool there, disk_.Exists(path), "keys '{}'", path);
  for (const char* const list : {"/control/keys", "/journal/keys"}) {
    if (there) break;
    const std::string bound = config_.DataPath() + list;
    SLUICE_ASSIGN_OR_RETURN(const bool exists, disk_.Exists(bound), "keys '{}'", path);
    if (!exists) continue;
    return NotFound(
        "keys '{}': the file is missing, and '{}' was made with other keys than new ones would be: "
        "put the key file back",
        path, config_.DataPath());
  }
  auto keys = privacy::Keys::LoadOrMake(disk_, path, random_, &made, wrapping);
  if (!keys.ok()) return keys.status();
  keys_ = std::move(*keys);
  if (made) {
    trace::Warning(
        "new keys made; keep a copy of them, apart from the data. If they are lost: tokens, "
        "encrypted and sealed values cannot be read again, hashes of new events join with none of "
        "the old, and repeated events are not recognised. If they leak: hashed values can be "
        "guessed, tokens read",
        {{"file", path}});
    // Nothing was sealed yet, so no day before today needs a key.
    SLUICE_RETURN_IF_ERROR(keys_->DestroySealingKeysBefore(privacy::DayOf(clock_.Now())));
  }
  for (const auto use :
       {privacy::KeyUse::kHash, privacy::KeyUse::kToken, privacy::KeyUse::kSubject}) {
    if (const uint32_t kid = config_.kids.at(static_cast<size_t>(use)); kid != 0) {
      SLUICE_RETURN_IF_ERROR(keys_->Rotate(use, kid, random_), "privacy.{}_key", ToString(use));
    }
  }
  return {};
}

Status RunningServer::BindKeys() {
  std::vector<std::string> lists{config_.DataPath() + "/control/keys",
                                 config_.DataPath() + "/journal/keys"};
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk_.Exists(lists.front()));
  // What is there is compared first: keys that are refused must be noted nowhere.
  if (!exists) std::swap(lists.front(), lists.back());
  for (const std::string& list : lists) SLUICE_RETURN_IF_ERROR(keys_->Bind(disk_, list));
  return {};
}

Status RunningServer::CheckAddress() {
  tokens_ = std::make_unique<govern::Tokens>(disk_, clock_, random_, config_.TokensPath());
  const std::string& address = config_.address;
  if (address == "127.0.0.1" || address == "localhost" || address == "::1") return {};
  SLUICE_ASSIGN_OR_RETURN(const bool tokens_exist, tokens_->AnyMade());
  if (tokens_exist) return {};
  return Error(ErrorCode::kInvalid,
               fmt::format("serve.http is {}, which others can reach: make a token first "
                           "(`sluice token create --scope admin`), or serve 127.0.0.1",
                           address));
}

Status RunningServer::CheckRestored() {
  const std::string mark = backup::UnfinishedMark(Absolute(config_.DataPath()));
  SLUICE_ASSIGN_OR_RETURN(const bool marked, disk_.Exists(mark));
  if (marked) {
    return Conflict(
        "'{}' is of a restore that runs, or was cut short: wait for it, or remove all that is in "
        "that folder and restore again",
        mark);
  }
  const std::string unfinished = backup::UnfinishedFolder(Absolute(config_.DataPath()));
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk_.Exists(unfinished));
  if (!exists) return {};
  SLUICE_ASSIGN_OR_RETURN(const auto names, disk_.List(config_.DataPath()));
  if (!names.empty()) return {};
  return Conflict(
      "'{}' is of a restore that runs, or was cut short, and there are no data: wait for it, or "
      "remove that folder and restore again",
      unfinished);
}

Status RunningServer::Start() {
  SLUICE_RETURN_IF_ERROR(CheckAddress());
  SLUICE_RETURN_IF_ERROR(CheckRestored());
  const std::string data = config_.DataPath();
  SLUICE_RETURN_IF_ERROR(CheckDataAreThere(disk_, config_.KeysPath(), Absolute(data)));
  SLUICE_RETURN_IF_ERROR(OpenKeys());
  journal::Options journal_options = internal::JournalOptionsOf(config_);
  journal_options.expiry = &expiry_;
  SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(data), "data folder");
  SLUICE_RETURN_IF_ERROR(space_.Start(), "data folder");
  SLUICE_RETURN_IF_ERROR(expiry_.Open(disk_, data + "/control/clock"), "trusted time");
  SLUICE_ASSIGN_OR_RETURN(journal_,
                          journal::Journal::Open(journal_options, disk_, clock_, random_, threads_),
                          "open journal");
  SLUICE_ASSIGN_OR_RETURN(place_, os::IdentityOf(JournalLock()), "journal");
  // Of a backup that has no trusted time, or an earlier version. A new project has nothing that
  // could be old.
  if (const os::Timestamp last = journal_->recovery().received; last > os::Timestamp()) {
    expiry_.BeginAt(last);
  }
  SLUICE_ASSIGN_OR_RETURN(catalog_, catalog::Catalog::Open(disk_, data + "/control"));
  // The names of these folders, should an earlier start have been killed before it synced them.
  SLUICE_RETURN_IF_ERROR(disk_.SyncDirectory(data), "data folder");
  SLUICE_RETURN_IF_ERROR(disk_.SyncDirectory(os::FolderOf(data)), "data folder");
  // A journal or catalog that comes with other keys must not be gone on with: nothing would join,
  // and what is sealed could not be opened.
  SLUICE_RETURN_IF_ERROR(BindKeys());
  if (const Status noted = NoteData(disk_, config_.KeysPath(), Absolute(data)); !noted.ok()) {
    trace::Warning("data folder not noted", {{"reason", noted.error().ToString()}});
  }
  // What is only a copy must never lie where tables may be: it is thrown away.
  const std::string tables = Absolute(data + (config_.bucket.empty() ? "/tables" : "/cache"));
  SLUICE_RETURN_IF_ERROR(OpenTables(tables));

  land::LandOptions land_options = internal::LandOptionsOf(config_);
  land_options.keys = keys_;
  land_options.expiry = &expiry_;
  lander_ = std::make_unique<land::Lander>(land_options, *store_, clock_, random_, threads_,
                                           metrics_, journal_->uuid());
  ingest::IngestOptions ingest_options =
      internal::IngestOptionsOf(config_, {.memory = dedupe_memory_, .disk = &disk_});
  ingest_options.expiry = &expiry_;
  ingest_ = std::make_unique<ingest::Ingest>(ingest_options, *journal_, *lander_, *catalog_,
                                             *store_, *keys_, clock_, random_, threads_, metrics_);
  SLUICE_RETURN_IF_ERROR(ingest_->Recover());
  SLUICE_RETURN_IF_ERROR(RecordLosses(), "record the accepted losses");
  SLUICE_RETURN_IF_ERROR(RegisterSchemas());
  lander_->Start(
      [this](uint32_t partition, journal::Offset next) { journal_->Release(partition, next); });

  SLUICE_RETURN_IF_ERROR(StartQueries(tables + "/" + land_options.tenant));
  metrics_.AddGauge("sluice_journal_bytes", "",
                    [this] { return static_cast<double>(journal_->BytesOnDisk()); });
  metrics_.AddGauge("sluice_clock_jump_seconds", "",
                    [this] { return std::chrono::duration<double>(expiry_.Jump()).count(); });
  AddMemoryGauges();
  if (config_.maintenance) {
    maintain_ = std::jthread([this](std::stop_token stop) { Maintain(std::move(stop)); });
  }
  watch_space_ = std::jthread([this](std::stop_token stop) { WatchSpace(std::move(stop)); });
  metrics_.AddGauge("sluice_pending_events", "", [this] {
    double pending = 0;
    for (const auto& table : lander_->Tables()) {
      pending += static_cast<double>(table.end - table.landed - 1);
    }
    return pending;
  });
  keep_time_ = std::jthread([this](std::stop_token stop) { KeepTime(std::move(stop)); });
  return StartHttp();
}

// A loss is accepted while no server runs, so its audit row is written at the next start: at least
// once, until the table has a commit that says the same.
Status RunningServer::RecordLosses() {
  ingest::AuditLog audit(*ingest_);
  const auto tables = lander_->Tables();
  for (const journal::Loss& loss : journal_->losses()) {
    const auto table = std::ranges::find(tables, loss.partition, &land::TableStatus::partition);
    if (table == tables.end() || table->landed + 1 >= loss.end) continue;
    trace::Warning("accepted loss", {{"topic", table->topic},
                                     {"first", loss.begin},
                                     {"last", loss.end - 1},
                                     {"exact", loss.exact ? "yes" : "at most"}});
    SLUICE_RETURN_IF_ERROR(
        audit.Record({.principal = "local",
                      .action = "journal.accept_loss",
                      .object = fmt::format("{} offsets {} to {}{}", table->topic, loss.begin,
                                            loss.end - 1, loss.exact ? "" : " at most"),
                      .outcome = "done",
                      .reason = loss.note}));
  }
  return {};
}

Status RunningServer::OpenTables(const std::string& folder) {
  SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(folder), "tables folder");
  auto files = std::make_unique<store::LocalStore>(disk_, folder);
  // Those of writers that died; no put takes a day.
  if (const auto removed = files->RemoveUnfinished(expiry_.Now() - std::chrono::hours(24));
      !removed.ok()) {
    trace::Warning("unfinished files", {{"reason", removed.error().ToString()}});
  } else if (*removed > 0) {
    trace::Info("unfinished files removed", {{"files", *removed}});
  }
  files_ = std::move(files);
  store_ = files_.get();
  if (config_.bucket.empty()) return {};
  SLUICE_ASSIGN_OR_RETURN(const store::Place place, stores_.WritableFolder(config_.TablesAddress()),
                          "storage.path '{}'", config_.bucket);
  bucket_ = std::make_unique<store::FolderStore>(*place.store, place.path);
  SLUICE_ASSIGN_OR_RETURN(
      cache_, store::CachedStore::Open(*bucket_, *files_, config_.cache_bytes_max, clock_));
  store_ = cache_.get();
  return {};
}

void RunningServer::KeepTime(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  for (int round = 0; !stop.stop_requested(); ++round) {
    if (const Status kept = expiry_.Keep(); !kept.ok()) {
      trace::Warning("trusted time not kept", {{"reason", kept.error().ToString()}});
    }
    if (round % kRoundsAKey == 0) {
      const Status retired = RetireSealingKey(*keys_, expiry_, config_.errors_retain);
      if (!retired.ok()) {
        trace::Warning("sealing key not destroyed", {{"reason", retired.error().ToString()}});
      }
    }
    wake.wait_for(lock, stop, kTimeEvery, [] { return false; });
  }
}

Status RunningServer::StartQueries(const std::string& tenant_folder) {
  // Workers see this folder alone, so it must be there before the first of them.
  SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(tenant_folder), "tables folder");
  worker::Tenant tenant{.name = "default", .files_folders = {tenant_folder}};
  std::unique_ptr<sql::ExternalTables> external;
  if (!config_.external.empty()) {
    const std::string cache = Absolute(config_.DataPath() + "/external");
    SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(cache), "cache of external tables");
    sql::ExternalOptions options = internal::ExternalOptionsOf(config_);
    options.cache_folder = cache;
    external =
        std::make_unique<sql::ExternalTables>(std::move(options), stores_, disk_, clock_, random_);
    for (std::string& folder : external->LocalFolders()) {
      // Queries read all that is in there.
      for (const std::string& secret : {config_.DataPath(), config_.KeysPath()}) {
        if ((Absolute(secret) + "/").starts_with(folder == "/" ? folder : folder + "/")) {
          return Invalid("sql.external: '{}' has the project's own folder '{}' in it", folder,
                         secret);
        }
      }
      tenant.files_folders.push_back(std::move(folder));
    }
  }
  worker::PoolOptions options = internal::PoolOptionsOf(config_);
  options.temporary_folder = Absolute(config_.DataPath() + "/temporary");
  SLUICE_ASSIGN_OR_RETURN(pool_, worker::Pool::Start(options, tenant, metrics_),
                          "start the query workers");
  const os::Confined confined = pool_->confined();
  trace::Info("query workers ready",
              {{"landlock", confined.landlock}, {"seccomp", confined.seccomp}});
  if (confined.landlock == 0 || !confined.seccomp) {
    trace::Warning(
        "this kernel cannot confine query workers wholly; what DuckDB itself refuses "
        "still holds",
        {{"landlock", confined.landlock}, {"seccomp", confined.seccomp}});
  }
  database_ = std::make_unique<sql::Database>(*pool_, tenant, *lander_, clock_, random_, metrics_,
                                              std::move(external));
  return {};
}

Status RunningServer::StartHttp() {
  api::Hooks hooks;
  hooks.ready = [this]() -> Status {
    if (draining_) return Unavailable("the server is stopping");
    return {};
  };
  hooks.disk_full = [this] { return space_.full(); };
  hooks.configure = [this](event::Contract contract) {
    return Configure(config_, std::move(contract));
  };
  hooks.trust_clock = [this]() -> Result<os::Timestamp> {
    SLUICE_RETURN_IF_ERROR(expiry_.Trust());
    return expiry_.Now();
  };
  hooks.schema_files = [this] { return ReadSchemas(disk_, config_.folder); };
  hooks.keep_schema = [this](const std::string& name, const std::string& text) {
    return KeepSchema(name, text);
  };
  workers_ = std::make_unique<WorkerPool>(kWorkers, kWorkersQueueMax);
  const api::Services services{.ingest = *ingest_,
                               .lander = *lander_,
                               .database = *database_,
                               .metrics = metrics_,
                               .workers = *workers_,
                               .tokens = *tokens_,
                               .version = std::string(kVersion),
                               .project = config_.project};
  routes_ =
      std::make_unique<api::Routes>(services, internal::RouteOptionsOf(config_), std::move(hooks));
  api::HttpOptions http = internal::HttpOptionsOf(config_);
  http.bodies = bodies_;
  SLUICE_ASSIGN_OR_RETURN(http_, api::HttpServer::Start(http, [this](auto request, auto respond) {
                            routes_->Handle(std::move(request), std::move(respond));
                          }));
  trace::Info("serving", {{"address", config_.address},
                          {"port", http_->port()},
                          {"tls", config_.tls_certificate.empty() ? "no" : "yes"}});
  // Without it commands go where the project file says.
  if (const Status left = LeaveWord(disk_, config_.DataPath(),
                                    {.address = config_.address,
                                     .port = http_->port(),
                                     .tls = !config_.tls_certificate.empty()});
      !left.ok()) {
    trace::Warning("whereabouts", {{"reason", left.error().ToString()}});
  }
  return {};
}

void RunningServer::WatchSpace(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (!wake.wait_for(lock, stop, kSpaceEvery, [&] { return stop.stop_requested(); })) {
    CheckPlace();
    space_.Look();
  }
}

void RunningServer::CheckPlace() const {
  const auto now = os::IdentityOf(JournalLock());
  if (now.ok() ? *now == place_ : now.error().code() != ErrorCode::kNotFound) return;
  // Open files of the journal have moved along, so events would be acknowledged into what nobody
  // looks at any more; and what is written by name would go into what lies there now, such as
  // restored data. Without the lock a second server could begin beside this one.
  trace::Error("data folder gone",
               {{"folder", config_.DataPath()},
                {"reason",
                 "it, or the lock of its journal, was moved, removed or unmounted while this "
                 "server had it open; what was acknowledged is in that journal, wherever it is"}});
  std::abort();
}

void RunningServer::Maintain(std::stop_token stop) {
  os::GiveWayToOtherThreads();
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  const auto wait = [&](std::chrono::microseconds time) {
    wake.wait_for(lock, stop, time, [] { return false; });
    return !stop.stop_requested();
  };
  land::PaceOptions pace = internal::PaceOptionsOf(config_);
  pace.processor_time = os::ThreadProcessorTime;
  pace.wait = wait;
  pace.busy = [this] {
    return space_.full() || lander_->Behind() || journal_->QueueBytes() > config_.QueueBytes() / 2;
  };
  land::Maintenance maintenance(internal::MaintenanceOptionsOf(config_), pace, *lander_, clock_,
                                metrics_);
  while (wait(config_.maintenance_every) && maintenance.Look()) {
  }
}

void RunningServer::AddMemoryGauges() {
  const auto add = [this](std::string_view part, uint64_t budget, auto bytes) {
    const std::string labels = fmt::format("part=\"{}\"", part);
    metrics_.AddGauge("sluice_memory_bytes", labels,
                      [bytes] { return static_cast<double>(bytes()); });
    metrics_.AddGauge("sluice_memory_budget_bytes", labels,
                      [budget] { return static_cast<double>(budget); });
  };
  add("bodies", config_.BodyBytes(), [this] { return bodies_->taken(); });
  add("queue", config_.QueueBytes(), [this] { return journal_->QueueBytes(); });
  add("tail", config_.TailBytes(), [this] { return lander_->TailBytes(); });
  add("land", config_.LandBytes(), [this] { return lander_->WriteBytes(); });
  add("maintenance", config_.MaintenanceBytes(),
      [this] { return lander_->maintenance().memory(); });
  add("dedupe", config_.DedupeBytes(), [this] { return dedupe_memory_->bytes.load(); });
  metrics_.AddGauge("sluice_disk_free_bytes", "",
                    [this] { return static_cast<double>(space_.free_bytes()); });
  metrics_.AddGauge("sluice_disk_full", "", [this] { return space_.full() ? 1.0 : 0.0; });
}

Status RunningServer::KeepSchema(const std::string& name, const std::string& text) {
  const std::string folder = config_.folder + "/schemas";
  SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(folder));
  return os::ReplaceFile(disk_, folder + "/" + name, text);
}

Status RunningServer::RegisterSchemas() {
  SLUICE_ASSIGN_OR_RETURN(auto contracts, LoadSchemas(disk_, config_.folder));
  for (event::Contract& contract : contracts) contract = Configure(config_, std::move(contract));
  SLUICE_RETURN_IF_ERROR(ingest_->RegisterAtStart(std::move(contracts)));
  std::vector<event::Contract> schemaless;
  for (const auto& [topic, topic_config] : config_.topics) {
    if (!topic_config.schemaless) continue;
    schemaless.push_back(Configure(config_, event::SchemalessContract(topic)));
  }
  return ingest_->RegisterAll(schemaless).status();
}

Status RunningServer::Stop() {
  if (std::exchange(stopped_, true)) return {};
  draining_ = true;
  if (http_) {
    TakeWordBack(disk_, config_.DataPath());
    http_->Stop(kStopGrace);
  }
  workers_.reset();
  maintain_ = {};  // Its end, within a part of a file.
  // A start that is refused, perhaps for what a newer program wrote, leaves everything as it was.
  if (keep_time_.joinable()) {
    keep_time_ = {};
    if (const Status kept = expiry_.Keep(); !kept.ok()) {
      trace::Warning("trusted time not kept", {{"reason", kept.error().ToString()}});
    }
  }
  Status landed;
  if (lander_) landed = lander_->Stop();
  if (journal_) journal_->Stop();
  return landed;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(const Config& config) {
  auto server = std::make_unique<RunningServer>(config);
  SLUICE_RETURN_IF_ERROR(server->Start());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace sluice::server
