// One process that decodes images, as the server sees it.
#ifndef S2P_SERVER_DECODER_DECODER_PROCESS_H_
#define S2P_SERVER_DECODER_DECODER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "image/image.h"
#include "server/decoder/call_life.h"
#include "server/decoder/decoder_link.h"

namespace s2p {

// Why a process has ended.
enum class DecoderEnd {
  // Its program, or the system, ended it in the middle of an image.
  kCrashed,
  // The server killed it: the call's deadline passed or the call was cancelled; one image took
  // longer than any may; it answered what it must not.
  kCallEnded,
  kTooSlow,
  kMisbehaved,
  // It ended between two images, as it does when it has used its share of CPU time.
  kIdle,
  // The server killed it because somebody had stopped it, as SIGSTOP does.
  kStopped
};

struct DecoderProcessOptions {
  // The file of s2p-decoder.
  std::string program;
  // Address space that the process may use beyond its own code.
  int64_t memory_bytes = 1 << 30;
  // CPU time of one process. It ends by itself after half of it, so one image has at least the
  // other half.
  absl::Duration cpu_time = absl::Minutes(2);
  // Time that one image may take.
  absl::Duration max_decode_time = absl::Seconds(30);
};

// The process has no access to files, network, environment or descriptors of the server: it gets
// the bytes of one image at a time, in memory that both share, and returns pixels in it. Before the
// server looks at the pixels it takes the memory back, or copies them if the image is small, so
// that they cannot change any more. Memory for small images is kept, and cleared after each.
// Killed and waited for at the end of this object. One thread only.
class DecoderProcess {
 public:
  // Starts it and waits until it is ready. FailedPrecondition, with the reason, if the program
  // cannot be run or the system does not let it give up its rights.
  static absl::StatusOr<std::unique_ptr<DecoderProcess>> Start(
      const DecoderProcessOptions& options);
  ~DecoderProcess();
  DecoderProcess(const DecoderProcess&) = delete;
  DecoderProcess& operator=(const DecoderProcess&) = delete;

  pid_t pid() const { return pid_; }
  // The process runs and is ready. False after Decode if it has ended or is to take no more images.
  // Ends a process that somebody has stopped.
  bool IsAlive();
  // Why it has ended. Requires !IsAlive().
  DecoderEnd end() const { return end_; }

  // As ImageDecoder::Decode. `header` is what ReadImageHeader says of `bytes`. InvalidArgument also
  // for an image that ends the process or takes too long; ResourceExhausted if the system killed
  // the process, as it does when memory runs out; Unavailable if the process was stopped, which
  // says nothing about the image.
  absl::StatusOr<Image> Decode(absl::string_view bytes, const ImageHeader& header,
                               const CallLife& life);

 private:
  DecoderProcess(const DecoderProcessOptions& options, pid_t pid, Descriptor socket);
  // Decodes in memory of the image's own, which becomes that of its pixels.
  absl::StatusOr<Image> DecodeLarge(absl::string_view bytes, const ImageHeader& header,
                                    const DecodeOrder& order, const CallLife& life);
  // Decodes in the kept memory, and copies the pixels.
  absl::StatusOr<Image> DecodeSmall(absl::string_view bytes, const ImageHeader& header,
                                    DecodeOrder order, const CallLife& life);
  // Waits for the answer to an order for an image.
  absl::Status AwaitImage(const ImageHeader& header, const CallLife& life);
  // Waits for an answer and checks it. Ends the process if there is none within `most`.
  absl::Status Await(const CallLife& life, absl::Duration most, DecodeAnswer& answer);
  // Whether somebody has stopped the process.
  bool IsStopped() const;
  absl::Status Crash();
  absl::Status Misbehaviour(absl::string_view what);
  // Kills the process if it still runs, and waits for it; its status as waitpid has it.
  int End(DecoderEnd end);

  const DecoderProcessOptions options_;
  // -1 once it has been waited for.
  pid_t pid_;
  Descriptor socket_;
  // Null until the first small image; kKeptBytes, all 0 between two images.
  PixelMemory kept_;
  DecoderEnd end_ = DecoderEnd::kIdle;
};

}  // namespace s2p

#endif  // S2P_SERVER_DECODER_DECODER_PROCESS_H_
