#include "sluice/ledger/signed_off.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "sluice/base/crc32c.h"
#include "sluice/ledger/internal/offset_reader.h"
#include "sluice/ledger/offset_set.h"

namespace sluice::ledger {

namespace {

constexpr std::string_view kTitle = "sluice-ledger 1 ";

/// The logical files of a snapshot: a path and what of it is deleted.
std::map<std::string, std::string> LogicalFiles(const lake::Snapshot& snapshot) {
  std::map<std::string, std::string> files;
  for (const lake::DataFile& file : snapshot.files()) {
    files[file.path] = file.deletion_vector ? file.deletion_vector->Id() : std::string();
  }
  return files;
}

uint32_t DigestOf(const std::map<std::string, std::string>& files) {
  uint32_t digest = 0;
  for (const auto& [path, vector] : files) {
    const std::string text = path + '\n' + vector + '\n';
    digest = Crc32c(std::as_bytes(std::span(text)), digest);
  }
  return digest;
}

/// Those of `files` that `others` does not have.
std::set<std::string> Without(const std::map<std::string, std::string>& files,
                              const std::map<std::string, std::string>& others) {
  std::set<std::string> paths;
  for (const auto& [path, vector] : files) {
    const auto other = others.find(path);
    if (other == others.end() || other->second != vector) paths.insert(path);
  }
  return paths;
}

/// What the rows of some files have for offsets. Not thread-safe.
struct Offsets {
  std::vector<int64_t> own;  ///< Sorted.
  int64_t foreign = 0;
};

Result<Offsets> ReadOffsets(const lake::DeltaTable& table, const internal::SnapshotPtr& snapshot,
                            const std::set<std::string>& files, const ProofOptions& options) {
  Offsets offsets;
  if (files.empty()) return offsets;
  // 8 bytes each, where a full count takes a bit.
  const auto rows_max = static_cast<size_t>(options.window) / 16;
  bool too_many = false;
  SLUICE_RETURN_IF_ERROR(internal::VisitOffsets(table, snapshot, options.threads, files,
                                                [&](std::optional<int64_t> offset) {
                                                  if (!offset) {
                                                    ++offsets.foreign;
                                                  } else if (offsets.own.size() < rows_max) {
                                                    offsets.own.push_back(*offset);
                                                  } else {
                                                    too_many = true;
                                                  }
                                                }));
  if (too_many) return Conflict("more than {} rows changed", rows_max);
  std::ranges::sort(offsets.own);
  return offsets;
}

/// kConflict: a file of the snapshot is not in its place, or of another size. What was counted
/// before is only believed where it still lies.
Status CheckInPlace(const lake::DeltaTable& table, const lake::Snapshot& snapshot) {
  const std::string folder = table.root().empty() ? std::string() : table.root() + "/";
  SLUICE_ASSIGN_OR_RETURN(const auto objects, table.store().List(folder), "table '{}'",
                          table.root());
  std::unordered_map<std::string_view, uint64_t> sizes;
  sizes.reserve(objects.size());
  for (const store::ObjectInfo& object : objects) sizes.emplace(object.path, object.size);
  for (const lake::DataFile& file : snapshot.files()) {
    const std::string path = table.StorePath(file);
    if (path.empty()) continue;  // Of a shallow clone: it lies elsewhere.
    const auto found = sizes.find(path);
    if (found == sizes.end()) return Conflict("'{}' is not there", path);
    if (found->second != static_cast<uint64_t>(file.size)) {
      return Conflict("'{}' has {} bytes, expected {}", path, found->second, file.size);
    }
  }
  return {};
}

}  // namespace

SignedOff SignOff(const lake::Snapshot& snapshot, const Proof& proof, int64_t now_ms) {
  const auto files = LogicalFiles(snapshot);
  return {.table_id = snapshot.table_id(),
          .version = snapshot.version(),
          .files_digest = DigestOf(files),
          .files = static_cast<int64_t>(files.size()),
          .landed_end = proof.landed_end,
          .landed = proof.landed,
          .removed = proof.removed,
          .expired = proof.expired,
          .erased = proof.erased,
          .foreign = proof.foreign,
          .counted_ms = now_ms};
}

std::string Encode(const SignedOff& s) {
  std::string text = fmt::format("{}{} {} {} {} {} {} {} {} {} {} {} ", kTitle, s.table_id,
                                 s.version, s.files_digest, s.files, s.landed_end, s.landed,
                                 s.removed, s.expired, s.erased, s.foreign, s.counted_ms);
  return text + fmt::format("{:08x}\n", Crc32c(std::as_bytes(std::span(text))));
}

Result<SignedOff> DecodeSignedOff(std::string_view text) {
  const auto corrupt = [] { return Corrupt("a signed-off count cannot be read back"); };
  if (!text.starts_with(kTitle) || !text.ends_with('\n')) return corrupt();
  const size_t end = text.rfind(' ') + 1;
  const std::string sum =
      fmt::format("{:08x}\n", Crc32c(std::as_bytes(std::span(text.substr(0, end)))));
  if (text.substr(end) != sum) return corrupt();
  text = text.substr(kTitle.size(), end - kTitle.size());
  bool ok = true;
  const auto word = [&] {
    const size_t size = text.find(' ');
    const std::string_view found = text.substr(0, size);
    ok = ok && size != std::string_view::npos;
    text.remove_prefix(ok ? size + 1 : text.size());
    return found;
  };
  const auto number = [&](auto& value) {
    const std::string_view digits = word();
    const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    ok = ok && error == std::errc() && last == digits.data() + digits.size();
  };
  SignedOff s;
  s.table_id = word();
  number(s.version);
  number(s.files_digest);
  for (int64_t* const count : {&s.files, &s.landed_end, &s.landed, &s.removed, &s.expired,
                               &s.erased, &s.foreign, &s.counted_ms}) {
    number(*count);
  }
  if (!ok || !text.empty()) return corrupt();
  return s;
}

Result<Proof> ProveSince(const lake::DeltaTable& table, const internal::SnapshotPtr& snapshot,
                         const SignedOff& since, const ProofOptions& options) {
  if (since.table_id != snapshot->table_id() || since.version > snapshot->version()) {
    return Conflict("the table is another one than was counted");
  }
  SLUICE_ASSIGN_OR_RETURN(const auto before, table.LoadAt(since.version));
  const auto files_before = LogicalFiles(*before);
  const auto files_now = LogicalFiles(*snapshot);
  if (static_cast<int64_t>(files_before.size()) != since.files ||
      DigestOf(files_before) != since.files_digest ||
      LandedOffset(*before) + 1 != since.landed_end) {
    return Conflict("version {} is not as it was counted", since.version);
  }
  SLUICE_RETURN_IF_ERROR(CheckInPlace(table, *snapshot));
  Proof proof{.version = snapshot->version(), .files = static_cast<int64_t>(files_now.size())};
  proof.counted_from = since.version;
  proof.landed_end = LandedOffset(*snapshot) + 1;
  proof.duplicates = SumOfCounter(*snapshot, kDuplicateCounter);
  const std::set<std::string> came = Without(files_now, files_before);
  const std::set<std::string> went = Without(files_before, files_now);
  SLUICE_ASSIGN_OR_RETURN(const Offsets removed, ReadOffsets(table, before, went, options));
  SLUICE_ASSIGN_OR_RETURN(const Offsets added, ReadOffsets(table, snapshot, came, options));

  // Rows that were rewritten stand where they stood, new ones are exactly those that landed.
  const OffsetRange landed{since.landed_end, proof.landed_end};
  const auto old_end = std::ranges::lower_bound(added.own, landed.begin);
  const bool same_rows =
      std::equal(added.own.begin(), old_end, removed.own.begin(), removed.own.end());
  bool all_landed = landed.size() == added.own.end() - old_end;
  for (auto at = old_end; at != added.own.end() && all_landed; ++at) {
    all_landed = *at == landed.begin + (at - old_end);
  }
  if (!same_rows || !all_landed)
    return Conflict("rows were removed, or stand where they should not");
  proof.files_read = static_cast<int64_t>(came.size() + went.size());
  proof.landed = since.landed + landed.size();
  proof.removed = since.removed;
  proof.expired = since.expired;
  proof.erased = since.erased;
  proof.foreign = since.foreign + added.foreign - removed.foreign;
  CountPending(options.end, proof);
  if (!proof.Balanced()) return Conflict("fewer offsets were accepted than landed");
  return proof;
}

}  // namespace sluice::ledger
