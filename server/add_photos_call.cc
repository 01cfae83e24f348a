#include "server/add_photos_call.h"

#include <atomic>
#include <deque>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "server/grpc_status.h"
#include "server/photo_adder.h"

namespace s2p {
namespace {

// Photos of one stream that are under way: a batch, and one more that is being read.
constexpr size_t kMostUnderWay = 32;

// Reads, work and writes of the stream go on at the same time. The mutex guards what they share;
// gRPC's operations are started outside of it. The call ends when the client has said its last
// word (or is gone) and every photo has its answer written (or cannot have it any more).
class AddPhotosCall : public grpc::ServerBidiReactor<v1::AddPhotoRequest, v1::AddPhotoResponse> {
 public:
  AddPhotosCall(const ServiceContext& service, grpc::CallbackServerContext* context)
      : service_(service), context_(context), call_{"AddPhotos", absl::Now(), true} {}

  void Begin() {
    absl::Status status = Admit(service_, *context_);
    if (status.ok() && service_.slot->Get() == nullptr) {
      status = absl::UnavailableError("no model serves yet");
    }
    if (!status.ok()) {
      Finish(EndCall(service_, *context_, call_, status));
      return;
    }
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    Slot* slot = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      if (ok) {
        slot = &slots_.emplace_back();
        slot->photo_id = request_.photo_id();
        slot->request.Swap(&request_);
      } else {
        reads_over_ = true;
      }
    }
    if (slot != nullptr) Work(slot);
    GoOn();
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (!ok) broken_ = true;
      slots_.pop_front();
    }
    GoOn();
  }

  void OnCancel() override { cancelled_.store(true, std::memory_order_relaxed); }
  void OnDone() override {
    // Whoever found that the call is over may still be leaving the lock.
    { absl::MutexLock lock(&mutex_); }
    delete this;
  }

 private:
  // One photo. Stays where it is in memory while it is in the deque.
  struct Slot {
    std::string photo_id;
    // Its worker's alone once it is submitted.
    v1::AddPhotoRequest request;
    v1::AddPhotoResponse response;
    bool submitted = false;
    bool finished = false;
  };

  // Hands the photo to the pool, unless an earlier one of the same id is still under way: then
  // later, so that the last one of the stream wins.
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
    End(slot, std::move(response));
  }

  void End(Slot* slot, v1::AddPhotoResponse response) {
    Slot* next = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      slot->response = std::move(response);
      slot->finished = true;
      for (Slot& later : slots_) {
        if (!later.submitted && later.photo_id == slot->photo_id) {
          next = &later;
          break;
        }
      }
    }
    if (next != nullptr) Work(next);
    GoOn(/*work_ended=*/1);
  }

  // Starts the next write, the next read or the end, whichever is due. Another thread may end the
  // call as soon as this has let the mutex go, unless it has a read or a write to start.
  void GoOn(int work_ended = 0) {
    const v1::AddPhotoResponse* write = nullptr;
    bool read = false, end = false;
    {
      absl::MutexLock lock(&mutex_);
      working_ -= work_ended;
      if (broken_ && !writing_) {
        // Nobody reads the answers any more; what is under way still finishes.
        while (!slots_.empty() && slots_.front().finished) slots_.pop_front();
      }
      if (!broken_ && !writing_ && !slots_.empty() && slots_.front().finished) {
        writing_ = true;
        write = &slots_.front().response;
      }
      if (!reads_over_ && !reading_ && slots_.size() < kMostUnderWay) {
        reading_ = true;
        read = true;
      }
      if (reads_over_ && slots_.empty() && !writing_ && working_ == 0 && !ended_) {
        end = ended_ = true;
      }
    }
    if (write != nullptr) StartWrite(write);
    if (read) StartRead(&request_);
    if (end) {
      const bool gone = cancelled_.load(std::memory_order_relaxed);
      Finish(EndCall(service_, *context_, call_,
                     gone ? absl::CancelledError("cancelled") : absl::OkStatus()));
    }
  }

  const ServiceContext& service_;
  grpc::CallbackServerContext* const context_;
  const CallRecord call_;
  std::atomic<bool> cancelled_{false};
  // Of the read that is under way.
  v1::AddPhotoRequest request_;

  absl::Mutex mutex_;
  std::deque<Slot> slots_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;
  bool reads_over_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  // Photos that a worker has, or has just finished.
  int working_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

grpc::ServerBidiReactor<v1::AddPhotoRequest, v1::AddPhotoResponse>* StartAddPhotos(
    const ServiceContext& service, grpc::CallbackServerContext* context) {
  auto* call = new AddPhotosCall(service, context);
  call->Begin();
  return call;
}

}  // namespace s2p
