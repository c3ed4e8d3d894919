#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/compression.h>

#include <span>

#include "fuzz/targets.h"
#include "sluice/duck/change_plan.h"
#include "sluice/sql/internal/change_reader.h"
#include "sluice/sql/internal/read_rows.h"
#include "sluice/worker/internal/messages.h"

namespace sluice::fuzz {

namespace {

using namespace worker::internal;  // NOLINT: all of it is what is fuzzed here.

/// What was understood, written again, says the same.
template <typename Message>
bool RoundTrip(std::string_view input) {
  Message message;
  if (!Understood(Decode(input, message))) return false;
  const std::string written = Encode(message);
  Message again;
  SLUICE_CHECK(Decode(written, again).ok());
  SLUICE_CHECK(Encode(again) == written);
  return true;
}

bool RunMessage(std::string_view input) {
  bool any = RoundTrip<duck::RelationName>(input);
  any |= RoundTrip<os::Confined>(input);
  any |= RoundTrip<End>(input);
  any |= RoundTrip<Start>(input);
  any |= RoundTrip<worker::Query>(input);
  BytesHead head;
  std::string_view rest;
  if (Understood(Decode(input, head, rest))) {
    any = true;
    SLUICE_CHECK(rest.empty() || (rest.data() >= input.data() &&
                                  rest.data() + rest.size() <= input.data() + input.size()));
  }
  RelationAnswer answer;
  if (Understood(Decode(input, answer))) {
    any = true;
    if (answer.found) SLUICE_CHECK(answer.relation.schema != nullptr);
  }
  return any;
}

/// Counts what it is told.
class CountedEdits final : public lake::RowEdits {
 public:
  Status Delete(std::span<const lake::RowPlace> places) override {
    deleted += places.size();
    return {};
  }
  Status Update(std::span<const lake::RowPlace> places, const columnar::Batch& values) override {
    SLUICE_CHECK(places.size() == static_cast<size_t>(values->num_rows()));
    SLUICE_CHECK(values->ValidateFull().ok());
    updated += places.size();
    return {};
  }
  Status Insert(const columnar::Batch& rows) override {
    SLUICE_CHECK(rows->ValidateFull().ok());
    inserted += static_cast<size_t>(rows->num_rows());
    return {};
  }
  void LooksAtTable() override {}

  bool operator==(const CountedEdits& other) const {
    return deleted == other.deleted && updated == other.updated && inserted == other.inserted;
  }

