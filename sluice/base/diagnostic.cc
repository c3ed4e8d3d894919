#include "sluice/base/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "sluice/base/json.h"

namespace sluice {
namespace {

constexpr size_t kExcerptBytesMax = 200;  // Of one line: a minified file has only one.
constexpr size_t kWordBytesMax = 64;      // Closest() takes quadratic time.

std::string_view Word(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

std::string_view Line(std::string_view text, int number) {
  for (int line = 1; line < number; ++line) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find_first_of("\r\n"));
}

/// Whether a byte of UTF-8 is not the rest of a character.
bool BeginsCharacter(char byte) { return (byte & 0xc0) != 0x80; }

/// What begins and ends a kind of text on a terminal (ECMA-48); all empty: no colours.
struct Style {
  std::string_view error;
  std::string_view warning;
  std::string_view strong;
  std::string_view frame;  ///< Margins, arrows.
  std::string_view end;

  std::string Paint(std::string_view with, std::string_view text) const {
    return fmt::format("{}{}{}", with, text, end);
  }
};
constexpr Style kColours = {
    .error = "\x1b[1;31m",
    .warning = "\x1b[1;33m",
    .strong = "\x1b[1m",
    .frame = "\x1b[34m",
    .end = "\x1b[0m",
};

std::string_view StyleOf(const Style& style, Severity severity) {
  return severity == Severity::kError ? style.error : style.warning;
}

/// Appends the line with carets under the place, as compilers do.
void AppendExcerpt(std::string& out, const Diagnostic& diagnostic, std::string_view line,
                   const Style& style) {
  const SourcePlace& place = diagnostic.place;
  const std::string number = std::to_string(place.line);
  const std::string margin(number.size(), ' ');
  const auto column = static_cast<size_t>(std::max(place.column, 1));
  if (line.size() > kExcerptBytesMax || column > line.size() + 1) {
    if (!diagnostic.suggestion.empty()) {
      out +=
          fmt::format("{} {} {}\n", margin, style.Paint(style.frame, "="), diagnostic.suggestion);
    }
    return;
  }
  std::string under;
  for (size_t i = 0; i + 1 < column; ++i) {
    if (BeginsCharacter(line[i])) under += line[i] == '\t' ? '\t' : ' ';
  }
  const std::string_view marked =
      line.substr(column - 1, static_cast<size_t>(std::max(place.length, 1)));
  std::string carets(
      static_cast<size_t>(std::max<ptrdiff_t>(1, std::ranges::count_if(marked, BeginsCharacter))),
      '^');
  if (!diagnostic.suggestion.empty()) carets += ' ' + diagnostic.suggestion;
  under += style.Paint(StyleOf(style, diagnostic.severity), carets);
  const std::string bar = style.Paint(style.frame, "|");
  out += fmt::format("{0} {3}\n{1} {3} {2}\n{0} {3} {4}\n", margin,
                     style.Paint(style.frame, number), line, bar, under);
}

std::string Text(const std::vector<Diagnostic>& diagnostics, const SourceLookup& sources,
                 const Style& style) {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics) {
    const SourcePlace& place = diagnostic.place;
    if (!out.empty()) out += '\n';
    std::string word(Word(diagnostic.severity));
    if (!diagnostic.code.empty()) word += fmt::format("[{}]", diagnostic.code);
    out += style.Paint(StyleOf(style, diagnostic.severity), word);
    out += style.Paint(style.strong, ": " + diagnostic.message) + "\n";
    const std::string equals = style.Paint(style.frame, "=");
    const std::string margin(std::to_string(place.line).size(), ' ');
    if (!place.file.empty()) {
      out += fmt::format("{}{} {}", margin, style.Paint(style.frame, "-->"), place.file);
      if (place.line > 0) out += fmt::format(":{}:{}", place.line, place.column);
      out += '\n';
    }
    const auto text = place.line > 0 && sources ? sources(place.file) : std::nullopt;
    if (text) {
      AppendExcerpt(out, diagnostic, Line(*text, place.line), style);
    } else if (!diagnostic.suggestion.empty()) {
      out += fmt::format("{} {} {}\n", margin, equals, diagnostic.suggestion);
    }
    for (const std::string& note : diagnostic.notes) {
      out += fmt::format("{} {} note: {}\n", margin, equals, note);
    }
    if (!diagnostic.code.empty()) {
      out += fmt::format("{} {} help: sluice explain {}\n", margin, equals, diagnostic.code);
    }
  }
  return out;
}

/// Escapes what would end a workflow command or one of its properties.
std::string GithubText(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    if (c == '%') {
      out += "%25";
    } else if (c == '\r') {
      out += "%0D";
    } else if (c == '\n') {
      out += "%0A";
    } else if (property && c == ':') {
      out += "%3A";
    } else if (property && c == ',') {
      out += "%2C";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Github(const std::vector<Diagnostic>& diagnostics) {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics) {
    const SourcePlace& place = diagnostic.place;
    out += fmt::format("::{} file={}", Word(diagnostic.severity), GithubText(place.file, true));
    if (place.line > 0) out += fmt::format(",line={},col={}", place.line, place.column);
    std::string message = diagnostic.message;
    if (!diagnostic.suggestion.empty()) message += "; " + diagnostic.suggestion;
    out += fmt::format(",title={}::{}\n", GithubText(diagnostic.code, true),
                       GithubText(message, false));
  }
  return out;
}

void Member(std::string& out, std::string_view name, std::string_view value) {
  AppendJsonString(out, name);
  out += ':';
  AppendJsonString(out, value);
}

std::string Json(const std::vector<Diagnostic>& diagnostics) {
  std::string out = "{\"diagnostics\":[";
  for (const Diagnostic& diagnostic : diagnostics) {
    if (out.back() != '[') out += ',';
    out += "\n{";
    Member(out, "severity", Word(diagnostic.severity));
    out += ',';
    Member(out, "code", diagnostic.code);
    out += ',';
    Member(out, "message", diagnostic.message);
    out += ',';
    Member(out, "file", diagnostic.place.file);
    out += fmt::format(",\"line\":{},\"column\":{},\"length\":{},", diagnostic.place.line,
                       diagnostic.place.column, diagnostic.place.length);
    Member(out, "suggestion", diagnostic.suggestion);
    out += ",\"notes\":[";
    for (size_t i = 0; i < diagnostic.notes.size(); ++i) {
      if (i > 0) out += ',';
      AppendJsonString(out, diagnostic.notes[i]);
    }
    out += "]}";
  }
  return out + "]}\n";
}

std::string Sarif(const std::vector<Diagnostic>& diagnostics, std::string_view version) {
  std::string out =
      "{\"version\":\"2.1.0\",\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\","
      "\"runs\":[{\"tool\":{\"driver\":{\"name\":\"sluice\",";
  Member(out, "version", version);
  out += "}},\"results\":[";
  for (const Diagnostic& diagnostic : diagnostics) {
    if (out.back() != '[') out += ',';
    out += "\n{";
    Member(out, "ruleId", diagnostic.code);
    out += ',';
    Member(out, "level", Word(diagnostic.severity));
    out += ",\"message\":{";
    Member(out, "text", diagnostic.message);
    out += "},\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{";
    Member(out, "uri", diagnostic.place.file);
    out += '}';
    if (diagnostic.place.line > 0) {
      out += fmt::format(",\"region\":{{\"startLine\":{},\"startColumn\":{}}}",
                         diagnostic.place.line, std::max(diagnostic.place.column, 1));
    }
    out += "}}]}";
  }
  return out + "]}]}\n";
}

}  // namespace

std::string ToString(const Diagnostic& diagnostic) {
  std::string out;
  const SourcePlace& place = diagnostic.place;
  if (!place.file.empty()) out += place.file + ':';
  if (place.line > 0) out += fmt::format("{}:{}:", place.line, place.column);
  if (!out.empty()) out += ' ';
  if (!diagnostic.code.empty()) out += diagnostic.code + ": ";
  out += diagnostic.message;
  if (!diagnostic.suggestion.empty()) out += "; " + diagnostic.suggestion;
  return out;
}

Error ToError(ErrorCode code, std::vector<Diagnostic> diagnostics) {
  SLUICE_CHECK(!diagnostics.empty());
  std::string message;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (!message.empty()) message += '\n';
    message += ToString(diagnostic);
  }
  return Error(code, std::move(message),
               std::make_shared<const std::vector<Diagnostic>>(std::move(diagnostics)));
}

