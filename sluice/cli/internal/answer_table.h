#pragma once
/// \file
/// Answers in JSON as rows of text, in the forms of -o.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::cli::internal {

/// Cells of one answer. Texts stand as they are, null is empty, a list of things with names is
/// those, all else is JSON.
struct AnswerTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;    ///< As many cells as columns.
  std::vector<std::vector<std::string>> values;  ///< The same cells as JSON.
};

/// Reads an answer of one of these shapes; nothing of others:
/// - `{"columns":[{"name":…},…],"rows":[[…],…],…}`: as it says;
/// - `{"tables":[{…},…],…}`, a member that is a list of objects: a row an object;
/// - another object: a row a member.
std::optional<AnswerTable> ReadAnswer(std::string_view json);

/// Reads lines of objects (NDJSON), a row an object; nothing of other texts.
std::optional<AnswerTable> ReadLines(std::string_view json);

/// Returns it with aligned columns. Characters that would move a terminal's cursor are escaped.
std::string AlignedText(const AnswerTable& table);
/// Returns it as `table`, `ndjson`, `csv` or `md`; nothing for other forms.
std::optional<std::string> Render(const AnswerTable& table, std::string_view form);

}  // namespace sluice::cli::internal
