#include "sluice/journal/internal/manifest.h"

#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "sluice/base/crc32c.h"
#include "sluice/base/line_words.h"

namespace sluice::journal::internal {

namespace {

constexpr std::string_view kTitle = "sluice journal ";
constexpr std::string_view kChecksum = "checksum ";

bool DecodeLine(std::string_view line, Manifest& manifest) {
  LineWords words(line, ' ');
  const std::string_view key = words.Text();
  if (key == "uuid") {
    manifest.uuid = words.Text();
    return words.Done() && manifest.uuid.size() == 36;
  }
  if (key == "epoch") return words.Number(manifest.epoch).Done();
  if (key == "clean") {
    uint32_t clean = 0;
    const bool ok = words.Number(clean).Done();
    manifest.clean = clean == 1;
    return ok && clean <= 1;
  }
  if (key == "segment_next") return words.Number(manifest.segment_next).Done();
  if (key == "next") {
    return words.Number(manifest.next.sequence).Number(manifest.next.chain, 16).Done();
  }
  if (key == "received") return words.Number(manifest.received_us).Done();
  if (key == "segment") {
    SegmentEntry& entry = manifest.segments.emplace_back();
    return words.Number(entry.key.id)
        .Number(entry.key.epoch)
        .Number(entry.key.tag, 16)
        .Number(entry.first.sequence)
        .Number(entry.first.chain, 16)
        .Number(entry.end)
        .Done();
  }
  if (key == "partition") {
    PartitionId id = 0;
    PartitionEntry entry;
    words.Number(id).Number(entry.released).Number(entry.next);
    if (!words.Done()) words.Number(entry.duplicates);
    const bool can_be = entry.released >= 0 && entry.next >= 0 && entry.duplicates >= 0;
    return words.Done() && can_be && manifest.partitions.emplace(id, entry).second;
  }
  if (key == "loss") {
    Loss& loss = manifest.losses.emplace_back();
    uint32_t exact = 0;
    int64_t accepted_us = 0;
    words.Number(loss.partition).Number(loss.begin).Number(loss.end).Number(exact);
    words.Number(accepted_us);
    loss.exact = exact == 1;
    loss.accepted = os::Timestamp(std::chrono::microseconds(accepted_us));
    loss.note = words.Rest();
    return words.Done() && exact <= 1 && loss.begin >= 0 && loss.begin < loss.end;
  }
  if (key == "recovery") {
    manifest.recoveries.emplace_back(words.Rest());
    return true;
  }
  return false;
}

Status CheckConsistent(const Manifest& manifest) {
  if (manifest.uuid.empty()) return Corrupt("no uuid");
  if (manifest.epoch >= kEpochMax) return Corrupt("epoch {} cannot be", manifest.epoch);
  std::set<uint64_t> ids;
  for (size_t i = 0; i < manifest.segments.size(); ++i) {
    const SegmentEntry& entry = manifest.segments[i];
    const bool last = i + 1 == manifest.segments.size();
    if (!ids.insert(entry.key.id).second || entry.key.id >= manifest.segment_next ||
        (!last && !entry.sealed()) || entry.end % kBlockBytes != 0 || entry.end == kBlockBytes ||
        entry.first.sequence == 0) {
      return Corrupt("segment {} does not fit the list", entry.key.id);
    }
  }
  return {};
}

}  // namespace

std::string Encode(const Manifest& manifest) {
  // A program that knows no losses must not take what is missing for damage, or worse, for whole.
  const bool counts = std::ranges::any_of(
      manifest.partitions, [](const auto& entry) { return entry.second.duplicates > 0; });
  // Nor a carried segment for one in the wrong place.
  const bool carried = !std::ranges::is_sorted(
      manifest.segments, {}, [](const SegmentEntry& entry) { return entry.key.id; });
  const int version = carried ? 3 : manifest.losses.empty() && !counts ? 1 : 2;
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(
      out, "{}{}\nuuid {}\nepoch {}\nclean {}\nsegment_next {}\nnext {} {:08x}\nreceived {}\n",
      kTitle, version, manifest.uuid, manifest.epoch, manifest.clean ? 1 : 0, manifest.segment_next,
      manifest.next.sequence, manifest.next.chain, manifest.received_us);
  for (const SegmentEntry& entry : manifest.segments) {
    fmt::format_to(out, "segment {} {} {:016x} {} {:08x} {}\n", entry.key.id, entry.key.epoch,
                   entry.key.tag, entry.first.sequence, entry.first.chain, entry.end);
  }
  for (const auto& [id, entry] : manifest.partitions) {
    fmt::format_to(out, "partition {} {} {}", id, entry.released, entry.next);
    if (entry.duplicates > 0) fmt::format_to(out, " {}", entry.duplicates);
    text += '\n';
  }
  for (const Loss& loss : manifest.losses) {
    fmt::format_to(out, "loss {} {} {} {} {} {}\n", loss.partition, loss.begin, loss.end,
                   loss.exact ? 1 : 0, loss.accepted.time_since_epoch().count(), loss.note);
  }
  for (const std::string& line : manifest.recoveries) fmt::format_to(out, "recovery {}\n", line);
  fmt::format_to(out, "{}{:08x}\n", kChecksum, Crc32c(std::as_bytes(std::span(text))));
  return text;
}

Result<Manifest> DecodeManifest(std::string_view text) {
  if (!text.starts_with(kTitle)) return Corrupt("not the manifest of a journal");
  const size_t end = text.rfind(kChecksum);
  if (end == std::string_view::npos || text.back() != '\n') return Corrupt("no checksum");
  uint32_t expected = 0;
  std::string_view last = text.substr(end + kChecksum.size());
  last.remove_suffix(1);
  if (!LineWords(last, ' ').Number(expected, 16).Done()) return Corrupt("checksum is damaged");
  text = text.substr(0, end);
  if (const uint32_t crc = Crc32c(std::as_bytes(std::span(text))); crc != expected) {
    return Corrupt("checksum is {:08x}, expected {:08x}", crc, expected);
  }
  Manifest manifest;
  bool first = true;
  while (!text.empty()) {
    const size_t size = text.find('\n');
    if (size == std::string_view::npos) return Corrupt("last line is cut off");
    const std::string_view line = text.substr(0, size);
    text.remove_prefix(size + 1);
    if (first) {
      const std::string_view version = line.substr(kTitle.size());
      if (version != "1" && version != "2" && version != "3") {
        return Unsupported("version is {}, this program knows 1 to 3", version);
      }
      first = false;
    } else if (!DecodeLine(line, manifest)) {
      return Corrupt("line '{}' makes no sense", line);
    }
  }
  SLUICE_RETURN_IF_ERROR(CheckConsistent(manifest));
  return manifest;
}

}  // namespace sluice::journal::internal
