#pragma once
/// \file
/// A mistake in a user's file: what, where, and what to do. One type for schemas, projects,
/// queries.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"

namespace sluice {

enum class Severity : uint8_t { kError, kWarning };

/// Where in a text. Lines and columns count from 1, columns in bytes; 0: not known.
struct SourcePlace {
  std::string file = {};
  int line = 0;
  int column = 0;
  int length = 1;  ///< Bytes to underline.
};

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string code = {};  ///< `SL1107`: what `sluice explain` takes.
  std::string message = {};
  SourcePlace place = {};
  std::string suggestion = {};          ///< Stands beside the carets: `did you mean "email"?`
  std::vector<std::string> notes = {};  ///< Facts that help, a line each.
};

/// Returns `file:line:column: CODE: message`, with the suggestion behind it, without an excerpt.
std::string ToString(const Diagnostic& diagnostic);

/// Returns an error of that code whose message is all of them, a line each, and which carries them.
/// There must be at least one.
Error ToError(ErrorCode code, std::vector<Diagnostic> diagnostics);

/// Returns the diagnostics that an error carries; none for other errors.
const std::vector<Diagnostic>& DiagnosticsOf(const Error& error);

/// How diagnostics are shown.
enum class DiagnosticFormat : uint8_t {
  kText,    ///< For people: message, place, excerpt with carets, notes.
  kColour,  ///< The same with a terminal's colours.
  kGithub,  ///< Workflow commands: `::error file=…,line=…,col=…::…`
  kSarif,   ///< SARIF 2.1.0, one run.
  kJson,    ///< {"diagnostics":[{"severity","code","message","file","line","column",…}]}
};

/// Gives the text of a file for excerpts; empty if it is not at hand.
using SourceLookup = std::function<std::optional<std::string>(const std::string& file)>;

std::string Render(const std::vector<Diagnostic>& diagnostics, DiagnosticFormat format,
                   const SourceLookup& sources, std::string_view tool_version = {});

/// Returns the candidate that is closest to `word` in edits, if one is close enough to be meant.
std::optional<std::string_view> Closest(std::string_view word,
                                        const std::vector<std::string_view>& candidates);

}  // namespace sluice
