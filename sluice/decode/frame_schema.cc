#include <arrow/type.h>

#include <memory>

#include "sluice/decode/json_decoder.h"

namespace sluice::decode {

namespace {

// One object for all topics: that they are the same type is then seen by their address.
const std::shared_ptr<arrow::DataType>& TimeType() {
  static const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return type;
}

}  // namespace

std::shared_ptr<arrow::DataType> ArrowType(const event::Field& field) {
  switch (field.type) {
    case event::FieldType::kBool:
    case event::FieldType::kVoid:
      return arrow::boolean();
    case event::FieldType::kInt8:
      return arrow::int8();
    case event::FieldType::kInt16:
    case event::FieldType::kUInt8:
      return arrow::int16();
    case event::FieldType::kInt32:
    case event::FieldType::kUInt16:
      return arrow::int32();
    case event::FieldType::kInt64:
    case event::FieldType::kUInt32:
      return arrow::int64();
    case event::FieldType::kUInt64:
      return arrow::decimal128(20, 0);
    case event::FieldType::kFloat32:
      return arrow::float32();
    case event::FieldType::kFloat64:
      return arrow::float64();
    case event::FieldType::kData:
      return arrow::binary();
    case event::FieldType::kTimestamp:
      return TimeType();
    case event::FieldType::kDecimal:
      return arrow::decimal128(field.precision, field.scale);
    case event::FieldType::kList:
      return arrow::list(arrow::field("element", ArrowType(field.children.at(0))));
    case event::FieldType::kStruct: {
      arrow::FieldVector fields;
      for (const event::Field& child : field.children) {
        fields.push_back(arrow::field(child.column, ArrowType(child)));
      }
      return arrow::struct_(std::move(fields));
    }
    case event::FieldType::kText:
    case event::FieldType::kEnum:
    case event::FieldType::kUuid:
    case event::FieldType::kWhich:
      break;
  }
  return arrow::utf8();
}

columnar::Schema FrameSchema(const event::Contract& contract) {
  static const auto id = arrow::fixed_size_binary(16);
  const auto& time = TimeType();
  arrow::FieldVector fields;
  for (const event::Field& field : contract.fields) {
    fields.push_back(arrow::field(field.column, ArrowType(field)));
  }
  // The order of internal::EnvelopeColumn.
  fields.push_back(arrow::field("event_time", time));
  fields.push_back(arrow::field("_id", id));
  fields.push_back(arrow::field("_published_at", time));
  fields.push_back(arrow::field("_producer", arrow::utf8()));
  fields.push_back(arrow::field("_epoch", arrow::int64()));
  fields.push_back(arrow::field("_sequence", arrow::int64()));
  fields.push_back(arrow::field("_domain", arrow::utf8()));
  fields.push_back(arrow::field("_entity", arrow::utf8()));
  fields.push_back(arrow::field("_name", arrow::utf8()));
  fields.push_back(arrow::field("_metadata", arrow::utf8()));
  fields.push_back(arrow::field("_event_id", arrow::utf8()));
  fields.push_back(arrow::field("_schema_version", arrow::int32()));
  fields.push_back(arrow::field("_extra", arrow::utf8()));
  return arrow::schema(std::move(fields));
}

}  // namespace sluice::decode
