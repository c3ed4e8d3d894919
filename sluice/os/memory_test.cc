#include "sluice/os/memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <vector>

namespace sluice::os {
namespace {

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

size_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  size_t whole = 0;
  size_t resident = 0;
  file >> whole >> resident;
  return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(MemoryTest, FreedMemoryGoesBackThoughSomethingLivesBehindIt) {
  constexpr size_t kPiece = 64 << 10;  // Too small to be mapped on its own.
  constexpr size_t kPieces = 1024;
  std::vector<void*> pieces;
  for (size_t i = 0; i < kPieces; ++i) {
    pieces.push_back(std::malloc(kPiece));
    for (size_t at = 0; at < kPiece; at += 1024) static_cast<volatile char*>(pieces.back())[at] = 1;
  }
  void* const last = std::malloc(kPiece);
  const size_t full = ResidentBytes();
  for (void* const piece : pieces) std::free(piece);
  ReturnFreeMemory();
  EXPECT_LT(ResidentBytes() + kPiece * kPieces / 4, full);
  std::free(last);
}

#endif

}  // namespace
}  // namespace sluice::os