const std::vector<Diagnostic>& DiagnosticsOf(const Error& error) {
  static const std::vector<Diagnostic> kNone;
  return error.diagnostics() ? *error.diagnostics() : kNone;
}

std::string Render(const std::vector<Diagnostic>& diagnostics, DiagnosticFormat format,
                   const SourceLookup& sources, std::string_view tool_version) {
  switch (format) {
    case DiagnosticFormat::kText:
      return Text(diagnostics, sources, {});
    case DiagnosticFormat::kColour:
      return Text(diagnostics, sources, kColours);
    case DiagnosticFormat::kGithub:
      return Github(diagnostics);
    case DiagnosticFormat::kSarif:
      return Sarif(diagnostics, tool_version);
    case DiagnosticFormat::kJson:
      break;
  }
  return Json(diagnostics);
}

std::optional<std::string_view> Closest(std::string_view word,
                                        const std::vector<std::string_view>& candidates) {
  if (word.empty() || word.size() > kWordBytesMax) return std::nullopt;
  std::optional<std::string_view> best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kWordBytesMax) continue;
    // Damerau's distance with adjacent swaps: "emial" is one slip away from "email".
    std::vector<size_t> before(candidate.size() + 1);
    std::vector<size_t> row(candidate.size() + 1);
    std::vector<size_t> next(candidate.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 1; i <= word.size(); ++i) {
      next[0] = i;
      for (size_t j = 1; j <= candidate.size(); ++j) {
        const bool same = std::tolower(static_cast<unsigned char>(word[i - 1])) ==
                          std::tolower(static_cast<unsigned char>(candidate[j - 1]));
        next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (same ? 0 : 1)});
        if (i > 1 && j > 1 && word[i - 1] == candidate[j - 2] && word[i - 2] == candidate[j - 1]) {
          next[j] = std::min(next[j], before[j - 2] + 1);
        }
      }
      std::swap(before, row);
      std::swap(row, next);
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace sluice
