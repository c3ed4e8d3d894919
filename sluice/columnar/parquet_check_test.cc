#include "sluice/columnar/parquet_check.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/util/crc32.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>

#include "sluice/base/crc32c.h"
#include "sluice/columnar/internal/file_seal.h"
#include "sluice/columnar/parquet.h"
#include "sluice/columnar/parquet_writer.h"

namespace sluice::columnar {
namespace {

Batch Rows(int64_t count) {
  arrow::Int64Builder numbers;
  arrow::StringBuilder words;
  arrow::StringBuilder texts;
  arrow::DoubleBuilder reals;
  std::mt19937_64 random(1);
  for (int64_t row = 0; row < count; ++row) {
    EXPECT_TRUE(numbers.Append(row).ok());
    EXPECT_TRUE(words.Append("word " + std::to_string(row % 7)).ok());
    EXPECT_TRUE(texts.Append(std::to_string(random())).ok());
    EXPECT_TRUE(
        (row % 5 == 0 ? reals.AppendNull() : reals.Append(static_cast<double>(random()))).ok());
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("number", arrow::int64()), arrow::field("word", arrow::utf8()),
                     arrow::field("text", arrow::utf8()), arrow::field("real", arrow::float64())}),
      count, {*numbers.Finish(), *words.Finish(), *texts.Finish(), *reals.Finish()});
}

std::string FileOf(const Batch& rows, const ParquetOptions& options = {}) {
  return WriteParquet(rows->schema(), {rows}, options)->bytes;
}

// In groups, as it goes.
std::string StreamedFileOf(const Batch& rows, const ParquetOptions& options) {
  std::string bytes;
  const auto writer = ParquetWriter::Open(rows->schema(), options, [&](std::string_view more) {
    bytes += more;
    return Status();
  });
  EXPECT_TRUE(writer.ok() && (*writer)->Write(rows).ok() && (*writer)->Finish().ok());
  return bytes;
}

// As writers that know nothing of checksums.
std::string ForeignFileOf(const Batch& rows) {
  const auto table = arrow::Table::FromRecordBatches({rows}).ValueOrDie();
  const auto output = arrow::io::BufferOutputStream::Create().ValueOrDie();
  EXPECT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), output, 1000).ok());
  return output->Finish().ValueOrDie()->ToString();
}

std::string Check(const std::string& bytes) {
  const auto file = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes));
  const Status checked = CheckParquet(file);
  return checked.ok() ? "whole" : checked.error().ToString();
}

std::string Flipped(std::string bytes, size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  return bytes;
}

size_t SealOf(const std::string& bytes) { return *internal::FindSeal(bytes); }

TEST(ParquetCheckTest, TheFilesChecksumIsThatOfItsBytes) {
  const Batch rows = Rows(3000);
  const ParquetOptions options{.row_group_rows_max = 1000, .bloom_filter_columns = {"text"}};
  for (std::string bytes : {FileOf(rows), FileOf(rows, options), StreamedFileOf(rows, options),
                            FileOf(rows->Slice(0, 0)), FileOf(rows->Slice(0, 1))}) {
    EXPECT_EQ(Check(bytes), "whole");
    const std::string digits = bytes.substr(SealOf(bytes), internal::kSealBytes);
    bytes.replace(SealOf(bytes), internal::kSealBytes, internal::kNoSeal);
    EXPECT_EQ(digits, fmt::format("{:08x}", Crc32c(std::as_bytes(std::span(bytes)))));
  }
}

// It is read piece by piece, and the digits may stand in two of them.
TEST(ParquetCheckTest, TheFilesChecksumMayStandAnywhere) {
  constexpr size_t kPiece = size_t{1} << 20;
  const auto file_of = [](size_t size) {
    arrow::StringBuilder text;
    EXPECT_TRUE(text.Append(std::string(size, 'x')).ok());
    return FileOf(arrow::RecordBatch::Make(arrow::schema({arrow::field("text", arrow::utf8())}), 1,
                                           {*text.Finish()}),
                  {.random_columns = {"text"}, .compression = Compression::kNone});
  };
  const size_t before = SealOf(file_of(kPiece / 2)) - kPiece / 2;
  for (size_t digits = 0; digits <= internal::kSealBytes; ++digits) {
    const std::string bytes = file_of(kPiece - before - digits);
    ASSERT_EQ(SealOf(bytes), kPiece - digits);
    EXPECT_EQ(Check(bytes), "whole") << digits;
  }
}

