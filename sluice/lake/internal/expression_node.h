#pragma once
/// \file
/// The tree of an expression.

#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"

namespace sluice::lake::internal {

struct ExpressionNode {
  enum class Kind : uint8_t {
    kLiteral,  ///< `value`
    kColumn,   ///< `path`
    kCall,     ///< `name` of `arguments`
  };
  Kind kind = Kind::kLiteral;
  std::shared_ptr<arrow::Scalar> value = {};
  std::vector<std::string> path = {};  ///< The column, then members of structs.
  /// A function in lower case; operators by their sign (`<=`, `and`, `is null`, `in`, `like`,
  /// `cast`).
  std::string name = {};
  std::vector<ExpressionNode> arguments = {};
  std::shared_ptr<arrow::DataType> type = {};  ///< What `cast` makes.
};

/// kInvalid: no expression; kUnsupported: a function that is not known.
Result<ExpressionNode> ParseExpression(std::string_view text);

/// Whether there is a function of this name that takes so many arguments.
bool IsKnownFunction(std::string_view name, size_t arguments);

}  // namespace sluice::lake::internal
