#include <arrow/api.h>
#include <gtest/gtest.h>

#include "sluice/duck/internal/engine_fixture.h"

namespace sluice::duck {
namespace {

using SandboxTest = internal::EngineFixture;

TEST_F(SandboxTest, RefusesAllButReading) {
  for (const char* sql : {"COPY (SELECT 1) TO '@/x.parquet'",
                          "COPY (SELECT 1) TO '/tmp/x.csv'",
                          "ATTACH '@/x.db'",
                          "ATTACH ':memory:' AS m",
                          "DETACH memory",
                          "INSTALL httpfs",
                          "LOAD httpfs",
                          "SET threads = 8",
                          "SET GLOBAL lock_configuration = false",
                          "RESET threads",
                          "SET VARIABLE x = 1",
                          "PRAGMA database_size",
                          "PRAGMA threads = 4",
                          "PRAGMA version",
                          "PRAGMA enable_profiling",
                          "CALL pragma_version()",
                          "CREATE TABLE t (a INT)",
                          "CREATE TEMP TABLE t AS SELECT 1",
                          "CREATE VIEW v AS SELECT 1",
                          "CREATE MACRO m() AS 1",
                          "CREATE SECRET s (TYPE s3)",
                          "CREATE SCHEMA bronze",
                          "CREATE TYPE t AS ENUM ('a')",
                          "CREATE SEQUENCE s",
                          "DROP TABLE t",
                          "INSERT INTO t VALUES (1)",
                          "UPDATE t SET a = 1",
                          "DELETE FROM t",
                          "ALTER TABLE t ADD COLUMN b INT",
                          "BEGIN",
                          "COMMIT",
                          "ROLLBACK",
                          "CHECKPOINT",
                          "VACUUM",
                          "ANALYZE",
                          "EXPORT DATABASE '@/e'",
                          "IMPORT DATABASE '@/e'",
                          "USE memory",
                          "PREPARE p AS SELECT 1",
                          "EXECUTE p",
                          "DEALLOCATE p",
                          "EXPLAIN CREATE TABLE t (a INT)",
                          "EXPLAIN ANALYZE COPY (SELECT 1) TO '@/x.csv'",
                          "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
                          "UPDATE EXTENSIONS"}) {
    std::string text = sql;
    if (const size_t at = text.find('@'); at != text.npos) text.replace(at, 1, folder_ + "/files");
    EXPECT_NE(Run(text).find("(denied)"), std::string::npos) << sql << " -> " << Run(text);
  }
  EXPECT_EQ(std::filesystem::directory_iterator(folder_ + "/files"),
            std::filesystem::directory_iterator());
}

TEST_F(SandboxTest, ReadsNoFileThatAUserNames) {
  using internal::Integers;
  const std::string secret =
      WriteFile("secret.parquet", internal::MakeBatch({{"a", Integers({42})}}));
  for (const std::string function : {"read_parquet",
                                     "parquet_scan",
                                     "read_csv",
                                     "read_csv_auto",
                                     "read_json",
                                     "read_json_auto",
                                     "read_json_objects",
                                     "read_ndjson",
                                     "read_ndjson_auto",
                                     "read_ndjson_objects",
                                     "read_text",
                                     "read_blob",
                                     "glob",
                                     "parquet_metadata",
                                     "parquet_schema",
                                     "parquet_file_metadata",
                                     "parquet_kv_metadata",
                                     "parquet_bloom_probe",
                                     "sniff_csv",
                                     "query",
                                     "query_table",
                                     "main.read_text",
                                     "system.main.read_text",
                                     "READ_TEXT",
                                     "\"read_text\"",
                                     "duckdb_settings",
                                     "duckdb_secrets",
                                     "duckdb_logs",
                                     "duckdb_memory",
                                     "duckdb_temporary_files",
                                     "duckdb_extensions",
                                     "duckdb_external_file_cache",
                                     "which_secret",
                                     "seq_scan",
                                     "arrow_scan",
                                     "arrow_scan_dumb",
                                     "pandas_scan",
                                     "sluice_files",
                                     "sluice_batches",
                                     "checkpoint",
                                     "force_checkpoint",
                                     "pragma_table_info",
                                     "pragma_storage_info",
                                     "pragma_database_size",
                                     "pragma_user_agent",
                                     "test_all_types",
                                     "read_duckdb",
                                     "enable_logging",
                                     "histogram_values",
                                     "histogram"}) {
    for (const std::string& path : {secret, std::string("/etc/passwd")}) {
      for (const std::string& sql :
           {"SELECT * FROM " + function + "('" + path + "')",
            "SELECT (SELECT count(*) FROM " + function + "('" + path + "'))",
            "SELECT 1 WHERE EXISTS (FROM " + function + "('" + path + "'))",
            "WITH x AS (FROM " + function + "('" + path + "')) FROM x",
            "SELECT * FROM (WITH x AS (FROM " + function + "('" + path + "')) FROM x)",
            "SELECT 1 UNION ALL (SELECT 1 FROM " + function + "('" + path + "'))",
            "SELECT * FROM range(1) t, LATERAL (FROM " + function + "('" + path + "'))",
            "SELECT 1 ORDER BY (SELECT count(*) FROM " + function + "('" + path + "'))",
            "SELECT 1 LIMIT (SELECT count(*) FROM " + function + "('" + path + "'))",
            "DESCRIBE SELECT * FROM " + function + "('" + path + "')",
            "SUMMARIZE SELECT * FROM " + function + "('" + path + "')",
            "EXPLAIN SELECT * FROM " + function + "('" + path + "')",
            "SELECT [x FOR x IN (SELECT list(1) FROM " + function + "('" + path + "'))]",
            "SELECT * FROM range((SELECT count(*) FROM " + function + "('" + path + "')))",
            "PIVOT (FROM " + function + "('" + path + "')) ON a IN (1) USING count(*)",
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t, " + function + "('" +
                path + "')) FROM t",
            "VALUES ((SELECT count(*) FROM " + function + "('" + path + "')))"}) {
        const std::string answer = Run(sql);
        EXPECT_NE(answer.find("(denied)"), std::string::npos) << sql << " -> " << answer;
      }
    }
  }
  for (const std::string& sql :
       {"SELECT * FROM '" + secret + "'", "SELECT * FROM \"" + secret + "\"",
        std::string("SELECT * FROM '/etc/passwd'"), std::string("SELECT * FROM '/etc/passwd.csv'"),
        "SELECT * FROM '" + folder_ + "/files/*.parquet'", "DESCRIBE '" + secret + "'",
        "SUMMARIZE '" + secret + "'", std::string("FROM 'https://example.org/x.parquet'")}) {
    const std::string answer = Run(sql);
    EXPECT_TRUE(answer.starts_with("there is no table ") && answer.ends_with(" (invalid)"))
        << sql << " -> " << answer;
  }
}

TEST_F(SandboxTest, ReadsNoFileOutsideItsFolderForARelation) {
  const auto batch = internal::MakeBatch({{"a", internal::Integers({42})}});
  Relation& relation = relations_[{"", "t"}];
  relation.schema = batch->schema();
  relation.files = {WriteFile("../outside.parquet", batch)};
  EXPECT_NE(Run("FROM t").find("(denied)"), std::string::npos) << Run("FROM t");
  relation.files = {WriteFile("inside.parquet", batch)};
  EXPECT_EQ(Run("FROM t"), "42\n");
}

TEST_F(SandboxTest, ShowsNoSettings) {
  // The plan has what the text hides.
  EXPECT_EQ(Run("SELECT * FROM pg_settings"),
            "table function 'duckdb_settings' is not allowed here (denied)");
  for (const char* sql : {"SELECT * FROM pg_settings", "SELECT * FROM pg_catalog.pg_settings",
                          "SELECT * FROM duckdb_logs", "SELECT getenv('HOME')",
                          "SELECT * FROM histogram_values('duckdb_logs', 'x')"}) {
    const std::string answer = Run(sql);
    EXPECT_TRUE(answer.ends_with("(denied)") || answer.ends_with("(invalid)"))
        << sql << " -> " << answer;
  }
}

TEST_F(SandboxTest, LetsBrowsersOfTheCatalogLook) {
  for (const char* sql : {"SELECT table_name FROM information_schema.tables",
                          "SELECT * FROM information_schema.columns", "SHOW ALL TABLES",
                          "SELECT typname FROM pg_catalog.pg_type LIMIT 1", "SHOW DATABASES",
                          "SELECT count(*) > 100 FROM duckdb_functions()",
                          "SELECT * FROM json_each('[1, 2]')", "SELECT unnest([1, 2])",
                          "SELECT * FROM unnest([1, 2])", "SELECT * FROM generate_series(1, 3)"}) {
    const std::string answer = Run(sql);
    EXPECT_FALSE(answer.ends_with(")")) << sql << " -> " << answer;
  }
}

TEST_F(SandboxTest, SortsMoreThanItsMemoryInItsTemporaryFolder) {
  EngineOptions options;
  options.temporary_folder = folder_ + "/spill";
  options.memory_bytes_max = 64u << 20;
  const auto engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok());
  internal::TextSink sink;
  const Status status = (*engine)->Query(
      "SELECT max(h) FROM (SELECT h, row_number() OVER (ORDER BY h) AS r FROM "
      "(SELECT md5(range::VARCHAR) AS h FROM range(2000000))) WHERE r < 10",
      Lookup(), sink);
  EXPECT_TRUE(status.ok()) << status.error().ToString();

  options.temporary_folder = "";
  options.memory_bytes_max = 16u << 20;
  const auto poor = Engine::Open(options);
  ASSERT_TRUE(poor.ok());
  const Status failed =
      (*poor)->Query("SELECT list(md5(range::VARCHAR)) FROM range(3000000)", Lookup(), sink);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), ErrorCode::kUnavailable) << failed.error().ToString();
  EXPECT_TRUE((*poor)->Query("SELECT 1", Lookup(), sink).ok());
}

TEST_F(SandboxTest, SurvivesTextMadeToHurt) {
  std::string deep = "SELECT ";
  deep += std::string(20'000, '(') + "1" + std::string(20'000, ')');
  EXPECT_TRUE(Run(deep).ends_with("(invalid)")) << Run(deep);
  std::string many = "SELECT 1";
  for (int i = 0; i < 3'000; ++i) many += " UNION ALL SELECT 1";
  EXPECT_FALSE(Run(many).empty());
  std::string copies = "WITH a0 AS (SELECT 1 AS x)";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "a" + std::to_string(i - 1);
    copies += ", a" + std::to_string(i) + " AS NOT MATERIALIZED (SELECT p.x FROM " + before +
              " p, " + before + " q)";
  }
  EXPECT_EQ(Run(copies + " SELECT count(*) FROM a29"), "1\n");
  std::string conjuncts = "SELECT 1 WHERE 1=1";
  for (int i = 0; i < 7'000; ++i) conjuncts += " AND 1=1";
  EXPECT_FALSE(Run(conjuncts).empty());
  EXPECT_EQ(Run("SELECT 1"), "1\n");
}

}  // namespace
}  // namespace sluice::duck
