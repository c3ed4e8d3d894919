#include <cstdio>

#include <unistd.h>

#include "sluice/cli/command_line.h"
#include "sluice/columnar/memory.h"
#include "sluice/worker/process.h"

int main(int argc, char** argv) {
  // Before its memory is set up: a worker's is limited, and takes none in advance.
  if (sluice::worker::IsWorker(argc, argv)) _exit(sluice::worker::RunWorker());
  sluice::columnar::UseProcessMemory();
  const int code = sluice::cli::RunCommandLine(argc, argv);
  // Everything has been stopped in order by now. Destructors of globals inside the linked libraries
  // are not worth their risk: some free what others still use (docs/adr/0002-linking.md).
  std::fflush(nullptr);
  _exit(code);
}
