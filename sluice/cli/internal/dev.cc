// `sluice dev`: the server, and what happens to its project's files.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "sluice/api/http_server.h"
#include "sluice/base/diagnostic.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/event/contract.h"
#include "sluice/os/disk.h"
#include "sluice/server/config.h"
#include "sluice/server/server.h"
#include "sluice/server/settings.h"

namespace sluice::cli::internal {
namespace {

constexpr int64_t kLookEveryMs = 300;
constexpr uint64_t kFileBytesMax = 1 << 20;
constexpr int kPortsTried = 20;
constexpr std::chrono::seconds kLandEvery{10};

/// Texts of the project's files by name; a change shows as another text.
using Texts = std::map<std::string, std::string>;

/// One project under development: its server, kept in step with its files.
class Development {
 public:
  Development(const Global& global, const DevArguments& arguments)
      : global_(global), arguments_(arguments) {}

  int Run() {
    seen_ = Read();
    if (const Status started = Start(); !started.ok()) {
      Fail(started.error());
      return started.error().code() == ErrorCode::kInvalid ? kConfiguration : kFailed;
    }
    const char* const folder = global_.folder.c_str();
    std::fprintf(stderr,
                 "watching %s/sluice.yaml and %s/schemas\n"
                 "next: sluice -C %s generate TOPIC --count 10 | sluice -C %s send -\n"
                 "      sluice -C %s sql -c 'select * from system.tables'\n"
                 "      sluice -C %s tail TOPIC\n",
                 folder, folder, folder, folder, folder, folder);
    while (CaughtSignal() == 0) {
      WaitForSignal(kLookEveryMs);
      if (CaughtSignal() == 0) Look();
    }
    if (server_ == nullptr) return kDone;
    const Status stopped = server_->Stop();
    return stopped.ok() ? kDone : Fail(stopped.error());
  }

 private:
  Texts Read() {
    Texts texts;
    const auto add = [&](const std::string& name) {
      auto text = os::ReadFile(disk_, global_.folder + "/" + name, kFileBytesMax);
      if (text.ok()) texts[name] = std::move(*text);
    };
    add("sluice.yaml");
    const auto names = disk_.List(global_.folder + "/schemas");
    if (names.ok()) {
      for (const std::string& name : *names) {
        if (event::IsSchemaFile(name)) add("schemas/" + name);
      }
    }
    return texts;
  }

  Result<server::Config> Configure() {
    SLUICE_ASSIGN_OR_RETURN(server::Config config, LoadConfig(global_));
    SLUICE_ASSIGN_OR_RETURN(const auto settings,
                            server::LoadSettings(disk_, global_.folder, global_.overrides));
    const auto every = std::ranges::find(settings, "land.every", &server::Setting::key);
    if (every != settings.end() && every->origin == "default") config.land_every = kLandEvery;
    if (arguments_.port >= 0) config.port = static_cast<uint16_t>(arguments_.port);
    return config;
  }

  /// Starts the server at the first port that is free.
  Status Start() {
    SLUICE_ASSIGN_OR_RETURN(server::Config config, Configure());
    const uint16_t wanted = config.port;
    config.port = FreePort(config.address, wanted);
    SLUICE_ASSIGN_OR_RETURN(server_, server::Server::Start(config));
    tls_ = config.tls_certificate.empty() ? std::string() : config.TlsCertificatePath();
    if (wanted != 0 && server_->port() != wanted) {
      std::fprintf(stderr, "port %u is taken: ", wanted);
    }
    std::fprintf(stderr, "serving %s://%s:%u\n", tls_.empty() ? "http" : "https",
                 config.address.c_str(), server_->port());
    return {};
  }

  /// Looks what has changed, and brings the server in step. A broken file stops nothing.
  void Look() {
    Texts now = Read();
    bool restart = false;
    for (const auto& [name, text] : now) {
      const auto before = seen_.find(name);
      if (before != seen_.end() && before->second == text) continue;
      if (name == "sluice.yaml") {
        restart = true;
      } else {
        AddSchema(name);
      }
    }
    for (const auto& [name, text] : seen_) {
      if (!now.contains(name)) {
        std::fprintf(stderr, "%s is gone; its topics stay until `sluice topic delete`\n",
                     name.c_str());
      }
    }
    seen_ = std::move(now);
    if (restart) Restart();
  }

  void AddSchema(const std::string& name) {
    Global global = global_;
    global.address = fmt::format("{}127.0.0.1:{}", tls_.empty() ? "" : "https://", server_->port());
    if (global.authorities.empty()) global.authorities = tls_;
    const std::string file = name.substr(name.rfind('/') + 1);
    const auto answer = SendSchemas(global, {global_.folder + "/" + name});
    if (answer.ok()) {
      std::fprintf(stderr, "%s: taken\n", name.c_str());
      return;
    }
    // The server knows the file by its name alone; the excerpt is of the one here.
    std::vector<Diagnostic> diagnostics = DiagnosticsOf(answer.error());
    for (Diagnostic& diagnostic : diagnostics) {
      if (diagnostic.place.file == file) diagnostic.place.file = global_.folder + "/" + name;
    }
    if (diagnostics.empty()) {
      std::fprintf(stderr, "%s: ", name.c_str());
      Fail(answer.error());
    } else {
      Fail(ToError(answer.error().code(), std::move(diagnostics)));
    }
    std::fprintf(stderr, "%s: not taken; what was before still holds\n", name.c_str());
  }

  void Restart() {
    const auto config = Configure();
    if (!config.ok()) {
      Fail(config.error());
      std::fprintf(stderr, "sluice.yaml: not taken; what was before still holds\n");
      return;
    }
    std::fprintf(stderr, "sluice.yaml has changed: starting again\n");
    if (const Status stopped = server_->Stop(); !stopped.ok()) Fail(stopped.error());
    server_.reset();
    while (CaughtSignal() == 0) {
      const Status started = Start();
      if (started.ok()) return;
      // What a running server would refuse shows only now: wait for the next change.
      Fail(started.error());
      std::fprintf(stderr, "not serving; change sluice.yaml\n");
      while (CaughtSignal() == 0 && Read() == seen_) WaitForSignal(kLookEveryMs);
      seen_ = Read();
    }
  }

  const Global& global_;
  const DevArguments& arguments_;
  os::SystemDisk disk_;
  Texts seen_;
  std::string tls_;  // The server's own certificate; empty: no TLS.
  std::unique_ptr<server::Server> server_;
};

}  // namespace

uint16_t FreePort(const std::string& address, uint16_t wanted) {
  for (int port = wanted; wanted != 0 && port < wanted + kPortsTried && port <= 65'535; ++port) {
    if (api::IsFree(address, static_cast<uint16_t>(port))) return static_cast<uint16_t>(port);
  }
  return wanted;
}

int Dev(const Global& global, const DevArguments& arguments) {
  CatchSignals();
  return Development(global, arguments).Run();
}

}  // namespace sluice::cli::internal
