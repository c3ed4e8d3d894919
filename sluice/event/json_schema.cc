// CompileJsonSchema(), and which compiler a file's name asks for.

#include <algorithm>
#include <utility>

#include "sluice/event/contract.h"
#include "sluice/event/internal/json_translator.h"
#include "sluice/event/internal/problems.h"
#include "sluice/event/internal/schema_text.h"

namespace sluice::event {

Result<std::vector<Contract>> CompileJsonSchema(const SchemaFiles& files, std::string_view name) {
  const auto found = files.find(std::string(name));
  if (found == files.end()) return NotFound("schema file '{}'", name);
  internal::Problems problems(found->first);
  size_t bytes = 0;
  for (const auto& [file, text] : files) bytes += file.ends_with(".json") ? text.size() : 0;
  std::vector<Contract> contracts;
  if (found->second.size() > internal::kTextBytesMax || bytes > internal::kTextsBytesMax) {
    problems.Add({}, schema_codes::kLimit, "more than {} bytes of text in it, or {} in all",
                 internal::kTextBytesMax, internal::kTextsBytesMax);
  } else if (const size_t line = internal::FindBadLine(found->second); line > 0) {
    problems.Add({line, 1}, schema_codes::kSyntax, "the line is not UTF-8");
  } else if (auto contract = internal::JsonTranslator(files, found->first, problems).Translate()) {
    contract->source = found->second;
    contracts.push_back(std::move(*contract));
  }
  if (!problems.empty()) return std::move(problems).Take();
  return contracts;
}

bool IsSchemaFile(std::string_view name) {
  return name.ends_with(".capnp") || name.ends_with(".json");
}

Result<std::vector<Contract>> CompileSchema(const SchemaFiles& files, std::string_view name) {
  if (name.ends_with(".json")) return CompileJsonSchema(files, name);
  if (name.ends_with(".capnp")) return CompileCapnp(files, name);
  return Invalid("'{}': a schema's file name ends with .capnp or .json", name);
}

}  // namespace sluice::event
