#include "sluice/lake/internal/sort_key.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>

#include <bit>
#include <string_view>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;

constexpr size_t kTextBytesMax = 64;
constexpr uint64_t kSign = uint64_t{1} << 63;

std::string BigEndian(uint64_t bits) {
  std::string key(1, '\1');
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(bits >> shift & 0xFF);
  return key;
}

// Doubles in their order: those below zero with all bits turned round.
uint64_t OrderedBits(double value) {
  const auto bits = std::bit_cast<uint64_t>(value + 0.0);  // -0 is 0.
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

}  // namespace

Result<SortKeys> SortKeys::Of(const std::shared_ptr<arrow::Array>& column) {
  using arrow::Type;
  std::shared_ptr<arrow::DataType> type;
  std::shared_ptr<arrow::Array> values = column;
  switch (column->type_id()) {
    case Type::DATE32: {
      SLUICE_ASSIGN_OR_RETURN(values, FromArrow(column->View(arrow::int32())));
      type = arrow::int64();
      break;
    }
    case Type::TIMESTAMP: {
      SLUICE_ASSIGN_OR_RETURN(values, FromArrow(column->View(arrow::int64())));
      return SortKeys(std::move(values));
    }
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
      type = arrow::int64();
      break;
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::DECIMAL128:
      type = arrow::float64();
      break;
    case Type::STRING:
    case Type::BINARY:
      return SortKeys(column);
    default:
      return Unsupported("type {} has no order by which rows could be clustered",
                         column->type()->ToString());
  }
  SLUICE_ASSIGN_OR_RETURN(values, FromArrow(arrow::compute::Cast(
                                      *values, type, arrow::compute::CastOptions::Unsafe())));
  return SortKeys(std::move(values));
}

std::string SortKeys::At(int64_t row) const {
  if (values_->IsNull(row)) return {};
  switch (values_->type_id()) {
    case arrow::Type::INT64:
      return BigEndian(
          static_cast<uint64_t>(static_cast<const arrow::Int64Array&>(*values_).Value(row)) ^
          kSign);
    case arrow::Type::DOUBLE:
      return BigEndian(OrderedBits(static_cast<const arrow::DoubleArray&>(*values_).Value(row)));
    default: {
      const std::string_view text = static_cast<const arrow::BinaryArray&>(*values_).GetView(row);
      return std::string(1, '\1').append(text.substr(0, kTextBytesMax));
    }
  }
}

}  // namespace sluice::lake::internal
