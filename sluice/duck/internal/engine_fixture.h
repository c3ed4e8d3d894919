#pragma once
/// \file
/// For tests: an engine with its folders, and relations made of rows.

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sluice/columnar/parquet.h"
#include "sluice/duck/engine.h"

namespace sluice::duck::internal {

/// Keeps a result as text: a line a row, `|` between columns.
class TextSink final : public ResultSink {
 public:
  Status Begin(const columnar::Schema& schema) override {
    result_schema = schema;
    return {};
  }
  Status Add(const columnar::Batch& batch) override {
    rows += batch->num_rows();
    ++batches;
    for (int64_t row = 0; row < batch->num_rows() && rows <= 10'000; ++row) {
      for (int column = 0; column < batch->num_columns(); ++column) {
        if (column > 0) text += "|";
        text += (*batch->column(column)->GetScalar(row))->ToString();
      }
      text += "\n";
    }
    return add_status;
  }

  columnar::Schema result_schema;
  std::string text;
  int64_t rows = 0;
  int64_t batches = 0;
  Status add_status;
};

/// Makes a batch of columns, each given by name and array.
inline columnar::Batch MakeBatch(
    const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), arrays.front()->length(), arrays);
}

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> MakeArray(const std::vector<T>& values) {
  Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return *builder.Finish();
}
inline std::shared_ptr<arrow::Array> Integers(const std::vector<int64_t>& values) {
  return MakeArray<arrow::Int64Builder>(values);
}
inline std::shared_ptr<arrow::Array> Strings(const std::vector<std::string>& values) {
  return MakeArray<arrow::StringBuilder>(values);
}

class EngineFixture : public testing::Test {
 protected:
  EngineFixture() {
    std::string pattern = testing::TempDir() + "duck_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    std::filesystem::create_directories(folder_ + "/files");
    EngineOptions options;
    options.temporary_folder = folder_ + "/temporary";
    options.files_folders = {folder_ + "/files"};
    auto engine = Engine::Open(options);
    EXPECT_TRUE(engine.ok()) << engine.error().ToString();
    engine_ = std::move(*engine);
  }
  ~EngineFixture() override { std::filesystem::remove_all(folder_); }

  /// Writes a batch as a file below the files folder and returns its whole path.
  std::string WriteFile(const std::string& path, const columnar::Batch& batch) {
    const std::filesystem::path whole = folder_ + "/files/" + path;
    std::filesystem::create_directories(whole.parent_path());
    const auto file = columnar::WriteParquet(batch->schema(), {batch});
    EXPECT_TRUE(file.ok()) << file.error().ToString();
    std::ofstream(whole, std::ios::binary) << file->bytes;  // NOLINT: a test, and quick to read
    return whole;
  }

  RelationLookup Lookup() {
    return [this](const RelationName& name) -> Result<std::optional<Relation>> {
      std::string text = name.schema + "." + name.name;
      for (const auto& [key, value] : name.arguments) text += " " + key + "=" + value;
      lookups_.push_back(std::move(text));
      const auto found = relations_.find({name.schema, name.name});
      if (found == relations_.end()) return std::optional<Relation>();
      return std::optional<Relation>(found->second);
    };
  }

  /// Returns the rows of a query as text, or its error.
  std::string Run(const std::string& sql, const Parameters& parameters = {}) {
    TextSink sink;
    const Status status = engine_->Query(sql, Lookup(), sink, {}, {}, parameters);
    return status.ok() ? sink.text : status.error().ToString();
  }

  std::string folder_;
  std::unique_ptr<Engine> engine_;
  std::map<std::pair<std::string, std::string>, Relation> relations_;
  std::vector<std::string> lookups_;
};

}  // namespace sluice::duck::internal
