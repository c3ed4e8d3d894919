#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/arrow/writer.h>

#include <utility>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/worker/internal/form_writer.h"

namespace sluice::worker::internal {
namespace {

using columnar::FromArrow;

constexpr size_t kPieceBytes = 1u << 20;
constexpr int64_t kRowGroupRows = 128 << 10;

/// Hands on what is written, in pieces of useful size.
class EmittingOutput final : public arrow::io::OutputStream {
 public:
  explicit EmittingOutput(Emit emit) : emit_(std::move(emit)) {}

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return written_; }
  arrow::Status Write(const void* data, int64_t size) override {
    out_.append(static_cast<const char*>(data), static_cast<size_t>(size));
    written_ += size;
    if (out_.size() >= kPieceBytes) Send(std::nullopt);
    return status_.ok() ? arrow::Status::OK() : arrow::Status::IOError("not taken");
  }
  using arrow::io::OutputStream::Write;

  void Send(std::optional<int64_t> rows) {
    for (size_t at = 0; at < out_.size() && status_.ok(); at += kPieceBytes) {
      const bool last = at + kPieceBytes >= out_.size();
      status_ = emit_(std::string_view(out_).substr(at, kPieceBytes), last ? rows : std::nullopt);
    }
    out_.clear();
  }

  /// Prefers what the taker said over what Arrow made of it.
  Status Check(const arrow::Status& status) const {
    return status_.ok() ? FromArrow(status) : status_;
  }

 private:
  const Emit emit_;
  std::string out_;
  Status status_;
  int64_t written_ = 0;
  bool closed_ = false;
};

class ArrowWriter final : public FormWriter {
 public:
  explicit ArrowWriter(Emit emit) : output_(std::make_shared<EmittingOutput>(std::move(emit))) {}

  Status Begin(const columnar::Schema& schema) override {
    SLUICE_ASSIGN_OR_RETURN(writer_, FromArrow(arrow::ipc::MakeStreamWriter(output_, schema)));
    return {};
  }
  Status Add(const columnar::Batch& batch) override {
    SLUICE_RETURN_IF_ERROR(output_->Check(writer_->WriteRecordBatch(*batch)));
    rows_ += batch->num_rows();
    output_->Send(rows_);
    return output_->Check(arrow::Status::OK());
  }
  Status Finish() override {
    SLUICE_RETURN_IF_ERROR(output_->Check(writer_->Close()));
    output_->Send(rows_);
    return output_->Check(arrow::Status::OK());
  }
  int64_t rows() const override { return rows_; }

 private:
  const std::shared_ptr<EmittingOutput> output_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
  int64_t rows_ = 0;
};

class ParquetWriter final : public FormWriter {
 public:
  explicit ParquetWriter(Emit emit) : output_(std::make_shared<EmittingOutput>(std::move(emit))) {}

  Status Begin(const columnar::Schema& schema) override {
    return Guarded([&]() -> Status {
      const auto properties = parquet::WriterProperties::Builder()
                                  .compression(parquet::Compression::ZSTD)
                                  ->compression_level(1)
                                  ->max_row_group_length(kRowGroupRows)
                                  ->enable_page_checksum()
                                  ->build();
      SLUICE_ASSIGN_OR_RETURN(
          writer_, FromArrow(parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(),
                                                              output_, properties)));
      return {};
    });
  }
  Status Add(const columnar::Batch& batch) override {
    return Guarded([&]() -> Status {
      SLUICE_RETURN_IF_ERROR(output_->Check(writer_->WriteRecordBatch(*batch)));
      rows_ += batch->num_rows();
      return {};
    });
  }
  Status Finish() override {
    return Guarded([&]() -> Status {
      SLUICE_RETURN_IF_ERROR(output_->Check(writer_->Close()));
      output_->Send(rows_);
      return output_->Check(arrow::Status::OK());
    });
  }
  int64_t rows() const override { return rows_; }

 private:
  template <typename Call>
  Status Guarded(Call call) {
    try {
      return call();
    } catch (const std::exception& exception) {
      return Unsupported("the result cannot be written as parquet: {}", exception.what());
    }
  }

  const std::shared_ptr<EmittingOutput> output_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  int64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<FormWriter> MakeArrowWriter(Emit emit) {
  return std::make_unique<ArrowWriter>(std::move(emit));
}

std::unique_ptr<FormWriter> MakeParquetWriter(Emit emit) {
  return std::make_unique<ParquetWriter>(std::move(emit));
}

}  // namespace sluice::worker::internal
