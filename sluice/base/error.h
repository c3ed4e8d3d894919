#pragma once
/// \file
/// How every fallible function of Sluice reports failure.

#include <fmt/core.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/base/check.h"

namespace sluice {

/// What the caller can do about a failure. The message says what happened.
enum class ErrorCode : uint8_t {
  kInvalid,      ///< The input is wrong: change it.
  kNotFound,     ///< The named thing does not exist.
  kDenied,       ///< The caller may not do this.
  kConflict,     ///< Another writer won: read again, then retry.
  kUnavailable,  ///< A resource is down or full: retry later.
  kUnsupported,  ///< The thing is valid, but this program cannot do it.
  kCorrupt,      ///< Stored bytes are not what was written: stop and tell an operator.
  kInternal,     ///< A bug in Sluice.
};

/// Returns the word that ends a message, such as "conflict".
std::string_view ToString(ErrorCode code);

struct Diagnostic;  // base/diagnostic.h

/// A failure: code and message, with context in front as it travels up.
///
/// Immutable but for Wrap(). Messages are lower case, without a full stop, and quote no user data.
class Error {
 public:
  Error(ErrorCode code, std::string message,
        std::shared_ptr<const std::vector<Diagnostic>> diagnostics = nullptr)
      : code_(code), message_(std::move(message)), diagnostics_(std::move(diagnostics)) {}

  template <typename... Args>
  static Error Of(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
    return Error(code, fmt::format(format, std::forward<Args>(args)...));
  }

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  /// The mistakes that the message lists, where they are in a user's file; else nullptr.
  const std::shared_ptr<const std::vector<Diagnostic>>& diagnostics() const { return diagnostics_; }

  /// Puts `context` and ": " in front of the message.
  Error Wrap(std::string_view context) && {
    message_.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }

  /// Returns "message (code)".
  std::string ToString() const { return fmt::format("{} ({})", message_, sluice::ToString(code_)); }

 private:
  ErrorCode code_;
  std::string message_;
  std::shared_ptr<const std::vector<Diagnostic>> diagnostics_;
};

template <typename... Args>
Error Invalid(fmt::format_string<Args...> f, Args&&... args) {
  return Error::Of(ErrorCode::kInvalid, f, std::forward<Args>(args)...);
}
template <typename... Args>
Error NotFound(fmt::format_string<Args...> f, Args&&... args) {
  return Error::Of(ErrorCode::kNotFound, f, std::forward<Args>(args)...);
}
template <typename... Args>
Error Denied(fmt::format_string<Args...> f, Args&&... args) {
  return Error::Of(ErrorCode::kDenied, f, std::forward<Args>(args)...);
}
template <typename... Args>
Error Conflict(fmt::format_string<Args...> f, Args&&... args) {
  return Error::Of(ErrorCode::kConflict, f, std::forward<Args>(args)...);
}
template <typename... Args>
Error Unavailable(fmt::format_string<Args...> f, Args&&... args) {
  return Error::Of(ErrorCode::kUnavailable, f, std::forward<Args>(args)...);
}
template <typename... Args>
Error Unsupported(fmt::format_string<Args...> f, Args&&... args) {
  return Error::Of(ErrorCode::kUnsupported, f, std::forward<Args>(args)...);
}
template <typename... Args>
Error Corrupt(fmt::format_string<Args...> f, Args&&... args) {
  return Error::Of(ErrorCode::kCorrupt, f, std::forward<Args>(args)...);
}
template <typename... Args>
Error Internal(fmt::format_string<Args...> f, Args&&... args) {
  return Error::Of(ErrorCode::kInternal, f, std::forward<Args>(args)...);
}

/// Success, or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::make_unique<Error>(std::move(error))) {}  // NOLINT
  Status(Status&&) = default;
  Status& operator=(Status&&) = default;
  Status(const Status& other)
      : error_(other.error_ ? std::make_unique<Error>(*other.error_) : nullptr) {}
  Status& operator=(const Status& other) { return *this = Status(other); }

  bool ok() const { return error_ == nullptr; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& {
    SLUICE_CHECK(error_ != nullptr);
    return *error_;
  }
  Error error() && {
    SLUICE_CHECK(error_ != nullptr);
    return std::move(*error_);
  }

 private:
  std::unique_ptr<Error> error_;
};

/// A T, or the Error why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}                 // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}             // NOLINT
  Result(Status status) : state_(std::in_place_index<1>, std::move(status).error()) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  T& value() {
    SLUICE_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    SLUICE_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const Error& error() const& {
    SLUICE_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }
  Error error() && {
    SLUICE_CHECK(!ok());
    return std::move(*std::get_if<1>(&state_));
  }
  Status status() const { return ok() ? Status() : Status(error()); }

 private:
  std::variant<T, Error> state_;
};

namespace internal {
inline Error Contextualise(Error error) { return error; }
template <typename... Args>
Error Contextualise(Error error, fmt::format_string<Args...> format, Args&&... args) {
  return std::move(error).Wrap(fmt::format(format, std::forward<Args>(args)...));
}
}  // namespace internal

}  // namespace sluice

#define SLUICE_CONCAT_(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_(a, b)

/// Returns the error of `expr`, if it has one. What follows is a format string and its arguments:
/// the context to put in front of the message.
#define SLUICE_RETURN_IF_ERROR(expr, ...)                                \
  do {                                                                   \
    if (auto sluice_status_ = (expr); !sluice_status_.ok()) {            \
      return ::sluice::internal::Contextualise(                          \
          std::move(sluice_status_).error() __VA_OPT__(, ) __VA_ARGS__); \
    }                                                                    \
  } while (false)

#define SLUICE_ASSIGN_OR_RETURN_(temporary, target, expr, ...)                           \
  auto temporary = (expr);                                                               \
  if (!temporary.ok()) {                                                                 \
    return ::sluice::internal::Contextualise(std::move(temporary).error() __VA_OPT__(, ) \
                                                 __VA_ARGS__);                           \
  }                                                                                      \
  target = std::move(*temporary)

/// Assigns the value of the Result `expr` to `target`, or returns its error with the context given.
#define SLUICE_ASSIGN_OR_RETURN(target, ...) \
  SLUICE_ASSIGN_OR_RETURN_(SLUICE_CONCAT(sluice_result_, __LINE__), target, __VA_ARGS__)
