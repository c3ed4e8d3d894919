#pragma once
/// \file
/// What is fuzzed: parsers of what other programs wrote, or what came over the network or off a
/// disk that may be damaged.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/check.h"
#include "sluice/base/error.h"

namespace sluice::fuzz {

struct Target {
  std::string name;
  std::vector<std::string> corpus;  ///< Inputs that the parser understands; not empty.
  std::vector<std::string> words;
  /// Parses one input. Returns whether it was understood, so that its like is worth more tries.
  /// Aborts where something that must hold does not.
  std::function<bool(std::string_view input)> run;
  /// Of a target whose inputs take long: `--runs N` is N divided by this.
  uint64_t cost = 1;
};

/// `testdata`: folder of the golden tables, whose files are inputs too; may be absent.
std::vector<Target> LakeTargets(const std::string& testdata);
/// Requests and answers of HTTP.
std::vector<Target> HttpTargets();
/// Bodies of events.
std::vector<Target> EventTargets();
/// Schemas, contracts, the project file.
std::vector<Target> SchemaTargets();
/// Answers of object stores, Parquet, Arrow.
std::vector<Target> ColumnTargets();
/// What the journal and dedupe read back.
std::vector<Target> JournalTargets();
/// What a worker says.
std::vector<Target> WorkerTargets();
/// Small files of our own: catalog, tokens, keys, backups; and texts of people.
std::vector<Target> ControlTargets();

/// Whether something was understood. What was not must say why, and must not call the input a bug
/// of ours.
inline bool Understood(const Status& status) {
  if (status.ok()) return true;
  SLUICE_CHECK(!status.error().message().empty());
  SLUICE_CHECK(status.error().code() != ErrorCode::kInternal);
  return false;
}
template <typename T>
bool Understood(const Result<T>& result) {
  return result.ok() || Understood(result.status());
}

/// Cuts an input into pieces, as a network would, always in the same way.
std::vector<std::string_view> Pieces(std::string_view input);

/// Puts right the checksum of a text that ends with it, so that what lies behind the check is
/// tried, too: `marker` and 8 hexadecimal or, if `decimal`, any digits.
std::string WithSum(std::string_view text, std::string_view marker, bool decimal = false);

}  // namespace sluice::fuzz
