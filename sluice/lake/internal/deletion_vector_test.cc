#include "sluice/lake/internal/deletion_vector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "sluice/store/memory_store.h"

namespace sluice::lake::internal {
namespace {

void Append(std::string& out, uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8 * i) & 0xFF);
}

enum class Form : uint8_t { kPlain, kRuns };

// A 32-bit Roaring bitmap in its portable form; plain ones choose arrays or bitsets by size.
std::string Roaring32(const std::set<uint32_t>& values, Form form) {
  std::map<uint16_t, std::vector<uint16_t>> containers;
  for (const uint32_t value : values) {
    containers[static_cast<uint16_t>(value >> 16)].push_back(static_cast<uint16_t>(value));
  }
  const size_t count = containers.size();
  std::string out;
  if (form == Form::kRuns) {
    Append(out, 12347 | (count - 1) << 16, 4);
    out.append((count + 7) / 8, '\xFF');
  } else {
    Append(out, 12346, 4);
    Append(out, count, 4);
  }
  for (const auto& [key, lows] : containers) {
    Append(out, key, 2);
    Append(out, lows.size() - 1, 2);
  }
  if (form == Form::kPlain || count >= 4) out.append(4 * count, '\0');
  for (const auto& [key, lows] : containers) {
    if (form == Form::kRuns) {
      std::vector<std::pair<uint16_t, uint16_t>> runs;
      for (const uint16_t low : lows) {
        if (!runs.empty() && runs.back().first + runs.back().second + 1 == low) {
          ++runs.back().second;
        } else {
          runs.emplace_back(low, 0);
        }
      }
      Append(out, runs.size(), 2);
      for (const auto& [first, more] : runs) {
        Append(out, first, 2);
        Append(out, more, 2);
      }
    } else if (lows.size() <= 4096) {
      for (const uint16_t low : lows) Append(out, low, 2);
    } else {
      std::string bits(8192, '\0');
      for (const uint16_t low : lows) {
        bits[low / 8] = static_cast<char>(static_cast<uint8_t>(bits[low / 8]) | 1 << (low % 8));
      }
      out += bits;
    }
  }
  return out;
}

std::string Portable(const std::set<uint64_t>& rows, Form form) {
  std::map<uint32_t, std::set<uint32_t>> buckets;
  for (const uint64_t row : rows) {
    buckets[static_cast<uint32_t>(row >> 32)].insert(static_cast<uint32_t>(row));
  }
  std::string out;
  Append(out, 1681511377, 4);
  Append(out, buckets.size(), 8);
  for (const auto& [key, values] : buckets) {
    Append(out, key, 4);
    out += Roaring32(values, form);
  }
  return out;
}

std::string Native(const std::set<uint64_t>& rows, Form form) {
  std::set<uint32_t> values;
  for (const uint64_t row : rows) values.insert(static_cast<uint32_t>(row));
  const std::string bitmap = Roaring32(values, form);
  std::string out;
  Append(out, 1681511376, 4);
  Append(out, 1, 4);
  Append(out, bitmap.size(), 4);
  return out + bitmap;
}

std::set<uint64_t> Members(const RowSet& set) {
  std::set<uint64_t> rows;
  for (int64_t row = 0; row < set.rows(); ++row) {
    if (set.Contains(row)) rows.insert(static_cast<uint64_t>(row));
  }
  return rows;
}

TEST(DeletionVectorTest, DecodesEveryFormOfBitmap) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 8; ++round) {
    const int64_t limit = 1 + static_cast<int64_t>(random() % 400'000);
    std::set<uint64_t> rows;
    const uint64_t count = random() % 20'000;
    while (rows.size() < count && static_cast<int64_t>(rows.size()) < limit / 2) {
      uint64_t row = random() % static_cast<uint64_t>(limit);
      for (uint64_t run = random() % 50; run > 0 && row < static_cast<uint64_t>(limit); --run) {
        rows.insert(row++);
      }
    }
    for (const Form form : {Form::kPlain, Form::kRuns}) {
      if (rows.empty() && form == Form::kRuns) continue;
      for (const std::string& bytes : {Portable(rows, form), Native(rows, form)}) {
        const auto decoded = DecodeBitmap(bytes, limit);
        ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
        EXPECT_EQ(decoded->count(), static_cast<int64_t>(rows.size()));
        EXPECT_EQ(Members(*decoded), rows);
        if (rows.empty()) continue;
        const auto largest = static_cast<int64_t>(*rows.rbegin());
        EXPECT_EQ(DecodeBitmap(bytes, largest).error().code(), ErrorCode::kCorrupt);
        for (size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 17) {
          EXPECT_FALSE(DecodeBitmap(bytes.substr(0, cut), limit).ok()) << cut;
        }
      }
    }
  }
}

TEST(DeletionVectorTest, TakesBucketsBeyond32BitsForWhatTheyAre) {
  const std::string bytes = Portable({7, (uint64_t{1} << 32) + 9}, Form::kPlain);
  EXPECT_EQ(DecodeBitmap(bytes, 1000).error().message(),
            "the bitmap names a row beyond the file's 1000 rows");
}

TEST(DeletionVectorTest, SurvivesDamage) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const std::set<uint64_t> rows = {1, 2, 3, 500, 70'000, 70'001};
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = Portable(rows, i % 2 == 0 ? Form::kPlain : Form::kRuns);
    for (int flips = 0; flips < 2; ++flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    static_cast<void>(DecodeBitmap(bytes, 100'000).ok());
  }
}

TEST(DeletionVectorTest, ReadsItsTextForm) {
  EXPECT_EQ(*DecodeZ85("HelloWorld"), "\x86\x4F\xD2\x6F\xB5\x59\xF7\x5B");
  EXPECT_FALSE(DecodeZ85("Hello~orld").ok());
  EXPECT_FALSE(DecodeZ85("Hell").ok());
  EXPECT_FALSE(DecodeZ85("#####").ok());
  const DeletionVector vector{.storage = "u", .data = "ab^-aqEH.-t@S}K{vb[*k^", .offset = 4};
  EXPECT_EQ(*DeletionVectorPath(vector),
            "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
}

TEST(DeletionVectorTest, IsRefusedWhenItIsNotWhatTheLogSays) {
  store::MemoryStore store;
  const ForeignFiles foreign;
  const FilePlaces places(store, "t", foreign);
  const std::string bitmap = Portable({3, 5}, Form::kPlain);
  std::string file = "\x01";
  for (int shift = 24; shift >= 0; shift -= 8) {
    file += static_cast<char>(bitmap.size() >> shift & 0xFF);
  }
  file += bitmap + "....";
  const std::string path = "t/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin";
  ASSERT_TRUE(store.Put(path, file).ok());
  DeletionVector vector{.storage = "u",
                        .data = "^-aqEH.-t@S}K{vb[*k^",
                        .offset = 1,
                        .size = static_cast<int32_t>(bitmap.size()),
                        .cardinality = 2};
  EXPECT_NE(ReadDeletionVector(places, vector, 10).error().message().find("checksum"),
            std::string::npos);
  vector.size += 1;
  EXPECT_EQ(ReadDeletionVector(places, vector, 10).error().code(), ErrorCode::kCorrupt);
  vector = {.storage = "p", .data = "/elsewhere/x.bin", .size = 5};
  EXPECT_EQ(ReadDeletionVector(places, vector, 10).error().code(), ErrorCode::kDenied);
  vector = {.storage = "x", .data = "y"};
  EXPECT_FALSE(ReadDeletionVector(places, vector, 10).ok());
}

}  // namespace
}  // namespace sluice::lake::internal
