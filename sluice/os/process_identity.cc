#include "sluice/os/process_identity.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "sluice/os/descriptor.h"

namespace sluice::os {
namespace {

/// Returns when a process started; nothing if it has ended.
std::optional<int64_t> StartOf(int64_t number) {
  const Descriptor file(open(fmt::format("/proc/{}/stat", number).c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> bytes{};
  const ssize_t count = file ? read(file.number(), bytes.data(), bytes.size()) : 0;
  if (count <= 0) return std::nullopt;
  const std::string stat(bytes.data(), static_cast<size_t>(count));
  const size_t name_end = stat.rfind(')');  // The name may have spaces, and brackets.
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(stat.substr(name_end + 1));
  std::string field;
  // State is the third field of proc(5), the start the twenty-second.
  for (int i = 3; i <= 22 && rest >> field; ++i) {
    if (i == 3 && (field == "Z" || field == "X")) return std::nullopt;
  }
  int64_t started = 0;
  if (!(std::istringstream(field) >> started)) return std::nullopt;
  return started;
}

}  // namespace

ProcessIdentity ThisProcess() {
  const int64_t number = getpid();
  return {.number = number, .started = StartOf(number).value_or(0)};
}

bool Runs(const ProcessIdentity& process) {
  return process.number > 0 && StartOf(process.number) == process.started;
}

}  // namespace sluice::os