  size_t deleted = 0;
  size_t updated = 0;
  size_t inserted = 0;
};

Status ReadChanges(const std::vector<std::string_view>& pieces, lake::EditKind kind,
                   CountedEdits& edits) {
  sql::internal::ChangeReader reader(
      kind, edits, [](const columnar::Batch& values, bool) { return Result(values); }, 1 << 20);
  for (const std::string_view piece : pieces) {
    SLUICE_RETURN_IF_ERROR(reader.Write(piece, std::nullopt, os::Monotonic::max()));
  }
  return reader.Finish();
}

bool RunChanges(std::string_view input) {
  bool any = false;
  for (const auto kind : {lake::EditKind::kMerge, lake::EditKind::kUpdate}) {
    CountedEdits whole;
    CountedEdits cut;
    const Status read = ReadChanges({input}, kind, whole);
    const Status read_cut = ReadChanges(Pieces(input), kind, cut);
    SLUICE_CHECK(read.ok() == read_cut.ok());
    if (read.ok()) SLUICE_CHECK(whole == cut);
    any |= Understood(read);
  }
  return any;
}

/// Rows of an answer are read where they lie: nothing of them may lead elsewhere.
bool RunRows(std::string_view input) {
  const auto rows = sql::internal::ReadArrowStream(std::string(input));
  if (!Understood(rows)) return false;
  for (const columnar::Batch& batch : rows->batches) SLUICE_CHECK(batch->ValidateFull().ok());
  size_t bytes = 0;
  for (const std::string& text : sql::internal::FirstTexts(*rows)) bytes += text.size();
  SLUICE_CHECK(bytes < SIZE_MAX);
  return true;
}

std::string Stream(const columnar::Batch& batch, bool compressed) {
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  if (compressed) options.codec = arrow::util::Codec::Create(arrow::Compression::ZSTD).ValueOrDie();
  const auto output = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto writer = arrow::ipc::MakeStreamWriter(output, batch->schema(), options).ValueOrDie();
  SLUICE_CHECK(writer->WriteRecordBatch(*batch).ok() && writer->WriteRecordBatch(*batch).ok());
  SLUICE_CHECK(writer->Close().ok());
  return output->Finish().ValueOrDie()->ToString();
}

columnar::Batch Changes() {
  using Kind = duck::ChangeAction::Kind;
  const duck::ChangePlan plan{.actions = {{.kind = Kind::kUpdate, .columns = {"a"}},
                                          {.kind = Kind::kDelete, .columns = {}},
                                          {.kind = Kind::kInsert, .columns = {"a", "b"}}}};
  arrow::Int32Builder files;
  arrow::Int64Builder places;
  arrow::Int32Builder actions;
  arrow::StringBuilder texts;
  arrow::Int64Builder numbers;
  for (int32_t row = 0; row < 30; ++row) {
    arrow::Status status;
    if (row % 3 == 2) {
      status &= files.AppendNull() & places.AppendNull();
    } else {
      status &= files.Append(row % 4) & places.Append(row);
    }
    status &= actions.Append(row % 3) & texts.Append(std::string(static_cast<size_t>(row), 'x'));
    status &= numbers.Append(row);
    SLUICE_CHECK(status.ok());
  }
  const auto text = texts.Finish().ValueOrDie();
  const auto schema = plan.Mark(
      arrow::schema({arrow::field("f", arrow::int32()), arrow::field("r", arrow::int64()),
                     arrow::field("k", arrow::int32()), arrow::field("a", arrow::utf8()),
                     arrow::field("a", arrow::utf8()), arrow::field("b", arrow::int64())}));
  return arrow::RecordBatch::Make(
      schema, 30,
      {files.Finish().ValueOrDie(), places.Finish().ValueOrDie(), actions.Finish().ValueOrDie(),
       text, text, numbers.Finish().ValueOrDie()});
}

columnar::Batch Texts(size_t bytes) {
  arrow::StringBuilder texts;
  for (int row = 0; row < 8; ++row) SLUICE_CHECK(texts.Append(std::string(bytes, 'y')).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("t", arrow::utf8())}), 8,
                                  {texts.Finish().ValueOrDie()});
}

}  // namespace

std::vector<Target> WorkerTargets() {
  std::vector<Target> targets;
  RelationAnswer answer;
  answer.found = true;
  answer.relation.schema_name = "bronze";
  answer.relation.name = "t";
  answer.relation.schema = Changes()->schema();
  answer.relation.files = {"a", "b"};
  answer.memories = {{.number = 1, .size = 4096}};
  answer.batches = {{.memory = 0, .offset = 64, .size = 100}};
  worker::Query query{.sql = "SELECT 1"};
  query.parameters["a"] = int64_t{1};
  query.parameters["b"] = std::string("x");
  query.parameters["c"] = true;
  End end;
  end.error = Invalid("no such column");
  end.diagnosis = {.code = "SL2101", .place = {.line = 1, .column = 2}, .suggestion = "x"};
  duck::RelationName name;
  name.schema = "bronze";
  name.name = "t";
  name.arguments.insert({"version", "3"});
  targets.push_back(
      {.name = "worker-message",
       .corpus = {Encode(Start{.files_folders = {"/a", "/b"}, .temporary_folder = "/t"}),
                  Encode(query), Encode(name), *Encode(answer), Encode(os::Confined{}),
                  Encode(BytesHead{.rows = 3, .whole_rows = true}, "bytes"), Encode(end)},
       .words = {std::string(4, '\xFF'), std::string(8, '\xFF'), std::string(8, '\0'),
                 std::string("\x01\0\0\0", 4), std::string("\0\0\0\0\0\0\0\x80", 8)},
       .run = RunMessage});
  const std::vector<std::string> words = {std::string(4, '\xFF'),
                                          std::string(8, '\0'),
                                          std::string(8, '\xFF'),
                                          "sluice.actions",
                                          "DUI",
                                          std::string("\0\0\0\x80", 4)};
  targets.push_back({.name = "worker-changes",
                     .corpus = {Stream(Changes(), false), Stream(Changes(), true)},
                     .words = words,
                     .run = RunChanges,
                     .cost = 2});
  targets.push_back(
      {.name = "worker-rows",
       .corpus = {Stream(Texts(5), false), Stream(Texts(100), true), Stream(Changes(), false)},
       .words = words,
       .run = RunRows,
       .cost = 2});
  return targets;
}

}  // namespace sluice::fuzz
