#include "sluice/cli/internal/journal_cut.h"

#include <utility>

#include "sluice/catalog/catalog.h"
#include "sluice/journal/inspect.h"

namespace sluice::cli::internal {

Result<std::vector<TopicCut>> ReadJournalCut(os::Disk& disk, const std::string& data) {
  const std::string control = data + "/control";
  SLUICE_ASSIGN_OR_RETURN(const bool has_catalog, disk.Exists(control));
  if (!has_catalog) return NotFound("there is no catalog in '{}'", control);
  SLUICE_ASSIGN_OR_RETURN(const auto catalog, catalog::Catalog::Open(disk, control));
  std::vector<TopicCut> cuts;
  journal::InspectOptions options;
  for (const catalog::Topic& topic : catalog->All()) options.partitions.push_back(topic.partition);
  SLUICE_ASSIGN_OR_RETURN(const journal::Inspection found,
                          journal::Inspect(disk, data + "/journal", options));
  if (found.in_use) return Conflict("a process has the journal open");
  if (!found.Sound()) {
    return Corrupt("the journal is damaged at {} places; see `sluice journal verify`",
                   found.damages.size());
  }
  for (const catalog::Topic& topic : catalog->All()) {
    TopicCut cut{.topic = topic.contract->topic, .table_path = topic.table_path};
    const auto partition = found.partitions.find(topic.partition);
    if (partition != found.partitions.end()) cut.end = partition->second.next;
    for (const journal::Loss& loss : found.losses) {
      if (loss.partition == topic.partition) cut.given_up.push_back(loss);
    }
    cuts.push_back(std::move(cut));
  }
  return cuts;
}

}  // namespace sluice::cli::internal
