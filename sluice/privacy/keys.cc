#include "sluice/privacy/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "sluice/base/base64.h"
#include "sluice/base/hex.h"
#include "sluice/privacy/internal/hmac.h"
#include "sluice/privacy/internal/siv.h"
#include "sluice/privacy/internal/subject_keys.h"
#include "sluice/privacy/key_file.h"

namespace sluice::privacy {
namespace {

using internal::DeriveKey;
using internal::Digest;
using internal::SubjectKeys;

constexpr std::string_view kTitle = "sluice keys ";
constexpr std::string_view kFirstLine = "sluice keys 2";
constexpr std::string_view kWrappedFirstLine = "sluice wrapped keys 1";
constexpr std::string_view kBoundTitle = "sluice key fingerprints ";
constexpr std::string_view kBoundFirstLine = "sluice key fingerprints 1";
constexpr uint64_t kFileBytesMax = 256ull << 20;  // 40,000 destroyed subjects.
constexpr uint64_t kBoundBytesMax = 1 << 20;
// A chain that starts in the 1970s would take 20,000 steps; nobody seals in 2079 yet.
constexpr int32_t kDaysMax = 40'000;
constexpr size_t kSealingKeysHeldMax = 256;

std::string_view CutWord(std::string_view& line) {
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

std::string_view CutLine(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

template <typename Number>
bool ParseNumber(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

Digest NextDay(const Digest& seed) { return DeriveKey(seed, "sluice/seal-chain/1", {}); }

std::string FingerprintOf(std::span<const std::byte> key) {
  const Digest digest = DeriveKey(key, "sluice/fingerprint/1", {});
  return ToHex(std::span(digest).first(8));
}

Digest NewKey(os::Random& random) {
  Digest key;
  random.Fill(key);
  return key;
}

/// kUnsupported: a file that begins with `title` has another version than that of `first_line`.
Status CheckVersion(std::string_view text, std::string_view title, std::string_view first_line) {
  const std::string_view line = text.substr(0, text.find('\n'));
  if (!line.starts_with(title) || line == first_line) return {};
  return Unsupported("format {}, this program knows {}; was it written by another version of it?",
                     line.substr(title.size()), first_line.substr(title.size()));
}

}  // namespace

std::string_view ToString(KeyUse use) {
  static constexpr std::array<std::string_view, 3> kNames = {"hash", "token", "subject"};
  return kNames.at(static_cast<size_t>(use));
}

int32_t DayOf(os::Timestamp time) {
  return static_cast<int32_t>(
      std::chrono::floor<std::chrono::days>(time).time_since_epoch().count());
}

struct Keys::State {
  os::Disk* disk = nullptr;
  std::string path;
  std::optional<Digest> wrapping;        // Seals the file.
  std::array<std::byte, 16> identity{};  // Never changes, so it is not guarded.

  std::mutex mutex;  // Guards what follows; held over the write of the file, which is rare.
  std::array<std::map<uint32_t, Digest>, 2> numbered;  // kHash, kToken.
  std::map<uint32_t, SubjectKeys> subjects;
  int32_t sealing_day = 0;
  Digest sealing{};
  int32_t derived_day = 0;  // The last day asked for, and its place in the chain.
  Digest derived{};
  /// Keys that were asked for: deriving one takes as long as sealing a kilobyte under it.
  std::map<std::pair<int32_t, std::string>, Digest> sealing_keys;

  std::string ToText() const;
  bool FromText(std::string_view text);
  Status Store() { return os::ReplacePrivateFile(*disk, path, ToFile()); }
  std::string ToFile() const;
  /// The file's text as ToText() made it. kDenied: it cannot be opened.
  Result<std::string> FromFile(std::string_view file) const;
  internal::AesSiv Wrapping() const;
  uint32_t NewestKid(KeyUse use) const {
    return use == KeyUse::kSubject ? subjects.rbegin()->first
                                   : numbered.at(static_cast<size_t>(use)).rbegin()->first;
  }
};

std::string Keys::State::ToText() const {
  std::string text = fmt::format("{}\nidentity {}\n", kFirstLine, ToHex(identity));
  for (const KeyUse use : {KeyUse::kHash, KeyUse::kToken}) {
    for (const auto& [kid, key] : numbered.at(static_cast<size_t>(use))) {
      text += fmt::format("{} {} {}\n", ToString(use), kid, ToHex(key));
    }
  }
  for (const auto& [kid, tree] : subjects)
    text += fmt::format("subject {} {}\n", kid, tree.ToText());
  return text + fmt::format("sealing {} {}\n", sealing_day, ToHex(sealing));
}

internal::AesSiv Keys::State::Wrapping() const {
  internal::AesSiv::Key key;
  const Digest mac = DeriveKey(*wrapping, "sluice/key-file/1", {"mac"});
  const Digest cipher = DeriveKey(*wrapping, "sluice/key-file/1", {"cipher"});
  std::copy(mac.begin(), mac.end(), key.begin());
  std::copy(cipher.begin(), cipher.end(), key.begin() + 32);
  return {key, {}};
}

std::string Keys::State::ToFile() const {
  if (!wrapping) return ToText();
  std::string sealed;
  Wrapping().Seal(ToText(), sealed);
  return fmt::format("{}\n{}\n", kWrappedFirstLine, EncodeBase64(sealed));
}

Result<std::string> Keys::State::FromFile(std::string_view file) const {
  if (!file.starts_with(kWrappedFirstLine)) return std::string(file);
  if (!wrapping) {
    return Denied(
        "the file is sealed under another key; name what gives it in the project file: keys: "
        "{{command: ...}}");
  }
  CutLine(file);
  const auto sealed = DecodeBase64(CutLine(file));
  const auto text = sealed.ok() ? Wrapping().Open(*sealed) : std::nullopt;
  if (!text) return Denied("the file was sealed under another key than the one given, or changed");
  return *text;
}

bool Keys::State::FromText(std::string_view text) {
  if (CutLine(text) != kFirstLine) return false;
  bool has_identity = false;
  bool has_sealing = false;
  while (!text.empty()) {
    std::string_view line = CutLine(text);
    const std::string_view name = CutWord(line);
    uint32_t kid = 0;
    if (name == "identity") {
      has_identity = FromHex(line, identity);
    } else if (name == "sealing") {
      has_sealing =
          ParseNumber(CutWord(line), sealing_day) && sealing_day >= 0 && FromHex(line, sealing);
    } else if (name == "hash" || name == "token") {
      if (!ParseNumber(CutWord(line), kid) || kid == 0) return false;
      if (!FromHex(line, numbered.at(name == "hash" ? 0 : 1)[kid])) return false;
    } else if (name == "subject") {
      if (!ParseNumber(CutWord(line), kid) || kid == 0) return false;
      auto tree = SubjectKeys::FromText(line);
      if (!tree) return false;
      subjects.emplace(kid, std::move(*tree));
    } else if (!name.empty()) {
      return false;
    }
  }
  return has_identity && has_sealing && !numbered[0].empty() && !numbered[1].empty() &&
         !subjects.empty();
}

Result<Keys> Keys::LoadOrMake(os::Disk& disk, const std::string& path, os::Random& random,
                              bool* made, std::string_view wrapping) {
  Keys keys;
  keys.state_ = std::make_shared<State>();
  State& state = *keys.state_;
  state.disk = &disk;
  state.path = path;
  if (!wrapping.empty() && !FromHex(wrapping, state.wrapping.emplace())) {
    return Invalid(
        "keys '{}': the key that seals the file must be 64 hex digits, as `openssl rand -hex 32` "
        "makes them; found {} characters",
        path, wrapping.size());
  }
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk.Exists(path), "keys '{}'", path);
  if (made != nullptr) *made = !exists;
  if (exists) {
    SLUICE_ASSIGN_OR_RETURN(const bool own, disk.IsPrivate(path), "keys '{}'", path);
    if (!own) {
      return Invalid("keys '{}': others may read the file; make it private with `chmod 600`", path);
    }
    SLUICE_ASSIGN_OR_RETURN(const std::string file, os::ReadFile(disk, path, kFileBytesMax),
                            "keys '{}'", path);
    SLUICE_ASSIGN_OR_RETURN(const std::string text, state.FromFile(file), "keys '{}'", path);
    SLUICE_RETURN_IF_ERROR(CheckVersion(text, kTitle, kFirstLine), "keys '{}'", path);
    if (!state.FromText(text)) {
      return Invalid(
          "keys '{}': not a key file of this program; put back the right file (without it sealed "
          "and tokenized values cannot be read)",
          path);
    }
    // A process that was killed may have left its name in the cache alone, and what is made with
    // these keys must not outlive them.
    const std::string_view folder = os::FolderOf(path);
    SLUICE_RETURN_IF_ERROR(disk.SyncDirectory(folder), "keys '{}'", path);
    SLUICE_RETURN_IF_ERROR(disk.SyncDirectory(os::FolderOf(folder)), "keys '{}'", path);
    state.derived_day = state.sealing_day;
    state.derived = state.sealing;
    if (state.wrapping && !file.starts_with(kWrappedFirstLine)) {
      SLUICE_RETURN_IF_ERROR(state.Store(), "keys '{}'", path);
    }
    return keys;
  }
  random.Fill(state.identity);
  state.numbered[0][1] = NewKey(random);
  state.numbered[1][1] = NewKey(random);
  state.subjects.emplace(1, SubjectKeys(NewKey(random)));
  state.sealing = state.derived = NewKey(random);
  SLUICE_RETURN_IF_ERROR(disk.MakeFolders(os::FolderOf(path)), "keys '{}'", path);
  SLUICE_RETURN_IF_ERROR(state.Store(), "keys '{}'", path);
  return keys;
}

const std::array<std::byte, 16>& Keys::identity() const { return state_->identity; }

NumberedKey Keys::Newest(KeyUse use) const {
  const std::lock_guard lock(state_->mutex);
  const uint32_t kid = state_->NewestKid(use);
  if (use == KeyUse::kSubject) return {kid, {}};
  return {kid, state_->numbered.at(static_cast<size_t>(use)).at(kid)};
}

Result<NumberedKey> Keys::Get(KeyUse use, uint32_t kid) const {
  SLUICE_CHECK(use != KeyUse::kSubject);
  const std::lock_guard lock(state_->mutex);
  const auto& keys = state_->numbered.at(static_cast<size_t>(use));
  const auto found = keys.find(kid);
  if (found == keys.end()) return NotFound("there is no {} key {}", ToString(use), kid);
  return NumberedKey{kid, found->second};
}

Status Keys::Rotate(KeyUse use, uint32_t kid, os::Random& random) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  const uint32_t newest = state.NewestKid(use);
  if (kid == newest) return {};
  if (kid != newest + 1) {
    return Invalid("{} key {}: the newest is {}, so the next is {}; older ones are only read",
                   ToString(use), kid, newest, newest + 1);
  }
  const Digest key = NewKey(random);
  if (use == KeyUse::kSubject) {
    state.subjects.emplace(kid, SubjectKeys(key));
  } else {
    state.numbered.at(static_cast<size_t>(use))[kid] = key;
  }
  return state.Store();
}

SubjectId Keys::IdOfSubject(std::string_view tenant, std::string_view subject) const {
  const Digest digest = DeriveKey(state_->identity, "sluice/subject/1", {tenant, subject});
  SubjectId id = 0;
  for (size_t i = 0; i < 8; ++i) id = id << 8 | std::to_integer<uint64_t>(digest[i]);
  return id;
}

Result<Digest> Keys::SubjectKey(uint32_t kid, SubjectId subject) const {
  const std::lock_guard lock(state_->mutex);
  const auto root = state_->subjects.find(kid);
  if (root == state_->subjects.end()) return NotFound("there is no subject key {}", kid);
  const auto key = root->second.Find(subject);
  if (!key) return NotFound("the subject's key was destroyed");
  return *key;
}

Status Keys::DestroySubject(SubjectId subject) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  for (auto& [kid, tree] : state.subjects) tree.Destroy(subject);
  return state.Store();
}

Result<Digest> Keys::SealingKey(std::string_view tenant, int32_t day) const {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (day < state.sealing_day) {
    return NotFound("it was sealed under a key that was destroyed when its retention ended");
  }
  if (day - state.sealing_day > kDaysMax) return Invalid("day {} is too far away to seal for", day);
  if (const auto known = state.sealing_keys.find({day, std::string(tenant)});
      known != state.sealing_keys.end()) {
    return known->second;
  }
  if (state.derived_day < state.sealing_day || state.derived_day > day) {
    state.derived_day = state.sealing_day;
    state.derived = state.sealing;
  }
  for (; state.derived_day < day; ++state.derived_day) state.derived = NextDay(state.derived);
  const Digest key = DeriveKey(state.derived, "sluice/seal/1", {tenant});
  if (state.sealing_keys.size() == kSealingKeysHeldMax) state.sealing_keys.clear();
  state.sealing_keys.emplace(std::pair(day, tenant), key);
  return key;
}

int32_t Keys::FirstSealingDay() const {
  const std::lock_guard lock(state_->mutex);
  return state_->sealing_day;
}

Status Keys::DestroySealingKeysBefore(int32_t day) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (day <= state.sealing_day) return {};
  if (day - state.sealing_day > kDaysMax) return Invalid("day {} is too far away", day);
  for (; state.sealing_day < day; ++state.sealing_day) state.sealing = NextDay(state.sealing);
  state.derived_day = state.sealing_day;
  state.derived = state.sealing;
  state.sealing_keys.clear();
  return state.Store();
}

