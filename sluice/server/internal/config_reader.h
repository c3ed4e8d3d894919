#pragma once
/// \file
/// Walks the mappings of a project file: known keys go to their readers, all mistakes are kept.

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/server/config.h"

namespace sluice::server::internal {

inline constexpr std::string_view kNotYaml = "SL1001";
inline constexpr std::string_view kUnknownKey = "SL1002";
inline constexpr std::string_view kBadValue = "SL1003";
inline constexpr std::string_view kNotServed = "SL1005";

class Reader {
 public:
  using Read = std::function<void(const YAML::Node&)>;
  struct Key {
    std::string_view name;
    Read read;
    bool served = true;
  };
  using Keys = std::vector<Key>;

  explicit Reader(std::string_view file) : file_(file) {}

  /// What follows is said by `origin`, which is no file: it has no lines.
  void LeaveFile(std::string_view origin) {
    file_ = origin;
    in_file_ = false;
  }

  void Map(const YAML::Node& node, std::string_view what, const Keys& keys) {
    if (!node.IsMap()) return Mistake(node, fmt::format("{} must be a mapping", what));
    for (const auto& entry : node) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : std::string();
      const auto known = std::ranges::find(keys, key, &Key::name);
      if (known != keys.end()) {
        known->read(entry.second);
        continue;
      }
      std::string names;
      std::vector<std::string_view> candidates;
      for (const auto& [name, read, served] : keys) {
        if (!served) continue;
        names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
        candidates.push_back(name);
      }
      Mistake(entry.first, fmt::format("unknown key \"{}\" in {}", key, what), kUnknownKey);
      if (const auto meant = Closest(key, candidates)) {
        mistakes_.back().suggestion = fmt::format("did you mean \"{}\"?", *meant);
      }
      mistakes_.back().notes.push_back(fmt::format("known are {}", names));
    }
  }

  Read Text(std::string& into) {
    return [this, &into](const YAML::Node& node) {
      if (node.IsScalar()) {
        into = node.Scalar();
      } else {
        Mistake(node, "expected a text");
      }
    };
  }

  template <typename T, typename Parse>
  Read Parsed(T& into, Parse parse) {
    return [this, &into, parse](const YAML::Node& node) {
      const std::string text = node.IsScalar() ? node.Scalar() : std::string();
      constexpr T kLargest = std::numeric_limits<T>::max();
      auto value = parse(text);
      if (!value.ok()) {
        Mistake(node, value.error().message());
      } else if (std::cmp_greater(*value, kLargest)) {
        Mistake(node, fmt::format("at most {} is possible", kLargest));
      } else {
        into = static_cast<T>(*value);
      }
    };
  }

  template <typename Rep, typename Period>
  Read Duration(std::chrono::duration<Rep, Period>& into) {
    return [this, &into](const YAML::Node& node) {
      auto value = ParseDuration(node.IsScalar() ? node.Scalar() : std::string());
      if (value.ok()) {
        into = std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(*value);
      } else {
        Mistake(node, value.error().message());
      }
    };
  }

  /// A key of a part of Sluice that this program does not have: it has no effect, which is said,
  /// unless its value is what holds anyway.
  Key NotServed(std::string_view name, std::string_view what, std::string_view holds = {}) {
    const auto warn = [this, what, holds](const YAML::Node& node) {
      if (!holds.empty() && node.IsScalar() && node.Scalar() == holds) return;
      warnings_.push_back(MakeDiagnostic(
          node, fmt::format("{} has no effect: this program does not have it", what), kNotServed));
      warnings_.back().severity = Severity::kWarning;
    };
    return {.name = name, .read = warn, .served = false};
  }

  void Mistake(const YAML::Node& node, std::string_view message,
               std::string_view code = kBadValue) {
    mistakes_.push_back(MakeDiagnostic(node, message, code));
  }
  void Mistake(const YAML::Mark& mark, std::string_view message, std::string_view code) {
    mistakes_.push_back(MakeDiagnostic(mark, message, code, 1));
  }

  SourcePlace PlaceOf(const YAML::Node& node) const { return MakeDiagnostic(node, {}, {}).place; }

  std::vector<Diagnostic> TakeMistakes() { return std::move(mistakes_); }
  std::vector<Diagnostic> TakeWarnings() { return std::move(warnings_); }

 private:
  Diagnostic MakeDiagnostic(const YAML::Node& node, std::string_view message,
                            std::string_view code) const {
    return MakeDiagnostic(node.IsDefined() ? node.Mark() : YAML::Mark::null_mark(), message, code,
                          node.IsDefined() && node.IsScalar() ? node.Scalar().size() : 1);
  }
  Diagnostic MakeDiagnostic(const YAML::Mark& mark, std::string_view message, std::string_view code,
                            size_t length) const {
    Diagnostic diagnostic{
        .code = std::string(code), .message = std::string(message), .place = {.file = file_}};
    if (in_file_) {
      // What an empty file lacks is missing at its beginning.
      diagnostic.place.line = mark.is_null() ? 1 : mark.line + 1;
      diagnostic.place.column = mark.is_null() ? 1 : mark.column + 1;
      diagnostic.place.length = static_cast<int>(std::clamp<size_t>(length, 1, 80));
    }
    return diagnostic;
  }

  std::string file_;
  bool in_file_ = true;
  std::vector<Diagnostic> mistakes_;
  std::vector<Diagnostic> warnings_;
};

}  // namespace sluice::server::internal
