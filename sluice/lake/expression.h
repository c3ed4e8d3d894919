#pragma once
/// \file
/// Expressions over the columns of a table: filters of scans, constraints, generated columns and
/// defaults, in the part of Spark's SQL that tables need (docs/reference/lake.md).

#include <arrow/type_fwd.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"

namespace sluice::lake {

namespace internal {
struct ExpressionNode;
}  // namespace internal

/// A parsed expression. Names are matched without regard to case; null is neither true nor false.
///
/// Immutable. Thread-safe.
class Expression {
 public:
  /// kInvalid: the text is no expression, with the position. kUnsupported: naming the function or
  /// the form that is not known here.
  static Result<Expression> Parse(std::string_view text);

  /// Returns one value for each row. kInvalid: a column is missing, types do not fit, or a value
  /// overflows.
  Result<std::shared_ptr<arrow::Array>> Evaluate(const arrow::RecordBatch& batch) const;

  /// Returns the batch's rows for which the expression is true.
  Result<columnar::Batch> Filter(const columnar::Batch& batch) const;

  /// Names of the (top-level) columns it needs, as the text spells them.
  std::set<std::string> columns() const;

  const std::string& text() const { return text_; }
  const internal::ExpressionNode& root() const { return *root_; }

 private:
  Expression(std::string text, std::shared_ptr<const internal::ExpressionNode> root)
      : text_(std::move(text)), root_(std::move(root)) {}

  std::string text_;
  std::shared_ptr<const internal::ExpressionNode> root_;
};

}  // namespace sluice::lake
