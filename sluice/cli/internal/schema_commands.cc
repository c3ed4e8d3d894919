// The commands of `sluice schema`.

#include <simdjson.h>

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/base/json.h"
#include "sluice/base/percent.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/client.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/event/contract.h"
#include "sluice/event/infer.h"

namespace sluice::cli::internal {
namespace {

constexpr uint64_t kSchemaBytesMax = 1 << 20;

// The schema files of a command: those that it names, and what these import and stands beside them.
struct Sent {
  event::SchemaFiles files;        // By path.
  std::vector<std::string> named;  // Paths.
  bool only_text = false;          // From standard input, without a name.
};

Result<std::string> ReadSchema(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(std::string text, ReadInput(path));
  if (text.size() > kSchemaBytesMax) return Invalid("'{}' is larger than 1 MiB", path);
  return text;
}

// The texts between quotes that could be names of schema files beside this one.
std::vector<std::string> NamesIn(const std::string& text) {
  std::vector<std::string> names;
  for (size_t at = text.find('"'); at != text.npos; at = text.find('"', at + 1)) {
    const size_t end = text.find_first_of("\"#\n", at + 1);
    if (end == text.npos) break;
    std::string name = text.substr(at + 1, end - at - 1);
    if (event::IsSchemaFile(name) && name.find('/') == name.npos) names.push_back(std::move(name));
  }
  return names;
}

Result<Sent> ReadSchemas(const std::vector<std::string>& paths) {
  Sent sent;
  for (const std::string& path : paths) {
    SLUICE_ASSIGN_OR_RETURN(std::string text, ReadSchema(path));
    if (path == "-") {
      const size_t first = text.find_first_not_of(" \t\r\n");
      const bool json = first != text.npos && text[first] == '{';
      sent.named.emplace_back(json ? "schema.json" : "schema.capnp");
      sent.only_text = paths.size() == 1;
    } else {
      sent.named.push_back(path);
    }
    sent.files[sent.named.back()] = std::move(text);
  }
  if (sent.only_text) return sent;
  std::vector<std::string> open = sent.named;
  while (!open.empty()) {
    const std::string path = std::move(open.back());
    open.pop_back();
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    for (const std::string& name : NamesIn(sent.files[path])) {
      if (name == "sluice.capnp" || sent.files.contains(folder + name)) continue;
      auto text = ReadSchema(folder + name);
      if (!text.ok()) continue;  // The server may have it.
      sent.files[folder + name] = std::move(*text);
      open.push_back(folder + name);
    }
  }
  return sent;
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// What is wrong with the texts themselves, as the compiler says it, with places in the files as the
// command names them.
Status CompileSent(const Sent& sent) {
  event::SchemaFiles files;
  std::map<std::string, std::string> paths;
  for (const auto& [path, text] : sent.files) {
    files[NameOf(path)] = text;
    paths[NameOf(path)] = path;
  }
  std::vector<Diagnostic> mistakes;
  for (const std::string& path : sent.named) {
    const auto contracts = event::CompileSchema(files, NameOf(path));
    if (contracts.ok()) continue;
    if (DiagnosticsOf(contracts.error()).empty()) return contracts.error();
    for (Diagnostic mistake : DiagnosticsOf(contracts.error())) {
      const auto found = paths.find(mistake.place.file);
      if (found != paths.end()) mistake.place.file = found->second;
      mistakes.push_back(std::move(mistake));
    }
  }
  if (mistakes.empty()) return {};
  return ToError(ErrorCode::kInvalid, std::move(mistakes));
}

// What the server takes, behind `target`.
Result<std::string> Request(const Sent& sent, std::string& target) {
  if (sent.files.size() == 1) {
    const std::string& path = sent.files.begin()->first;
    if (!sent.only_text) {
      target += "?name=" + PercentEncode(NameOf(path));
    }
    return sent.files.begin()->second;
  }
  std::string body = "{\"files\":{";
  std::set<std::string> names;
  for (const auto& [path, text] : sent.files) {
    const std::string name = NameOf(path);
    if (!names.insert(name).second) {
      return Invalid("two files are named '{}'; the project keeps all in one folder", name);
    }
    if (names.size() > 1) body += ',';
    AppendJsonString(body, name);
    body += ':';
    AppendJsonString(body, text);
  }
  return body + "}}";
}

std::string Address(const std::string& topic) {
  return "/v1/admin/schemas/" + PercentEncode(topic);
}

}  // namespace

int ListSchemas(const Global& global) { return Print(global, "GET", "/v1/admin/schemas"); }

Result<std::string> SendSchemas(const Global& global, const std::vector<std::string>& files) {
  SLUICE_ASSIGN_OR_RETURN(const Sent sent, ReadSchemas(files));
  std::string target = "/v1/admin/schemas";
  SLUICE_ASSIGN_OR_RETURN(const std::string body, Request(sent, target));
  SLUICE_ASSIGN_OR_RETURN(Client client, Client::Connect(global));
  SLUICE_ASSIGN_OR_RETURN(api::Response answer, client.Ask("POST", target, {}, body));
  return std::move(answer.body);
}

int AddSchema(const Global& global, const SchemaArguments& arguments) {
  const auto answer = SendSchemas(global, arguments.files);
  if (!answer.ok()) return Fail(answer.error());
  PrintAnswer(global, *answer);
  return kDone;
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
    target += "?version=" + PercentEncode(arguments.topic.substr(at + 1));
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
  std::string target = Address(arguments.topic) + "/diff?from=" + PercentEncode(arguments.from);
  if (!arguments.to.empty()) target += "&to=" + PercentEncode(arguments.to);
  return Print(global, "GET", target);
}

int CheckSchema(const Global& global, const SchemaArguments& arguments) {
  const auto sent = ReadSchemas(arguments.files);
  if (!sent.ok()) return Fail(sent.error());
  // What is wrong with the texts themselves needs no server.
  if (const Status compiled = CompileSent(*sent); !compiled.ok()) {
    Fail(compiled.error());
    return kConfiguration;
  }
  std::string target = "/v1/admin/schemas/check";
  const auto body = Request(*sent, target);
  if (!body.ok()) return Fail(body.error());
  if (!arguments.level.empty()) {
    target += (sent->only_text || sent->files.size() > 1 ? "?level=" : "&level=") + arguments.level;
  }
  auto client = Client::Connect(global);
  if (!client.ok()) return Fail(client.error());
  const auto answer = client->Ask("POST", target, {}, *body);
  if (!answer.ok()) return Fail(answer.error());
  if (global.output.empty()) {
    PrintTable(answer->body);
  } else {
    PrintAnswer(global, answer->body);
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
