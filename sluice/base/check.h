#pragma once
/// \file
/// Checks for bugs. They stay on in release builds and are never for input.

namespace sluice::internal {
/// Prints where and what, then aborts: recovery is the normal start-up, so a crash is safe.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}  // namespace sluice::internal

/// Aborts when `condition` is false.
#define SLUICE_CHECK(condition)                                        \
  do {                                                                 \
    if (!(condition)) [[unlikely]] {                                   \
      ::sluice::internal::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                                  \
  } while (false)
