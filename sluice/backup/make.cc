#include "sluice/backup/make.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "sluice/catalog/catalog.h"
#include "sluice/journal/copy.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/table_files.h"
#include "sluice/ledger/proof.h"
#include "sluice/privacy/key_file.h"
#include "sluice/store/local_store.h"

namespace sluice::backup {

namespace {

using SnapshotPtr = std::shared_ptr<const lake::Snapshot>;

constexpr int kTriesMax = 10;
constexpr uint64_t kControlBytesMax = 256ull << 20;
constexpr std::string_view kLogFolder = "/_delta_log/";

/// A table and the version of it that goes with the journal.
struct Chosen {
  StoredTable entry;
  SnapshotPtr snapshot;
};

/// One backup in the making.
class Maker {
 public:
  Maker(const Installation& installation, const std::string& target, const MakeOptions& options,
        os::Disk& disk, store::ObjectStore& tables, const os::Clock& clock, os::Random& random)
      : from_(installation),
        target_(target),
        options_(options),
        disk_(disk),
        tables_(tables),
        clock_(clock),
        random_(random) {}

  Result<Contents> Run() {
    SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(target_));
    SLUICE_ASSIGN_OR_RETURN(const auto names, disk_.List(target_));
    if (!names.empty()) {
      return Conflict("'{}' is not empty; a backup needs a folder of its own", target_);
    }
    contents_.made = clock_.Now();
    contents_.program = options_.program;
    contents_.project = from_.project;
    contents_.tables_at = from_.tables_at;
    // The journal first: all else is then chosen so that it fits the journal's end.
    const std::string journal = std::string(kData) + "journal";
    SLUICE_ASSIGN_OR_RETURN(const auto copied, journal::CopyJournal(disk_, from_.data + "/journal",
                                                                    target_ + "/" + journal));
    for (const auto& file : copied.files) Add(journal + "/" + file.name, file.content);
    contents_.journal = copied.found.uuid;
    SLUICE_RETURN_IF_ERROR(CopyControl(copied.found));
    if (from_.tables_at.empty()) SLUICE_RETURN_IF_ERROR(CopyTables());
    SLUICE_RETURN_IF_ERROR(CopyKeys());
    SLUICE_RETURN_IF_ERROR(CopyProject());
    for (const std::string& folder : folders_) {
      SLUICE_RETURN_IF_ERROR(disk_.SyncDirectory(folder));
    }
    SLUICE_RETURN_IF_ERROR(WriteContents(disk_, target_, contents_));
    return std::move(contents_);
  }

 private:
  void Add(std::string path, const os::CopiedBytes& content) {
    folders_.insert(std::string(os::FolderOf(target_ + "/" + path)));
    contents_.files.push_back({.path = std::move(path), .content = content});
  }

  /// Copies a file; one that does not exist is left out.
  Status CopyFile(const std::string& from, const std::string& to,
                  os::OpenMode mode = os::OpenMode::kCreateNew) {
    const auto file = disk_.Open(from, os::OpenMode::kRead);
    if (!file.ok() && file.error().code() == ErrorCode::kNotFound) return {};
    SLUICE_RETURN_IF_ERROR(file.status());
    SLUICE_ASSIGN_OR_RETURN(const uint64_t bytes, (*file)->Size());
    const std::string path = target_ + "/" + to;
    SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(os::FolderOf(path)));
    SLUICE_ASSIGN_OR_RETURN(const auto content,
                            os::CopyToNewFile(**file, bytes, disk_, path, mode));
    Add(to, content);
    return {};
  }

  /// Copies the files of a folder, and of those in it.
  Status CopyFolder(const std::string& from, const std::string& to) {
    SLUICE_ASSIGN_OR_RETURN(const auto names, disk_.List(from));
    for (const std::string& name : names) {
      Status copied = name.ends_with('/')
                          ? CopyFolder(from + "/" + name.substr(0, name.size() - 1), to + name)
                          : CopyFile(from + "/" + name, to + name);
      SLUICE_RETURN_IF_ERROR(copied);
    }
    return {};
  }

