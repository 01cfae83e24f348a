#include "server/rpc/add_photos_call.h"

#include <atomic>
#include <deque>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "rpc/unreadable_message.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "server/rpc/photo_adder.h"
#include "server/rpc/to_proto.h"

namespace s2p {
namespace {

// Photos of one stream that are in progress: a batch.
constexpr size_t kMostInProgress = 32;

// Message `number` of the stream, the first being 1. InvalidArgument if it cannot be read.
absl::StatusOr<v1::AddPhotoRequest> Parse(grpc::ByteBuffer bytes, int64_t number) {
  v1::AddPhotoRequest request;
  // Reading consumes a buffer; the copy shares its bytes.
  grpc::ByteBuffer copy = bytes;
  if (grpc::SerializationTraits<v1::AddPhotoRequest>::Deserialize(&copy, &request).ok()) {
    return request;
  }
  grpc::Slice slice;
  const bool whole = bytes.DumpToSingleSlice(&slice).ok();
  const absl::string_view text(whole ? reinterpret_cast<const char*>(slice.begin()) : "",
                               whole ? slice.size() : 0);
  return absl::InvalidArgumentError(absl::StrCat(
      "message ", number, " of the stream: ", WhyUnreadable(text, *request.GetDescriptor()),
      "; all before it are answered, none after it is read"));
}

grpc::ByteBuffer Serialize(const v1::AddPhotoResponse& response) {
  grpc::ByteBuffer bytes;
  bool own = false;
  grpc::SerializationTraits<v1::AddPhotoResponse>::Serialize(response, &bytes, &own);
  return bytes;
}

// Reads, work and writes of the stream overlap. The mutex guards their shared state; gRPC's
// operations are started outside the mutex. The call ends when the client has closed its side, has
// sent something that cannot be read, or is gone, and the answer to every photo is written (or can
// no longer be).
class AddPhotosCall : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  AddPhotosCall(const ServiceContext& service, grpc::CallbackServerContext* context)
      : service_(service), context_(context), call_{"AddPhotos", absl::Now(), true} {}

  void Start() {
    absl::Status status = service_.gate->Admit(*context_);
    if (status.ok() && service_.slot->Get() == nullptr) {
      status = absl::UnavailableError("no model serves yet");
    }
    if (!status.ok()) {
      Finish(service_.gate->End(call_, status, *context_));
      return;
    }
    StartRead(&message_);
  }

  void OnReadDone(bool ok) override {
    absl::StatusOr<v1::AddPhotoRequest> request = absl::CancelledError("no message");
    if (ok) request = Parse(std::exchange(message_, grpc::ByteBuffer()), ++messages_);
    Slot* slot = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      if (request.ok()) {
        slot = &slots_.emplace_back();
        slot->photo_id = request->photo_id();
        slot->request.Swap(&*request);
      } else {
        reads_over_ = true;
        if (ok) failure_ = request.status();
      }
    }
    if (slot != nullptr) Work(slot);
    Advance();
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (!ok) broken_ = true;
      slots_.pop_front();
    }
    Advance();
  }

  void OnCancel() override { cancelled_.store(true, std::memory_order_relaxed); }
  void OnDone() override {
    // The thread that finished the call may still be releasing the lock.
    { absl::MutexLock lock(&mutex_); }
    delete this;
  }

 private:
  // One photo. Does not move in memory while it is in the deque.
  struct Slot {
    std::string photo_id;
    // Only its worker touches it once it is submitted.
    v1::AddPhotoRequest request;
    grpc::ByteBuffer response;
    bool submitted = false;
    bool finished = false;
  };

  // Hands the photo to the pool, or leaves it for later if an earlier one with the same id is still
  // in progress, so that the last one of the stream wins.
  void Work(Slot* slot) {
    {
      absl::MutexLock lock(&mutex_);
      for (const Slot& earlier : slots_) {
        if (&earlier == slot) break;
        if (!earlier.finished && earlier.photo_id == slot->photo_id) return;
      }
      slot->submitted = true;
      ++working_;
    }
    absl::Status status = service_.add_pool->Submit([this, slot] {
      End(slot, AddPhoto(service_, std::move(slot->request),
                         [this] { return cancelled_.load(std::memory_order_relaxed); }));
    });
    if (status.ok()) return;
    v1::AddPhotoResponse response;
    response.set_photo_id(slot->photo_id);
    *response.mutable_status() = ToProto(status);
    End(slot, response);
  }

  void End(Slot* slot, const v1::AddPhotoResponse& response) {
    Slot* next = nullptr;
    grpc::ByteBuffer bytes = Serialize(response);
    {
      absl::MutexLock lock(&mutex_);
      slot->response.Swap(&bytes);
      slot->finished = true;
      for (Slot& later : slots_) {
        if (!later.submitted && later.photo_id == slot->photo_id) {
          next = &later;
          break;
        }
      }
    }
    if (next != nullptr) Work(next);
    Advance(/*work_ended=*/1);
  }

  // Starts the next write, the next read or the end, if due. Another thread may end the call as
  // soon as this releases the mutex, unless this has a read or a write to start.
  void Advance(int work_ended = 0) {
    const grpc::ByteBuffer* write = nullptr;
    bool read = false, end = false;
    absl::Status status;
    {
      absl::MutexLock lock(&mutex_);
      working_ -= work_ended;
      if (broken_ && !writing_) {
        // Nobody reads the answers any more; photos in progress still finish.
        while (!slots_.empty() && slots_.front().finished) slots_.pop_front();
      }
      if (!broken_ && !writing_ && !slots_.empty() && slots_.front().finished) {
        writing_ = true;
        write = &slots_.front().response;
      }
      if (!reads_over_ && !reading_ && slots_.size() < kMostInProgress) {
        reading_ = true;
        read = true;
      }
      if (reads_over_ && slots_.empty() && !writing_ && working_ == 0 && !ended_) {
        end = ended_ = true;
        status = failure_;
      }
    }
    if (write != nullptr) StartWrite(write);
    if (read) StartRead(&message_);
    if (end) {
      if (cancelled_.load(std::memory_order_relaxed)) status = absl::CancelledError("cancelled");
      Finish(service_.gate->End(call_, status, *context_));
    }
  }

  const ServiceContext& service_;
  grpc::CallbackServerContext* const context_;
  const CallRecord call_;
  std::atomic<bool> cancelled_{false};
  // Only reads touch these, one at a time.
  grpc::ByteBuffer message_;
  int64_t messages_ = 0;

  absl::Mutex mutex_;
  std::deque<Slot> slots_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;
  bool reads_over_ ABSL_GUARDED_BY(mutex_) = false;
  // The reason why the reads are over; OK if the client ended them.
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  // Photos that a worker has, or has just finished.
  int working_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartAddPhotos(
    const ServiceContext& service, grpc::CallbackServerContext* context) {
  auto* call = new AddPhotosCall(service, context);
  call->Start();
  return call;
}

}  // namespace s2p
