// The connection between the server and a decoder's process: one order, one answer, in turn.
#ifndef S2P_SERVER_DECODER_DECODER_LINK_H_
#define S2P_SERVER_DECODER_DECODER_LINK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace s2p {

// A file descriptor that is closed at the end of this object. Thread-compatible.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { Close(); }

  int number() const { return number_; }
  void Close();

 private:
  int number_;
};

// The descriptor of the process's end of the connection, a SOCK_SEQPACKET socket.
inline constexpr int kDecoderSocket = 3;

// The size of the memory that a process keeps for images that fit into it. Memory that is new for
// each image costs more than the decoding of a small one.
inline constexpr uint64_t kKeptBytes = uint64_t{4} << 20;

// Goes to the process together with the descriptor of shared memory: an area for the pixels, as
// DecodeInto wants it, and behind it, at DecodeOrder::file_offset(), the file.
struct DecodeOrder {
  uint64_t area_bytes = 0;
  uint64_t file_bytes = 0;
  // The size of the memory if the process is to keep it; 0 for memory of this order alone. Further
  // orders for kept memory come without a descriptor.
  uint64_t kept_bytes = 0;

  // The next page behind the area.
  uint64_t file_offset() const { return (area_bytes + 4095) / 4096 * 4096; }
  uint64_t total_bytes() const { return file_offset() + file_bytes; }
};

// The result of an order. The first answer of a process comes without an order: it is ready, or
// the reason why it cannot be.
struct DecodeAnswer {
  absl::Status status;
  // The size as displayed; 0 after an error.
  int32_t width = 0;
  int32_t height = 0;
  // The process takes no more orders.
  bool is_last = false;
};

// Each is one message, written or read whole; they are retried after signals. False if the other
// side is gone, or sent something else. `memory` is -1 for an order without a descriptor.
bool SendOrder(int socket, const DecodeOrder& order, int memory);
bool SendAnswer(int socket, const DecodeAnswer& answer);
// The order and the descriptor of its memory, if it came with one; nothing if there are no more
// orders.
std::optional<std::pair<DecodeOrder, Descriptor>> ReceiveOrder(int socket);
std::optional<DecodeAnswer> ReceiveAnswer(int socket);

}  // namespace s2p

#endif  // S2P_SERVER_DECODER_DECODER_LINK_H_
