#include <arrow/api.h>

#include <bit>
#include <cmath>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/batch.h"

namespace sluice::columnar {

namespace {

// These constants, and all below that turns a value into 64 bits, are stored: never change them.
constexpr uint64_t kSeed = 0x9E3779B97F4A7C15;
constexpr uint64_t kMultiplier = 0xD6E8FEB86659FD93;

// Murmur's finaliser: a bijection, so that unequal integers of one column never collide.
uint64_t Mix(uint64_t bits) {
  bits ^= bits >> 33;
  bits *= 0xFF51AFD7ED558CCD;
  bits ^= bits >> 33;
  bits *= 0xC4CEB9FE1A85EC53;
  return bits ^ (bits >> 33);
}

uint64_t HashBytes(const uint8_t* bytes, int64_t size) {
  return XXH3_64bits(bytes, static_cast<size_t>(size));
}

/// The hashes of a batch's rows while columns are added. A sum, in which a null counts nothing: a
/// row hashes alike before and after its schema got another column. The column's name goes into
/// each term, so that values in other columns make another sum.
struct RowHashes {
  std::vector<uint64_t> sums;
  uint64_t column = 0;  // Hash of the name of the column that is being added.

  void Add(size_t row, uint64_t value) {
    sums[row] += Mix((value ^ column) * kMultiplier + column);
  }
};

template <typename T>
uint64_t Bits(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    const double wide = value;
    if (std::isnan(wide)) return 0x7FF8000000000000;
    return std::bit_cast<uint64_t>(wide == 0 ? 0.0 : wide);  // Both zeros are equal.
  } else {
    return static_cast<uint64_t>(static_cast<int64_t>(value));
  }
}

/// Adds `value(row)` of every valid row to `hashes`.
template <typename Value>
void AddColumn(const arrow::Array& array, RowHashes& hashes, Value value) {
  const size_t rows = hashes.sums.size();
  const bool nulls = array.null_count() > 0;
  for (size_t row = 0; row < rows; ++row) {
    if (!nulls || array.IsValid(static_cast<int64_t>(row))) hashes.Add(row, value(row));
  }
}

template <typename T>
void AddFixed(const arrow::Array& array, RowHashes& hashes) {
  const T* values = array.data()->GetValues<T>(1);
  AddColumn(array, hashes, [values](size_t row) { return Bits(values[row]); });
}

template <typename Array>
void AddText(const arrow::Array& array, RowHashes& hashes) {
  const auto& text = static_cast<const Array&>(array);
  const auto* offsets = text.raw_value_offsets();
  const uint8_t* bytes = text.value_data() ? text.value_data()->data() : nullptr;
  AddColumn(array, hashes, [offsets, bytes](size_t row) {
    return HashBytes(bytes + offsets[row], offsets[row + 1] - offsets[row]);
  });
}

Status AddArray(const arrow::Array& array, RowHashes& hashes);

// Hashes as the plain array would: the dictionary is an encoding, not a value.
Status AddDictionary(const arrow::DictionaryArray& array, RowHashes& hashes) {
  std::unique_ptr<arrow::ArrayBuilder> plain;
  SLUICE_RETURN_IF_ERROR(FromArrow(
      arrow::MakeBuilder(arrow::default_memory_pool(), array.dictionary()->type(), &plain)));
  const arrow::ArraySpan values(*array.dictionary()->data());
  for (int64_t row = 0; row < array.length(); ++row) {
    SLUICE_RETURN_IF_ERROR(FromArrow(
        array.IsNull(row) ? plain->AppendNull()
                          : plain->AppendArraySlice(values, array.GetValueIndex(row), 1)));
  }
  SLUICE_ASSIGN_OR_RETURN(const auto decoded, FromArrow(plain->Finish()));
  return AddArray(*decoded, hashes);
}

// The hash of a struct is the sum of its fields' values, as that of a row is of its columns'.
Status AddStruct(const arrow::StructArray& array, RowHashes& hashes) {
  RowHashes inner;
  inner.sums.assign(hashes.sums.size(), kSeed);
  for (int i = 0; i < array.num_fields(); ++i) {
    const std::string& name = array.struct_type()->field(i)->name();
    inner.column = XXH3_64bits(name.data(), name.size());
    SLUICE_RETURN_IF_ERROR(AddArray(*array.field(i), inner));
  }
  AddColumn(array, hashes, [&inner](size_t row) { return inner.sums[row]; });
  return {};
}

// In a list the place of an element counts, and so does a null. It begins with the seed, so that
// nesting tells: [[1],[2]] is not [[1,2]].
Status AddList(const arrow::ListArray& array, RowHashes& hashes) {
  if (array.length() == 0) return {};
  const int32_t first = array.value_offset(0);
  const auto values = array.values()->Slice(first, array.value_offset(array.length()) - first);
  RowHashes elements;
  elements.sums.assign(static_cast<size_t>(values->length()), kSeed);
  SLUICE_RETURN_IF_ERROR(AddArray(*values, elements));
  AddColumn(array, hashes, [&](size_t row) {
    const auto at = static_cast<int64_t>(row);
    uint64_t hash = kSeed;
    for (int32_t i = array.value_offset(at); i < array.value_offset(at + 1); ++i) {
      hash = Mix(hash * kMultiplier + elements.sums[static_cast<size_t>(i - first)]);
    }
    return hash;
  });
  return {};
}

Status AddArray(const arrow::Array& array, RowHashes& hashes) {
  switch (array.type_id()) {
    case arrow::Type::NA:
      return {};
    case arrow::Type::BOOL: {
      const auto& flags = static_cast<const arrow::BooleanArray&>(array);
      AddColumn(array, hashes, [&flags](size_t row) {
        return static_cast<uint64_t>(flags.Value(static_cast<int64_t>(row)));
      });
      return {};
    }
    case arrow::Type::INT8:
      AddFixed<int8_t>(array, hashes);
      return {};
    case arrow::Type::INT16:
      AddFixed<int16_t>(array, hashes);
      return {};
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32:
      AddFixed<int32_t>(array, hashes);
      return {};
    case arrow::Type::INT64:
    case arrow::Type::DATE64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      AddFixed<int64_t>(array, hashes);
      return {};
    case arrow::Type::UINT8:
      AddFixed<uint8_t>(array, hashes);
      return {};
    case arrow::Type::UINT16:
      AddFixed<uint16_t>(array, hashes);
      return {};
    case arrow::Type::UINT32:
      AddFixed<uint32_t>(array, hashes);
      return {};
    case arrow::Type::UINT64:
      AddFixed<uint64_t>(array, hashes);
      return {};
    case arrow::Type::FLOAT:
      AddFixed<float>(array, hashes);
      return {};
    case arrow::Type::DOUBLE:
      AddFixed<double>(array, hashes);
      return {};
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      AddText<arrow::BinaryArray>(array, hashes);
      return {};
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      AddText<arrow::LargeBinaryArray>(array, hashes);
      return {};
    case arrow::Type::FIXED_SIZE_BINARY:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: {
      const auto& fixed = static_cast<const arrow::FixedSizeBinaryArray&>(array);
      const int32_t width = fixed.byte_width();
      const uint8_t* bytes = fixed.raw_values();
      AddColumn(array, hashes, [bytes, width](size_t row) {
        return HashBytes(bytes + static_cast<int64_t>(row) * width, width);
      });
      return {};
    }
    case arrow::Type::DICTIONARY:
      return AddDictionary(static_cast<const arrow::DictionaryArray&>(array), hashes);
    case arrow::Type::STRUCT:
      return AddStruct(static_cast<const arrow::StructArray&>(array), hashes);
    case arrow::Type::LIST:
      return AddList(static_cast<const arrow::ListArray&>(array), hashes);
    default:
      return Unsupported("type {} cannot be hashed", array.type()->ToString());
  }
}

}  // namespace

Result<std::vector<uint64_t>> HashRows(const arrow::RecordBatch& batch,
                                       const std::vector<std::string>& columns) {
  RowHashes hashes;
  hashes.sums.assign(static_cast<size_t>(batch.num_rows()), kSeed);
  for (const std::string& name : columns) {
    const int at = batch.schema()->GetFieldIndex(name);
    if (at < 0) return NotFound("there is no column '{}' to hash", name);
    // Nulls count nothing. For a row or two, Arrow's objects are what a column costs.
    if (batch.column_data(at)->null_count == batch.num_rows()) continue;
    hashes.column = XXH3_64bits(name.data(), name.size());
    SLUICE_RETURN_IF_ERROR(AddArray(*batch.column(at), hashes), "column '{}'", name);
  }
  return std::move(hashes.sums);
}

}  // namespace sluice::columnar
