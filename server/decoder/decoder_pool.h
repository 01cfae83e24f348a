// Processes that decode images.
#ifndef S2P_SERVER_DECODER_DECODER_POOL_H_
#define S2P_SERVER_DECODER_DECODER_POOL_H_

#include <sys/types.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/decoder/budget.h"
#include "server/decoder/decoder_process.h"
#include "server/decoder/image_decoder.h"

namespace s2p {

struct DecoderPoolOptions {
  DecoderProcessOptions process;
  // Processes, and so images that are decoded at one time. They are started one by one when they
  // are first needed, except the first.
  int processes = 1;
  // Optional; called on any thread. A process was started, or could not be; it has ended.
  std::function<void(const absl::Status&)> on_start;
  std::function<void(DecoderEnd)> on_end;
};

// Gives each image a process for as long as it is decoded; callers wait for one in the order of
// their arrival. A process that has ended is replaced when the next image needs it. A call whose
// time is over costs its process: nothing else stops a decoder. Starting one takes some
// milliseconds.
//
// The system ends a process together with the thread that started it, so the pool has a thread that
// starts them. Thread-safe.
class DecoderPool final : public ImageDecoder {
 public:
  // Starts the first process. As DecoderProcess::Start.
  static absl::StatusOr<std::unique_ptr<DecoderPool>> Create(const DecoderPoolOptions& options);
  // No call may run.
  ~DecoderPool() override;

  // Also as DecoderProcess::Decode; Unavailable if a process cannot be started, without the reason,
  // which on_start has.
  absl::StatusOr<Image> Decode(absl::string_view bytes, const ImageLimits& limits,
                               const CallLife& life) override;

  // The processes that wait for an image.
  std::vector<pid_t> idle() const;

 private:
  struct NewProcess;

  explicit DecoderPool(const DecoderPoolOptions& options);
  void RunStarts();
  absl::StatusOr<std::unique_ptr<DecoderProcess>> StartProcess();
  // A process that waited, or a new one.
  absl::StatusOr<std::unique_ptr<DecoderProcess>> TakeProcess();
  void GiveBack(std::unique_ptr<DecoderProcess> process);
  void ReportEnd(const DecoderProcess& process) const;

  const DecoderPoolOptions options_;
  Budget places_;

  mutable absl::Mutex mutex_;
  std::vector<std::unique_ptr<DecoderProcess>> idle_ ABSL_GUARDED_BY(mutex_);
  // The calls that wait for a new process; borrowed.
  std::deque<NewProcess*> wanted_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread starter_;
};

// Address space for one image within `limits`, of whatever kind.
int64_t DecoderMemory(const ImageLimits& limits);

// The s2p-decoder that belongs to the server with the file `program`: the one in its folder, or
// else the one where the installation puts it, such as ../libexec/sketch2photo. If neither exists,
// the former, for a message that names it.
std::string DecoderOf(const std::string& program);
// That of this process's program.
std::string DecoderOfThisProgram();

}  // namespace s2p

#endif  // S2P_SERVER_DECODER_DECODER_POOL_H_
