// The commands of `sluice schema`.

#include <simdjson.h>

#include <cstdio>
#include <string>

#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/event/contract.h"
#include "sluice/event/infer.h"

namespace sluice::cli::internal {
namespace {

constexpr uint64_t kSchemaBytesMax = 1 << 20;

// The file's text and the name under which the server keeps it.
Result<std::string> ReadSchema(const std::string& file, std::string& name) {
  SLUICE_ASSIGN_OR_RETURN(std::string text, ReadInput(file));
  if (text.size() > kSchemaBytesMax) return Invalid("'{}' is larger than 1 MiB", file);
  name = file == "-" ? "schema.capnp" : file.substr(file.rfind('/') + 1);
  return text;
}

std::string Address(const std::string& topic) {
  return "/v1/admin/schemas/" + api::PercentEncode(topic);
}

}  // namespace

int ListSchemas(const Global& global) { return Print(global, "GET", "/v1/admin/schemas"); }

int AddSchema(const Global& global, const SchemaArguments& arguments) {
  std::string name;
  const auto text = ReadSchema(arguments.file, name);
  if (!text.ok()) return Fail(text.error());
  return Print(global, "POST", "/v1/admin/schemas?name=" + api::PercentEncode(name), *text);
}

int ShowSchema(const Global& global, const SchemaArguments& arguments) {
  if (arguments.builtin) {
    const std::string_view text = event::BuiltinSchema();
    std::fwrite(text.data(), 1, text.size(), stdout);
    return kDone;
  }
  if (arguments.topic.empty()) {
    Fail(Invalid("name a topic, or --builtin"));
    return kUsage;
  }
  const size_t at = arguments.topic.find('@');
  std::string target = Address(arguments.topic.substr(0, at));
  if (at != std::string::npos) {
    target += "?version=" + api::PercentEncode(arguments.topic.substr(at + 1));
  }
  if (global.output == "json") return Print(global, "GET", target);
  auto client = Client::Connect(global);
  if (!client.ok()) return Fail(client.error());
  const auto answer = client->Ask("GET", target, {}, {});
  if (!answer.ok()) return Fail(answer.error());
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view source;
  if (parser.parse(answer->body).get(root) != simdjson::SUCCESS ||
      root["source"].get(source) != simdjson::SUCCESS) {
    return Fail(Internal("the answer is no JSON with a schema"));
  }
  std::fwrite(source.data(), 1, source.size(), stdout);
  return kDone;
}

int ShowSchemaHistory(const Global& global, const SchemaArguments& arguments) {
  return Print(global, "GET", Address(arguments.topic) + "/history");
}

int DiffSchemas(const Global& global, const SchemaArguments& arguments) {
  std::string target =
      Address(arguments.topic) + "/diff?from=" + api::PercentEncode(arguments.from);
  if (!arguments.to.empty()) target += "&to=" + api::PercentEncode(arguments.to);
  return Print(global, "GET", target);
}

int CheckSchema(const Global& global, const SchemaArguments& arguments) {
  std::string name;
  const auto text = ReadSchema(arguments.file, name);
  if (!text.ok()) return Fail(text.error());
  // What is wrong with the text itself needs no server.
  const std::string shown = arguments.file == "-" ? name : arguments.file;
  const auto contracts = event::CompileCapnp({{shown, *text}}, shown);
  if (!contracts.ok()) {
    Fail(contracts.error());
    return kConfiguration;
  }
  auto client = Client::Connect(global);
  if (!client.ok()) return Fail(client.error());
  std::string target = "/v1/admin/schemas/check?name=" + api::PercentEncode(name);
  if (!arguments.level.empty()) target += "&level=" + arguments.level;
  const auto answer = client->Ask("POST", target, {}, *text);
  if (!answer.ok()) return Fail(answer.error());
  if (global.output == "table" || global.output.empty()) {
    PrintTable(answer->body);
  } else {
    std::fwrite(answer->body.data(), 1, answer->body.size(), stdout);
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  bool allowed = false;
  if (parser.parse(answer->body).get(root) != simdjson::SUCCESS ||
      root["allowed"].get(allowed) != simdjson::SUCCESS) {
    return Fail(Internal("the answer is no JSON"));
  }
  return allowed ? kDone : kConfiguration;
}

int InferSchema(const Global&, const SchemaArguments& arguments) {
  const auto rows = ReadInput(arguments.file);
  if (!rows.ok()) return Fail(rows.error());
  const auto text = event::InferSchema(*rows, arguments.topic);
  if (!text.ok()) {
    Fail(Error(text.error()).Wrap(arguments.file));
    return kRejected;
  }
  std::fwrite(text->data(), 1, text->size(), stdout);
  return kDone;
}

}  // namespace sluice::cli::internal
