#include "sluice/os/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace sluice::os {

namespace {

struct Head {
  uint32_t length = 0;  // Of the body.
  uint8_t type = 0;
  uint8_t descriptors = 0;
  uint16_t magic = 0;
};
constexpr uint16_t kMagic = 0x51ce;
constexpr size_t kReadBytes = 64u << 10;

int PollTime(Monotonic deadline, Monotonic now) {
  if (deadline == Monotonic::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
}

}  // namespace

Status Channel::Send(uint8_t type, std::string_view body, std::span<const int> descriptors,
                     Monotonic deadline) {
  if (body.size() > kBodyBytesMax || descriptors.size() > kDescriptorsMax) {
    return Invalid("a message has {} bytes and {} descriptors, the most are {} and {}", body.size(),
                   descriptors.size(), kBodyBytesMax, kDescriptorsMax);
  }
  const Head head{.length = static_cast<uint32_t>(body.size()),
                  .type = type,
                  .descriptors = static_cast<uint8_t>(descriptors.size()),
                  .magic = kMagic};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kDescriptorsMax)> control{};
  const std::lock_guard lock(send_mutex_);
  size_t sent = 0;
  while (sent < sizeof(head) + body.size()) {
    std::array<iovec, 2> pieces{};
    int count = 0;
    if (sent < sizeof(head)) {
      pieces[0] = {.iov_base = const_cast<char*>(reinterpret_cast<const char*>(&head)) + sent,
                   .iov_len = sizeof(head) - sent};
      ++count;
    }
    const size_t of_body = sent < sizeof(head) ? 0 : sent - sizeof(head);
    pieces[static_cast<size_t>(count++)] = {.iov_base = const_cast<char*>(body.data()) + of_body,
                                            .iov_len = body.size() - of_body};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = static_cast<size_t>(count);
    if (sent == 0 && !descriptors.empty()) {  // They travel with the first byte.
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
      cmsghdr* const rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
      std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    }
    const ssize_t written = sendmsg(socket_.number(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written > 0) {
      sent += static_cast<size_t>(written);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Unavailable("the other process is gone");
    pollfd ready = {.fd = socket_.number(), .events = POLLOUT, .revents = 0};
    if (poll(&ready, 1, PollTime(deadline, clock_.Steady())) == 0) {
      // Half a message would shift all that follow.
      if (sent > 0) Shut();
      return Unavailable("the other process took too long");
    }
  }
  return {};
}

Status Channel::Fill(size_t size, Monotonic deadline, bool& late) {
  late = false;
  while (in_.size() < size) {
    pollfd ready = {.fd = socket_.number(), .events = POLLIN, .revents = 0};
    const int polled = poll(&ready, 1, PollTime(deadline, clock_.Steady()));
    if (polled < 0 && errno == EINTR) continue;
    if (polled == 0) {
      late = true;
      return {};
    }
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kDescriptorsMax)> control{};
    const size_t before = in_.size();
    // No further than this message, so that its descriptors are not taken for the next one's.
    in_.resize(std::min(size, before + kReadBytes));
    iovec piece = {.iov_base = in_.data() + before, .iov_len = in_.size() - before};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t read = recvmsg(socket_.number(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    const int error = errno;
    in_.resize(before + static_cast<size_t>(std::max<ssize_t>(read, 0)));
    for (cmsghdr* part = read >= 0 ? CMSG_FIRSTHDR(&message) : nullptr; part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
      std::array<int, kDescriptorsMax> numbers{};
      const size_t bytes = std::min(part->cmsg_len - CMSG_LEN(0), sizeof(numbers));
      std::memcpy(numbers.data(), CMSG_DATA(part), bytes);
      for (size_t i = 0; i < bytes / sizeof(int); ++i) in_descriptors_.emplace_back(numbers[i]);
    }
    if (read == 0) return Unavailable("the other process is gone");
    if (read < 0 && error != EAGAIN && error != EINTR) {
      return Unavailable("the other process is gone");
    }
  }
  return {};
}

Result<std::optional<Message>> Channel::Receive(Monotonic deadline) {
  bool late = false;
  SLUICE_RETURN_IF_ERROR(Fill(sizeof(Head), deadline, late));
  if (late) return std::optional<Message>();
  Head head;
  std::memcpy(&head, in_.data(), sizeof(head));
  if (head.magic != kMagic || head.length > kBodyBytesMax) {
    return Corrupt("the other process sent what is no message");
  }
  SLUICE_RETURN_IF_ERROR(Fill(sizeof(Head) + head.length, deadline, late));
  if (late) return std::optional<Message>();
  if (in_descriptors_.size() != head.descriptors) {
    return Corrupt("a message has {} descriptors, expected {}", in_descriptors_.size(),
                   head.descriptors);
  }
  Message message;
  message.type = head.type;
  message.body = in_.substr(sizeof(Head));
  message.descriptors = std::exchange(in_descriptors_, {});
  in_.clear();
  return std::optional<Message>(std::move(message));
}

void Channel::Shut() { shutdown(socket_.number(), SHUT_RDWR); }

Result<std::pair<Descriptor, Descriptor>> MakeSocketPair() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Unavailable("no socket: {}", std::strerror(errno));
  }
  return std::pair(Descriptor(ends[0]), Descriptor(ends[1]));
}

}  // namespace sluice::os
