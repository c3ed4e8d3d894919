#pragma once
/// \file
/// Commands that talk to a running server.

#include <simdjson.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/api/http_client.h"
#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/cli/internal/commands.h"

namespace sluice::cli::internal {

/// Asks who serves: the name of the project that a Sluice there serves. Nothing: no Sluice answers.
std::optional<std::string> AskProject(api::HttpClient& http);

/// A connection to the server that the flags or the project name.
class Client {
 public:
  /// Without --server: to the server of the project, wherever that serves now, else where the
  /// project file says. One of another project that answers there is refused, at the first request:
  /// kUnavailable.
  static Result<Client> Connect(const Global& global);

  /// Sends, and turns a problem answer into an error with its code and text.
  Result<api::Response> Ask(std::string_view method, std::string_view target,
                            const api::HttpClient::Fields& headers = {},
                            std::string_view body = {});

  /// Sends a POST, and hands the body of its answer on as it comes. Problem answers are returned as
  /// they are.
  Result<api::Response> Stream(std::string_view target, const api::HttpClient::Fields& headers,
                               std::string_view body, const api::HttpClient::Sink& sink);

 private:
  Client(api::ClientOptions options, std::string address, std::string token)
      : http_(std::make_unique<api::HttpClient>(std::move(options))),
        address_(std::move(address)),
        token_(std::move(token)) {}
  std::unique_ptr<api::HttpClient> http_;
  /// Looks, once, whether the server is that of the project.
  Status CheckProject();

  std::string address_;
  std::string token_;
  std::string project_ = {};  // That the server should have; empty: any.
};

/// Reads the diagnostics that a problem document carries.
std::vector<Diagnostic> ReadDiagnostics(simdjson::dom::element problem);

/// Reads a file, or standard input for "-".
Result<std::string> ReadInput(const std::string& path);

/// Prints an answer as --output says: a table on a terminal, else as it came. What is no table is
/// printed as it came.
void PrintAnswer(const Global& global, std::string_view body);

/// Prints lines of objects (NDJSON) in the form of --output: a table on a terminal.
void PrintLines(const Global& global, std::string_view lines);

/// Prints an answer as an aligned table.
void PrintTable(std::string_view json);

}  // namespace sluice::cli::internal
