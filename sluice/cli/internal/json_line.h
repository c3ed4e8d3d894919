#pragma once
/// \file
/// One JSON object a line, for commands that print such.

#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/json.h"

namespace sluice::cli::internal {

/// Writes the members of one JSON object on one line. Not thread-safe.
class JsonLine {
 public:
  JsonLine& Text(std::string_view name, std::string_view value) {
    Name(name);
    AppendJsonString(out_, value);
    return *this;
  }
  JsonLine& Number(std::string_view name, int64_t value) {
    Name(name);
    out_ += std::to_string(value);
    return *this;
  }
  JsonLine& Raw(std::string_view name, std::string_view json) {
    Name(name);
    out_ += json.empty() ? "null" : json;
    return *this;
  }
  template <typename Names>
  JsonLine& List(std::string_view name, const Names& names) {
    Name(name);
    out_ += '[';
    bool first = true;
    for (const auto& item : names) {
      if (!first) out_ += ',';
      first = false;
      AppendJsonString(out_, item);
    }
    out_ += ']';
    return *this;
  }
  template <typename Map>
  JsonLine& Texts(std::string_view name, const Map& texts) {
    JsonLine inner;
    for (const auto& [key, value] : texts) inner.TextOrNull(key, value);
    return Raw(name, inner.Finish());
  }
  std::string Finish() { return (out_.empty() ? "{" : std::move(out_)) + "}"; }

 private:
  void TextOrNull(std::string_view name, const std::string& value) { Text(name, value); }
  void TextOrNull(std::string_view name, const std::optional<std::string>& value) {
    if (value) {
      Text(name, *value);
    } else {
      Raw(name, "");
    }
  }
  void Name(std::string_view name) {
    out_ += out_.empty() ? '{' : ',';
    AppendJsonString(out_, name);
    out_ += ':';
  }
  std::string out_;
};

}  // namespace sluice::cli::internal
