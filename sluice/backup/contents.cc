#include "sluice/backup/contents.h"

#include <fmt/format.h>

#include <span>

#include "sluice/base/crc32c.h"
#include "sluice/base/line_words.h"

namespace sluice::backup {

namespace {

// Lines of words between tabs, the first says what it is. The last has the checksum of those
// before.
constexpr std::string_view kTitle = "sluice backup ";
constexpr std::string_view kVersion = "1";
constexpr std::string_view kListName = "/backup";
constexpr std::string_view kSum = "sum\t";
constexpr uint64_t kListBytesMax = 1ull << 30;
constexpr size_t kNamedMax = 10;

uint32_t Checksum(std::string_view text) { return Crc32c(std::as_bytes(std::span(text))); }

bool DecodeKeys(std::string_view word, KeysInBackup& keys) {
  for (const auto each : {KeysInBackup::kLeftOut, KeysInBackup::kSealed, KeysInBackup::kClear}) {
    if (word != ToString(each)) continue;
    keys = each;
    return true;
  }
  return false;
}

bool DecodeLine(std::string_view line, Contents& contents) {
  LineWords words(line, '\t');
  const std::string_view what = words.Text();
  if (what == "made") {
    int64_t made_us = 0;
    words.Number(made_us);
    contents.made = os::Timestamp(std::chrono::microseconds(made_us));
  } else if (what == "program") {
    contents.program = words.Rest();
  } else if (what == "project") {
    contents.project = words.Rest();
  } else if (what == "journal") {
    contents.journal = words.Rest();
  } else if (what == "keys") {
    return DecodeKeys(words.Rest(), contents.keys);
  } else if (what == "tables_at") {
    contents.tables_at = words.Rest();
  } else if (what == "table") {
    StoredTable& table = contents.tables.emplace_back();
    words.Number(table.version).Number(table.landed).Number(table.next);
    table.topic = words.Text();
    table.path = words.Rest();
  } else if (what == "file") {
    StoredFile& file = contents.files.emplace_back();
    words.Number(file.content.bytes).Number(file.content.crc32c, 16);
    file.path = words.Rest();
  } else {
    return false;
  }
  return words.ok();
}

/// Whether a path stays in the folder that it is put into.
bool IsInside(std::string_view path) {
  const bool known =
      path.starts_with(kProject) || path.starts_with(kData) || path.starts_with(kKeys);
  return known && path.find("/../") == std::string_view::npos && !path.ends_with("/..") &&
         path.find('\0') == std::string_view::npos;
}

}  // namespace

std::string_view ToString(KeysInBackup keys) {
  switch (keys) {
    case KeysInBackup::kLeftOut:
      return "left out";
    case KeysInBackup::kSealed:
      return "sealed";
    case KeysInBackup::kClear:
      return "clear";
  }
  return "";
}

uint64_t Contents::Bytes() const {
  uint64_t bytes = 0;
  for (const StoredFile& file : files) bytes += file.content.bytes;
  return bytes;
}

Status WriteContents(os::Disk& disk, const std::string& folder, const Contents& contents) {
  std::string text = fmt::format(
      "{}{}\nmade\t{}\nprogram\t{}\nproject\t{}\njournal\t{}\nkeys\t{}\ntables_at\t{}\n", kTitle,
      kVersion, contents.made.time_since_epoch().count(), contents.program, contents.project,
      contents.journal, ToString(contents.keys), contents.tables_at);
  for (const StoredTable& table : contents.tables) {
    text += fmt::format("table\t{}\t{}\t{}\t{}\t{}\n", table.version, table.landed, table.next,
                        table.topic, table.path);
  }
  for (const StoredFile& file : contents.files) {
    if (file.path.find('\n') != std::string::npos) {
      return Unsupported("the name of a file has a line break in it");
    }
    text +=
        fmt::format("file\t{}\t{:08x}\t{}\n", file.content.bytes, file.content.crc32c, file.path);
  }
  text += fmt::format("{}{:08x}\n", kSum, Checksum(text));
  return os::ReplaceFile(disk, folder + std::string(kListName), text);
}

Result<Contents> ReadContents(os::Disk& disk, const std::string& folder) {
  const std::string path = folder + std::string(kListName);
  const auto bytes = os::ReadFile(disk, path, kListBytesMax);
  if (!bytes.ok() && bytes.error().code() == ErrorCode::kNotFound) {
    return NotFound(
        "'{}' is no backup: the list '{}' is missing, which is written last; if `sluice backup` "
        "was cut short, remove the folder and make it again",
        folder, path);
  }
  SLUICE_RETURN_IF_ERROR(bytes.status());
  std::string_view text = *bytes;
  const size_t sum_at = text.rfind(kSum);
  uint32_t sum = 0;
  if (!text.starts_with(kTitle) || sum_at == std::string_view::npos || text.back() != '\n' ||
      !LineWords(text.substr(sum_at + kSum.size(), text.size() - sum_at - kSum.size() - 1), '\t')
           .Number(sum, 16)
           .ok() ||
      sum != Checksum(text.substr(0, sum_at))) {
    return Corrupt("'{}' is damaged: its checksum does not match; use another backup", path);
  }
  text = text.substr(0, sum_at);
  Contents contents;
  for (bool first = true; !text.empty(); first = false) {
    const size_t size = text.find('\n');
    if (size == std::string_view::npos) return Corrupt("'{}': the last line has no end", path);
    const std::string_view line = text.substr(0, size);
    text.remove_prefix(size + 1);
    if (first && line.substr(kTitle.size()) != kVersion) {
      return Unsupported("'{}' is of format {}, this program knows {}", path,
                         line.substr(kTitle.size()), kVersion);
    }
    if (!first && !DecodeLine(line, contents)) {
      return Unsupported(
          "'{}': a line that this program does not know; was it made by a newer one?", path);
    }
  }
  for (const StoredFile& file : contents.files) {
    if (!IsInside(file.path)) return Corrupt("'{}' names a file outside of the backup", path);
  }
  return contents;
}

Status CheckFiles(os::Disk& disk, const std::string& folder, const Contents& contents) {
  std::string named;
  size_t bad = 0;
  for (const StoredFile& file : contents.files) {
    const auto found = os::SumOfFile(disk, folder + "/" + file.path);
    std::string reason;
    if (!found.ok()) {
      if (found.error().code() != ErrorCode::kNotFound) return found.status();
      reason = "missing";
    } else if (found->bytes != file.content.bytes) {
      reason = fmt::format("{} bytes, expected {}", found->bytes, file.content.bytes);
    } else if (found->crc32c != file.content.crc32c) {
      reason = fmt::format("checksum {:08x}, expected {:08x}", found->crc32c, file.content.crc32c);
    } else {
      continue;
    }
    if (bad++ < kNamedMax)
      named += fmt::format("{}'{}': {}", bad > 1 ? "; " : "", file.path, reason);
  }
  if (bad == 0) return {};
  return Corrupt("{} of {} files of the backup '{}' are damaged: {}; use another backup", bad,
                 contents.files.size(), folder, named);
}

}  // namespace sluice::backup
