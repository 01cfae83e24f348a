#include "server/rpc/add_photos_call.h"

#include <deque>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "s2p/v1/gallery.grpc.pb.h"
#include "server/rpc/photo_adder.h"
#include "server/rpc/to_proto.h"

namespace s2p {
namespace {

// Photos of one stream that are in progress: a batch.
constexpr size_t kMostInProgress = 32;

// Reads, work and writes of the stream overlap. The mutex guards their shared state; gRPC's
// operations are started outside the mutex. The call ends when the client has closed its side, has
// sent something that cannot be read, or is gone, and the answer to every photo is written (or can
// no longer be).
class AddPhotosCall final : public RpcCall {
 public:
  AddPhotosCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                const ServiceContext& service)
      : RpcCall(method, service.gate, context), service_(service) {}

 private:
  // One photo. Does not move in memory while it is in the deque.
  struct Slot {
    std::string photo_id;
    // Only its worker touches these two once it is submitted.
    v1::AddPhotoRequest request;
    ByteBudget::Share share;
    grpc::ByteBuffer response;
    bool submitted = false;
    bool finished = false;
  };

  void OnAdmitted() override {
    // The stream lasts as long as its client likes; a read may also wait for the budget.
    StopWaiting();
    if (service_.slot->Get() == nullptr) {
      return End(absl::UnavailableError("no model serves yet"));
    }
    ReadNext();
  }

  void OnReadDone(bool ok) override {
    absl::StatusOr<v1::AddPhotoRequest> request = absl::CancelledError("no message");
    ByteBudget::Share share = service_.add_bytes->Take(queue(), ok ? message_.Length() : 0);
    if (ok) {
      request = Parse(std::exchange(message_, grpc::ByteBuffer()), ++messages_);
    }
    Slot* slot = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      if (request.ok()) {
        slot = &slots_.emplace_back();
        slot->photo_id = request->photo_id();
        slot->request.Swap(&*request);
        slot->share = std::move(share);
        if (!Claim(slot)) slot = nullptr;
      } else {
        reads_over_ = true;
        if (ok) failure_ = request.status();
      }
    }
    if (slot != nullptr) Submit(slot);
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

  void OnEnd() override {
    // The thread that finished the call may still be releasing the lock.
    absl::MutexLock lock(&mutex_);
  }

  // Message `number` of the stream, the first being 1. As ParseMessage.
  absl::StatusOr<v1::AddPhotoRequest> Parse(grpc::ByteBuffer bytes, int64_t number) const {
    v1::AddPhotoRequest request;
    const absl::Status status = ParseMessage(method(), std::move(bytes), &request);
    if (status.ok()) return request;
    return absl::Status(status.code(),
                        absl::StrCat("message ", number, " of the stream: ", status.message(),
                                     "; all before it are answered, none after it is read"));
  }

  void ReadNext() {
    service_.add_bytes->WhenRoom(queue(), [this] { StartRead(&message_); });
  }

  // Whether the caller has to Submit the slot, outside the mutex. If an earlier photo with the same
  // id is still in progress, its answer claims the slot instead, so that the last one of the stream
  // wins. Only one thread may touch a slot, so it is claimed in the critical section that adds it.
  bool Claim(Slot* slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const Slot& earlier : slots_) {
      if (&earlier == slot) break;
      if (!earlier.finished && earlier.photo_id == slot->photo_id) return false;
    }
    slot->submitted = true;
    ++working_;
    return true;
  }

  // Hands a photo that was claimed to the pool.
  void Submit(Slot* slot) {
    const absl::Status taken = service_.add_pool->Submit(queue(), [this,
                                                                   slot](const absl::Status& turn) {
      if (!turn.ok()) return Refuse(slot, turn);
      Answer(slot, AddPhoto(service_, std::move(slot->request), [this] { return is_cancelled(); }));
    });
    if (!taken.ok()) Refuse(slot, taken);
  }

  void Refuse(Slot* slot, const absl::Status& status) {
    v1::AddPhotoResponse response;
    response.set_photo_id(slot->photo_id);
    *response.mutable_status() = ToProto(status, service_.gate->hidden());
    Answer(slot, response);
  }

  void Answer(Slot* slot, const v1::AddPhotoResponse& response) {
    Slot* next = nullptr;
    grpc::ByteBuffer bytes = ToBytes(response);
    const auto code = static_cast<absl::StatusCode>(response.status().code());
    if (is_change()) service_.gate->RecordPart(record(), slot->photo_id, code);
    slot->request.Clear();
    slot->share.Release();
    {
      absl::MutexLock lock(&mutex_);
      slot->response.Swap(&bytes);
      slot->finished = true;
      if (code == absl::StatusCode::kOk) ++added_;
      for (Slot& later : slots_) {
        if (later.submitted || later.photo_id != slot->photo_id) continue;
        if (Claim(&later)) next = &later;
        break;
      }
    }
    if (next != nullptr) Submit(next);
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
        record().changes = added_;
      }
    }
    if (write != nullptr) StartWrite(write);
    if (read) ReadNext();
    if (end) End(is_cancelled() ? absl::CancelledError("cancelled") : status);
  }

  const ServiceContext& service_;
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
  // Photos that the gallery has now, because of this call or of an earlier one.
  int64_t added_ ABSL_GUARDED_BY(mutex_) = 0;
  // Photos that a worker has, or has just finished.
  int working_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

RpcCall* NewAddPhotosCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                          const ServiceContext& service) {
  return new AddPhotosCall(method, context, service);
}

}  // namespace s2p