  /// Copies the catalog, and chooses versions of tables, such that no topic was changed meanwhile.
  Status CopyControl(const journal::Inspection& journal) {
    const std::string control = from_.data + "/control";
    const std::string copy = std::string(kData) + "control/";
    for (int i = 0; i < kTriesMax; ++i) {
      SLUICE_ASSIGN_OR_RETURN(const std::string before,
                              os::ReadFile(disk_, control + "/topics", kControlBytesMax),
                              "catalog");
      SLUICE_RETURN_IF_ERROR(ChooseVersions(journal));
      SLUICE_ASSIGN_OR_RETURN(const std::string after,
                              os::ReadFile(disk_, control + "/topics", kControlBytesMax),
                              "catalog");
      if (before != after) continue;
      SLUICE_RETURN_IF_ERROR(CopyFolder(control + "/schemas", copy + "schemas/"));
      SLUICE_RETURN_IF_ERROR(CopyFile(control + "/keys", copy + "keys"));
      SLUICE_RETURN_IF_ERROR(CopyFile(control + "/clock", copy + "clock"));
      SLUICE_RETURN_IF_ERROR(
          CopyFile(from_.data + "/journal/keys", std::string(kData) + "journal/keys"));
      SLUICE_ASSIGN_OR_RETURN(const auto content, Put(copy + "topics", before));
      Add(copy + "topics", content);
      return {};
    }
    return Conflict("schemas change all the time; try again when they do not");
  }

