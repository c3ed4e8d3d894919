#pragma once
/// \file
/// The project file `sluice.yaml`: what may stand in it and what holds where it is silent.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/columnar/parquet.h"
#include "sluice/event/contract.h"
#include "sluice/journal/journal.h"
#include "sluice/os/disk.h"

namespace sluice::server {

/// What differs for one topic.
struct TopicConfig {
  bool schemaless = false;  ///< `schema: none`
  std::optional<event::UnknownFields> unknown;
  bool by_producer = false;  ///< `dedup: {by: producer}`
  bool by_batch = false;     ///< `dedup: {by: batch}`
  std::optional<std::chrono::microseconds> dedupe_horizon;
  std::optional<uint64_t> dedupe_ids_max;
  std::optional<event::Compatibility> compatibility;  ///< Of the next schema with the present one.
  bool maintenance = true;
  std::vector<std::string> cluster_by = {};  ///< Columns; empty: the table is not clustered.
  SourcePlace place = {};                    ///< Of the topic's name in the file.
};

/// All settings of one server. Times and sizes with units in the file: `90s`, `16MiB`.
struct Config {
  std::string project = "sluice";
  std::string folder = ".";   ///< Where the project file is.
  std::string data = "data";  ///< storage.path, relative to folder.
  std::string bucket = {};    ///< storage.path where it is `s3://…`: there tables are.
  std::string keys = "keys";  ///< storage.keys: the key file's folder, outside data.
  /// keys.command, keys.environment: what gives the key that seals the key file; empty: neither.
  std::string keys_command;
  std::string keys_environment;
  std::string address = "127.0.0.1";  ///< serve.http
  uint16_t port = 7117;
  int connections_max = 1024;
  std::string tls_certificate;  ///< serve.tls: files, relative to folder; empty: no TLS.
  std::string tls_key;
  std::chrono::milliseconds header_time_max{10'000};
  std::chrono::milliseconds body_time_max{60'000};
  /// serve.reader_idle: of an answer to a query, while others wait.
  std::chrono::milliseconds reader_idle_max{5'000};
  std::chrono::milliseconds land_every{300'000};
  int64_t land_bytes_max = 128ll << 20;
  std::chrono::microseconds land_wait_max = std::chrono::seconds(60);  ///< Of `?wait=table`.
  columnar::Compression land_compression = columnar::Compression::kZstd;
  /// maintenance: compacting and vacuuming landed tables beside all else.
  bool maintenance = true;
  double maintenance_processor_share = 0.25;  ///< maintenance.cpu: of one processor.
  int64_t maintenance_bytes_per_second = 64ll << 20;
  std::chrono::milliseconds maintenance_every{60'000};
  int compact_files_min = 8;
  int64_t compact_file_bytes = 128ll << 20;
  std::chrono::milliseconds vacuum_retention{7ll * 86'400'000};
  uint64_t body_bytes_max = 16ull << 20;
  int64_t rows_max = 10'000;
  int64_t row_bytes_max = 1 << 20;
  int depth_max = 64;
  /// limits.memory: of bodies, of rows that wait to be synced and to land, of landing them, of
  /// maintenance, and of identities; shared out among them by the functions below.
  uint64_t memory_bytes_max = 1ull << 30;
  uint64_t queue_bytes_max = 0;  ///< Rows that wait for their sync; beyond: 429. 0: an eighth.
  uint64_t query_memory_max = 1ull << 30;
  /// limits.error_bytes: of rejected events kept a day, for each sender and topic; 0: no limit.
  int64_t error_bytes_a_day = 10ll << 30;
  /// limits.topics: beside those of the system; what is there stays when it is lowered.
  uint64_t topics_max = 1'000;
  std::chrono::microseconds dedupe_horizon = std::chrono::hours(24);
  uint64_t dedupe_ids_max = 20'000'000;
  uint64_t free_bytes_min = 64ull << 20;
  uint64_t reserve_bytes = 64ull << 20;    ///< storage.reserve: given back when the disk is full.
  uint64_t cache_bytes_max = 10ull << 30;  ///< storage.cache: of a bucket's files, for queries.
  /// sql.external: folders and buckets in which queries may name tables by path.
  std::vector<std::string> external;
  uint64_t segment_bytes = 64ull << 20;
  journal::Writes journal_writes = journal::Writes::kAuto;
  std::map<std::string, TopicConfig> topics;
  /// errors.retain: payloads sealed longer ago cannot be opened any more.
  std::chrono::microseconds errors_retain = std::chrono::hours(90 * 24);
  /// privacy.hash_key, token_key, subject_key: the number of the key that new values are made with;
  /// 0: the newest there is.
  std::array<uint32_t, 3> kids{};
  std::vector<Diagnostic> warnings;  ///< About keys that have no effect in this program.

  uint64_t QueueBytes() const {
    return queue_bytes_max > 0 ? queue_bytes_max : memory_bytes_max / 8;
  }
  uint64_t TailBytes() const { return memory_bytes_max / 4; }
  uint64_t LandBytes() const { return memory_bytes_max * 3 / 16; }
  uint64_t DedupeBytes() const { return memory_bytes_max * 3 / 16; }
  uint64_t BodyBytes() const { return memory_bytes_max / 8; }
  uint64_t MaintenanceBytes() const { return memory_bytes_max / 8; }
  /// What maintenance fills files up to: what grows with a file until it is whole, filters and
  /// parts of a bucket's objects, then stays within its share.
  int64_t CompactFileBytes() const { return WithinMaintenance(compact_file_bytes, 1); }
  /// What is clustered at once, in bytes of files: all of them are open while it is written.
  int64_t ClusterBytes() const { return WithinMaintenance(64ll << 20, 2); }

  /// `bytes`, but not more than one of so many parts of the share; at least a mebibyte.
  int64_t WithinMaintenance(int64_t bytes, uint64_t parts) const {
    constexpr int64_t kLeast = 1 << 20;
    const auto part = static_cast<int64_t>(MaintenanceBytes() / parts);
    return std::max(kLeast, std::min(bytes, part));
  }

  std::string DataPath() const;
  std::string TablesAddress() const;  ///< The folder of all tables, on the disk or in the bucket.
  std::string KeysPath() const;
  std::string TokensPath() const;  ///< Beside the keys.
  std::string TlsCertificatePath() const;
  std::string TlsKeyPath() const;
};

/// Where a path of a project's file is: relative ones lie in its folder.
std::string InFolder(const std::string& folder, const std::string& path);

/// A setting that holds before what the project file says.
struct Override {
  std::string key;     ///< `land.every`
  std::string value;   ///< As the project file would have it: YAML.
  std::string origin;  ///< `-X land.every`, `$SLUICE_LAND_EVERY`: for messages.
};

/// What is laid over the project file: first a profile of it, then single settings, later ones over
/// earlier ones.
struct Overrides {
  std::string profile;  ///< Of `profiles` in the project file; empty: none.
  std::vector<Override> settings;
};

/// Reads `folder`/sluice.yaml. kNotFound: there is none. kInvalid: with file, line, column of each
/// mistake; unknown keys are mistakes, and so is a profile that the file does not have. Profiles
/// that are not chosen are checked, too.
Result<Config> LoadConfig(os::Disk& disk, const std::string& folder,
                          const Overrides& overrides = {});

/// Reads the text of a project file; `file` is for messages.
Result<Config> ParseConfig(std::string_view text, std::string_view file,
                           const Overrides& overrides = {});

/// `90s`, `5m`, `24h`, `250ms` or a bare 0.
Result<std::chrono::microseconds> ParseDuration(std::string_view text);
/// `16MiB`, `1GB`, `512`.
Result<uint64_t> ParseSize(std::string_view text);

}  // namespace sluice::server
