#include "sluice/privacy/internal/hash_column.h"

#include <arrow/api.h>
#include <arrow/util/bitmap_ops.h>

#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/privacy/internal/base64url.h"
#include "sluice/privacy/internal/normalise.h"
#include "sluice/privacy/internal/recent_values.h"
#include "sluice/privacy/internal/text_column.h"

namespace sluice::privacy::internal {

using columnar::FromArrow;

// Every hash has the same length, so that each is written where it belongs.
Result<std::shared_ptr<arrow::Array>> HashColumn(const arrow::Array& values,
                                                 const event::PrivacyRule& rule,
                                                 const HmacSha256& hmac, std::string_view prefix) {
  constexpr int64_t kBlock = HmacBatch::kMessagesMax;  // Rows at a time.
  const int64_t rows = values.length();
  const size_t width = prefix.size() + Base64UrlSize(std::tuple_size_v<Digest>);
  const auto bytes = (rows - values.null_count()) * static_cast<int64_t>(width);
  if (bytes > std::numeric_limits<int32_t>::max()) {
    return Invalid("the hashes of one column exceed 2 GiB; send fewer rows");
  }
  SLUICE_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> text,
                          FromArrow(arrow::AllocateBuffer(bytes)));
  SLUICE_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> offsets,
                          FromArrow(arrow::AllocateBuffer((rows + 1) * 4)));
  auto* const out = reinterpret_cast<char*>(text->mutable_data());
  auto* const ends = reinterpret_cast<int32_t*>(offsets->mutable_data());

  TextReader read(values);
  const bool flat =
      values.type_id() == arrow::Type::STRING || values.type_id() == arrow::Type::BINARY;
  std::optional<RecentValues> recent;
  if (flat) recent.emplace(static_cast<const arrow::BinaryArray&>(values));
  HmacBatch batch(hmac);
  std::string scratch;
  std::array<std::optional<int64_t>, kBlock> same;  // An earlier row that says the same.
  int32_t end = 0;
  ends[0] = 0;
  for (int64_t begin = 0; begin < rows; begin += kBlock) {
    const int64_t stop = std::min(begin + kBlock, rows);
    for (int64_t row = begin; row < stop; ++row) {
      if (read.IsNull(row)) continue;
      const std::string_view value = read(row);
      auto& earlier = same[static_cast<size_t>(row - begin)];
      earlier = recent ? recent->Find(value, row) : std::nullopt;
      if (!earlier) batch.Add(Normalised(rule, value, scratch));
    }
    auto digest = batch.Finish().begin();
    for (int64_t row = begin; row < stop; ++row) {
      if (!read.IsNull(row)) {
        char* const at = out + end;
        if (const auto& earlier = same[static_cast<size_t>(row - begin)]) {
          std::memcpy(at, out + ends[*earlier], width);
        } else {
          std::memcpy(at, prefix.data(), prefix.size());
          EncodeBase64Url(*digest++, at + prefix.size());
        }
        end += static_cast<int32_t>(width);
      }
      ends[row + 1] = end;
    }
  }
  std::shared_ptr<arrow::Buffer> valid;
  if (values.null_count() > 0) {
    SLUICE_ASSIGN_OR_RETURN(valid, FromArrow(arrow::internal::CopyBitmap(
                                       arrow::default_memory_pool(), values.null_bitmap_data(),
                                       values.offset(), rows)));
  }
  return std::shared_ptr<arrow::Array>(std::make_shared<arrow::StringArray>(
      rows, std::move(offsets), std::move(text), std::move(valid), values.null_count()));
}

}  // namespace sluice::privacy::internal
