#include "sluice/lake/internal/merged_schema.h"

#include <arrow/api.h>

#include <algorithm>
#include <optional>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/type_widening.h"

namespace sluice::lake::internal {

namespace {

constexpr size_t kKindsMax = 10'000;

/// A type that one place of the schema has in some file.
struct Occurrence {
  const SchemaType* type;
  const std::string* file;
};

std::string NameOf(const SchemaType& type) {
  switch (type.kind) {
    case SchemaType::Kind::kStruct:
      return "a struct";
    case SchemaType::Kind::kArray:
      return "a list";
    case SchemaType::Kind::kMap:
      return "a map";
    case SchemaType::Kind::kPrimitive:
      break;
  }
  return type.name == "void" ? "nothing but null, of no type" : type.name;
}

bool IsVoid(const SchemaType& type) {
  return type.kind == SchemaType::Kind::kPrimitive && type.name == "void";
}

/// Not thread-safe.
class Merging {
 public:
  explicit Merging(MergedSchema::Merged& out) : out_(out) {}

  /// The fields of all structs, by name.
  Result<SchemaType> Structs(const std::vector<Occurrence>& all, const std::string& path) {
    SchemaType merged{.kind = SchemaType::Kind::kStruct};
    std::vector<std::string> names;
    std::map<std::string, std::vector<Occurrence>> fields;
    for (const Occurrence& one : all) {
      for (const SchemaField& field : one.type->fields) {
        auto& types = fields[field.name];
        if (types.empty()) names.push_back(field.name);
        types.push_back({&field.type, one.file});
      }
    }
    std::map<std::string, std::string> by_lower_case;
    for (const std::string& name : names) {
      const std::string place = path.empty() ? name : path + "." + name;
      const auto [other, is_new] = by_lower_case.emplace(LowerCase(name), name);
      if (!is_new) {
        return Invalid(
            "file '{}': column '{}' differs from '{}', which is there too, by case alone",
            *fields[name].front().file, place, other->second);
      }
      SchemaField field{.name = name};
      SLUICE_ASSIGN_OR_RETURN(auto type, Types(fields[name], place, field, ""));
      if (!type) {
        out_.left_out.push_back(place);
        continue;
      }
      field.type = std::move(*type);
      merged.fields.push_back(std::move(field));
    }
    return merged;
  }

 private:
  // `nearest` is the field in which the type is, and `inside` the way from it. Nothing: no file
  // says of which type it is.
  Result<std::optional<SchemaType>> Types(const std::vector<Occurrence>& all,
                                          const std::string& path, SchemaField& nearest,
                                          const std::string& inside) {
    const Occurrence& first = all.front();
    for (const Occurrence& one : all) {
      if (one.type->kind != first.type->kind || IsVoid(*one.type) != IsVoid(*first.type)) {
        return Mismatch(path, first, one);
      }
    }
    if (IsVoid(*first.type)) return std::optional<SchemaType>();
    switch (first.type->kind) {
      case SchemaType::Kind::kPrimitive:
        return Primitives(all, path, nearest, inside);
      case SchemaType::Kind::kStruct: {
        SLUICE_ASSIGN_OR_RETURN(SchemaType merged, Structs(all, path));
        if (merged.fields.empty()) return std::optional<SchemaType>();
        return std::optional(std::move(merged));
      }
      case SchemaType::Kind::kArray:
      case SchemaType::Kind::kMap:
        break;
    }
    SchemaType merged{.kind = first.type->kind};
    const bool is_map = merged.kind == SchemaType::Kind::kMap;
    for (size_t i = 0; i < first.type->inner.size(); ++i) {
      const char* const part = !is_map ? "element" : i == 0 ? "key" : "value";
      std::vector<Occurrence> inner;
      for (const Occurrence& one : all) inner.push_back({&one.type->inner[i], one.file});
      SLUICE_ASSIGN_OR_RETURN(auto type,
                              Types(inner, path + "." + part, nearest,
                                    inside.empty() ? std::string(part) : inside + "." + part));
      if (!type) {
        return Invalid("file '{}': column '{}.{}' has no type, only nulls", *first.file, path,
                       part);
      }
      merged.inner.push_back(std::move(*type));
    }
    return std::optional(std::move(merged));
  }

  Result<std::optional<SchemaType>> Primitives(const std::vector<Occurrence>& all,
                                               const std::string& path, SchemaField& nearest,
                                               const std::string& inside) {
    std::map<std::string, Occurrence> kinds;  // By name.
    for (const Occurrence& one : all) kinds.emplace(one.type->name, one);
    for (const auto& [name, widest] : kinds) {
      const bool is_widest = std::ranges::all_of(kinds, [&](const auto& other) {
        return other.first == name || CheckWider(other.first, name).ok();
      });
      if (!is_widest) continue;
      for (const auto& [narrower, one] : kinds) {
        if (narrower == name) continue;
        SLUICE_RETURN_IF_ERROR(NoteTypeChange(nearest, inside, narrower, name));
      }
      if (kinds.size() > 1) out_.widened.push_back(path);
      return std::optional(*widest.type);
    }
    for (const auto& [name, one] : kinds) {
      if (name != all.front().type->name && !CheckWider(all.front().type->name, name).ok() &&
          !CheckWider(name, all.front().type->name).ok()) {
        return Mismatch(path, all.front(), one);
      }
    }
    return Mismatch(path, kinds.begin()->second, kinds.rbegin()->second);
  }

  static Error Mismatch(const std::string& path, const Occurrence& one, const Occurrence& other) {
    return Invalid("file '{}': column '{}' is {}, but in file '{}' it is {}", *other.file, path,
                   NameOf(*other.type), *one.file, NameOf(*one.type));
  }

  MergedSchema::Merged& out_;
};

}  // namespace

Status MergedSchema::Add(const arrow::Schema& schema, const std::string& path) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) fields.push_back(field->WithNullable(true));
  std::string json = SchemaToJson(arrow::Schema(std::move(fields)));
  if (!known_.emplace(json, kinds_.size()).second) return {};
  if (kinds_.size() == kKindsMax) return Invalid("more than {} different schemas", kKindsMax);
  kinds_.emplace_back(std::move(json), path);
  return {};
}

Result<MergedSchema::Merged> MergedSchema::Merge() const {
  std::vector<SchemaType> schemas;
  schemas.reserve(kinds_.size());
  std::vector<Occurrence> all;
  for (const auto& [json, path] : kinds_) {
    SLUICE_ASSIGN_OR_RETURN(SchemaType schema, ParseSchemaTree(json), "file '{}'", path);
    schemas.push_back(std::move(schema));
    all.push_back({&schemas.back(), &path});
  }
  Merged merged;
  SLUICE_ASSIGN_OR_RETURN(merged.schema, Merging(merged).Structs(all, ""));
  return merged;
}

}  // namespace sluice::lake::internal
