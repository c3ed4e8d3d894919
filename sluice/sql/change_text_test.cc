#include "sluice/sql/internal/change_text.h"

#include <gtest/gtest.h>

namespace sluice::sql::internal {
namespace {

std::string Read(std::string_view sql) {
  const auto text = ReadChangeText(sql);
  if (!text) return "none";
  return std::string(NameOf(text->kind)) + "|" + text->schema + "|" + text->table;
}

TEST(ChangeTextTest, KnowsStatementsByTheirFirstWords) {
  EXPECT_EQ(Read("DELETE FROM t WHERE a = 1"), "delete||t");
  EXPECT_EQ(Read("update bronze.t set a = 1"), "update|bronze|t");
  EXPECT_EQ(Read("  Insert\n\tInto  t(a) VALUES (1)"), "insert||t");
  EXPECT_EQ(Read("merge into bronze . \"My \"\"table\" as t using"), "merge|bronze|My \"table");
  EXPECT_EQ(Read("-- first\n/* then */ delete/**/from\"/data/lake/t\""), "delete||/data/lake/t");
  EXPECT_EQ(Read("DELETE FROM größe"), "delete||größe");
}

TEST(ChangeTextTest, OthersAreNone) {
  for (const char* sql : {"", ";", "SELECT 1", "WITH x AS (SELECT 1) DELETE FROM t",
                          "deleted from t", "explain delete from t", "-- delete from t",
                          "/* delete from t", "\"delete\"\"", "truncate t"}) {
    EXPECT_EQ(Read(sql), "none") << sql;
  }
}

TEST(ChangeTextTest, WhatNamesNoTableHasNone) {
  for (const char* sql : {"delete", "delete t", "delete from", "delete from (select 1)", "insert t",
                          "insert or replace into t", "merge into \"t"}) {
    EXPECT_TRUE(Read(sql).ends_with("||")) << sql;
  }
}

}  // namespace
}  // namespace sluice::sql::internal
