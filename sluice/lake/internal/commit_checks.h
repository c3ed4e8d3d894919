#pragma once
/// \file
/// What must hold before a commit is put on top of what other writers did.

#include <string_view>

#include "sluice/lake/expression.h"
#include "sluice/lake/internal/table_state.h"

namespace sluice::lake::internal {

/// What an expectation means on a snapshot.
enum class Standing : uint8_t { kFree, kDone, kBroken };
Standing Judge(const Snapshot& snapshot, const AppendOptions& options);
Error BrokenExpectation(const Snapshot& snapshot, const AppendOptions::Expectation& expect);

/// kInvalid: the options contradict themselves.
Status CheckOptions(const AppendOptions& options);

/// kConflict: naming why files written for `base` are not right on top of `now`, whatever rows they
/// have. kUnsupported: the table has become one that we cannot write.
Status CheckStillFits(const TableState& base, const TableState& now, const AppendOptions& options);

/// Parses a condition over the columns of `schema`. kInvalid: it is none.
Result<Expression> ParseCondition(std::string_view text, const arrow::Schema& schema);

}  // namespace sluice::lake::internal
