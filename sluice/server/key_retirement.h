#pragma once
/// \file
/// The end of keys whose retention is over.

#include <chrono>

#include "sluice/base/error.h"
#include "sluice/os/expiry_clock.h"
#include "sluice/privacy/keys.h"

namespace sluice::server {

/// Destroys the oldest sealing key if its day ended longer ago than `retain`: one a call, so that
/// there is time to see a mistake. Errors as Keys::DestroySealingKeysBefore().
Status RetireSealingKey(privacy::Keys& keys, const os::ExpiryClock& clock,
                        std::chrono::microseconds retain);

}  // namespace sluice::server
