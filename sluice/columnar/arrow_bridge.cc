#include "sluice/columnar/arrow_bridge.h"

#include <arrow/compute/initialize.h>

namespace sluice::columnar {

namespace {

ErrorCode CodeOf(arrow::StatusCode code) {
  switch (code) {
    case arrow::StatusCode::OutOfMemory:
    case arrow::StatusCode::IOError:
    case arrow::StatusCode::Cancelled:
      return ErrorCode::kUnavailable;
    case arrow::StatusCode::KeyError:
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::CapacityError:
    case arrow::StatusCode::IndexError:
    case arrow::StatusCode::SerializationError:
      return ErrorCode::kInvalid;
    case arrow::StatusCode::NotImplemented:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

Status FromArrow(const arrow::Status& status) {
  if (status.ok()) return {};
  return Error(CodeOf(status.code()), status.message());
}

Status InitializeCompute() {
  static const arrow::Status initialized = arrow::compute::Initialize();
  return FromArrow(initialized);
}

}  // namespace sluice::columnar
