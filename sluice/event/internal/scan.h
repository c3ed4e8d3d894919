#pragma once
/// \file
/// The words of a Cap'n Proto text with their places: for messages, and for limits that the
/// compiler lacks.

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"

namespace sluice::event::internal {

/// A place in a text; both count from 1.
struct Place {
  size_t line = 1;
  size_t column = 1;
};

/// An identifier, a number, or one character of punctuation. Strings and comments are left out.
struct Token {
  std::string_view text;
  Place place;
};

std::vector<Token> Scan(std::string_view text);

/// Where brackets nest, or dotted names go on, deeper than the compiler's recursion can be trusted
/// with.
std::optional<Place> FindTooDeep(const std::vector<Token>& tokens);

/// Where an annotation's value is written behind a dot, as in `$Metadata.hash.sha256`.
std::vector<Place> FindDottedValues(const std::vector<Token>& tokens);

/// Where `struct NAME` begins, and the field `name @ordinal` in it; the text's beginning if not
/// found.
Place FindStruct(const std::vector<Token>& tokens, std::string_view name);
Place FindField(const std::vector<Token>& tokens, std::string_view struct_name,
                std::string_view field_name);

}  // namespace sluice::event::internal
