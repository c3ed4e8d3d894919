#pragma once
/// \file
/// A disk that hands every call to another one: for tests that change a few of them.

#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/os/disk.h"

namespace sluice::os {

/// Each call is that of the file below. Thread-safety is that of the file below.
class ForwardingFile : public File {
 public:
  explicit ForwardingFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  Result<size_t> Read(uint64_t offset, std::span<std::byte> into) override {
    return file_->Read(offset, into);
  }
  Status Write(uint64_t offset, std::span<const std::span<const std::byte>> pieces) override {
    return file_->Write(offset, pieces);
  }
  Status Sync() override { return file_->Sync(); }
  Result<uint64_t> Size() override { return file_->Size(); }
  Status Truncate(uint64_t size) override { return file_->Truncate(size); }
  Status Allocate(uint64_t size) override { return file_->Allocate(size); }
  void DropCache() override { file_->DropCache(); }

 private:
  const std::unique_ptr<File> file_;
};

/// Each call is that of the disk below, which must outlive this one. Thread-safe.
class ForwardingDisk : public Disk {
 public:
  explicit ForwardingDisk(Disk& disk) : disk_(disk) {}

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override {
    return disk_.Open(path, mode);
  }
  Status Rename(std::string_view from, std::string_view to) override {
    return disk_.Rename(from, to);
  }
  Status RenameNoReplace(std::string_view from, std::string_view to) override {
    return disk_.RenameNoReplace(from, to);
  }
  Status Remove(std::string_view path) override { return disk_.Remove(path); }
  Result<std::vector<std::string>> List(std::string_view folder) override {
    return disk_.List(folder);
  }
  Status SyncDirectory(std::string_view folder) override { return disk_.SyncDirectory(folder); }
  Result<bool> Exists(std::string_view path) override { return disk_.Exists(path); }
  Result<bool> IsPrivate(std::string_view path) override { return disk_.IsPrivate(path); }
  Result<uint64_t> FreeBytes(std::string_view path) override { return disk_.FreeBytes(path); }
  Result<std::unique_ptr<File>> Lock(std::string_view path) override { return disk_.Lock(path); }

 protected:
  Status MakeFolder(std::string_view folder) override { return disk_.MakeFolders(folder); }
  Result<bool> FolderExists(std::string_view folder) override { return disk_.Exists(folder); }
  bool CanMakeIn(std::string_view) override { return true; }

 private:
  Disk& disk_;
};

}  // namespace sluice::os
