#include "sluice/lake/internal/version_checksum.h"

#include <string_view>

namespace sluice::lake::internal {

namespace {

// What stands behind the name of an action's one member.
std::string_view BodyOf(std::string_view line) {
  const size_t colon = line.find(':');
  return line.substr(colon + 1, line.size() - colon - 3);  // Without the brace and the break.
}

}  // namespace

std::string VersionChecksum(const TableState& state) {
  int64_t vectors = 0;
  int64_t deleted = 0;
  VisitFiles(state.files().pieces(), [&](const FileChunk& chunk, size_t i) {
    const auto& vector = chunk.rare(i).deletion_vector;
    if (vector == nullptr) return;
    ++vectors;
    deleted += vector->cardinality;
  });
  std::string metadata;
  AppendMetadata(metadata, state.metadata());
  std::string protocol;
  AppendProtocol(protocol, state.protocol());
  std::string transactions;
  for (const auto& [app_id, transaction] : state.transactions()) {
    std::string line;
    AppendTransaction(line, transaction);
    transactions.append(transactions.empty() ? "" : ",").append(BodyOf(line));
  }
  std::string domains;
  for (const auto& [name, domain] : state.domains()) {
    std::string line;
    AppendDomain(line, domain);
    domains.append(domains.empty() ? "" : ",").append(BodyOf(line));
  }
  std::string out = fmt::format(
      R"({{"tableSizeBytes":{},"numFiles":{},"numDeletedRecordsOpt":{},"numDeletionVectorsOpt":{},)"
      R"("numMetadata":1,"numProtocol":1,)",
      state.files().bytes(), state.files().size(), deleted, vectors);
  if (state.commit_ms()) out += fmt::format(R"("inCommitTimestampOpt":{},)", *state.commit_ms());
  out.append(R"("setTransactions":[)").append(transactions);
  out.append(R"(],"domainMetadata":[)").append(domains);
  out.append(R"(],"metadata":)").append(BodyOf(metadata));
  out.append(R"(,"protocol":)").append(BodyOf(protocol)).append("}");
  return out;
}

}  // namespace sluice::lake::internal
