#include "sluice/worker/internal/relation_sharer.h"

#include <arrow/buffer.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <utility>

#include "sluice/worker/internal/shared_batch.h"

namespace sluice::worker::internal {

namespace {

constexpr uint64_t kSegmentBytes = 8u << 20;
constexpr uint64_t kAlignment = 64;
constexpr size_t kIndexesMax = 4;  // Versions of a table that queries ask for in turn.

}  // namespace

Result<RelationSharer::Place> RelationSharer::Put(Table& table, const columnar::Batch& batch,
                                                  bool alone) {
  SLUICE_ASSIGN_OR_RETURN(const auto stream, ToStream(batch));
  const auto size = static_cast<uint64_t>(stream->size());
  std::shared_ptr<Segment> segment = alone ? nullptr : table.open;
  if (segment == nullptr || segment->memory->size() - segment->used < size) {
    segment = std::make_shared<Segment>();
    segment->number = next_number_++;
    SLUICE_ASSIGN_OR_RETURN(segment->memory,
                            os::SharedMemory::Make(alone ? size : std::max(size, kSegmentBytes)));
    if (!alone) table.open = segment;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(stream->data()), size);
  SLUICE_RETURN_IF_ERROR(segment->memory->Write(segment->used, bytes));
  Place place{
      .batch = batch, .segment = segment, .offset = segment->used, .size = size, .alone = alone};
  segment->used = std::min(segment->memory->size(),
                           (segment->used + size + kAlignment - 1) / kAlignment * kAlignment);
  return place;
}

Status RelationSharer::PutBatches(Table& table, const std::vector<columnar::Batch>& batches) {
  std::vector<Place> places;
  places.reserve(batches.size());
  for (size_t i = 0; i < batches.size(); ++i) {
    // The last one still grows, that is: the next query finds a longer one in its place. It gets
    // memory of its own, which goes with it, and moves in with the others once it is not the last.
    const bool last = i + 1 == batches.size();
    const auto known = std::ranges::find_if(table.batches, [&](const Place& place) {
      return place.batch == batches[i] && (last || !place.alone);
    });
    if (known != table.batches.end()) {
      places.push_back(*known);
      continue;
    }
    SLUICE_ASSIGN_OR_RETURN(Place place, Put(table, batches[i], last));
    places.push_back(std::move(place));
  }
  table.batches = std::move(places);
  return {};
}

Result<RelationSharer::Shared> RelationSharer::Share(const std::string& tenant,
                                                     duck::Relation relation) {
  std::shared_ptr<Table> table;
  {
    const std::lock_guard lock(mutex_);
    auto& found = tables_[fmt::format("{}/{}.{}", tenant, relation.schema_name, relation.name)];
    if (found == nullptr) found = std::make_shared<Table>();
    table = found;
  }
  Shared shared;
  shared.answer.found = true;
  const auto part_of = [&shared](const Place& place) {
    auto& memories = shared.answer.memories;
    const auto known =
        std::ranges::find(memories, place.segment->number, &RelationAnswer::Memory::number);
    const auto index = static_cast<uint32_t>(known - memories.begin());
    if (known == memories.end()) {
      memories.push_back({.number = place.segment->number, .size = place.segment->memory->size()});
      shared.descriptors.push_back(place.segment->memory->reader());
      shared.held.push_back(place.segment->memory);
    }
    return SharedPart{.memory = index, .offset = place.offset, .size = place.size};
  };
  const std::lock_guard lock(table->mutex);
  table->used = clock_.Steady();
  if (const auto& index = relation.indexed_files; index && index->num_rows() > 0) {
    auto known = std::ranges::find(table->indexes, index, &Place::batch);
    if (known == table->indexes.end()) {
      SLUICE_ASSIGN_OR_RETURN(Place place, Put(*table, index, /*alone=*/true));
      table->indexes.push_front(std::move(place));
      if (table->indexes.size() > kIndexesMax) table->indexes.pop_back();
      known = table->indexes.begin();
    }
    shared.answer.indexed_files = part_of(*known);
  }
  SLUICE_RETURN_IF_ERROR(PutBatches(*table, relation.batches));
  for (const Place& place : table->batches) shared.answer.batches.push_back(part_of(place));
  relation.indexed_files.reset();
  relation.batches.clear();
  shared.answer.relation = std::move(relation);
  return shared;
}

void RelationSharer::DropUnused(std::chrono::milliseconds age) {
  const os::Monotonic since = clock_.Steady() - age;
  const std::lock_guard lock(mutex_);
  std::erase_if(tables_, [&](const auto& entry) {
    // Whoever else holds it is about to use it.
    if (entry.second.use_count() > 1) return false;
    const std::lock_guard table_lock(entry.second->mutex);
    return entry.second->used < since;
  });
}

uint64_t RelationSharer::Bytes() const {
  std::vector<std::shared_ptr<Table>> tables;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, table] : tables_) tables.push_back(table);
  }
  uint64_t bytes = 0;
  for (const auto& table : tables) {
    const std::lock_guard lock(table->mutex);
    std::vector<const Segment*> counted;
    const auto count = [&](const Place& place) {
      if (std::ranges::find(counted, place.segment.get()) != counted.end()) return;
      counted.push_back(place.segment.get());
      bytes += place.segment->used;
    };
    for (const Place& place : table->indexes) count(place);
    for (const Place& place : table->batches) count(place);
  }
  return bytes;
}

}  // namespace sluice::worker::internal
