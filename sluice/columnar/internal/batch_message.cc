#include "sluice/columnar/internal/batch_message.h"

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

namespace sluice::columnar::internal {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

/// FieldNode of the format.
struct Node {
  int64_t length;
  int64_t null_count;
};
/// Buffer of the format.
struct Extent {
  int64_t offset;
  int64_t length;
};
struct Piece {
  const uint8_t* data;
  int64_t size;
};

int64_t RoundUp8(int64_t size) { return (size + 7) / 8 * 8; }
int64_t BitmapBytes(int64_t rows) { return (rows + 7) / 8; }

/// What stands before the vectors of a message: all of a flatbuffer but these has one form, so its
/// tables are laid out here once and for all. Offsets count from where they stand; a table begins
/// with the distance back to its list of fields, which has the sizes of both and the place of each.
struct Metadata {
  uint32_t continuation = 0xFFFFFFFF;  // Before the flatbuffer, as is the next.
  int32_t flatbuffer_bytes = 0;

  uint32_t root = 16;  // At 0 of the flatbuffer.
  uint16_t message_fields[6] = {12, 24, 16, 18, 4, 8};
  int32_t message_to_fields = 12;  // At 16.
  uint32_t header = 32;            // At 20: the batch's table is at 52.
  int64_t body_bytes = 0;          // At 24.
  int16_t version = 4;             // At 32: V5.
  uint8_t header_type = 3;         // At 34: a record batch.
  uint8_t padding[5] = {};

  uint16_t batch_fields[5] = {10, 20, 4, 12, 16};  // At 40.
  uint16_t batch_padding = 0;
  int32_t batch_to_fields = 12;  // At 52.
  int64_t rows = 0;              // At 56.
  uint32_t nodes = 12;           // At 64: the vector is at 76.
  uint32_t buffers = 0;          // At 68.
  uint32_t nodes_padding = 0;
  uint32_t node_count = 0;  // At 76.
};
static_assert(sizeof(Metadata) == 8 + 80);
constexpr int64_t kFlatbufferBytes = 80;

class Collector {
 public:
  explicit Collector(int columns) {
    nodes_.reserve(static_cast<size_t>(columns));
    pieces_.reserve(static_cast<size_t>(columns) * 3);
  }

  /// False: this is not known here.
  bool Add(const arrow::ArrayData& array) {
    if (array.offset != 0) return false;
    const int64_t nulls = array.GetNullCount();
    nodes_.push_back({array.length, nulls});
    if (nulls == 0) {
      pieces_.push_back({nullptr, 0});
    } else if (!AddBuffer(array, 0, BitmapBytes(array.length))) {
      return false;
    }
    switch (array.type->id()) {
      case arrow::Type::BOOL:
        return AddBuffer(array, 1, BitmapBytes(array.length));
      case arrow::Type::STRING:
      case arrow::Type::BINARY: {
        const int32_t* const offsets = AddOffsets(array);
        return offsets != nullptr && AddBuffer(array, 2, offsets[array.length]);
      }
      case arrow::Type::STRUCT:
        for (const auto& child : array.child_data) {
          if (child->length != array.length || !Add(*child)) return false;
        }
        return true;
      case arrow::Type::LIST: {
        const int32_t* const offsets = AddOffsets(array);
        const arrow::ArrayData& values = *array.child_data[0];
        return offsets != nullptr && values.length == offsets[array.length] && Add(values);
      }
      case arrow::Type::FIXED_SIZE_BINARY:
      case arrow::Type::DECIMAL128:
      case arrow::Type::DECIMAL256:
        return AddBuffer(array, 1, array.length * array.type->byte_width());
      default:
        return arrow::is_primitive(array.type->id()) &&
               AddBuffer(array, 1, array.length * array.type->byte_width());
    }
  }

  std::string Message(int64_t rows) const {
    std::vector<Extent> extents;
    extents.reserve(pieces_.size());
    int64_t body = 0;
    for (const Piece& piece : pieces_) {
      extents.push_back({body, piece.size});
      body += RoundUp8(piece.size);
    }
    const auto node_bytes = static_cast<int64_t>(nodes_.size() * sizeof(Node));
    const auto extent_bytes = static_cast<int64_t>(extents.size() * sizeof(Extent));
    Metadata metadata;
    metadata.flatbuffer_bytes =
        static_cast<int32_t>(kFlatbufferBytes + node_bytes + 8 + extent_bytes);
    metadata.body_bytes = body;
    metadata.rows = rows;
    metadata.node_count = static_cast<uint32_t>(nodes_.size());
    // So that its elements, behind its length, are aligned to eight bytes.
    metadata.buffers = static_cast<uint32_t>(kFlatbufferBytes + node_bytes + 4 - 68);

    std::string bytes;
    bytes.reserve(static_cast<size_t>(8 + metadata.flatbuffer_bytes + body));
    const auto append = [&bytes](const void* data, int64_t size) {
      bytes.append(static_cast<const char*>(data), static_cast<size_t>(size));
    };
    append(&metadata, sizeof(metadata));
    append(nodes_.data(), node_bytes);
    const uint32_t before_extents[2] = {0, static_cast<uint32_t>(extents.size())};
    append(before_extents, sizeof(before_extents));
    append(extents.data(), extent_bytes);
    for (const Piece& piece : pieces_) {
      if (piece.size > 0) append(piece.data, piece.size);
      bytes.append(static_cast<size_t>(RoundUp8(piece.size) - piece.size), '\0');
    }
    return bytes;
  }

 private:
  bool AddBuffer(const arrow::ArrayData& array, size_t which, int64_t size) {
    const auto& buffer = array.buffers[which];
    if (size > 0 && (buffer == nullptr || buffer->size() < size)) return false;
    pieces_.push_back({size > 0 ? buffer->data() : nullptr, size});
    return true;
  }
  /// Null: they do not begin with 0.
  const int32_t* AddOffsets(const arrow::ArrayData& array) {
    static constexpr int32_t kNone = 0;
    if (array.length == 0) {  // Of a list whose rows are all empty; it may have no memory at all.
      pieces_.push_back({reinterpret_cast<const uint8_t*>(&kNone), sizeof(kNone)});
      return &kNone;
    }
    if (!AddBuffer(array, 1, (array.length + 1) * static_cast<int64_t>(sizeof(int32_t)))) {
      return nullptr;
    }
    const auto* const offsets = array.GetValues<int32_t>(1);
    return offsets[0] == 0 ? offsets : nullptr;
  }

  std::vector<Node> nodes_;
  std::vector<Piece> pieces_;
};

}  // namespace

std::optional<std::string> BatchMessage(const arrow::RecordBatch& batch) {
  if (batch.num_rows() == 0 || batch.num_columns() == 0) return std::nullopt;
  Collector collector(batch.num_columns());
  for (int i = 0; i < batch.num_columns(); ++i) {
    if (!collector.Add(*batch.column_data(i))) return std::nullopt;
  }
  return collector.Message(batch.num_rows());
}

}  // namespace sluice::columnar::internal
