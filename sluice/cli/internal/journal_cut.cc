#include "sluice/cli/internal/journal_cut.h"

#include <algorithm>
#include <utility>

#include "sluice/catalog/catalog.h"
#include "sluice/journal/inspect.h"

namespace sluice::cli::internal {

namespace {

Result<std::unique_ptr<catalog::Catalog>> OpenCatalog(os::Disk& disk, const std::string& data) {
  const std::string file = data + "/control/topics";
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk.Exists(file));
  if (!exists) return NotFound("there is no catalog '{}'", file);
  return catalog::Catalog::Open(disk, data + "/control");
}

Status AddJournal(os::Disk& disk, const std::string& data, const catalog::Catalog& catalog,
                  std::vector<TopicCut>& cuts) {
  const std::vector<catalog::Topic> topics = catalog.All();
  journal::InspectOptions options;
  for (const catalog::Topic& topic : topics) options.partitions.push_back(topic.partition);
  SLUICE_ASSIGN_OR_RETURN(const journal::Inspection found,
                          journal::Inspect(disk, data + "/journal", options));
  if (found.in_use) return Conflict("a process has the journal open");
  if (!found.Sound()) {
    return Corrupt("the journal is damaged at {} places; see `sluice journal verify`",
                   found.damages.size());
  }
  for (size_t i = 0; i < topics.size(); ++i) {
    const uint32_t id = topics[i].partition;
    TopicCut& cut = cuts[i];
    const auto partition = found.partitions.find(id);
    if (partition != found.partitions.end()) cut.end = partition->second.next;
    cut.kept_from = cut.end;
    for (const journal::SegmentReport& segment : found.segments) {
      const auto span = segment.partitions.find(id);
      if (span == segment.partitions.end()) continue;
      cut.kept_from = std::min(cut.kept_from, span->second.begin);
    }
    for (const journal::Loss& loss : found.losses) {
      if (loss.partition == id) cut.given_up.push_back(loss);
    }
  }
  return {};
}

}  // namespace

JournalCut ReadJournalCut(os::Disk& disk, const std::string& data) {
  JournalCut cut;
  const auto catalog = OpenCatalog(disk, data);
  if (!catalog.ok()) {
    cut.journal = catalog.status();
    return cut;
  }
  for (const catalog::Topic& topic : (*catalog)->All()) {
    cut.topics.push_back({.topic = topic.contract->topic, .table_path = topic.table_path});
  }
  cut.journal = AddJournal(disk, data, **catalog, cut.topics);
  return cut;
}

}  // namespace sluice::cli::internal
