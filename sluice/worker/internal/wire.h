#pragma once
/// \file
/// Plain values as bytes, between two processes of the same program.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sluice::worker::internal {

class Encoder {
 public:
  template <typename T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void Put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void Put(std::string_view text) {
    Put(static_cast<uint64_t>(text.size()));
    bytes_.append(text);
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// Reads what Encoder put, in the same order. Beyond the end, or where a text is longer than what
/// is left, values are empty and ok() is false from then on.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  T Get() {
    if constexpr (std::is_same_v<T, bool>) return Get<uint8_t>() != 0;
    T value{};
    const std::string_view taken = Take(sizeof(value));
    if (ok_) std::memcpy(&value, taken.data(), sizeof(value));
    return value;
  }
  std::string_view GetText() { return Take(Get<uint64_t>()); }
  std::string_view Rest() { return Take(bytes_.size()); }
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && bytes_.empty(); }

 private:
  std::string_view Take(uint64_t size) {
    if (!ok_ || size > bytes_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace sluice::worker::internal
