#pragma once
/// \file
/// For tests: what a table holds, as text.

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sluice/lake/scan.h"

namespace sluice::lake {

/// Rows of a fresh load, sorted; the values of each with a space between.
inline std::vector<std::string> SortedRows(const DeltaTable& table, bool row_ids = false) {
  const auto snapshot = table.Load();
  EXPECT_TRUE(snapshot.ok()) << snapshot.error().ToString();
  const auto scan = Scan::Open(table, *snapshot, {.row_ids = row_ids});
  EXPECT_TRUE(scan.ok()) << scan.error().ToString();
  std::vector<std::string> rows;
  while (true) {
    const auto batch = (*scan)->Next();
    EXPECT_TRUE(batch.ok()) << batch.error().ToString();
    if (!batch.ok() || *batch == nullptr) break;
    for (int64_t row = 0; row < (*batch)->num_rows(); ++row) {
      std::string text;
      for (const auto& column : (*batch)->columns()) {
        text += (text.empty() ? "" : " ") + column->GetScalar(row).ValueOrDie()->ToString();
      }
      rows.push_back(text);
    }
  }
  std::ranges::sort(rows);
  return rows;
}

}  // namespace sluice::lake
