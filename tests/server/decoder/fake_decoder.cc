// A decoder that obeys the text of the file instead of decoding it: "crash", "exit", "hang", "other
// size", "nonsense", "wrong code", "refuse"; "keep memory" of an image of 1100 x 1000 pixels,
// "fill" the area of a small one, "shrink" its memory. Without any of these it answers with 2 x 2
// pixels.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "server/decoder/decoder_link.h"

namespace s2p {
namespace {

std::string TextOf(const DecodeOrder& order, int memory) {
  std::string text(order.file_bytes, '\0');
  const ssize_t read =
      pread(memory, text.data(), text.size(), static_cast<off_t>(order.file_offset()));
  return read == static_cast<ssize_t>(text.size()) ? text : "";
}

bool Says(const std::string& text, const char* word) {
  return text.find(word) != std::string::npos;
}

DecodeAnswer Obey(const DecodeOrder& order, const Descriptor& memory) {
  const std::string text = TextOf(order, memory.number());
  if (Says(text, "crash")) raise(SIGSEGV);
  if (Says(text, "exit")) _exit(7);
  while (Says(text, "hang")) pause();
  if (Says(text, "other size")) return {absl::OkStatus(), 1, 1};
  if (Says(text, "nonsense")) return {absl::InvalidArgumentError("\x1B[2J"), 0, 0};
  if (Says(text, "wrong code")) return {absl::UnauthenticatedError("give me your key"), 0, 0};
  if (Says(text, "keep memory")) {
    mmap(nullptr, order.area_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.number(), 0);
    return {absl::OkStatus(), 1100, 1000};
  }
  if (Says(text, "fill")) {
    const std::string pixels(order.area_bytes, '\xff');
    (void)!pwrite(memory.number(), pixels.data(), pixels.size(), 0);
  }
  if (Says(text, "shrink") && ftruncate(memory.number(), 0) == 0) _exit(7);
  if (Says(text, "refuse")) return {absl::InvalidArgumentError("refused"), 0, 0};
  return {absl::OkStatus(), 2, 2};
}

int Main() {
  SendAnswer(kDecoderSocket, {});
  Descriptor kept;
  while (auto order = ReceiveOrder(kDecoderSocket)) {
    const bool keeps = order->first.kept_bytes > 0;
    if (keeps && order->second.number() >= 0) kept = std::move(order->second);
    SendAnswer(kDecoderSocket, Obey(order->first, keeps ? kept : order->second));
  }
  return 0;
}

}  // namespace
}  // namespace s2p

int main() { return s2p::Main(); }
