#pragma once
/// \file
/// On whose behalf a query runs, and what that one may see.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/govern/tokens.h"
#include "sluice/land/lander.h"
#include "sluice/worker/pool.h"

namespace sluice::sql::internal {

/// Who asks. What it may not see is to it as if it were not there.
///
/// Immutable. Borrows the principal, which must outlive it.
class Reader {
 public:
  /// Nobody: the program itself, which sees everything.
  explicit Reader(const std::optional<govern::Principal>& principal)
      : principal_(principal ? &*principal : nullptr) {}

  /// Whether it sees all tables, those to come included.
  bool SeesAllTables() const;
  bool SeesTopic(std::string_view topic) const;
  /// Whose queries it sees; absent: everybody's.
  std::optional<std::string_view> SeesQueriesOf() const;
  /// Its name in the query log.
  std::string Name() const;

  /// The state of the table, if there is one of this name and it may be seen.
  std::optional<land::TableStatus> FindTable(const land::Lander& lander, std::string_view schema,
                                             std::string_view name) const;
  /// Whose workers run its queries: the tenant's own, or such as see the folders of these tables
  /// and no others. Folders of tables lie in the tenant's first, by schema and name.
  worker::Tenant WorkersOf(const worker::Tenant& tenant, const land::Lander& lander) const;

 private:
  const govern::Principal* principal_;
};

}  // namespace sluice::sql::internal
