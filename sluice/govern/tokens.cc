#include "sluice/govern/tokens.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>

#include "sluice/base/hex.h"

namespace sluice::govern {
namespace {

constexpr std::string_view kTitle = "sluice tokens ";
constexpr std::string_view kFirstLine = "sluice tokens 1";
constexpr std::string_view kPrefix = "slt_";
constexpr std::string_view kLocal = "local";
constexpr uint64_t kFileBytesMax = 4 << 20;
constexpr size_t kTokensMax = 10'000;
constexpr size_t kScopesMax = 64;
constexpr std::chrono::milliseconds kReadEvery{500};

std::string RandomHex(os::Random& random, size_t bytes) {
  std::vector<std::byte> buffer(bytes);
  random.Fill(buffer);
  return ToHex(buffer);
}

std::string HashOf(std::string_view secret) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), digest.data());
  return ToHex(std::as_bytes(std::span(digest)));
}

bool Same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool Covers(const std::string& pattern, std::string_view topic) {
  if (pattern == "*") return true;
  if (pattern.ends_with('*')) {
    return topic != "*" &&
           topic.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
  }
  return pattern == topic;
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    if (end > 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

std::optional<int64_t> Number(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// `ID HASH CREATED_US EXPIRES_US|- valid|revoked SCOPE..`
std::optional<Token> ReadLine(std::string_view line) {
  const std::vector<std::string_view> words = Words(line);
  if (words.size() < 6 || (words[4] != "valid" && words[4] != "revoked")) return std::nullopt;
  Token token;
  token.id = words[0];
  token.hash = words[1];
  const auto created = Number(words[2]);
  const auto expires = Number(words[3]);
  if (!created || (!expires && words[3] != "-")) return std::nullopt;
  token.created = os::Timestamp(std::chrono::microseconds(*created));
  if (expires) token.expires = os::Timestamp(std::chrono::microseconds(*expires));
  token.revoked = words[4] == "revoked";
  for (size_t i = 5; i < words.size(); ++i) {
    auto scope = ParseScope(words[i]);
    if (!scope.ok()) return std::nullopt;
    token.scopes.push_back(std::move(*scope));
  }
  return token;
}

/// Whether this is what browsers put into Origin: `https://shop.example:8443`.
bool IsOrigin(std::string_view text) {
  constexpr std::string_view kSchemes[] = {"https://", "http://"};
  const auto* const scheme =
      std::ranges::find_if(kSchemes, [&](std::string_view one) { return text.starts_with(one); });
  if (scheme == std::end(kSchemes)) return false;
  const std::string_view host = text.substr(scheme->size());
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':' ||
           c == '[' || c == ']';
  });
}

}  // namespace

Result<Scope> ParseScope(std::string_view text) {
  if (text == "admin") return Scope{.verb = Verb::kAdmin, .topic = {}, .origin = {}};
  const size_t colon = text.find(':');
  const std::string_view verb = text.substr(0, colon);
  std::string_view topic = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  std::string_view origin;
  if (const size_t at = topic.find('@'); verb == "collect" && at != std::string_view::npos) {
    origin = topic.substr(at + 1);
    topic = topic.substr(0, at);
  }
  const bool fits = !topic.empty() && topic.size() <= 256 &&
                    topic.find_first_of(" \n\r\t") == std::string_view::npos &&
                    topic.substr(0, topic.size() - 1).find('*') == std::string_view::npos;
  if (verb == "collect") {
    if (!fits || !IsOrigin(origin)) {
      return Invalid("'{}' is no scope; for pages it is collect:TOPIC@https://HOST", text);
    }
    return Scope{
        .verb = Verb::kCollect, .topic = std::string(topic), .origin = std::string(origin)};
  }
  if (!fits || (verb != "send" && verb != "read")) {
    return Invalid(
        "'{}' is no scope; scopes are send:TOPIC, read:TOPIC, collect:TOPIC@ORIGIN and admin, "
        "where "
        "TOPIC may end with *",
        text);
  }
  return Scope{.verb = verb == "send" ? Verb::kSend : Verb::kRead,
               .topic = std::string(topic),
               .origin = {}};
}

std::string ToString(const Scope& scope) {
  switch (scope.verb) {
    case Verb::kSend:
      return "send:" + scope.topic;
    case Verb::kRead:
      return "read:" + scope.topic;
    case Verb::kCollect:
      return "collect:" + scope.topic + "@" + scope.origin;
    case Verb::kAdmin:
      break;
  }
  return "admin";
}

bool Principal::Allows(Verb verb, std::string_view topic) const {
  return std::any_of(scopes.begin(), scopes.end(), [&](const Scope& scope) {
    return scope.verb == Verb::kAdmin || (scope.verb == verb && Covers(scope.topic, topic));
  });
}

bool Principal::AllowsCollecting(std::string_view topic, std::string_view origin) const {
  if (id == kLocal) return true;
  return std::any_of(scopes.begin(), scopes.end(), [&](const Scope& scope) {
    return scope.verb == Verb::kCollect && scope.origin == origin && Covers(scope.topic, topic);
  });
}

bool Principal::AllowsSome(Verb verb) const {
  return std::any_of(scopes.begin(), scopes.end(), [&](const Scope& scope) {
    return scope.verb == Verb::kAdmin || scope.verb == verb;
  });
}

