#include "sluice/worker/internal/messages.h"

#include "sluice/worker/internal/wire.h"

namespace sluice::worker::internal {

namespace {

// No list in a message is longer: those from a worker are short, ours are bounded by descriptors.
constexpr uint32_t kListMax = 1u << 20;

Status Checked(const Decoder& in) {
  if (!in.AtEnd()) return Corrupt("a message of a query worker cannot be read");
  return {};
}

std::string Text(Decoder& in) { return std::string(in.GetText()); }

void Put(Encoder& out, const std::optional<Error>& error) {
  out.Put(error.has_value());
  if (!error) return;
  out.Put(error->code());
  out.Put(error->message());
}

std::optional<Error> GetError(Decoder& in) {
  if (!in.Get<bool>()) return std::nullopt;
  auto code = in.Get<ErrorCode>();
  if (code > ErrorCode::kInternal) code = ErrorCode::kInternal;
  return Error(code, Text(in));
}

void Put(Encoder& out, const SharedPart& part) {
  out.Put(part.memory);
  out.Put(part.offset);
  out.Put(part.size);
}

SharedPart GetPart(Decoder& in) {
  SharedPart part;
  part.memory = in.Get<uint32_t>();
  part.offset = in.Get<uint64_t>();
  part.size = in.Get<uint64_t>();
  return part;
}

template <typename List, typename PutOne>
void PutList(Encoder& out, const List& list, PutOne put) {
  out.Put(static_cast<uint32_t>(list.size()));
  for (const auto& item : list) put(item);
}

template <typename T, typename GetOne>
std::vector<T> GetList(Decoder& in, GetOne get) {
  std::vector<T> list;
  const auto count = in.Get<uint32_t>();
  for (uint32_t i = 0; i < count && i < kListMax && in.ok(); ++i) list.push_back(get());
  return list;
}

}  // namespace

std::string Encode(const Start& start) {
  Encoder out;
  PutList(out, start.files_folders, [&out](const std::string& folder) { out.Put(folder); });
  out.Put(start.temporary_folder);
  out.Put(start.memory_bytes_max);
  out.Put(start.temporary_bytes_max);
  out.Put(start.processor_seconds_max);
  out.Put(start.threads);
  return out.Take();
}

Status Decode(std::string_view bytes, Start& start) {
  Decoder in(bytes);
  start.files_folders = GetList<std::string>(in, [&in] { return Text(in); });
  start.temporary_folder = Text(in);
  start.memory_bytes_max = in.Get<uint64_t>();
  start.temporary_bytes_max = in.Get<uint64_t>();
  start.processor_seconds_max = in.Get<uint64_t>();
  start.threads = in.Get<int32_t>();
  return Checked(in);
}

std::string Encode(const Query& query) {
  Encoder out;
  out.Put(query.sql);
  out.Put(query.form);
  out.Put(query.asked);
  out.Put(static_cast<int64_t>(query.limits.time_max.count()));
  out.Put(query.limits.rows_max);
  out.Put(query.limits.bytes_max);
  out.Put(static_cast<uint32_t>(query.parameters.size()));
  for (const auto& [name, value] : query.parameters) {
    out.Put(name);
    out.Put(static_cast<uint8_t>(value.index()));
    std::visit(
        [&out](const auto& held) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(held)>, std::monostate>) {
            out.Put(held);
          }
        },
        value);
  }
  return out.Take();
}

Status Decode(std::string_view bytes, Query& query) {
  Decoder in(bytes);
  query.sql = Text(in);
  query.form = in.Get<Form>();
  query.asked = in.Get<Asked>();
  query.limits.time_max = std::chrono::milliseconds(in.Get<int64_t>());
  query.limits.rows_max = in.Get<int64_t>();
  query.limits.bytes_max = in.Get<uint64_t>();
  const auto count = in.Get<uint32_t>();
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    auto& value = query.parameters[Text(in)];
    switch (in.Get<uint8_t>()) {
      case 1:
        value = in.Get<bool>();
        break;
      case 2:
        value = in.Get<int64_t>();
        break;
      case 3:
        value = in.Get<double>();
        break;
      case 4:
        value = Text(in);
        break;
      default:
        break;
    }
  }
  return Checked(in);
}

std::string Encode(const duck::RelationName& name) {
  Encoder out;
  out.Put(name.schema);
  out.Put(name.name);
  out.Put(name.is_function);
  PutList(out, name.arguments, [&](const auto& argument) {
    out.Put(argument.first);
    out.Put(argument.second);
  });
  return out.Take();
}

