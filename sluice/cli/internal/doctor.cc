// `sluice doctor`: whether this machine and this project are fit to serve.

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sluice/api/http_client.h"
#include "sluice/api/http_server.h"
#include "sluice/base/json.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/os/clock.h"
#include "sluice/os/confine.h"
#include "sluice/os/disk.h"
#include "sluice/server/project.h"
#include "sluice/server/settings.h"
#include "sluice/server/version.h"

namespace sluice::cli::internal {
namespace {

constexpr int kSyncs = 50;
constexpr double kSyncSlowMs = 20;       // Beyond, each acknowledgement waits visibly.
constexpr double kSyncSuspectMs = 0.01;  // No device is that fast: something holds the flush back.
constexpr uint64_t kFreeComfort = 2ull << 30;
constexpr long kTmpfs = 0x01021994;
constexpr std::string_view kProbe = "/.sluice-doctor";

struct Finding {
  std::string about;
  std::string state;  ///< `ok`, `warning` or `failed`.
  std::string found;
  std::string advice;
};

/// Looks at one thing after the other; each leaves a finding.
class Doctor {
 public:
  explicit Doctor(const Global& global) : global_(global) {}

  std::vector<Finding> Examine() {
    Project();
    Folder();
    DiskSync();
    FreeSpace();
    Clock();
    Kernel();
    Limits();
    Keys();
    Port();
    return std::move(findings_);
  }

 private:
  void Add(std::string about, std::string_view state, std::string found, std::string advice = {}) {
    findings_.push_back(
        {std::move(about), std::string(state), std::move(found), std::move(advice)});
  }

  void Project() {
    auto config = server::LoadConfig(disk_, global_.folder, global_.overrides);
    if (config.ok()) config_ = std::move(*config);
    config_.folder = global_.folder;
    const auto checked = server::CheckProject(disk_, global_.folder, global_.overrides);
    if (checked.ok()) {
      Add("project", "ok", fmt::format("{} files, {} topics", checked->files, checked->topics));
    } else {
      Add("project", "failed", checked.error().message(), "`sluice check` shows the places");
    }
  }

  /// Finds the folder that data are in, or will be.
  void Folder() {
    std::filesystem::path path = std::filesystem::absolute(config_.DataPath()).lexically_normal();
    std::error_code ignored;
    while (!std::filesystem::exists(path, ignored) && path.has_relative_path()) {
      path = path.parent_path();
    }
    folder_ = path.string();
    struct statfs about = {};
    if (statfs(folder_.c_str(), &about) == 0 && about.f_type == kTmpfs) {
      Add("data folder", "warning", folder_ + " is in memory", "all is lost when it restarts");
    } else if (access(folder_.c_str(), W_OK) != 0) {
      Add("data folder", "failed", folder_ + " cannot be written", "serve as its owner");
    } else {
      Add("data folder", "ok", folder_);
    }
  }

  void DiskSync() {
    const auto times = TimeSyncs();
    if (!times.ok()) return Add("disk sync", "failed", times.error().message());
    const double median = (*times)[times->size() / 2];
    const double slow = (*times)[times->size() - 1 - times->size() / 50];
    const std::string found = fmt::format("4 KiB in {:.2f} ms, p98 {:.2f} ms", median, slow);
    if (median > kSyncSlowMs) {
      Add("disk sync", "warning", found, "each acknowledgement waits for one: take a faster disk");
    } else if (median < kSyncSuspectMs) {
      Add("disk sync", "warning", found,
          "too fast to be true: power loss may take what was acknowledged");
    } else {
      Add("disk sync", "ok", found);
    }
  }

  Result<std::vector<double>> TimeSyncs() {
    const std::string path = folder_ + std::string(kProbe);
    [[maybe_unused]] const Status left_over = disk_.Remove(path);
    SLUICE_ASSIGN_OR_RETURN(const auto file, disk_.Open(path, os::OpenMode::kCreateNew));
    std::vector<double> times;
    const std::array<std::byte, 4096> block{};
    const std::span<const std::byte> piece(block);
    Status status;
    for (int i = 0; i < kSyncs && status.ok(); ++i) {
      const os::Monotonic start = clock_.Steady();
      status = file->Write(static_cast<uint64_t>(i) * block.size(), std::span(&piece, 1));
      if (status.ok()) status = file->Sync();
      times.push_back(std::chrono::duration<double, std::milli>(clock_.Steady() - start).count());
    }
    const Status removed = disk_.Remove(path);
    SLUICE_RETURN_IF_ERROR(std::move(status));
    SLUICE_RETURN_IF_ERROR(removed);
    std::ranges::sort(times);
    return times;
  }

