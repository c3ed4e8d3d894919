#include "sluice/duck/internal/diagnosis.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

namespace sluice::duck::internal {

namespace {

std::string Extra(const duckdb::ErrorData& error, const char* name) {
  const auto found = error.ExtraInfo().find(name);
  return found == error.ExtraInfo().end() ? std::string() : found->second;
}

/// Whether a file that a table names is not there: all others are ours, and stay for a query.
bool IsFileGone(const duckdb::ErrorData& error) {
  const std::string& message = error.RawMessage();
  return message.find("No such file or directory") != std::string::npos ||
         message.find("No files found") != std::string::npos;
}

/// Whether memory could not be had. Where even the error found none, it comes as another type: what
/// failed then was to write the error down.
bool IsOutOfMemory(const duckdb::ErrorData& error) {
  if (error.Type() == duckdb::ExceptionType::OUT_OF_MEMORY) return true;
  const std::string& message = error.RawMessage();
  return message.find("memory allocation failed") != std::string::npos ||
         message.find("bad_alloc") != std::string::npos ||
         message.find("Cannot allocate memory") != std::string::npos;
}

std::string IdOf(const duckdb::ErrorData& error) {
  if (IsOutOfMemory(error)) return "SL2202";
  const std::string subtype = Extra(error, "error_subtype");
  const std::string type = Extra(error, "type");
  switch (error.Type()) {
    case duckdb::ExceptionType::PARSER:
    case duckdb::ExceptionType::SYNTAX:
      return "SL2001";
    case duckdb::ExceptionType::PERMISSION:
      return "SL2003";
    case duckdb::ExceptionType::PARAMETER_NOT_RESOLVED:
    case duckdb::ExceptionType::PARAMETER_NOT_ALLOWED:
      return "SL2004";
    case duckdb::ExceptionType::INVALID_INPUT:
      return error.RawMessage().find("prepared statement") != std::string::npos ? "SL2004"
                                                                                : "SL2110";
    case duckdb::ExceptionType::CATALOG:
      return type.find("Function") != std::string::npos ? "SL2105" : "SL2101";
    case duckdb::ExceptionType::BINDER:
      if (subtype == "COLUMN_NOT_FOUND") return "SL2104";
      return subtype == "NO_MATCHING_FUNCTION" ? "SL2105" : "SL2106";
    case duckdb::ExceptionType::IO:
      return IsFileGone(error) ? "SL2210" : "SL2208";
    case duckdb::ExceptionType::INTERRUPT:
      return "SL2205";
    case duckdb::ExceptionType::NOT_IMPLEMENTED:
      return "SL2209";
    case duckdb::ExceptionType::FATAL:
    case duckdb::ExceptionType::INTERNAL:
      return "SL2999";
    default:
      return "SL2110";
  }
}

/// Sets the place of a byte of `sql`.
void Locate(std::string_view sql, size_t position, Diagnostic& diagnosis) {
  const std::string_view before = sql.substr(0, position);
  diagnosis.place.line = static_cast<int>(std::ranges::count(before, '\n')) + 1;
  const size_t line_begin = before.rfind('\n') + 1;  // Without one it is 0.
  diagnosis.place.column = static_cast<int>(position - line_begin) + 1;
  // The word there, with its dots; any other sign alone.
  const auto in_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || (c & 0x80) != 0;
  };
  const std::string_view word = sql.substr(position);
  const auto end = std::ranges::find_if_not(word, in_word);
  diagnosis.place.length = static_cast<int>(std::max<ptrdiff_t>(1, end - word.begin()));
}

/// Returns the byte of `sql` that a message points at: DuckDB tells it only as
/// "LINE 2: ...part of the line...\n             ^".
std::optional<size_t> FindPointedAt(std::string_view sql, std::string_view message) {
  constexpr std::string_view kLine = "LINE ";
  constexpr std::string_view kDots = "...";
  const size_t found = message.rfind("\nLINE ");
  if (found == message.npos) return std::nullopt;
  message.remove_prefix(found + 1);
  const size_t excerpt_begin = message.find(": ") + 2;
  const size_t excerpt_end = message.find('\n');
  const size_t caret = message.find('^', excerpt_end);
  if (excerpt_begin < 2 || excerpt_end == message.npos || caret == message.npos) {
    return std::nullopt;
  }
  int line = 0;
  std::from_chars(message.data() + kLine.size(), message.data() + excerpt_begin, line);
  std::string_view excerpt = message.substr(excerpt_begin, excerpt_end - excerpt_begin);
  if (caret < excerpt_end + 1 + excerpt_begin) return std::nullopt;
  size_t offset = caret - (excerpt_end + 1 + excerpt_begin);
  if (excerpt.ends_with(kDots)) excerpt.remove_suffix(kDots.size());
  if (excerpt.starts_with(kDots) && offset >= kDots.size()) {
    excerpt.remove_prefix(kDots.size());
    offset -= kDots.size();
  }
  size_t line_begin = 0;
  for (; line > 1; --line) {
    line_begin = sql.find('\n', line_begin) + 1;
    if (line_begin == 0) return std::nullopt;
  }
  const size_t place = sql.find(excerpt, line_begin);
  if (place == sql.npos) return std::nullopt;
  // The caret stands below a character, which may have more bytes than one.
  size_t bytes = 0;
  while (offset > 0 && place + bytes < sql.size()) {
    ++bytes;
    while (place + bytes < sql.size() && (sql[place + bytes] & 0xc0) == 0x80) ++bytes;
    --offset;
  }
  return place + bytes;
}

std::string_view WordAt(std::string_view sql, const SourcePlace& place) {
  for (int line = 1; line < place.line; ++line) sql.remove_prefix(sql.find('\n') + 1);
  return sql.substr(static_cast<size_t>(place.column - 1), static_cast<size_t>(place.length));
}

/// `a, b` → a and b.
std::vector<std::string_view> SplitList(std::string_view list) {
  std::vector<std::string_view> members;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    members.push_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (list.starts_with(' ')) list.remove_prefix(1);
  }
  return members;
}

}  // namespace

