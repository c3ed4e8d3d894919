#include "sluice/worker/internal/relation_reader.h"

#include <arrow/record_batch.h>

#include <algorithm>

#include "sluice/worker/internal/shared_batch.h"

namespace sluice::worker::internal {

namespace {
constexpr size_t kKeptMax = 16;
}

Result<duck::Relation> RelationReader::Read(RelationAnswer answer,
                                            const std::vector<os::Descriptor>& memories) {
  if (memories.size() != answer.memories.size()) {
    return Corrupt("a relation has {} memories, expected {}", memories.size(),
                   answer.memories.size());
  }
  const std::string name = answer.relation.schema_name + "." + answer.relation.name;
  const auto before = std::ranges::find(kept_, name, &std::pair<std::string, Memories>::first);
  const Memories known = before == kept_.end() ? Memories() : std::move(before->second);
  if (before != kept_.end()) kept_.erase(before);

  Memories now;
  std::vector<Memory*> by_index;
  for (size_t i = 0; i < memories.size(); ++i) {
    const RelationAnswer::Memory& wanted = answer.memories[i];
    auto& memory = now[wanted.number];
    if (const auto found = known.find(wanted.number); found != known.end()) {
      memory = found->second;
    } else {
      memory = std::make_shared<Memory>();
      SLUICE_ASSIGN_OR_RETURN(memory->mapping, os::Mapping::Map(memories[i], wanted.size));
    }
    by_index.push_back(memory.get());
  }
  const auto read = [&by_index](const SharedPart& part) -> Result<columnar::Batch> {
    if (part.memory >= by_index.size()) return Corrupt("a batch lies in no memory");
    Memory& memory = *by_index[part.memory];
    auto& batch = memory.batches[part.offset];
    if (batch == nullptr) {
      SLUICE_ASSIGN_OR_RETURN(batch, FromMapping(memory.mapping, part.offset, part.size));
    }
    return batch;
  };
  duck::Relation relation = std::move(answer.relation);
  if (answer.indexed_files) {
    SLUICE_ASSIGN_OR_RETURN(relation.indexed_files, read(*answer.indexed_files));
  }
  for (const SharedPart& part : answer.batches) {
    SLUICE_ASSIGN_OR_RETURN(columnar::Batch batch, read(part));
    relation.batches.push_back(std::move(batch));
  }
  kept_.emplace_front(name, std::move(now));
  if (kept_.size() > kKeptMax) kept_.pop_back();
  return relation;
}

}  // namespace sluice::worker::internal