Status Decode(std::string_view bytes, duck::RelationName& name) {
  Decoder in(bytes);
  name.schema = Text(in);
  name.name = Text(in);
  name.is_function = in.Get<bool>();
  using Argument = std::pair<std::string, std::string>;
  for (Argument& argument : GetList<Argument>(in, [&] {
         std::string key = Text(in);
         return Argument(std::move(key), Text(in));
       })) {
    name.arguments.insert(std::move(argument));
  }
  return Checked(in);
}

Result<std::string> Encode(const RelationAnswer& answer) {
  Encoder out;
  Put(out, answer.error);
  out.Put(answer.found);
  if (!answer.found) return out.Take();
  const duck::Relation& relation = answer.relation;
  out.Put(relation.schema_name);
  out.Put(relation.name);
  SLUICE_ASSIGN_OR_RETURN(const std::string schema, columnar::SerializeSchema(*relation.schema));
  out.Put(schema);
  std::string stored;
  if (relation.stored_schema != nullptr) {
    SLUICE_ASSIGN_OR_RETURN(stored, columnar::SerializeSchema(*relation.stored_schema));
  }
  out.Put(stored);
  out.Put(relation.match_field_ids);
  PutList(out, relation.files, [&](const std::string& file) { out.Put(file); });
  out.Put(relation.file_rows);
  PutList(out, answer.memories, [&](const RelationAnswer::Memory& memory) {
    out.Put(memory.number);
    out.Put(memory.size);
  });
  out.Put(answer.indexed_files.has_value());
  if (answer.indexed_files) Put(out, *answer.indexed_files);
  PutList(out, answer.batches, [&](const SharedPart& part) { Put(out, part); });
  return out.Take();
}

Status Decode(std::string_view bytes, RelationAnswer& answer) {
  Decoder in(bytes);
  answer.error = GetError(in);
  answer.found = in.Get<bool>();
  if (!answer.found) return Checked(in);
  duck::Relation& relation = answer.relation;
  relation.schema_name = Text(in);
  relation.name = Text(in);
  SLUICE_ASSIGN_OR_RETURN(relation.schema, columnar::DeserializeSchema(in.GetText()));
  if (const std::string_view stored = in.GetText(); !stored.empty()) {
    SLUICE_ASSIGN_OR_RETURN(relation.stored_schema, columnar::DeserializeSchema(stored));
  }
  relation.match_field_ids = in.Get<bool>();
  relation.files = GetList<std::string>(in, [&] { return Text(in); });
  relation.file_rows = in.Get<int64_t>();
  answer.memories = GetList<RelationAnswer::Memory>(in, [&] {
    RelationAnswer::Memory memory;
    memory.number = in.Get<uint64_t>();
    memory.size = in.Get<uint64_t>();
    return memory;
  });
  if (in.Get<bool>()) answer.indexed_files = GetPart(in);
  answer.batches = GetList<SharedPart>(in, [&] { return GetPart(in); });
  return Checked(in);
}

std::string Encode(const os::Confined& confined) {
  Encoder out;
  out.Put(static_cast<int32_t>(confined.landlock));
  out.Put(confined.seccomp);
  out.Put(static_cast<int32_t>(confined.threads));
  return out.Take();
}

Status Decode(std::string_view bytes, os::Confined& confined) {
  Decoder in(bytes);
  confined.landlock = in.Get<int32_t>();
  confined.seccomp = in.Get<bool>();
  confined.threads = in.Get<int32_t>();
  return Checked(in);
}

std::string Encode(const BytesHead& head, std::string_view bytes) {
  Encoder out;
  out.Put(head.rows);
  out.Put(head.whole_rows);
  return out.Take().append(bytes);
}

Status Decode(std::string_view bytes, BytesHead& head, std::string_view& rest) {
  Decoder in(bytes);
  head.rows = in.Get<int64_t>();
  head.whole_rows = in.Get<bool>();
  rest = in.Rest();
  return Checked(in);
}

std::string Encode(const End& end) {
  Encoder out;
  Put(out, end.error);
  out.Put(end.diagnosis.code);
  out.Put(static_cast<int32_t>(end.diagnosis.place.line));
  out.Put(static_cast<int32_t>(end.diagnosis.place.column));
  out.Put(static_cast<int32_t>(end.diagnosis.place.length));
  out.Put(end.diagnosis.suggestion);
  out.Put(end.rows);
  return out.Take();
}

Status Decode(std::string_view bytes, End& end) {
  Decoder in(bytes);
  end.error = GetError(in);
  end.diagnosis.code = Text(in);
  end.diagnosis.place.line = in.Get<int32_t>();
  end.diagnosis.place.column = in.Get<int32_t>();
  end.diagnosis.place.length = in.Get<int32_t>();
  end.diagnosis.suggestion = Text(in);
  end.rows = in.Get<int64_t>();
  return Checked(in);
}

}  // namespace sluice::worker::internal
