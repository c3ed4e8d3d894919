#pragma once
/// \file
/// The query worker: what the program is when it is started as one.

namespace sluice::worker {

/// Whether the program was started by a Pool to be a worker.
bool IsWorker(int argc, const char* const* argv);

/// Serves queries over the socket that Process::Spawn() left, until its other end is closed; does
/// nothing before it is confined. Returns the exit code.
int RunWorker();

}  // namespace sluice::worker
