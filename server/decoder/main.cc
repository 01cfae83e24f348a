// s2p-decoder: decodes images for s2p-server, which starts it. It reads orders from a socket and
// has no rights beyond that (sandbox.h), so that a damaged or hostile image harms only this
// process.
#include <malloc.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <iostream>
#include <limits>
#include <new>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "image/image.h"
#include "server/decoder/decoder_link.h"
#include "server/decoder/sandbox.h"

namespace s2p {
namespace {

// Shared memory. That of one order is unmapped at the order's end: the server takes no pixels from
// it while somebody can still write to it. From kept memory it copies them.
class Mapping {
 public:
  Mapping(const Descriptor& memory, size_t bytes)
      : start_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.number(), 0)),
        bytes_(bytes) {}
  ~Mapping() {
    if (exists()) munmap(start_, bytes_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  bool exists() const { return start_ != MAP_FAILED; }
  uint8_t* at(size_t offset) const { return static_cast<uint8_t*>(start_) + offset; }

 private:
  void* const start_;
  const size_t bytes_;
};

DecodeAnswer OutOfMemory() {
  return {absl::ResourceExhaustedError("the image needs more memory to decode than is available"),
          0, 0};
}

DecodeAnswer Decode(const DecodeOrder& order, const Mapping& mapping) {
  const absl::string_view file(reinterpret_cast<const char*>(mapping.at(order.file_offset())),
                               order.file_bytes);
  // The server has applied its own limits; these make sure that the area is large enough.
  ImageLimits limits;
  limits.max_bytes = std::numeric_limits<size_t>::max();
  limits.max_pixels = static_cast<int64_t>(order.area_bytes / 4);
  try {
    const auto header = ReadImageHeader(file, limits);
    if (!header.ok()) return {header.status(), 0, 0};
    const absl::Status status = DecodeInto(file, *header, {mapping.at(0), order.area_bytes});
    if (!status.ok()) return {status, 0, 0};
    return {absl::OkStatus(), header->width, header->height};
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  }
}

absl::Duration CpuTime() {
  timespec used = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

// Until the server is gone, or so much CPU time is used that the next image might not get enough.
void Serve(absl::Duration cpu_time) {
  std::optional<Mapping> kept;
  while (auto received = ReceiveOrder(kDecoderSocket)) {
    auto& [order, memory] = *received;
    DecodeAnswer answer;
    {
      std::optional<Mapping> own;
      std::optional<Mapping>& mapping = order.kept_bytes > 0 ? kept : own;
      if (memory.number() >= 0) {
        mapping.emplace(memory, order.kept_bytes > 0 ? order.kept_bytes : order.total_bytes());
        memory.Close();
      }
      const bool exists = mapping.has_value() && mapping->exists();
      answer = exists ? Decode(order, *mapping) : OutOfMemory();
      // Without its kept memory, the process is of no more use.
      answer.is_last = CpuTime() > cpu_time / 2 || (order.kept_bytes > 0 && !exists);
    }
    if (!SendAnswer(kDecoderSocket, answer) || answer.is_last) break;
  }
}

int Main(int argc, char** argv) {
  int64_t cpu_seconds = 0;
  SandboxLimits limits;
  if (argc != 3 || !absl::SimpleAtoi(argv[1], &limits.memory_bytes) ||
      !absl::SimpleAtoi(argv[2], &cpu_seconds)) {
    std::cerr << "s2p-decoder: decodes images for s2p-server, which starts it\n";
    return 2;
  }
  limits.cpu_time = absl::Seconds(cpu_seconds);
  // Large blocks go back to the system at once, so that a large image leaves nothing behind.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
  DecodeAnswer ready;
  ready.status = Confine(limits);
  if (!SendAnswer(kDecoderSocket, ready) || !ready.status.ok()) return 1;
  Serve(limits.cpu_time);
  return 0;
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) {
  // Nothing that the filter forbids is left to do at the end.
  _exit(s2p::Main(argc, argv));
}