  Result<os::CopiedBytes> Put(const std::string& to, std::string_view bytes) {
    const std::string path = target_ + "/" + to;
    SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(os::FolderOf(path)));
    return os::WriteNewFile(disk_, path, os::OpenMode::kCreateNew,
                            [&](uint64_t offset, uint64_t bytes_max) -> Result<std::string_view> {
                              return bytes.substr(offset, bytes_max);
                            });
  }

  Status ChooseVersions(const journal::Inspection& journal) {
    chosen_.clear();
    SLUICE_ASSIGN_OR_RETURN(const auto catalog,
                            catalog::Catalog::Open(disk_, from_.data + "/control"));
    std::map<std::string, catalog::Topic> topics;
    for (catalog::Topic& topic : catalog->All()) topics.emplace(topic.table_path, std::move(topic));
    SLUICE_ASSIGN_OR_RETURN(std::set<std::string> roots, FindTables());
    // A list does not tell of a table that is gone, nor of one behind a symbolic link; what has
    // landed in it may stand nowhere else.
    for (const auto& [root, topic] : topics) {
      const auto known = journal.partitions.find(topic.partition);
      if (known != journal.partitions.end() && known->second.next > 0) roots.insert(root);
    }
    for (const std::string& root : roots) {
      const lake::DeltaTable table(tables_, root, clock_, random_);
      Chosen chosen{.entry = {.topic = {}, .path = root}, .snapshot = {}};
      SLUICE_ASSIGN_OR_RETURN(chosen.snapshot, table.Load(), "table '{}'", root);
      int64_t next = 0;
      if (const auto topic = topics.find(root); topic != topics.end()) {
        chosen.entry.topic = topic->second.contract->topic;
        const auto known = journal.partitions.find(topic->second.partition);
        if (known != journal.partitions.end()) next = known->second.next;
        const std::string landings =
            fmt::format("{}{}/{}-", ledger::kAppPrefix, journal.uuid, topic->second.partition);
        while (LandedBy(*chosen.snapshot, landings) >= next) {
          SLUICE_ASSIGN_OR_RETURN(chosen.snapshot, table.LoadAt(chosen.snapshot->version() - 1),
                                  "table '{}'", root);
        }
      }
      chosen.entry.version = chosen.snapshot->version();
      chosen.entry.landed = ledger::LandedOffset(*chosen.snapshot);
      chosen.entry.next = std::max(next, chosen.entry.landed + 1);
      chosen_.push_back(std::move(chosen));
    }
    return {};
  }

  /// The last offset that the landings whose names begin so have put there; -1: none.
  static int64_t LandedBy(const lake::Snapshot& snapshot, const std::string& prefix) {
    int64_t last = -1;
    const auto& transactions = snapshot.transactions();
    for (auto at = transactions.lower_bound(prefix);
         at != transactions.end() && at->first.starts_with(prefix); ++at) {
      if (ledger::IsLanding(at->first)) last = std::max(last, at->second.version);
    }
    return last;
  }

  Result<std::set<std::string>> FindTables() {
    std::set<std::string> roots;
    SLUICE_ASSIGN_OR_RETURN(const auto objects, tables_.List(""));
    for (const store::ObjectInfo& object : objects) {
      const size_t at = object.path.find(kLogFolder);
      if (at != std::string::npos) roots.insert(object.path.substr(0, at));
    }
    return roots;
  }

  Status CopyTables() {
    const std::string folder = std::string(kData) + "tables";
    store::LocalStore copies(disk_, target_ + "/" + folder);
    for (const Chosen& chosen : chosen_) {
      const std::string& root = chosen.entry.path;
      const lake::DeltaTable table(tables_, root, clock_, random_);
      SLUICE_ASSIGN_OR_RETURN(const auto objects, lake::ObjectsUpTo(table, *chosen.snapshot),
                              "table '{}'", root);
      for (const store::ObjectInfo& object : objects) {
        SLUICE_RETURN_IF_ERROR(CopyObject(object, folder + "/" + object.path), "table '{}'", root);
      }
      const lake::DeltaTable copy(copies, root, clock_, random_);
      SLUICE_ASSIGN_OR_RETURN(const auto read, copy.Load(), "copy of table '{}'", root);
      if (read->version() != chosen.snapshot->version() ||
          read->files().size() != chosen.snapshot->files().size()) {
        return Corrupt("the copy of table '{}' is at version {}, expected {}", root,
                       read->version(), chosen.snapshot->version());
      }
    }
    return {};
  }

  Status CopyObject(const store::ObjectInfo& object, const std::string& to) {
    const std::string path = target_ + "/" + to;
    SLUICE_RETURN_IF_ERROR(disk_.MakeFolders(os::FolderOf(path)));
    std::string chunk;
    const auto read = [&](uint64_t offset, uint64_t bytes_max) -> Result<std::string_view> {
      if (offset >= object.size) return std::string_view();
      SLUICE_ASSIGN_OR_RETURN(
          chunk, tables_.GetRange(object.path, offset, std::min(bytes_max, object.size - offset)));
      return std::string_view(chunk);
    };
    SLUICE_ASSIGN_OR_RETURN(const auto content,
                            os::WriteNewFile(disk_, path, os::OpenMode::kCreateNew, read));
    if (content.bytes != object.size) {
      return Conflict("'{}' changed while it was read; try again", object.path);
    }
    Add(to, content);
    return {};
  }

  Status CopyKeys() {
    const std::string folder(kKeys);
    for (const Chosen& chosen : chosen_) contents_.tables.push_back(chosen.entry);
    SLUICE_RETURN_IF_ERROR(
        CopyFile(from_.tokens_file, folder + "tokens", os::OpenMode::kCreatePrivate));
    const auto sealed = privacy::IsSealedKeyFile(disk_, from_.key_file);
    if (!sealed.ok() && sealed.error().code() == ErrorCode::kNotFound) return {};
    SLUICE_RETURN_IF_ERROR(sealed.status());
    if (!*sealed && !options_.clear_keys) return {};
    contents_.keys = *sealed ? KeysInBackup::kSealed : KeysInBackup::kClear;
    return CopyFile(from_.key_file, folder + "sluice.keys", os::OpenMode::kCreatePrivate);
  }

  Status CopyProject() {
    const std::string folder(kProject);
    SLUICE_RETURN_IF_ERROR(CopyFile(from_.folder + "/sluice.yaml", folder + "sluice.yaml"));
    return CopyFolder(from_.folder + "/schemas", folder + "schemas/");
  }

  const Installation& from_;
  const std::string target_;
  const MakeOptions& options_;
  os::Disk& disk_;
  store::ObjectStore& tables_;
  const os::Clock& clock_;
  os::Random& random_;
  Contents contents_;
  std::vector<Chosen> chosen_;
  std::set<std::string> folders_;
};

}  // namespace

Result<Contents> Make(const Installation& installation, const std::string& target,
                      const MakeOptions& options, os::Disk& disk, store::ObjectStore& tables,
                      const os::Clock& clock, os::Random& random) {
  return Maker(installation, target, options, disk, tables, clock, random).Run();
}

}  // namespace sluice::backup