std::map<std::string, std::string> Keys::Fingerprints() const {
  std::map<std::string, std::string> all;
  all["identity"] = FingerprintOf(state_->identity);
  const std::lock_guard lock(state_->mutex);
  for (const KeyUse use : {KeyUse::kHash, KeyUse::kToken}) {
    for (const auto& [kid, key] : state_->numbered.at(static_cast<size_t>(use))) {
      all[fmt::format("{} {}", ToString(use), kid)] = FingerprintOf(key);
    }
  }
  return all;
}

std::string Keys::Fingerprint() const { return FingerprintOf(state_->identity); }

Status Keys::Bind(os::Disk& disk, const std::string& path) const {
  const auto own = Fingerprints();
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk.Exists(path));
  std::map<std::string, std::string> noted;
  if (exists) {
    SLUICE_ASSIGN_OR_RETURN(const std::string text, os::ReadFile(disk, path, kBoundBytesMax));
    SLUICE_RETURN_IF_ERROR(CheckVersion(text, kBoundTitle, kBoundFirstLine), "'{}'", path);
    std::string_view rest = text;
    if (CutLine(rest) != kBoundFirstLine)
      return Corrupt("'{}': not a list of key fingerprints", path);
    if (std::ranges::any_of(text, [](char c) { return c != '\n' && (c < ' ' || c > '~'); })) {
      return Corrupt("'{}': damaged; put it back from a copy", path);
    }
    while (!rest.empty()) {
      const std::string_view line = CutLine(rest);
      const size_t space = line.rfind(' ');
      if (space != std::string_view::npos)
        noted.emplace(line.substr(0, space), line.substr(space + 1));
    }
  }
  for (const auto& [name, fingerprint] : noted) {
    const auto found = own.find(name);
    if (found != own.end() && found->second == fingerprint) continue;
    return Denied(
        "'{}': the data was made with other keys: {} is {} in '{}', expected {}; put back the key "
        "file that belongs to the data (from its copy), or move the data away to begin anew",
        os::FolderOf(path), name, found == own.end() ? "missing" : found->second, state_->path,
        fingerprint);
  }
  if (noted == own) return {};
  std::string text(kBoundFirstLine);
  for (const auto& [name, fingerprint] : own) text += fmt::format("\n{} {}", name, fingerprint);
  return os::ReplaceFile(disk, path, text + "\n");
}

Result<bool> IsSealedKeyFile(os::Disk& disk, const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, disk.Open(path, os::OpenMode::kRead), "keys");
  std::string begin(kWrappedFirstLine.size(), '\0');
  SLUICE_ASSIGN_OR_RETURN(const size_t read,
                          file->Read(0, std::as_writable_bytes(std::span(begin))), "keys");
  return read == begin.size() && begin == kWrappedFirstLine;
}

}  // namespace sluice::privacy
