#include "sluice/ingest/internal/batch_mark.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <charconv>

#include "sluice/base/json.h"
#include "sluice/columnar/arrow_bridge.h"

namespace sluice::ingest::internal {
namespace {

using columnar::FromArrow;

constexpr std::string_view kMark = "{\"$batch\":\"";
constexpr size_t kSumDigits = 16;

}  // namespace

uint64_t BatchSum(const std::array<std::byte, 16>& key, std::string_view body) {
  return privacy::KeyedHash(key, body).low;
}

Result<std::shared_ptr<arrow::Array>> MarkMetadata(const arrow::Array& metadata, uint64_t sum) {
  const auto& texts = static_cast<const arrow::StringArray&>(metadata);
  const std::string mark = fmt::format("{}{:016x}\"", kMark, sum);
  arrow::StringBuilder builder;
  std::string marked;
  for (int64_t row = 0; row < texts.length(); ++row) {
    marked = mark;
    const std::string_view text = texts.IsValid(row) ? texts.GetView(row) : std::string_view("{}");
    const size_t member = text.starts_with('{') ? text.find_first_not_of(" \t\r\n", 1) : 0;
    if (text.starts_with('{') && text.substr(member) == "}") {
      marked += '}';
    } else if (text.starts_with('{')) {
      marked.append(",").append(text.substr(member));
    } else {  // Sealed.
      marked += ",\"metadata\":";
      AppendJsonString(marked, text);
      marked += '}';
    }
    SLUICE_RETURN_IF_ERROR(FromArrow(builder.Append(marked)));
  }
  return FromArrow(builder.Finish());
}

void TakeMarks(const columnar::Batch& rows, std::vector<uint64_t>& contents) {
  const auto texts =
      std::dynamic_pointer_cast<arrow::StringArray>(rows->GetColumnByName("_metadata"));
  if (texts == nullptr) return;
  for (int64_t row = 0; row < texts->length(); ++row) {
    if (texts->IsNull(row) || !texts->GetView(row).starts_with(kMark)) continue;
    const std::string_view digits = texts->GetView(row).substr(kMark.size(), kSumDigits);
    uint64_t sum = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), sum, 16);
    if (error == std::errc() && end == digits.data() + kSumDigits) {
      contents[static_cast<size_t>(row)] = sum;
    }
  }
}

}  // namespace sluice::ingest::internal
