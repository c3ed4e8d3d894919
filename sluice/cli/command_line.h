#pragma once
/// \file
/// The command line: what each command does, its output and its exit code.

namespace sluice::cli {

/// Exit codes (sysexits where one fits).
enum Exit : int {
  kDone = 0,
  kFailed = 1,  ///< Finished, and something in it failed.
  kUsage = 2,
  kRejected = 65,  ///< `send`: rows went to the errors table, or the body was refused.
  kUnreachable = 69,
  kBug = 70,
  kTryAgain = 75,
  kNotAllowed = 77,
  kConfiguration = 78,
  kTimeout = 124,  ///< `--timeout`, or a limit of the server's, was reached.
  kInterrupted = 130,
  kTerminated = 143,
};

/// Runs one command; data goes to standard output, all else to standard error.
int RunCommandLine(int argc, const char* const* argv);

}  // namespace sluice::cli
