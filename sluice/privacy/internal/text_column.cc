#include "sluice/privacy/internal/text_column.h"

#include <charconv>
#include <limits>

namespace sluice::privacy::internal {

std::string_view TextReader::operator()(int64_t row) {
  const auto number = [this](auto value) {
    const auto end = std::to_chars(digits_.data(), digits_.data() + digits_.size(), value).ptr;
    return std::string_view(digits_.data(), static_cast<size_t>(end - digits_.data()));
  };
  switch (values_.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return static_cast<const arrow::BinaryArray&>(values_).GetView(row);
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanArray&>(values_).Value(row) ? "true" : "false";
    case arrow::Type::INT8:
      return number(int{static_cast<const arrow::Int8Array&>(values_).Value(row)});
    case arrow::Type::INT16:
      return number(static_cast<const arrow::Int16Array&>(values_).Value(row));
    case arrow::Type::INT32:
      return number(static_cast<const arrow::Int32Array&>(values_).Value(row));
    case arrow::Type::INT64:
      return number(static_cast<const arrow::Int64Array&>(values_).Value(row));
    case arrow::Type::DECIMAL128:
      other_ = static_cast<const arrow::Decimal128Array&>(values_).FormatValue(row);
      return other_;
    default: {
      const auto scalar = values_.GetScalar(row);
      other_ = scalar.ok() ? scalar.ValueUnsafe()->ToString() : std::string();
      return other_;
    }
  }
}

TextWriter::TextWriter(int64_t rows, size_t bytes) {
  bytes_.reserve(bytes);
  offsets_.reserve(static_cast<size_t>(rows) + 1);
  offsets_.push_back(0);
  valid_.reserve(static_cast<size_t>(rows) / 8 + 1);
}

void TextWriter::Repeat(int64_t row) {
  const auto at = static_cast<size_t>(row);
  if ((valid_[at / 8] >> at % 8 & 1) == 0) return Null();
  const auto begin = static_cast<size_t>(offsets_[at]);
  const size_t size = static_cast<size_t>(offsets_[at + 1]) - begin;
  const size_t end = bytes_.size();
  bytes_.resize(end + size);
  std::copy_n(bytes_.data() + begin, size, bytes_.data() + end);
  EndValue();
}

Result<std::shared_ptr<arrow::Array>> TextWriter::Finish() {
  if (bytes_.size() > std::numeric_limits<int32_t>::max()) {
    return Invalid("the protected values of one column exceed 2 GiB; send fewer rows");
  }
  const auto rows = static_cast<int64_t>(offsets_.size()) - 1;
  return std::shared_ptr<arrow::Array>(std::make_shared<arrow::StringArray>(
      rows, arrow::Buffer::FromVector(std::move(offsets_)),
      arrow::Buffer::FromString(std::move(bytes_)),
      nulls_ == 0 ? nullptr : arrow::Buffer::FromVector(std::move(valid_)), nulls_));
}

}  // namespace sluice::privacy::internal
