#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>

#include "sluice/base/json.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/govern/tokens.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"
#include "sluice/server/config.h"

namespace sluice::cli::internal {
namespace {

/// The tokens of the project in this folder: who may write its files may make tokens.
class ProjectTokens {
 public:
  static Result<std::unique_ptr<ProjectTokens>> Open(const Global& global) {
    auto project = std::make_unique<ProjectTokens>();
    SLUICE_ASSIGN_OR_RETURN(const server::Config config,
                            server::LoadConfig(project->disk_, global.folder, global.overrides));
    project->tokens_.emplace(project->disk_, project->clock_, project->random_,
                             config.TokensPath());
    return project;
  }
  govern::Tokens& operator*() { return *tokens_; }
  govern::Tokens* operator->() { return &*tokens_; }

 private:
  os::SystemDisk disk_;
  os::SystemClock clock_;
  os::SystemRandom random_;
  std::optional<govern::Tokens> tokens_;
};

std::string Text(os::Timestamp time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", std::chrono::floor<std::chrono::seconds>(time));
}

}  // namespace

int CreateToken(const Global& global, const TokenArguments& arguments) {
  std::vector<govern::Scope> scopes;
  for (const std::string& text : arguments.scopes) {
    auto scope = govern::ParseScope(text);
    if (!scope.ok()) {
      Fail(scope.error());
      return kUsage;
    }
    scopes.push_back(std::move(*scope));
  }
  std::optional<std::chrono::seconds> ttl;
  if (!arguments.ttl.empty()) {
    const auto duration = server::ParseDuration(arguments.ttl);
    if (!duration.ok() || *duration < std::chrono::seconds(1)) {
      Fail(Invalid("--ttl '{}': expected a duration such as 90d or 12h", arguments.ttl));
      return kUsage;
    }
    ttl = std::chrono::duration_cast<std::chrono::seconds>(*duration);
  }
  auto tokens = ProjectTokens::Open(global);
  if (!tokens.ok()) return Fail(tokens.error());
  const auto token = (**tokens)->Create(std::move(scopes), ttl);
  if (!token.ok()) return Fail(token.error());
  std::printf("%s\n", token->c_str());
  if (!global.quiet) {
    std::fprintf(stderr,
                 "keep it: it is shown this once; from now on every request needs a token\n");
  }
  return kDone;
}

int ListTokens(const Global& global) {
  auto tokens = ProjectTokens::Open(global);
  if (!tokens.ok()) return Fail(tokens.error());
  const auto list = (**tokens)->List();
  if (!list.ok()) return Fail(list.error());
  const os::Timestamp now = os::SystemClock().Now();
  std::string out =
      "{\"columns\":[{\"name\":\"id\"},{\"name\":\"state\"},{\"name\":\"scopes\"},"
      "{\"name\":\"created\"},{\"name\":\"expires\"}],\"rows\":[";
  for (const govern::Token& token : *list) {
    if (out.back() != '[') out += ',';
    std::string scopes;
    for (const govern::Scope& scope : token.scopes) {
      scopes += (scopes.empty() ? "" : " ") + govern::ToString(scope);
    }
    const bool expired = token.expires && *token.expires <= now;
    out += "\n[";
    AppendJsonString(out, token.id);
    out += ',';
    AppendJsonString(out, token.revoked ? "revoked" : expired ? "expired" : "valid");
    out += ',';
    AppendJsonString(out, scopes);
    out += ',';
    AppendJsonString(out, Text(token.created));
    out += ',';
    AppendJsonString(out, token.expires ? Text(*token.expires) : "never");
    out += ']';
  }
  out += "]}\n";
  PrintAnswer(global, out);
  return kDone;
}

int RevokeToken(const Global& global, const TokenArguments& arguments) {
  auto tokens = ProjectTokens::Open(global);
  if (!tokens.ok()) return Fail(tokens.error());
  const Status revoked = (**tokens)->Revoke(arguments.id);
  if (!revoked.ok()) return Fail(revoked.error());
  if (!global.quiet) std::fprintf(stderr, "revoked; servers refuse it within a second\n");
  return kDone;
}

}  // namespace sluice::cli::internal
