#include "sluice/ingest/internal/error_rows.h"

#include <memory>
#include <unordered_map>
#include <utility>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::ingest::internal {

using columnar::Batch;
using columnar::FromArrow;

Status ErrorRows::Add(std::string_view state, std::optional<int64_t> of,
                      const decode::RowError& error, std::string_view shape,
                      const std::string& sealed, const privacy::Hash128& id) {
  const auto text = [](arrow::StringBuilder& into, std::string_view value) {
    return FromArrow(value.empty() ? into.AppendNull() : into.Append(value));
  };
  SLUICE_RETURN_IF_ERROR(text(state_, state));
  SLUICE_RETURN_IF_ERROR(FromArrow(of ? of_.Append(*of) : of_.AppendNull()));
  SLUICE_RETURN_IF_ERROR(text(topic_name_, error.topic));
  SLUICE_RETURN_IF_ERROR(text(code_, error.code));
  SLUICE_RETURN_IF_ERROR(text(path_, error.path));
  SLUICE_RETURN_IF_ERROR(text(message_, error.message));
  SLUICE_RETURN_IF_ERROR(FromArrow(of ? row_.AppendNull() : row_.Append(error.row)));
  SLUICE_RETURN_IF_ERROR(text(shape_, shape));
  SLUICE_RETURN_IF_ERROR(FromArrow(id == privacy::Hash128{}
                                       ? id_.AppendNull()
                                       : id_.Append(reinterpret_cast<const uint8_t*>(&id))));
  return FromArrow(sealed.empty() ? payload_.AppendNull() : payload_.Append(sealed));
}

Result<Batch> ErrorRows::Finish(os::Timestamp now) {
  std::unordered_map<std::string, std::shared_ptr<arrow::Array>> made;
  const auto finish = [&](const char* name, arrow::ArrayBuilder& builder) -> Status {
    SLUICE_ASSIGN_OR_RETURN(made[name], FromArrow(builder.Finish()));
    return {};
  };
  SLUICE_RETURN_IF_ERROR(finish("state", state_));
  SLUICE_RETURN_IF_ERROR(finish("error_offset", of_));
  SLUICE_RETURN_IF_ERROR(finish("topic", topic_name_));
  SLUICE_RETURN_IF_ERROR(finish("code", code_));
  SLUICE_RETURN_IF_ERROR(finish("path", path_));
  SLUICE_RETURN_IF_ERROR(finish("message", message_));
  SLUICE_RETURN_IF_ERROR(finish("row_number", row_));
  SLUICE_RETURN_IF_ERROR(finish("shape", shape_));
  SLUICE_RETURN_IF_ERROR(finish("payload", payload_));
  SLUICE_RETURN_IF_ERROR(finish("_id", id_));
  const int64_t rows = made["state"]->length();
  arrow::ArrayVector columns;
  for (const auto& field : topic_.frame_schema->fields()) {
    std::shared_ptr<arrow::Array> column;
    if (const auto found = made.find(field->name()); found != made.end()) {
      column = found->second;
    } else if (field->name() == "event_time") {
      SLUICE_ASSIGN_OR_RETURN(
          column,
          FromArrow(arrow::MakeArrayFromScalar(
              arrow::TimestampScalar(now.time_since_epoch().count(), field->type()), rows)));
    } else if (field->name() == "_schema_version") {
      SLUICE_ASSIGN_OR_RETURN(column, FromArrow(arrow::MakeArrayFromScalar(
                                          arrow::Int32Scalar(topic_.contract().version), rows)));
    } else {
      SLUICE_ASSIGN_OR_RETURN(column, FromArrow(arrow::MakeArrayOfNull(field->type(), rows)));
    }
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(topic_.frame_schema, rows, std::move(columns));
}

}  // namespace sluice::ingest::internal
