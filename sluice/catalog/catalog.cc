#include "sluice/catalog/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "sluice/base/crc32c.h"
#include "sluice/catalog/version_history.h"
#include "sluice/event/compatibility.h"

namespace sluice::catalog {
namespace {

// One line a topic, tab-separated, the contract last; a removed one has no schema and, for its
// table, its name. The last line has the checksum of all before it.
constexpr std::string_view kHeader = "sluice catalog 1";
constexpr std::string_view kFile = "/topics";
constexpr uint64_t kFileBytesMax = 256ull << 20;
constexpr int kRestoresMax = 3;

uint32_t Checksum(std::string_view text) {
  return Crc32c(std::as_bytes(std::span(text.data(), text.size())));
}

template <typename T>
bool ParseNumber(std::string_view text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

/// Takes what stands before `mark`, and the mark, off the front of `text`.
std::string_view Cut(std::string_view& text, char mark) {
  const size_t at = text.find(mark);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

std::string TablePath(const Topic& topic) {
  const std::string suffix =
      topic.incarnation > 1 ? fmt::format("-{}", topic.incarnation) : std::string();
  return fmt::format("default/{}/{}{}", topic.schema_name, topic.contract->table, suffix);
}

}  // namespace

bool SameShape(const event::Contract& a, const event::Contract& b) {
  return a.topic == b.topic && a.schemaless == b.schemaless && a.unknown == b.unknown &&
         a.event_time_field == b.event_time_field && a.key_field == b.key_field &&
         a.identity.id_field == b.identity.id_field &&
         a.identity.by_producer == b.identity.by_producer &&
         a.identity.by_batch == b.identity.by_batch && a.fields == b.fields;
}

Result<std::unique_ptr<Catalog>> Catalog::Open(os::Disk& disk, std::string folder) {
  SLUICE_RETURN_IF_ERROR(disk.MakeFolders(folder), "catalog '{}'", folder);
  std::unique_ptr<Catalog> catalog(new Catalog(disk, std::move(folder)));
  SLUICE_RETURN_IF_ERROR(catalog->Load(), "catalog '{}'", catalog->folder_);
  return catalog;
}

Status Catalog::Load() {
  const std::string path = folder_ + std::string(kFile);
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk_.Exists(path));
  if (!exists) return {};
  SLUICE_ASSIGN_OR_RETURN(const std::string bytes, os::ReadFile(disk_, path, kFileBytesMax));
  // A process that was killed may have left this file's name in the cache alone. What is journaled
  // by it must not outlive it.
  SLUICE_RETURN_IF_ERROR(disk_.SyncDirectory(folder_));

  const size_t sum_at = bytes.rfind("\nsum ");
  uint32_t sum = 0;
  if (sum_at == std::string::npos || bytes.back() != '\n' ||
      !ParseNumber(std::string_view(bytes).substr(sum_at + 5, bytes.size() - sum_at - 6), sum) ||
      sum != Checksum(std::string_view(bytes).substr(0, sum_at + 1))) {
    return Corrupt("checksum does not match; put the file back from a backup");
  }
  std::string_view text = std::string_view(bytes).substr(0, sum_at + 1);
  if (Cut(text, '\t') != kHeader) {
    return Unsupported("written by a newer version of this program");
  }
  if (!ParseNumber(Cut(text, '\n'), next_partition_)) return Corrupt("bad first line");
  while (!text.empty()) {
    std::string_view line = Cut(text, '\n');
    Topic topic;
    if (!ParseNumber(Cut(line, '\t'), topic.partition) ||
        !ParseNumber(Cut(line, '\t'), topic.incarnation)) {
      return Corrupt("bad line of a topic");
    }
    topic.schema_name = Cut(line, '\t');
    topic.table_path = Cut(line, '\t');
    if (topic.schema_name.empty()) {
      removed_[topic.partition] = {.topic = topic.table_path, .incarnation = topic.incarnation};
      continue;
    }
    SLUICE_ASSIGN_OR_RETURN(event::Contract contract, event::FromJson(line));
    topic.contract = std::make_shared<const event::Contract>(std::move(contract));
    topics_.emplace(topic.contract->topic, std::move(topic));
  }
  return {};
}

Status Catalog::Store(const Topics& topics, uint32_t next_partition) const {
  std::string bytes = fmt::format("{}\t{}\n", kHeader, next_partition);
  for (const auto& [partition, removed] : removed_) {
    bytes += fmt::format("{}\t{}\t\t{}\t\n", partition, removed.incarnation, removed.topic);
  }
  for (const auto& [name, topic] : topics) {
    const std::string contract = event::ToJson(*topic.contract);
    SLUICE_CHECK(contract.find('\n') == std::string::npos);
    bytes += fmt::format("{}\t{}\t{}\t{}\t{}\n", topic.partition, topic.incarnation,
                         topic.schema_name, topic.table_path, contract);
  }
  bytes += fmt::format("sum {}\n", Checksum(bytes));
  return os::ReplaceFile(disk_, folder_ + std::string(kFile), bytes);
}

Result<Topic> Catalog::Place(const event::Contract& contract, Topics& topics,
                             uint32_t& next_partition) const {
  Topic topic;
  event::Contract next = contract;
  if (const auto known = topics.find(contract.topic); known != topics.end()) {
    if (SameShape(*known->second.contract, contract)) return known->second;
    SLUICE_RETURN_IF_ERROR(event::CheckSuccessor(*known->second.contract, contract), "topic '{}'",
                           contract.topic);
    topic = known->second;
    next.version = topic.contract->version + 1;
    next.retired = event::RetiredFields(*topic.contract, contract);
    topic.contract = std::make_shared<const event::Contract>(std::move(next));
  } else {
    SLUICE_RETURN_IF_ERROR(event::CheckTopicName(contract.topic));
    next.version = 1;
    topic.contract = std::make_shared<const event::Contract>(std::move(next));
    topic.schema_name = contract.topic.starts_with(kSystemPrefix) ? "system" : "bronze";
    topic.partition = next_partition++;
    for (const auto& [partition, removed] : removed_) {
      // Another name may have had the same table, whose files stay.
      if (event::TableName(removed.topic) != topic.contract->table) continue;
      topic.incarnation = std::max(topic.incarnation, removed.incarnation + 1);
    }
    topic.table_path = TablePath(topic);
    for (const auto& [name, other] : topics) {
      if (other.table_path == topic.table_path) {
        return Conflict("topic '{}' would share table '{}.{}' with topic '{}'; rename one",
                        contract.topic, topic.schema_name, topic.contract->table, name);
      }
    }
  }
  topics[contract.topic] = topic;
  return topic;
}

Result<Topic> Catalog::Put(const event::Contract& contract) {
  SLUICE_ASSIGN_OR_RETURN(auto put, PutAll({&contract, 1}));
  return std::move(put.front());
}

Result<std::vector<Topic>> Catalog::PutAll(std::span<const event::Contract> contracts) {
  const std::lock_guard lock(mutex_);
  Topics topics = topics_;
  uint32_t next_partition = next_partition_;
  std::vector<Topic> put;
  put.reserve(contracts.size());
  bool changed = false;
  for (const event::Contract& contract : contracts) {
    SLUICE_ASSIGN_OR_RETURN(put.emplace_back(), Place(contract, topics, next_partition));
    const auto known = topics_.find(contract.topic);
    if (known == topics_.end()) {
      changed = true;
    } else if (known->second.contract->version != put.back().contract->version) {
      changed = true;
      // The present version is in the file of all topics; only what it takes the place of would be
      // lost. So a new topic costs no file here.
      SLUICE_RETURN_IF_ERROR(
          KeepVersion(disk_, VersionsFolder(known->second), *known->second.contract),
          "catalog '{}'", folder_);
    }
  }
  if (!changed) return put;
  SLUICE_RETURN_IF_ERROR(Store(topics, next_partition), "catalog '{}'", folder_);
  topics_ = std::move(topics);
  next_partition_ = next_partition;
  return put;
}

Result<Topic> Catalog::Remove(std::string_view topic) {
  const std::lock_guard lock(mutex_);
  const auto found = topics_.find(topic);
  if (found == topics_.end()) return NotFound("there is no topic '{}'", topic);
  const Topic removed = found->second;
  topics_.erase(found);
  removed_[removed.partition] = {.topic = std::string(topic), .incarnation = removed.incarnation};
  if (Status stored = Store(topics_, next_partition_); !stored.ok()) {
    removed_.erase(removed.partition);
    topics_.emplace(topic, removed);
    // It goes on taking events, so no start may find it gone because only the sync has failed.
    for (int i = 0; i < kRestoresMax && !Store(topics_, next_partition_).ok(); ++i) {
    }
    return std::move(stored).error().Wrap(fmt::format("catalog '{}'", folder_));
  }
  return removed;
}

bool Catalog::WasRemoved(uint32_t partition) const {
  const std::lock_guard lock(mutex_);
  return removed_.contains(partition);
}

std::string Catalog::VersionsFolder(const Topic& topic) const {
  return fmt::format("{}/schemas/{}-{}", folder_, topic.contract->topic, topic.incarnation);
}

Result<std::vector<event::Contract>> Catalog::Versions(std::string_view topic) const {
  const auto found = Find(topic);
  if (!found) return NotFound("there is no topic '{}'", topic);
  SLUICE_ASSIGN_OR_RETURN(auto versions,
                          ReadVersions(disk_, VersionsFolder(*found), found->contract->version),
                          "topic '{}'", topic);
  versions.push_back(*found->contract);
  return versions;
}

Result<std::optional<Topic>> Catalog::FindLater(const event::Contract& contract) const {
  const auto known = Find(contract.topic);
  if (!known || SameShape(*known->contract, contract)) return std::optional<Topic>();
  SLUICE_ASSIGN_OR_RETURN(const auto versions, Versions(contract.topic));
  const bool older = std::ranges::any_of(
      versions, [&](const event::Contract& version) { return SameShape(version, contract); });
  return older ? known : std::optional<Topic>();
}

std::optional<Topic> Catalog::Find(std::string_view topic) const {
  const std::lock_guard lock(mutex_);
  const auto found = topics_.find(topic);
  if (found == topics_.end()) return std::nullopt;
  return found->second;
}

std::vector<Topic> Catalog::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<Topic> all;
  all.reserve(topics_.size());
  for (const auto& [name, topic] : topics_) all.push_back(topic);
  return all;
}

}  // namespace sluice::catalog
