#include "sluice/privacy/keys.h"

#include <fmt/format.h>

#include <span>

#include "sluice/privacy/keyed_hash.h"

namespace sluice::privacy {
namespace {

constexpr std::string_view kFirstLine = "sluice keys 1";
constexpr uint64_t kFileBytesMax = 4096;

std::string Hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", std::to_integer<int>(byte));
  return text;
}

bool FromHex(std::string_view text, std::span<std::byte> into) {
  if (text.size() != into.size() * 2) return false;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  for (size_t i = 0; i < into.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    into[i] = static_cast<std::byte>(high * 16 + low);
  }
  return true;
}

/// Takes the rest of the line that begins with `name` and a space.
std::string_view Entry(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ') {
      return line.substr(name.size() + 1);
    }
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return {};
}

}  // namespace

Result<Keys> Keys::LoadOrMake(os::Disk& disk, const std::string& path, os::Random& random,
                              bool* made) {
  Keys keys;
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk.Exists(path), "keys '{}'", path);
  if (made != nullptr) *made = !exists;
  if (exists) {
    SLUICE_ASSIGN_OR_RETURN(const std::string text, os::ReadFile(disk, path, kFileBytesMax),
                            "keys '{}'", path);
    if (!text.starts_with(kFirstLine) || !FromHex(Entry(text, "identity"), keys.identity_) ||
        !FromHex(Entry(text, "sealing"), keys.sealing_)) {
      return Invalid(
          "keys '{}': not a key file of this program; put back the right file (without it sealed "
          "values cannot be read)",
          path);
    }
    return keys;
  }
  random.Fill(keys.identity_);
  random.Fill(keys.sealing_);
  const std::string text = fmt::format("{}\nidentity {}\nsealing {}\n", kFirstLine,
                                       Hex(keys.identity_), Hex(keys.sealing_));
  SLUICE_RETURN_IF_ERROR(disk.MakeFolders(os::FolderOf(path)), "keys '{}'", path);
  SLUICE_RETURN_IF_ERROR(os::ReplaceFile(disk, path, text), "keys '{}'", path);
  return keys;
}

std::string Keys::Fingerprint() const {
  std::string all(reinterpret_cast<const char*>(sealing_.data()), sealing_.size());
  return fmt::format("{:016x}", KeyedHash(identity_, "fingerprint" + all).low);
}

}  // namespace sluice::privacy
