#include "sluice/server/key_retirement.h"

#include "sluice/privacy/seal.h"

namespace sluice::server {

Status RetireSealingKey(privacy::Keys& keys, const os::ExpiryClock& clock,
                        std::chrono::microseconds retain) {
  const int32_t first = keys.FirstSealingDay();
  if (first >= privacy::DayOf(clock.Now() - retain)) return {};
  return keys.DestroySealingKeysBefore(first + 1);
}

}  // namespace sluice::server
