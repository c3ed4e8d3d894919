#include "sluice/event/internal/schema_text.h"

#include <kj/exception.h>
#include <simdjson.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <set>
#include <tuple>
#include <utility>

#include "sluice/base/diagnostic.h"

namespace sluice::event::internal {

namespace {

constexpr std::string_view kBuiltinName = "sluice.capnp";
constexpr size_t kProblemsShownMax = 50;

bool IsBuiltin(std::string_view name) {
  return name == kBuiltinName || name.ends_with("/sluice.capnp");
}

// What one compilation shares between its files.
struct Session {
  const SchemaFiles& files;
  std::vector<Problem> problems;
  size_t bytes_read = 0;
  std::set<std::string> imported;
};

class TextFile final : public capnp::SchemaFile {
 public:
  TextFile(Session& session, std::string name, std::string_view text)
      : session_(session), name_(std::move(name)), text_(text) {}

  kj::StringPtr getDisplayName() const override { return {name_.c_str(), name_.size()}; }
  kj::Array<const char> readContent() const override {
    // The compiler recurses as the text nests: what could exhaust the stack must not reach it.
    session_.bytes_read += text_.size();
    if (session_.bytes_read > kTextBytesMax) {
      Report({}, fmt::format("more than {} bytes of text, imports included", kTextBytesMax));
      return nullptr;
    }
    if (const auto place = FindTooDeep(Scan(text_))) {
      Report(*place, "brackets or dotted names go too deep");
      return nullptr;
    }
    return kj::heapArray<char>(text_.data(), text_.size());
  }
  kj::Maybe<kj::Own<SchemaFile>> import(kj::StringPtr path) const override {
    const std::string name = ResolveName(name_, {path.cStr(), path.size()});
    if (IsBuiltin(name)) {
      return kj::Own<SchemaFile>(
          kj::heap<TextFile>(session_, std::string(kBuiltinName), BuiltinSchema()));
    }
    const auto found = session_.files.find(name);
    if (found == session_.files.end()) return nullptr;
    session_.imported.insert(name);
    return kj::Own<SchemaFile>(kj::heap<TextFile>(session_, name, found->second));
  }
  bool operator==(const SchemaFile& other) const override {
    const auto* text = dynamic_cast<const TextFile*>(&other);
    return text != nullptr && text->name_ == name_;
  }
  bool operator!=(const SchemaFile& other) const override { return !(*this == other); }
  size_t hashCode() const override { return std::hash<std::string>()(name_); }
  void reportError(SourcePos start, SourcePos /*end*/, kj::StringPtr message) const override {
    session_.problems.push_back({name_,
                                 {start.line + 1, start.column + 1},
                                 schema_codes::kSyntax,
                                 std::string(message.cStr(), message.size())});
  }

 private:
  void Report(Place place, std::string message) const {
    session_.problems.push_back({name_, place, schema_codes::kLimit, std::move(message)});
  }

  Session& session_;
  std::string name_;
  std::string_view text_;
};

// Parses nothing anew: a file that the compiler has seen is told by its name.
void NameAnnotations(Session& session, const std::string& name, CompiledText& compiled) {
  const auto parse = [&](const std::string& file, std::string_view text) {
    return compiled.parser->parseFile(kj::heap<TextFile>(session, file, text));
  };
  compiled.annotations.Add(parse(std::string(kBuiltinName), BuiltinSchema()), /*own=*/true);
  std::set<std::string> files = session.imported;
  files.insert(name);
  for (const std::string& file : files) {
    const auto found = session.files.find(file);
    if (found == session.files.end() || IsBuiltin(file)) continue;
    compiled.annotations.Add(parse(file, found->second), /*own=*/false);
  }
}

}  // namespace

std::string ResolveName(std::string_view importer, std::string_view path) {
  std::vector<std::string_view> parts;
  const auto append = [&parts](std::string_view text) {
    while (!text.empty()) {
      const size_t slash = text.find('/');
      const std::string_view part = text.substr(0, slash);
      text.remove_prefix(slash == text.npos ? text.size() : slash + 1);
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        if (parts.empty()) return false;
        parts.pop_back();
      } else {
        parts.push_back(part);
      }
    }
    return true;
  };
  if (!path.starts_with('/')) append(importer.substr(0, importer.rfind('/') + 1));
  if (!append(path)) return "";
  std::string out;
  for (const std::string_view part : parts) out.append(out.empty() ? "" : "/").append(part);
  return out;
}

size_t FindBadLine(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return 0;
  for (size_t line = 1;; ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (!simdjson::validate_utf8(text.data(), end)) return line;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Error ToError(ErrorCode code, std::vector<Problem> problems) {
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.file, a.place.line, a.place.column) <
           std::tie(b.file, b.place.line, b.place.column);
  });
  std::vector<Diagnostic> shown;
  for (size_t i = 0; i < std::min(problems.size(), kProblemsShownMax); ++i) {
    Problem& problem = problems[i];
    shown.push_back({.code = std::string(problem.code),
                     .message = std::move(problem.message),
                     .place = {.file = std::move(problem.file),
                               .line = static_cast<int>(problem.place.line),
                               .column = static_cast<int>(problem.place.column)},
                     .suggestion = {},
                     .notes = {}});
  }
  if (problems.size() > kProblemsShownMax) {
    shown.back().notes.push_back(fmt::format("and {} more", problems.size() - kProblemsShownMax));
  }
  return sluice::ToError(code, std::move(shown));
}

Result<CompiledText> Compile(const SchemaFiles& files, std::string_view name) {
  const auto found = files.find(std::string(name));
  if (!IsBuiltin(name) && found == files.end()) return NotFound("schema file '{}'", name);
  const std::string_view text = IsBuiltin(name) ? BuiltinSchema() : found->second;

  const auto shared = std::make_shared<Session>(Session{files, {}, 0, {}});
  Session& session = *shared;
  CompiledText compiled;
  compiled.session = shared;
  std::string thrown;
  try {
    compiled.parser = std::make_unique<capnp::SchemaParser>();
    compiled.root =
        compiled.parser->parseFile(kj::heap<TextFile>(session, std::string(name), text));
    // Nested nodes compile when first asked for; ask, so that all errors come now.
    if (session.problems.empty()) compiled.root.getAllNested();
    if (session.problems.empty()) NameAnnotations(session, std::string(name), compiled);
  } catch (const kj::Exception& e) {
    thrown = std::string(e.getDescription().cStr());
  } catch (const std::exception& e) {
    thrown = e.what();
  }
  if (session.problems.empty() && thrown.empty()) return compiled;
  if (session.problems.empty()) {
    session.problems.push_back({std::string(name), {}, schema_codes::kSyntax, std::move(thrown)});
  }
  for (const Place& place : FindDottedValues(Scan(text))) {
    session.problems.push_back(
        {std::string(name), place, schema_codes::kParentheses,
         "an annotation takes its value in parentheses: write $Sl.hash(hmacSha256)"});
  }
  return ToError(ErrorCode::kInvalid, std::move(session.problems));
}

}  // namespace sluice::event::internal
