#pragma once
/// \file
/// Messages with descriptors between two processes of this machine.

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"
#include "sluice/os/descriptor.h"

namespace sluice::os {

struct Message {
  uint8_t type = 0;
  std::string body;
  std::vector<Descriptor> descriptors;
};

/// One end of a stream socket, with messages framed by type and length. The other end is not
/// trusted: lengths are checked before memory is taken.
///
/// Send() may be called on any thread, Receive() on one at a time.
class Channel {
 public:
  static constexpr size_t kBodyBytesMax = 16u << 20;
  static constexpr size_t kDescriptorsMax = 200;

  explicit Channel(Descriptor socket) : socket_(std::move(socket)) {}

  /// Sends a whole message, or nothing that the other end would take for one. kUnavailable: the
  /// other end is gone, or took too long. kInvalid: over a limit.
  Status Send(uint8_t type, std::string_view body, std::span<const int> descriptors = {},
              Monotonic deadline = Monotonic::max());

  /// Waits for the next message. Absent: the deadline has passed; nothing is lost, call again.
  /// kUnavailable: the other end is gone. kCorrupt: what came is no message.
  Result<std::optional<Message>> Receive(Monotonic deadline = Monotonic::max());

  /// Makes calls on both ends fail from now on.
  void Shut();

 private:
  Status Fill(size_t size, Monotonic deadline, bool& late);

  const Descriptor socket_;
  const SystemClock clock_;
  std::mutex send_mutex_;  // Held while a message is sent, which the deadline bounds.
  std::string in_;         // Bytes of a message that is not whole yet.
  std::vector<Descriptor> in_descriptors_;
};

/// Two connected ends; neither is inherited by children.
Result<std::pair<Descriptor, Descriptor>> MakeSocketPair();

}  // namespace sluice::os
