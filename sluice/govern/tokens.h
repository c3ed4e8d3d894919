#pragma once
/// \file
/// Tokens: what a sender, a reader or an administrator shows, and what it allows.

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"

namespace sluice::govern {

enum class Verb : uint8_t {
  kSend,     ///< Events of a topic.
  kRead,     ///< Rows of a topic's table.
  kAdmin,    ///< Everything.
  kCollect,  ///< Events of a topic, from pages of one origin: nothing else.
};

/// `send:shop.user-events`, `read:shop.*`, `send:*`, `admin`,
/// `collect:clicks@https://shop.example`.
struct Scope {
  Verb verb = Verb::kSend;
  std::string topic;   ///< A topic's name, or a prefix of it and `*`; empty for kAdmin.
  std::string origin;  ///< Of kCollect: scheme, host and port, as browsers write them.
};

/// kInvalid: says what a scope looks like.
Result<Scope> ParseScope(std::string_view text);
std::string ToString(const Scope& scope);

/// Who asks, as far as it has been proven.
struct Principal {
  std::string id;  ///< The token's id; `local` while there are no tokens.
  std::vector<Scope> scopes;

  /// Whether it may do this with every topic (`topic` "*"), with one, or at all (kAdmin).
  bool Allows(Verb verb, std::string_view topic = "*") const;
  /// Whether there is a topic with which it may do this.
  bool AllowsSome(Verb verb) const;
  /// Whether pages of `origin` may send to the topic: by a scope for it, or because there are no
  /// tokens, when the gate has looked at the origin.
  bool AllowsCollecting(std::string_view topic, std::string_view origin) const;
};

/// What is kept of a token.
struct Token {
  std::string id;
  std::string hash;  ///< SHA-256 of the secret, hexadecimal.
  std::vector<Scope> scopes;
  os::Timestamp created{};
  std::optional<os::Timestamp> expires;
  bool revoked = false;
};

/// The tokens of one project.
///
/// Thread-safe; `disk`, `clock` and `random` must outlive it.
class Tokens {
 public:
  /// `path` is the file; it need not exist.
  Tokens(os::Disk& disk, const os::Clock& clock, os::Random& random, std::string path)
      : disk_(disk), clock_(clock), random_(random), path_(std::move(path)) {}

  /// Makes a token and returns its text, which is nowhere kept. kInvalid: no scope.
  /// kConflict: another process changes the file.
  Result<std::string> Create(std::vector<Scope> scopes, std::optional<std::chrono::seconds> ttl);
  /// kNotFound: no such token.
  Status Revoke(std::string_view id);
  Result<std::vector<Token>> List();

  /// Tells who shows `token` (empty: nobody shows any). kDenied: not a valid token, or none where
  /// one is needed. What the file says is at most half a second old.
  /// kCorrupt: the file cannot be read: then nobody is let in.
  Result<Principal> Authenticate(std::string_view token);

  /// Whether any token was ever made.
  Result<bool> AnyMade();

 private:
  Result<std::vector<Token>> Read() const;
  Status Write(const std::vector<Token>& tokens);
  Result<std::shared_ptr<const std::vector<Token>>> Current();

  os::Disk& disk_;
  const os::Clock& clock_;
  os::Random& random_;
  const std::string path_;

  std::mutex mutex_;  // Guards what follows.
  std::shared_ptr<const std::vector<Token>> current_;
  os::Monotonic read_at_{};
};

}  // namespace sluice::govern