Result<std::string> Tokens::Create(std::vector<Scope> scopes,
                                   std::optional<std::chrono::seconds> ttl) {
  if (scopes.empty()) return Invalid("a token needs a scope, such as send:shop.user-events");
  if (scopes.size() > kScopesMax) return Invalid("a token has at most {} scopes", kScopesMax);
  SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(os::FolderOf(path_)));
  SLUICE_ASSIGN_OR_RETURN(const auto lock, disk_.Lock(path_ + ".lock"), "tokens '{}'", path_);
  SLUICE_ASSIGN_OR_RETURN(std::vector<Token> tokens, Read());
  if (tokens.size() >= kTokensMax) {
    return Conflict("there are {} tokens, which is the limit", kTokensMax);
  }
  Token token;
  token.id = RandomHex(random_, 6);
  const std::string secret = RandomHex(random_, 32);
  token.hash = HashOf(secret);
  token.scopes = std::move(scopes);
  token.created = clock_.Now();
  if (ttl) token.expires = token.created + *ttl;
  std::string text = fmt::format("{}{}_{}", kPrefix, token.id, secret);
  tokens.push_back(std::move(token));
  SLUICE_RETURN_IF_ERROR(Write(tokens));
  return text;
}

Status Tokens::Revoke(std::string_view id) {
  SLUICE_ASSIGN_OR_RETURN(const auto lock, disk_.Lock(path_ + ".lock"), "tokens '{}'", path_);
  SLUICE_ASSIGN_OR_RETURN(std::vector<Token> tokens, Read());
  const auto found = std::find_if(tokens.begin(), tokens.end(),
                                  [&](const Token& token) { return token.id == id; });
  if (found == tokens.end()) return NotFound("there is no token '{}'", id);
  found->revoked = true;
  return Write(tokens);
}

Result<std::vector<Token>> Tokens::List() { return Read(); }

Result<bool> Tokens::AnyMade() {
  SLUICE_ASSIGN_OR_RETURN(const auto tokens, Current());
  return !tokens->empty();
}

Result<Principal> Tokens::Authenticate(std::string_view text) {
  SLUICE_ASSIGN_OR_RETURN(const auto tokens, Current());
  if (tokens->empty()) {
    return Principal{.id = std::string(kLocal),
                     .scopes = {Scope{.verb = Verb::kAdmin, .topic = {}, .origin = {}}}};
  }
  if (text.empty()) return Denied("a token is needed: send it as `Authorization: Bearer TOKEN`");
  const Error refused = Denied("the token is not valid");
  if (!text.starts_with(kPrefix)) return refused;
  text.remove_prefix(kPrefix.size());
  const size_t middle = text.find('_');
  if (middle == std::string_view::npos) return refused;
  const std::string_view id = text.substr(0, middle);
  const std::string hash = HashOf(text.substr(middle + 1));
  for (const Token& token : *tokens) {
    if (token.id != id) continue;
    if (!Same(token.hash, hash) || token.revoked) return refused;
    if (token.expires && *token.expires <= clock_.Now()) return Denied("the token has expired");
    return Principal{.id = token.id, .scopes = token.scopes};
  }
  return refused;
}

Result<std::shared_ptr<const std::vector<Token>>> Tokens::Current() {
  const std::lock_guard lock(mutex_);
  const os::Monotonic now = clock_.Steady();
  if (current_ == nullptr || now - read_at_ >= kReadEvery) {
    SLUICE_ASSIGN_OR_RETURN(std::vector<Token> tokens, Read());
    current_ = std::make_shared<const std::vector<Token>>(std::move(tokens));
    read_at_ = now;
  }
  return current_;
}

Result<std::vector<Token>> Tokens::Read() const {
  std::vector<Token> tokens;
  auto text = os::ReadFile(disk_, path_, kFileBytesMax);
  if (!text.ok()) {
    if (text.error().code() == ErrorCode::kNotFound) return tokens;
    return std::move(text).error().Wrap("tokens");
  }
  std::string_view rest = *text;
  int number = 0;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    ++number;
    if (number == 1) {
      if (line != kFirstLine && line.starts_with(kTitle)) {
        return Unsupported(
            "tokens '{}': format {}, this program knows {}; was it written by "
            "another version of it?",
            path_, line.substr(kTitle.size()), kFirstLine.substr(kTitle.size()));
      }
      if (line != kFirstLine) return Corrupt("'{}' is no file of tokens", path_);
      continue;
    }
    auto token = ReadLine(line);
    if (!token) return Corrupt("tokens '{}': line {} cannot be read", path_, number);
    tokens.push_back(std::move(*token));
  }
  if (number == 0) return Corrupt("tokens '{}': the file is empty", path_);
  return tokens;
}

Status Tokens::Write(const std::vector<Token>& tokens) {
  std::string text(kFirstLine);
  text += '\n';
  for (const Token& token : tokens) {
    text += fmt::format(
        "{} {} {} {} {}", token.id, token.hash, token.created.time_since_epoch().count(),
        token.expires ? std::to_string(token.expires->time_since_epoch().count()) : "-",
        token.revoked ? "revoked" : "valid");
    for (const Scope& scope : token.scopes) text += ' ' + ToString(scope);
    text += '\n';
  }
  SLUICE_RETURN_IF_ERROR(os::ReplaceFile(disk_, path_, text), "tokens '{}'", path_);
  const std::lock_guard lock(mutex_);
  current_.reset();  // Our own change is seen at once.
  return {};
}

}  // namespace sluice::govern
