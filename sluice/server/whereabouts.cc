#include "sluice/server/whereabouts.h"

#include <array>
#include <cstddef>
#include <span>
#include <sstream>
#include <string>

#include <fmt/format.h>

namespace sluice::server {
namespace {

constexpr uint64_t kBytesMax = 4096;

std::string FileIn(const std::string& data) { return data + "/serving"; }

}  // namespace

Status LeaveWord(os::Disk& disk, const std::string& data, const Whereabouts& where) {
  std::string address = where.address;
  // Those who listen everywhere are asked on this machine.
  if (address == "0.0.0.0") address = "127.0.0.1";
  if (address == "::") address = "::1";
  const std::string text =
      fmt::format("address {}\nport {}\ntls {}\nprocess {}\nstarted {}\n", address, where.port,
                  where.tls ? "yes" : "no", where.process.number, where.process.started);
  const std::string path = FileIn(data);
  const std::string unfinished = path + ".new";
  if (const Status removed = disk.Remove(unfinished);
      !removed.ok() && removed.error().code() != ErrorCode::kNotFound) {
    return removed;
  }
  {
    SLUICE_ASSIGN_OR_RETURN(const auto file, disk.Open(unfinished, os::OpenMode::kCreateNew));
    const std::array pieces{std::as_bytes(std::span(text))};
    SLUICE_RETURN_IF_ERROR(file->Write(0, pieces));
  }
  return disk.Rename(unfinished, path);
}

void TakeWordBack(os::Disk& disk, const std::string& data) {
  // Should it fail: who reads it sees that the process has ended.
  (void)disk.Remove(FileIn(data));
}

std::optional<Whereabouts> FindServer(os::Disk& disk, const std::string& data) {
  const auto text = os::ReadFile(disk, FileIn(data), kBytesMax);
  if (!text.ok()) return std::nullopt;
  std::istringstream words(*text);
  Whereabouts where{.process = {}};
  std::array<std::string, 5> names;
  std::string tls;
  words >> names[0] >> where.address >> names[1] >> where.port >> names[2] >> tls >> names[3] >>
      where.process.number >> names[4] >> where.process.started;
  const std::array<std::string, 5> expected{"address", "port", "tls", "process", "started"};
  if (names != expected) return std::nullopt;
  where.tls = tls == "yes";
  if (!words || where.port == 0 || !os::Runs(where.process)) return std::nullopt;
  return where;
}

}  // namespace sluice::server
