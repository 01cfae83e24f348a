#include "server/decoder/decoder_link.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/string_view.h"

namespace s2p {
namespace {

// A DecodeAnswer on the wire. Longer messages are cut.
struct AnswerFrame {
  int32_t code = 0;
  int32_t width = 0;
  int32_t height = 0;
  uint32_t is_last = 0;
  uint32_t text_bytes = 0;
  char text[240] = {};
};

// Room for one descriptor, aligned as the kernel wants it.
union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int))];
};

msghdr Message(iovec& part, Control* control) {
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (control != nullptr) {
    std::memset(control, 0, sizeof(*control));
    message.msg_control = control->bytes;
    message.msg_controllen = sizeof(control->bytes);
  }
  return message;
}

bool Send(int socket, const msghdr& message) {
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(message.msg_iov->iov_len);
}

// Whether a message of exactly the wanted size came.
bool Receive(int socket, msghdr& message) {
  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  return received == static_cast<ssize_t>(message.msg_iov->iov_len) &&
         (message.msg_flags & MSG_TRUNC) == 0;
}

}  // namespace

void Descriptor::Close() {
  if (number_ >= 0) close(number_);
  number_ = -1;
}

bool SendOrder(int socket, const DecodeOrder& order, int memory) {
  iovec part = {const_cast<DecodeOrder*>(&order), sizeof(order)};
  if (memory < 0) return Send(socket, Message(part, nullptr));
  Control control;
  const msghdr message = Message(part, &control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &memory, sizeof(int));
  return Send(socket, message);
}

std::optional<std::pair<DecodeOrder, Descriptor>> ReceiveOrder(int socket) {
  DecodeOrder order;
  iovec part = {&order, sizeof(order)};
  Control control;
  msghdr message = Message(part, &control);
  if (!Receive(socket, message)) return std::nullopt;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) return std::make_pair(order, Descriptor());
  if (header->cmsg_type != SCM_RIGHTS) return std::nullopt;
  int memory = -1;
  std::memcpy(&memory, CMSG_DATA(header), sizeof(int));
  return std::make_pair(order, Descriptor(memory));
}

bool SendAnswer(int socket, const DecodeAnswer& answer) {
  AnswerFrame frame;
  frame.code = static_cast<int32_t>(answer.status.code());
  frame.width = answer.width;
  frame.height = answer.height;
  frame.is_last = answer.is_last ? 1 : 0;
  const absl::string_view text = answer.status.message().substr(0, sizeof(frame.text));
  frame.text_bytes = static_cast<uint32_t>(text.size());
  std::copy(text.begin(), text.end(), frame.text);
  iovec part = {&frame, sizeof(frame)};
  return Send(socket, Message(part, nullptr));
}

std::optional<DecodeAnswer> ReceiveAnswer(int socket) {
  AnswerFrame frame;
  iovec part = {&frame, sizeof(frame)};
  msghdr message = Message(part, nullptr);
  if (!Receive(socket, message) || frame.text_bytes > sizeof(frame.text)) return std::nullopt;
  DecodeAnswer answer;
  answer.status = absl::Status(static_cast<absl::StatusCode>(frame.code),
                               absl::string_view(frame.text, frame.text_bytes));
  answer.width = frame.width;
  answer.height = frame.height;
  answer.is_last = frame.is_last != 0;
  return answer;
}

}  // namespace s2p
