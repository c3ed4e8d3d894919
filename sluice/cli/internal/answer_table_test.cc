#include "sluice/cli/internal/answer_table.h"

#include <gtest/gtest.h>

namespace sluice::cli::internal {
namespace {

std::string As(std::string_view json, std::string_view form) {
  const auto table = ReadAnswer(json);
  return table ? Render(*table, form).value_or("no such form") : "no table";
}

constexpr std::string_view kRows =
    R"({"columns":[{"name":"a","type":"string"},{"name":"b"}],"rows":[["ü|x",1],[null,[2]],["q\",\n",true]],"row_count":3})";

TEST(AnswerTableTest, RowsAreWrittenInEveryForm) {
  EXPECT_EQ(As(kRows, "table"), "a      b\n-----  ----\nü|x    1\n       [2]\nq\",\\n  true\n");
  EXPECT_EQ(As(kRows, "csv"), "a,b\r\nü|x,1\r\n,[2]\r\n\"q\"\",\n\",true\r\n");
  EXPECT_EQ(As(kRows, "md"),
            "| a | b |\n|---|---|\n| ü\\|x | 1 |\n|  | [2] |\n| q\",\\\\n | true |\n");
  EXPECT_EQ(As(kRows, "ndjson"),
            "{\"a\":\"ü|x\",\"b\":1}\n{\"a\":null,\"b\":[2]}\n{\"a\":\"q\\\",\\n\",\"b\":true}\n");
  EXPECT_EQ(As(kRows, "json"), "no such form");
}

TEST(AnswerTableTest, ObjectsAreRows) {
  EXPECT_EQ(As(R"({"tables":[{"x":1,"y":"b"},{"y":"c","z":{}}]})", "table"),
            "x  y  z\n-  -  --\n1  b\n   c  {}\n");
  EXPECT_EQ(Render(*ReadLines("{\"x\":1}\n{\"x\":2}\n"), "csv"), "x\r\n1\r\n2\r\n");
  EXPECT_EQ(Render(*ReadLines(""), "csv"), "\r\n");
  EXPECT_FALSE(ReadLines("words").has_value());
  EXPECT_EQ(As(R"({"tables":[]})", "csv"), "\r\n");
  EXPECT_EQ(As(R"({"x":[{"f":[{"name":"a"},{"name":"b","c":1}]}]})", "csv"), "f\r\n\"a, b\"\r\n");
}

TEST(AnswerTableTest, OtherObjectsAreARowAMember) {
  EXPECT_EQ(As(R"({"found":1,"list":[{"a":1}]})", "table"),
            "name   value\n-----  ---------\nfound  1\nlist   [{\"a\":1}]\n");
  EXPECT_EQ(As("{}", "csv"), "name,value\r\n");
}

TEST(AnswerTableTest, WhatIsNoTableIsNone) {
  EXPECT_EQ(As("", "csv"), "no table");
  EXPECT_EQ(As("[1]", "table"), "no table");
  EXPECT_EQ(As("words", "table"), "no table");
  EXPECT_EQ(As(R"({"columns":[{"name":"a"}],"rows":[[1,2]]})", "table").substr(0, 4), "name");
}

TEST(AnswerTableTest, CellsMoveNoCursor) {
  const std::string text = As(R"({"a":"\u001b[2J\u009b31mred\r\u0007"})", "table");
  EXPECT_EQ(text.find_first_of("\x1b\x07\r"), std::string::npos);
  EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos);
  EXPECT_NE(text.find("\\x1b[2J\\x9b31mred\\x0d\\x07"), std::string::npos) << text;
}

}  // namespace
}  // namespace sluice::cli::internal