  void FreeSpace() {
    const auto free = disk_.FreeBytes(folder_);
    if (!free.ok()) return Add("free space", "failed", free.error().message());
    const std::string found = fmt::format("{:.1f} GiB", static_cast<double>(*free) / (1 << 30));
    if (*free < config_.free_bytes_min) {
      Add("free space", "failed", found, "below storage.free_min nothing is taken: make room");
    } else if (*free < kFreeComfort) {
      Add("free space", "warning", found, "it will not last");
    } else {
      Add("free space", "ok", found);
    }
  }

  void Clock() {
    const os::Timestamp now = clock_.Now();
    // What was written last is not from the future.
    std::filesystem::file_time_type newest{};
    std::error_code ignored;
    const std::filesystem::path journal = config_.DataPath() + "/journal";
    for (const auto& entry : std::filesystem::directory_iterator(journal, ignored)) {
      newest = std::max(newest, entry.last_write_time(ignored));
    }
    const auto ahead = newest - std::filesystem::file_time_type::clock::now();
    if (newest != std::filesystem::file_time_type{} && ahead > std::chrono::minutes(1)) {
      return Add("clock", "failed",
                 fmt::format("{} s behind the journal's last write",
                             std::chrono::floor<std::chrono::seconds>(ahead).count()),
                 "set it: received times never go back");
    }
    if (now < std::chrono::sys_days(std::chrono::year(2025) / 1 / 1)) {
      return Add("clock", "failed", "it is before 2025", "set it");
    }
    struct timex about = {};
    const bool synchronised = adjtimex(&about) != TIME_ERROR && (about.status & STA_UNSYNC) == 0;
    Add("clock", synchronised ? "ok" : "warning",
        synchronised ? "synchronised" : "nothing keeps it right",
        synchronised ? "" : "run an NTP client, such as chrony");
  }

  void Kernel() {
    const os::Confined offered = os::Confinable();
    struct utsname about = {};
    uname(&about);
    const std::string found = fmt::format("Linux {}, landlock {}, seccomp {}", about.release,
                                          offered.landlock, offered.seccomp ? "yes" : "no");
    const bool whole = offered.landlock > 0 && offered.seccomp;
    Add("kernel", whole ? "ok" : "warning", found,
        whole ? "" : "query workers cannot be confined wholly: take Linux 5.13 or newer");
  }

  void Limits() {
    struct rlimit files = {};
    getrlimit(RLIMIT_NOFILE, &files);
    const auto wanted = static_cast<uint64_t>(config_.connections_max) + 512;
    const bool enough = files.rlim_cur >= wanted;
    Add("open files", enough ? "ok" : "warning", fmt::format("at most {}", files.rlim_cur),
        enough ? "" : fmt::format("serve.connections needs {}: ulimit -n {}", wanted, wanted));
    const uint64_t memory = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                            static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    const uint64_t least = config_.query_memory_max + config_.memory_bytes_max;
    Add("memory", memory >= least ? "ok" : "warning",
        fmt::format("{:.1f} GiB", static_cast<double>(memory) / (1 << 30)),
        memory >= least ? "" : "lower limits.query_memory or limits.memory");
  }

  void Keys() {
    const std::string file = config_.KeysPath() + "/sluice.keys";
    const auto exists = disk_.Exists(file);
    const auto data = disk_.Exists(config_.DataPath() + "/journal");
    if (!exists.ok()) return Add("keys", "failed", exists.error().message());
    if (!*exists) {
      if (data.ok() && *data) {
        return Add("keys", "failed", "there are data and no keys",
                   "put the copy of the keys back before serving");
      }
      return Add("keys", "ok", "made at the first start");
    }
    const auto hidden = disk_.IsPrivate(file);
    if (!hidden.ok() || !*hidden) {
      return Add("keys", "failed", "others may read them", fmt::format("chmod 600 {}", file));
    }
    const auto inside =
        std::filesystem::weakly_canonical(config_.KeysPath())
            .lexically_relative(std::filesystem::weakly_canonical(config_.DataPath()));
    if (!inside.empty() && *inside.begin() != "..") {
      return Add("keys", "warning", "they lie with the data", "move them: storage.keys");
    }
    Add("keys", "ok", "private, apart from the data");
  }

