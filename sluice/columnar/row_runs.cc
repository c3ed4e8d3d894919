#include "sluice/columnar/row_runs.h"

#include <optional>

namespace sluice::columnar {

namespace {

void PutNumber(std::string& out, uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  out += static_cast<char>(number);
}

std::optional<uint64_t> TakeNumber(std::string_view& bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < bytes.size() && i < 9; ++i) {  // 63 bits.
    const auto byte = static_cast<uint8_t>(bytes[i]);
    number |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return number;
    }
  }
  return std::nullopt;
}

}  // namespace

void RowRuns::Add(int64_t first, int64_t count) {
  if (count <= 0) return;
  const int64_t end = runs_.empty() ? 0 : runs_.back().first + runs_.back().count;
  SLUICE_CHECK(first >= end);
  if (!runs_.empty() && first == end) {
    runs_.back().count += count;
  } else {
    runs_.push_back({first, count});
  }
}

int64_t RowRuns::rows() const {
  int64_t rows = 0;
  for (const Run& run : runs_) rows += run.count;
  return rows;
}

RowRuns RowRuns::Others(int64_t end) const {
  RowRuns others;
  int64_t next = 0;
  for (const Run& run : runs_) {
    if (run.first >= end) break;
    others.Add(next, run.first - next);
    next = run.first + run.count;
  }
  others.Add(next, end - next);
  return others;
}

std::string RowRuns::Encode() const {
  std::string out;
  int64_t next = 0;
  for (const Run& run : runs_) {
    PutNumber(out, static_cast<uint64_t>(run.first - next));
    PutNumber(out, static_cast<uint64_t>(run.count));
    next = run.first + run.count;
  }
  return out;
}

Result<RowRuns> RowRuns::Decode(std::string_view bytes) {
  RowRuns runs;
  uint64_t next = 0;
  while (!bytes.empty()) {
    const auto gap = TakeNumber(bytes);
    const auto count = gap ? TakeNumber(bytes) : std::nullopt;
    // Either is below 2^63, and so must be their sum.
    if (!count || *count == 0 || *gap > INT64_MAX - next || *count > INT64_MAX - next - *gap) {
      return Corrupt("the bytes are no runs of rows");
    }
    runs.Add(static_cast<int64_t>(next + *gap), static_cast<int64_t>(*count));
    next += *gap + *count;
  }
  return runs;
}

}  // namespace sluice::columnar
