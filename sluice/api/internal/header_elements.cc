#include "sluice/api/internal/header_elements.h"

#include <algorithm>
#include <charconv>

#include "sluice/api/internal/text.h"
#include "sluice/base/ascii.h"

namespace sluice::api::internal {

namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

/// `"a\"b"` → `a"b`; what is not quoted stays.
std::string Unquoted(std::string_view text) {
  if (!text.starts_with('"')) return std::string(text);
  std::string out;
  for (size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

}  // namespace

size_t FindUnquoted(std::string_view text, char wanted) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == wanted) {
      return i;
    }
  }
  return std::string_view::npos;
}

HeaderElement::HeaderElement(std::string_view text) : text_(Trimmed(text)) {}

std::string HeaderElement::Name() const {
  return LowerCase(Trimmed(text_.substr(0, FindUnquoted(text_, ';'))));
}

std::optional<std::string> HeaderElement::Parameter(std::string_view name) const {
  std::string_view rest = text_;
  for (size_t at = FindUnquoted(rest, ';'); at != std::string_view::npos;
       at = FindUnquoted(rest, ';')) {
    rest.remove_prefix(at + 1);
    const std::string_view parameter = rest.substr(0, FindUnquoted(rest, ';'));
    const size_t equals = std::min(parameter.find('='), parameter.size());
    if (!EqualsIgnoringCase(Trimmed(parameter.substr(0, equals)), name)) continue;
    return Unquoted(Trimmed(parameter.substr(std::min(equals + 1, parameter.size()))));
  }
  return std::nullopt;
}

double HeaderElement::Weight() const {
  const auto text = Parameter("q");
  if (!text) return 1;
  double weight = 1;
  const char* const end = text->data() + text->size();
  const auto [at, bad] = std::from_chars(text->data(), end, weight, std::chars_format::fixed);
  if (bad != std::errc() || at != end || !(weight >= 0)) return 1;  // Nor is `nan` a weight.
  return std::min(weight, 1.0);
}

}  // namespace sluice::api::internal
