#pragma once
/// \file
/// What a command of the user's says, programs that we start for the user, and what the system may
/// not learn from us.

#include <chrono>
#include <cstddef>
#include <string>

#include "sluice/base/error.h"

namespace sluice::os {

/// Runs `line` with /bin/sh and returns what it writes to its standard output; its standard error
/// is ours.
///
/// kUnavailable: it cannot be run, ends with another code than 0, or not within `time_max`, when it
/// and what it started are killed. kInvalid: it writes more than `bytes_max`. No message quotes
/// what it wrote.
Result<std::string> ReadCommand(const std::string& line, size_t bytes_max,
                                std::chrono::milliseconds time_max);

/// Starts a program found in PATH with one argument, and waits for nothing: it has no input, says
/// nothing, and outlives us if it wants to. kUnavailable: there is none, or it cannot be run.
Status StartProgram(const std::string& program, const std::string& argument);

/// Lets no memory of this process reach a core dump, nor others of the same user look into it: it
/// has keys, and values as they are before they are protected. Programs that are started later do
/// not inherit the second part.
Status ForbidCoreDumps();

}  // namespace sluice::os
