#pragma once
/// \file
/// The door to the Cap'n Proto compiler: texts in memory in, its schema tree out; its errors end
/// here.

#include <capnp/schema-parser.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/event/contract.h"
#include "sluice/event/internal/annotations.h"
#include "sluice/event/internal/scan.h"

namespace sluice::event::internal {

/// One thing wrong with a schema.
struct Problem {
  std::string file;
  Place place;
  std::string_view code;  ///< One of schema_codes.
  std::string message;
};

/// Puts all problems, by place, into one message: `file:line:column: SLnnnn: what`, one a line.
Error ToError(ErrorCode code, std::vector<Problem> problems);

/// The name of the file that `importer` means by `path`: "a/b.capnp" means "c.capnp" by
/// "../c.capnp", and so does any file by "/c.capnp". Empty if it leaves.
std::string ResolveName(std::string_view importer, std::string_view path);

/// The line that is not UTF-8, which a contract must be to be kept as JSON; 0 if there is none.
size_t FindBadLine(std::string_view text);

/// How large a text may be, with what it imports.
inline constexpr size_t kTextBytesMax = 1 << 20;

/// A compiled file. Its schemas live as long as it does.
struct CompiledText {
  std::shared_ptr<void> session;  ///< What the parser reads files from, should it look again.
  std::unique_ptr<capnp::SchemaParser> parser;
  capnp::ParsedSchema root;
  AnnotationNames annotations;
};

/// kInvalid: with all errors of the file and of those it imports. kNotFound: no such file.
Result<CompiledText> Compile(const SchemaFiles& files, std::string_view name);

}  // namespace sluice::event::internal
