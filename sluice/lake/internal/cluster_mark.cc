#include "sluice/lake/internal/cluster_mark.h"

#include "sluice/lake/internal/schema_tree.h"

namespace sluice::lake::internal {

namespace {

constexpr const char* kCube = "ZCUBE_ID";
constexpr const char* kColumns = "ZCUBE_ZORDER_BY";
constexpr const char* kCurve = "ZCUBE_ZORDER_CURVE";

std::string Tag(const PartitionValues& tags, const char* name) {
  const auto found = tags.find(name);
  return found == tags.end() ? std::string() : found->second.value_or("");
}

}  // namespace

ClusterMark ClusterMark::By(const std::vector<std::string>& columns, std::string curve) {
  return {.cube = {}, .columns = JsonList(columns), .curve = std::move(curve)};
}

bool ClusterMark::Satisfies(const ClusterMark& wanted) const {
  // Along one column all curves are the same.
  const bool same_curve =
      curve.empty() || curve == wanted.curve || columns.find(',') == std::string::npos;
  return columns == wanted.columns && same_curve;
}

std::optional<ClusterMark> MarkOf(const DataFile& file) {
  if (file.tags == nullptr) return std::nullopt;
  ClusterMark mark{.cube = Tag(*file.tags, kCube),
                   .columns = Tag(*file.tags, kColumns),
                   .curve = Tag(*file.tags, kCurve)};
  if (mark.cube.empty() || mark.columns.empty()) return std::nullopt;
  return mark;
}

std::shared_ptr<const PartitionValues> TagsOf(const ClusterMark& mark) {
  return std::make_shared<const PartitionValues>(
      PartitionValues{{kCube, mark.cube}, {kColumns, mark.columns}, {kCurve, mark.curve}});
}

}  // namespace sluice::lake::internal