  void Port() {
    const std::string address = fmt::format("{}:{}", config_.address, config_.port);
    const bool tls = !config_.tls_certificate.empty();
    const bool loopback = config_.address.starts_with("127.") || config_.address == "::1" ||
                          config_.address == "localhost";
    if (!loopback && !tls) {
      Add("transport", "warning", address + " is open to others, without TLS",
          "set serve.tls, or let a proxy do it");
    }
    if (config_.port == 0 || api::IsFree(config_.address, config_.port)) {
      return Add("port", "ok", address + " is free");
    }
    api::ClientOptions options;
    options.port = config_.port;
    options.time_max = std::chrono::seconds(2);
    options.tls = tls;
    options.authorities = tls ? config_.TlsCertificatePath() : std::string();
    api::HttpClient client(options);
    const auto answer = client.Send("GET", "/v1/version", {}, {});
    if (tls && !answer.ok() && answer.error().message().find("verify") != std::string::npos) {
      return Add("port", "ok", address + " is served within TLS");  // Signed by others.
    }
    const bool ours = answer.ok() && answer->status == 200 &&
                      answer->body.find("\"version\"") != std::string::npos;
    if (ours) {
      Add("port", "ok", address + " is served by Sluice");
    } else {
      Add("port", "failed", address + " is taken by another program",
          "stop it, or change serve.http");
    }
  }

  const Global& global_;
  os::SystemDisk disk_;
  os::SystemClock clock_;
  server::Config config_;
  std::string folder_;
  std::vector<Finding> findings_;
};

void AppendRows(const std::vector<Finding>& findings, std::string& out) {
  out +=
      "{\"columns\":[{\"name\":\"about\"},{\"name\":\"state\"},{\"name\":\"found\"},"
      "{\"name\":\"advice\"}],\"rows\":[";
  bool first = true;
  for (const Finding& finding : findings) {
    out += first ? "\n[" : ",\n[";
    first = false;
    for (const std::string* cell :
         {&finding.about, &finding.state, &finding.found, &finding.advice}) {
      if (cell != &finding.about) out += ',';
      AppendJsonString(out, *cell);
    }
    out += ']';
  }
  out += "]}";
}

/// What helps others to help: findings and settings; no keys, tokens, events, texts of queries.
std::string Bundle(const Global& global, const std::vector<Finding>& findings) {
  std::string out = fmt::format("{{\"version\":\"{}\",\n\"findings\":", server::kVersion);
  AppendRows(findings, out);
  out += ",\n\"settings\":{";
  os::SystemDisk disk;
  if (const auto settings = server::LoadSettings(disk, global.folder, global.overrides);
      settings.ok()) {
    for (const server::Setting& setting : *settings) {
      if (!out.ends_with('{')) out += ',';
      AppendJsonString(out, setting.key);
      out += ':';
      AppendJsonString(out, setting.value);
    }
  }
  out += "}";
  // A running server tells more; without one there is less to tell.
  if (auto client = Client::Connect(global); client.ok()) {
    for (const auto& [name, target] :
         {std::pair("tables", "/v1/admin/tables"), std::pair("metrics", "/metrics")}) {
      const auto answer = client->Ask("GET", target);
      if (!answer.ok()) continue;
      out += fmt::format(",\n\"{}\":", name);
      AppendJsonString(out, answer->body);
    }
  }
  return out + "}\n";
}

}  // namespace

int Diagnose(const Global& global, const DoctorArguments& arguments) {
  const std::vector<Finding> findings = Doctor(global).Examine();
  std::string json;
  AppendRows(findings, json);
  PrintAnswer(global, json + "\n");
  if (!arguments.bundle.empty()) {
    os::SystemDisk disk;
    const Status written = os::ReplacePrivateFile(disk, arguments.bundle, Bundle(global, findings));
    if (!written.ok()) return Fail(written.error());
    std::fprintf(stderr,
                 "wrote %s: no keys, tokens or events are in it; have a look before you send it\n",
                 arguments.bundle.c_str());
  }
  return std::ranges::find(findings, "failed", &Finding::state) == findings.end() ? kDone : kFailed;
}

}  // namespace sluice::cli::internal