Error FromDuck(const duckdb::ErrorData& error) {
  if (IsOutOfMemory(error) && error.Type() != duckdb::ExceptionType::OUT_OF_MEMORY) {
    return Unavailable("out of memory");
  }
  std::string message = error.RawMessage();
  message = message.substr(0, message.find('\n'));
  while (!message.empty() && (message.back() == '.' || message.back() == '!')) message.pop_back();
  if (message.size() > 1 && message[0] >= 'A' && message[0] <= 'Z' &&
      !(message[1] >= 'A' && message[1] <= 'Z')) {
    message[0] = static_cast<char>(message[0] + 32);
  }
  ErrorCode code = ErrorCode::kInvalid;
  switch (error.Type()) {
    case duckdb::ExceptionType::PERMISSION:
      code = ErrorCode::kDenied;
      break;
    case duckdb::ExceptionType::OUT_OF_MEMORY:
    case duckdb::ExceptionType::IO:
    case duckdb::ExceptionType::INTERRUPT:
      code = ErrorCode::kUnavailable;
      break;
    case duckdb::ExceptionType::NOT_IMPLEMENTED:
      code = ErrorCode::kUnsupported;
      break;
    case duckdb::ExceptionType::FATAL:
    case duckdb::ExceptionType::INTERNAL:
      code = ErrorCode::kInternal;
      break;
    default:
      break;
  }
  return Error(code, std::move(message));
}

Diagnostic Diagnose(const duckdb::ErrorData& error, std::string_view sql) {
  Diagnostic diagnosis;
  diagnosis.code = IdOf(error);
  const std::string text = Extra(error, "position");
  size_t position = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), position);
  if (!text.empty() && bad == std::errc() && position <= sql.size()) {
    Locate(sql, position, diagnosis);
  } else if (const auto pointed_at = FindPointedAt(sql, error.RawMessage())) {
    Locate(sql, *pointed_at, diagnosis);
  }
  // DuckDB looks for likely ones itself, however unlike they are; of tables it knows none.
  const std::string candidates = Extra(error, "candidates");
  if (diagnosis.code != "SL2101" && diagnosis.place.line > 0) {
    const std::vector<std::string_view> likely = SplitList(candidates);
    const std::string_view word = WordAt(sql, diagnosis.place);
    if (const auto meant = Closest(word.substr(word.rfind('.') + 1), likely)) {
      diagnosis.suggestion = fmt::format("did you mean \"{}\"?", *meant);
    }
  }
  return diagnosis;
}

}  // namespace sluice::duck::internal
