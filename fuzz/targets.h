#pragma once
/// \file
/// What is fuzzed: parsers of what other programs wrote.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::fuzz {

struct Target {
  std::string name;
  std::vector<std::string> corpus;  ///< Inputs that the parser understands; not empty.
  std::vector<std::string> words;
  /// Parses one input. Returns whether it was understood, so that its like is worth more tries.
  /// Aborts where something that must hold does not.
  std::function<bool(std::string_view input)> run;
};

/// `testdata`: folder of the golden tables, whose files are inputs too; may be absent.
std::vector<Target> LakeTargets(const std::string& testdata);

}  // namespace sluice::fuzz
