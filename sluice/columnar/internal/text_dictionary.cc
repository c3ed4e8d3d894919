#include "sluice/columnar/internal/text_dictionary.h"

#include <arrow/api.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sluice/base/check.h"
#include "sluice/base/same_text.h"
#include "sluice/columnar/arrow_bridge.h"

namespace sluice::columnar::internal {
namespace {

// The Parquet writer stores a larger dictionary plain.
constexpr size_t kBytesMax = 1 << 20;
// So many rows tell whether values come again: of 20,000 values, which make a good dictionary, they
// meet every second one twice.
constexpr int64_t kTrialRows = 32 << 10;
constexpr int64_t kRowsMin = 1024;  // With fewer it does not matter.

bool Repeats(size_t values, int64_t rows) { return static_cast<int64_t>(values) * 8 <= rows * 5; }

class Dictionary {
 public:
  Dictionary() : slots_(1 << 10) {}

  int32_t Add(std::string_view value) {
    const uint64_t hash = XXH3_64bits(value.data(), value.size());
    const auto tag = static_cast<uint32_t>(hash >> 32);
    const size_t mask = slots_.size() - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
      Slot& slot = slots_[at];
      if (slot.number == 0) return Insert(value, tag, slot);
      if (slot.tag == tag && SameText(At(slot.number - 1), value)) {
        return static_cast<int32_t>(slot.number - 1);
      }
    }
  }

  size_t size() const { return ends_.size() - 1; }
  /// As the Parquet writer counts them.
  size_t bytes() const { return text_.size() + size() * sizeof(int32_t); }

  std::shared_ptr<arrow::StringArray> Finish() {
    const auto count = static_cast<int64_t>(size());
    return std::make_shared<arrow::StringArray>(count, arrow::Buffer::FromVector(std::move(ends_)),
                                                arrow::Buffer::FromString(std::move(text_)));
  }

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t number = 0;  // Of the value, from 1 on; 0: free.
  };

  std::string_view At(size_t index) const {
    return std::string_view(text_).substr(static_cast<size_t>(ends_[index]),
                                          static_cast<size_t>(ends_[index + 1] - ends_[index]));
  }

  int32_t Insert(std::string_view value, uint32_t tag, Slot& slot) {
    text_ += value;
    ends_.push_back(static_cast<int32_t>(text_.size()));
    slot = {.tag = tag, .number = static_cast<uint32_t>(size())};
    if (size() * 2 > slots_.size()) Grow();
    return static_cast<int32_t>(size() - 1);
  }

  void Grow() {
    slots_.assign(slots_.size() * 2, {});
    const size_t mask = slots_.size() - 1;
    for (size_t i = 0; i < size(); ++i) {
      const std::string_view value = At(i);
      const uint64_t hash = XXH3_64bits(value.data(), value.size());
      size_t at = hash & mask;
      while (slots_[at].number != 0) at = (at + 1) & mask;
      slots_[at] = {.tag = static_cast<uint32_t>(hash >> 32),
                    .number = static_cast<uint32_t>(i + 1)};
    }
  }

  std::vector<Slot> slots_;
  std::vector<int32_t> ends_ = {0};
  std::string text_;
};

}  // namespace

Result<DictionaryColumn> MakeDictionary(const arrow::ChunkedArray& column) {
  SLUICE_CHECK(column.type()->id() == arrow::Type::STRING);
  Dictionary dictionary;
  const int64_t rows = column.length();
  SLUICE_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> buffer,
                          FromArrow(arrow::AllocateBuffer(rows * 4)));
  auto* const numbers = reinterpret_cast<int32_t*>(buffer->mutable_data());
  std::shared_ptr<arrow::Buffer> bitmap;
  if (column.null_count() > 0) {
    SLUICE_ASSIGN_OR_RETURN(bitmap, FromArrow(arrow::AllocateBitmap(rows)));
  }
  int64_t row = 0;     // Of the column.
  int64_t seen = 0;    // Values.
  int64_t judged = 0;  // Values seen when it was last asked whether they repeat.
  for (const auto& chunk : column.chunks()) {
    const auto& texts = static_cast<const arrow::StringArray&>(*chunk);
    const int64_t count = texts.length();
    if (texts.null_count() > 0) {
      arrow::internal::CopyBitmap(texts.null_bitmap_data(), texts.offset(), count,
                                  bitmap->mutable_data(), row);
    } else if (bitmap != nullptr) {
      arrow::bit_util::SetBitsTo(bitmap->mutable_data(), row, count, true);
    }
    const bool has_nulls = texts.null_count() > 0;
    for (int64_t i = 0; i < count; ++i, ++row) {
      numbers[row] = has_nulls && texts.IsNull(i) ? 0 : dictionary.Add(texts.GetView(i));
    }
    seen += count - texts.null_count();
    if (dictionary.bytes() > kBytesMax) return DictionaryColumn();
    if (seen - judged >= kTrialRows) {
      if (!Repeats(dictionary.size(), seen)) return DictionaryColumn();
      judged = seen;
    }
  }
  if (seen >= kRowsMin && !Repeats(dictionary.size(), seen)) return DictionaryColumn();

  DictionaryColumn made;
  made.values = dictionary.Finish();
  made.rows = std::make_shared<arrow::DictionaryArray>(
      arrow::dictionary(arrow::int32(), arrow::utf8()),
      std::make_shared<arrow::Int32Array>(rows, std::move(buffer), std::move(bitmap),
                                          column.null_count()),
      made.values);
  return made;
}

}  // namespace sluice::columnar::internal
