#include "sluice/sql/internal/reader.h"

#include <algorithm>
#include <vector>

namespace sluice::sql::internal {

bool Reader::SeesAllTables() const {
  return principal_ == nullptr || principal_->Allows(govern::Verb::kRead);
}

bool Reader::SeesTopic(std::string_view topic) const {
  return principal_ == nullptr || principal_->Allows(govern::Verb::kRead, topic);
}

std::optional<std::string_view> Reader::SeesQueriesOf() const {
  if (principal_ == nullptr || principal_->Allows(govern::Verb::kAdmin)) return std::nullopt;
  return principal_->id;
}

std::string Reader::Name() const { return principal_ == nullptr ? "sluice" : principal_->id; }

std::optional<land::TableStatus> Reader::FindTable(const land::Lander& lander,
                                                   std::string_view schema,
                                                   std::string_view name) const {
  const std::string wanted = fmt::format("{}.{}", schema, name);
  for (land::TableStatus& table : lander.Tables()) {
    if (table.table == wanted && SeesTopic(table.topic)) return std::move(table);
  }
  return std::nullopt;
}

worker::Tenant Reader::WorkersOf(const worker::Tenant& tenant, const land::Lander& lander) const {
  if (SeesAllTables()) return tenant;
  std::vector<std::string> tables;
  for (const land::TableStatus& table : lander.Tables()) {
    // Without a version it has no folder yet.
    if (table.version >= 0 && SeesTopic(table.topic)) tables.push_back(table.table);
  }
  std::ranges::sort(tables);
  worker::Tenant workers{.name = tenant.name, .files_folders = {}};
  for (const std::string& table : tables) {
    workers.name += "\n" + table;  // Tokens that see the same tables share workers.
    const size_t dot = table.find('.');
    workers.files_folders.push_back(fmt::format("{}/{}/{}", tenant.files_folders.front(),
                                                table.substr(0, dot), table.substr(dot + 1)));
  }
  if (tables.empty()) workers.name += "\nno tables";
  return workers;
}

}  // namespace sluice::sql::internal
