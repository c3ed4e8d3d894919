#include "sluice/server/data_note.h"

#include <string_view>

namespace sluice::server {
namespace {

constexpr uint64_t kBytesMax = 1 << 20;

/// The lines of the note; empty if there is none.
Result<std::string> Read(os::Disk& disk, const std::string& keys_folder) {
  auto text = os::ReadFile(disk, DataNote(keys_folder), kBytesMax);
  if (!text.ok() && text.error().code() == ErrorCode::kNotFound) return std::string();
  return text;
}

bool Names(const std::string& note, const std::string& data) {
  return ("\n" + note).find("\n" + data + "\n") != std::string::npos;
}

}  // namespace

std::string DataNote(const std::string& keys_folder) { return keys_folder + "/data-folders"; }

Status CheckDataAreThere(os::Disk& disk, const std::string& keys_folder, const std::string& data) {
  for (const std::string_view file : {"/journal/manifest", "/control/topics"}) {
    SLUICE_ASSIGN_OR_RETURN(const bool exists, disk.Exists(data + std::string(file)));
    if (exists) return {};
  }
  SLUICE_ASSIGN_OR_RETURN(const std::string note, Read(disk, keys_folder));
  if (!Names(note, data)) return {};
  return NotFound(
      "'{}' has neither journal nor catalog, and it had: was it moved, or is its disk not mounted? "
      "Put the data back, or restore a backup; to begin anew without them remove its line from "
      "'{}'",
      data, DataNote(keys_folder));
}

Status NoteData(os::Disk& disk, const std::string& keys_folder, const std::string& data) {
  SLUICE_ASSIGN_OR_RETURN(const std::string note, Read(disk, keys_folder));
  if (Names(note, data)) return {};
  return os::ReplaceFile(disk, DataNote(keys_folder), note + data + "\n");
}

}  // namespace sluice::server