// SLUICE_LONG=1: every third bit.
TEST(ParquetCheckTest, EachFlippedBitIsFound) {
  const size_t step = std::getenv("SLUICE_LONG") != nullptr ? 3 : 61;
  const Batch rows = Rows(300);
  const ParquetOptions options{.row_group_rows_max = 100, .bloom_filter_columns = {"text"}};
  const std::string bytes = StreamedFileOf(rows, options);
  // But in the key under which the checksum stands: then the file counts as one without.
  const size_t key_begin = SealOf(bytes) - 17;
  for (size_t bit = 0; bit < bytes.size() * 8; bit += step) {
    if (bit / 8 >= key_begin && bit / 8 < SealOf(bytes)) continue;
    const std::string found = Check(Flipped(bytes, bit));
    ASSERT_NE(found, "whole") << "bit " << bit << " of " << bytes.size() * 8;
    ASSERT_TRUE(found.ends_with("(corrupt)")) << found;
  }
  for (size_t cut = 1; cut < bytes.size(); cut += 97) {
    ASSERT_NE(Check(bytes.substr(0, bytes.size() - cut)), "whole") << cut;
  }
  EXPECT_NE(Check(""), "whole");
}

TEST(ParquetCheckTest, NamesTheDamagedColumnAndReadersRefuseIt) {
  const Batch rows = Rows(3000);
  const std::string bytes = StreamedFileOf(rows, {.row_group_rows_max = 1000});
  std::set<std::string> named;
  for (size_t at = 100; at < bytes.size(); at += 501) {
    const std::string damaged = Flipped(bytes, at * 8 + at % 8);
    const std::string found = Check(damaged);
    ASSERT_NE(found, "whole") << at;
    const size_t column = found.find(", column '");
    if (column != std::string::npos) named.insert(found.substr(0, found.find(':', column)));
    // What is read is as it was, or refused.
    const auto read = ReadParquet(damaged);
    if (!read.ok()) {
      EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt) << read.error().ToString();
      continue;
    }
    const auto table = arrow::Table::FromRecordBatches(*read);
    if (!table.ok() || column == std::string::npos) continue;
    ADD_FAILURE() << "byte " << at << " was read: " << found;
  }
  EXPECT_TRUE(named.contains("row group 1, column 'text'")) << named.size();
  EXPECT_TRUE(named.contains("row group 2, column 'real'")) << named.size();
}

TEST(ParquetCheckTest, FilesOfOthersAreReadPageByPage) {
  const Batch rows = Rows(3000);
  const std::string bytes = ForeignFileOf(rows);
  EXPECT_EQ(Check(bytes), "whole");
  EXPECT_TRUE(ReadParquet(bytes).ok());
  EXPECT_NE(Check(Flipped(bytes, 80)), "whole") << "the size of a page";
  EXPECT_NE(Check(bytes.substr(0, bytes.size() - 1)), "whole");
}

double ProcessorSeconds() {
  rusage usage{};
  EXPECT_EQ(getrusage(RUSAGE_SELF, &usage), 0);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// What checksums cost of writing and reading. SLUICE_LONG=1: 2,000,000 rows, three times.
TEST(ParquetCheckTest, CostsLittle) {
  const bool is_long = std::getenv("SLUICE_LONG") != nullptr;
  const Batch rows = Rows(is_long ? 2'000'000 : 20'000);
  for (int run = 0; run < (is_long ? 3 : 1); ++run) {
    std::map<std::string, double> seconds;
    const auto measure = [&](const std::string& what, const auto& work) {
      const double begun = ProcessorSeconds();
      work();
      seconds[what] = ProcessorSeconds() - begun;
    };
    std::string bytes;
    measure("write", [&] { bytes = FileOf(rows); });
    uint32_t sums = 0;
    measure("checksum of pages",
            [&] { sums += arrow::internal::crc32(0, bytes.data(), bytes.size()); });
    measure("checksum of the file", [&] { sums += Crc32c(std::as_bytes(std::span(bytes))); });
    measure("read", [&] { EXPECT_TRUE(ReadParquet(bytes).ok()); });
    measure("check", [&] { EXPECT_EQ(Check(bytes), "whole"); });
    EXPECT_NE(sums, 0U);
    for (const auto& [what, taken] : seconds) {
      std::printf("%s: %.4f s\n", what.c_str(), taken);
    }
    std::printf("%zu bytes\n", bytes.size());
    if (is_long) {
      EXPECT_LT(seconds["check"], seconds["read"]);
    }
  }
}

}  // namespace
}  // namespace sluice::columnar
