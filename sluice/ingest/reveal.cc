// Ingest: what protected values stand for, and whose keys are destroyed.

#include "sluice/ingest/ingest.h"
#include "sluice/privacy/protect.h"

namespace sluice::ingest {

Result<std::string> Ingest::Reveal(std::string_view token) const {
  std::vector<std::shared_ptr<const event::Contract>> contracts;
  for (const catalog::Topic& topic : Topics()) contracts.push_back(topic.contract);
  return privacy::Reveal(token, contracts, keys_, options_.tenant);
}

Status Ingest::DestroySubject(std::string_view subject) {
  return keys_.DestroySubject(keys_.IdOfSubject(options_.tenant, subject));
}

std::string Ingest::NameOfSubject(std::string_view subject) const {
  return privacy::NameOfSubject(keys_.IdOfSubject(options_.tenant, subject));
}

}  // namespace sluice::ingest
