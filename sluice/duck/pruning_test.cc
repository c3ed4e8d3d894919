#include <arrow/api.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include "sluice/duck/internal/engine_fixture.h"
#include "sluice/os/clock.h"

namespace sluice::duck {
namespace {

/// Files with random values, once with an index of their bounds and once without.
class PruningTest : public internal::EngineFixture {
 protected:
  void MakeRelations(std::mt19937_64& random, int file_count) {
    arrow::StringBuilder paths;
    arrow::Int64Builder min_n, max_n, min_d, max_d, min_at, max_at;
    arrow::DoubleBuilder min_x, max_x;
    arrow::StringBuilder min_t, max_t;
    Relation plain;
    for (int file = 0; file < file_count; ++file) {
      arrow::Int32Builder n;
      arrow::Date32Builder d;
      arrow::TimestampBuilder at(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                 arrow::default_memory_pool());
      arrow::DoubleBuilder x;
      arrow::StringBuilder t;
      const auto base = static_cast<int32_t>(random() % 50);
      int64_t low_n = INT64_MAX, high_n = INT64_MIN;
      double low_x = std::numeric_limits<double>::infinity();
      double high_x = -low_x;
      std::string low_t, high_t;
      for (int row = 0; row < 20; ++row) {
        const auto number = static_cast<int32_t>(base + static_cast<int32_t>(random() % 10));
        const bool nan = random() % 15 == 0;
        const double real = nan ? std::nan("") : number / 2.0;
        const std::string text = "t" + std::to_string(number);
        if (random() % 10 == 0) {
          EXPECT_TRUE(n.AppendNull().ok() && d.AppendNull().ok() && at.AppendNull().ok() &&
                      x.AppendNull().ok() && t.AppendNull().ok());
          continue;
        }
        EXPECT_TRUE(n.Append(number).ok() && d.Append(number).ok() &&
                    at.Append(number * 86'400'000'000ll).ok() && x.Append(real).ok() &&
                    t.Append(text).ok());
        low_n = std::min<int64_t>(low_n, number);
        high_n = std::max<int64_t>(high_n, number);
        if (!nan) low_x = std::min(low_x, real);
        if (!nan) high_x = std::max(high_x, real);
        if (low_t.empty() || text < low_t) low_t = text;
        high_t = std::max(high_t, text);
      }
      const auto batch = internal::MakeBatch({{"n", *n.Finish()},
                                              {"d", *d.Finish()},
                                              {"at_time", *at.Finish()},
                                              {"x", *x.Finish()},
                                              {"t", *t.Finish()}});
      plain.schema = batch->schema();
      plain.files.push_back(WriteFile(std::to_string(file) + ".parquet", batch));
      EXPECT_TRUE(paths.Append(plain.files.back()).ok());
      const bool known = random() % 8 != 0 && low_n <= high_n;
      const auto put = [known](auto& builder, const auto& value) {
        EXPECT_TRUE((known ? builder.Append(value) : builder.AppendNull()).ok());
      };
      put(min_n, low_n), put(max_n, high_n), put(min_d, low_n), put(max_d, high_n);
      put(min_at, low_n * 86'400'000'000), put(max_at, high_n * 86'400'000'000);
      put(min_x, low_x), put(max_x, high_x), put(min_t, low_t), put(max_t, high_t);
    }
    Relation indexed = plain;
    indexed.files.clear();
    indexed.indexed_files = internal::MakeBatch({{"path", *paths.Finish()},
                                                 {"min:n", *min_n.Finish()},
                                                 {"max:n", *max_n.Finish()},
                                                 {"min:d", *min_d.Finish()},
                                                 {"max:d", *max_d.Finish()},
                                                 {"min:at_time", *min_at.Finish()},
                                                 {"max:at_time", *max_at.Finish()},
                                                 {"min:x", *min_x.Finish()},
                                                 {"max:x", *max_x.Finish()},
                                                 {"min:t", *min_t.Finish()},
                                                 {"max:t", *max_t.Finish()}});
    relations_[{"", "plain"}] = plain;
    relations_[{"", "indexed"}] = indexed;
  }

  static std::string Condition(std::mt19937_64& random, int depth) {
    const auto pick = [&random](std::initializer_list<const char*> words) {
      return std::string(words.begin()[random() % words.size()]);
    };
    if (depth > 0 && random() % 2 == 0) {
      return "(" + Condition(random, depth - 1) + pick({" and ", " or "}) +
             Condition(random, depth - 1) + ")";
    }
    if (random() % 10 == 0) return "not " + Condition(random, 0);
    const std::string column = pick({"n", "d", "at_time", "at_time::date", "x", "t"});
    const auto value = [&] {
      const std::string number = std::to_string(random() % 62);
      if (column == "n") return number;
      if (column == "d" || column == "at_time::date") return "date '1970-01-01' + " + number;
      if (column == "at_time")
        return "timestamptz '1970-01-01 00:00:00+00' + interval (" + number + ") day";
      if (column == "x")
        return random() % 10 == 0 ? std::string("'nan'::double") : number + " / 2.0";
      return "'t" + number + "'";
    };
    switch (random() % 5) {
      case 0:
        return column + " between " + value() + " and " + value();
      case 1:
        return column + " in (" + value() + ", " + value() + ", " + value() + ")";
      case 2:
        return value() + pick({" = ", " < ", " <= ", " > ", " >= ", " <> "}) + column;
      case 3:
        return column + pick({" is null", " is not null"});
      default:
        return column +
               pick({" = ", " < ", " <= ", " > ", " >= ", " <> ", " is not distinct from "}) +
               value();
    }
  }
};

TEST_F(PruningTest, ChangesNoAnswer) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  MakeRelations(random, 24);
  for (int i = 0; i < 300; ++i) {
    const std::string select = "SELECT count(*), sum(n), min(t), max(d) FROM ";
    const std::string where = " WHERE " + Condition(random, 2);
    ASSERT_EQ(Run(select + "indexed" + where), Run(select + "plain" + where)) << where;
  }
}

TEST_F(PruningTest, OpensOnlyWhatMayMatch) {
  std::mt19937_64 random(7);
  MakeRelations(random, 24);
  Relation& indexed = relations_[{"", "indexed"}];
  // Gone from disk: who opens one fails.
  const auto& lows =
      static_cast<const arrow::Int64Array&>(*indexed.indexed_files->GetColumnByName("min:n"));
  const auto& paths =
      static_cast<const arrow::StringArray&>(*indexed.indexed_files->GetColumnByName("path"));
  int removed = 0;
  for (int64_t i = 0; i < paths.length(); ++i) {
    if (lows.IsNull(i) || lows.Value(i) < 20) continue;
    std::filesystem::remove(paths.GetString(i));
    ++removed;
  }
  ASSERT_GT(removed, 0);
  EXPECT_NE(Run("SELECT count(*) FROM indexed WHERE n < 20"), "0\n");
  EXPECT_FALSE(Run("SELECT count(*) FROM indexed WHERE n < 20").ends_with(")"));
  EXPECT_FALSE(Run("SELECT count(*) FROM indexed i, (VALUES (1)) v(a) WHERE i.n < 20 AND a = 1")
                   .ends_with(")"));
  const std::string before = Run("SELECT count(*) FROM indexed WHERE d < DATE '1970-01-21'");
  for (const char* condition :
       {"at_time::DATE < DATE '1970-01-21'", "at_time::DATE <= DATE '1970-01-20'",
        "DATE '1970-01-20' >= CAST(at_time AS DATE)", "at_time::TIMESTAMP < '1970-01-21'",
        "TIMESTAMP '1970-01-20 12:00:00' > at_time::TIMESTAMP",
        "at_time::DATE BETWEEN DATE '1960-01-01' AND DATE '1970-01-20'"}) {
    EXPECT_EQ(Run(std::string("SELECT count(*) FROM indexed WHERE ") + condition), before)
        << condition;
  }
  EXPECT_EQ(Run("SELECT count(*) FROM indexed WHERE at_time::DATE = DATE '1970-01-20'"),
            Run("SELECT count(*) FROM indexed WHERE d = DATE '1970-01-20'"));
  EXPECT_EQ(Run("SELECT count(*) FROM indexed WHERE at_time::DATE IN ('1970-01-20', '1970-01-02')"),
            Run("SELECT count(*) FROM indexed WHERE d IN ('1970-01-20', '1970-01-02')"));
  EXPECT_TRUE(Run("SELECT count(n) FROM indexed WHERE n < 60 AND x >= 0").ends_with(")"));
  EXPECT_EQ(Run("SELECT count(*) FROM indexed WHERE n < -5 AND d < DATE '1960-01-01'"), "0\n");
}

}  // namespace
}  // namespace sluice::duck
