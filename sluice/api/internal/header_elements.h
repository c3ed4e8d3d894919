#pragma once
/// \file
/// What header fields list: elements with parameters, such as `text/csv; header=present; q=0.5`.

#include <optional>
#include <string>
#include <string_view>

namespace sluice::api::internal {

/// One element (RFC 9110, section 5.6.6). Borrows the text.
class HeaderElement {
 public:
  explicit HeaderElement(std::string_view text);

  /// All of it, trimmed.
  std::string_view text() const { return text_; }
  /// What stands before the parameters, in lower case: media types and codings have no case.
  std::string Name() const;
  /// The value of the first parameter of that name, whose case does not count; a quoted string is
  /// the same as its content. Empty for a parameter without a value; nothing where there is none.
  std::optional<std::string> Parameter(std::string_view name) const;
  /// The parameter `q` (section 12.4.2), from 0, which means *not acceptable*, to 1, which also
  /// holds where there is none that can be read.
  double Weight() const;

 private:
  std::string_view text_;
};

/// Where `wanted` first stands outside of quoted strings; npos: nowhere. A quoted string that does
/// not end goes to the end.
size_t FindUnquoted(std::string_view text, char wanted);

/// Calls `visit` with each HeaderElement of a comma-separated list (section 5.6.1); empty ones are
/// left out.
template <typename Visit>
void ForEachElement(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const size_t comma = FindUnquoted(list, ',');
    const HeaderElement element(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    if (!element.text().empty()) visit(element);
  }
}

/// `application/json; charset=utf-8` → `application/json`
inline std::string MediaType(std::string_view header) { return HeaderElement(header).Name(); }

}  // namespace sluice::api::internal
