// A batcher with a fake encoder that can be stopped in the middle of a batch.
#ifndef S2P_TESTS_SERVER_SEARCH_BATCHER_FIXTURE_H_
#define S2P_TESTS_SERVER_SEARCH_BATCHER_FIXTURE_H_

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/search/batcher.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/fake_encoder.h"

namespace s2p::test {

using Priority = BatchRequest::Priority;

// The outcome of one request.
struct Answer {
  absl::Notification done;
  absl::StatusOr<BatchResult> result = absl::UnknownError("not done");
};

// A clock that stands still until a test moves it. Thread-safe.
class StandingClock {
 public:
  SteadyTime Now() const {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Advance(absl::Duration by) {
    absl::MutexLock lock(&mutex_);
    now_ += by;
  }
  // Valid while this lives.
  Batch::Clock AsClock() const {
    return [this] { return Now(); };
  }

 private:
  mutable absl::Mutex mutex_;
  SteadyTime now_ ABSL_GUARDED_BY(mutex_) = SteadyTime::Now();
};

// A batcher whose encoder can be stopped in the middle of a batch.
class BatcherTest : public testing::Test {
 protected:
  // The time that one image takes to encode, as the encoder says.
  static constexpr absl::Duration kEncodeTime = absl::Milliseconds(1);

  std::shared_ptr<const FakeEncoder> MakeEncoder(int64_t version) {
    FakeEncoderOptions options;
    options.version = version;
    options.encode_time_per_image = kEncodeTime;
    options.on_encode = [this, version](absl::Span<const EncoderInput> inputs) {
      {
        absl::MutexLock lock(&mutex_);
        sizes_.push_back(static_cast<int>(inputs.size()));
        for (const EncoderInput& input : inputs) {
          const PreprocessedImage* const made = input.preprocessed;
          if (made != nullptr && made->version == version) ++preprocessed_;
        }
      }
      if (hold_) {
        holding_.Notify();
        go_on_.WaitForNotification();
        hold_ = false;
      }
      for (const EncoderInput& input : inputs) {
        if (input.image->width() == kBadWidth) return absl::InvalidArgumentError("bad image");
      }
      return absl::OkStatus();
    };
    return std::make_shared<FakeEncoder>(std::move(options));
  }
  void Serve(int64_t version, std::shared_ptr<const GalleryView> gallery = nullptr) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->version = version;
    snapshot->encoder = MakeEncoder(version);
    snapshot->gallery = std::move(gallery);
    slot_.Set(snapshot);
  }
  void Start(BatcherOptions options) { batcher_ = *Batcher::Create(options, &slot_); }
  // Runs no batch until it is full or Stop is called.
  static BatcherOptions Patient(int max_batch = 8) {
    BatcherOptions options;
    options.max_batch = max_batch;
    options.max_delay = absl::InfiniteDuration();
    return options;
  }
  static BatchRequest Request(Answer& answer, int images, int width = 8) {
    BatchRequest request;
    for (int i = 0; i < images; ++i) {
      Image image = PhotoImage(static_cast<uint32_t>(i + 100 * width));
      if (width != 8) image = Image(width, 8, static_cast<uint8_t>(width));
      request.images.push_back(std::move(image));
      request.modalities.push_back(v1::MODALITY_PHOTO);
    }
    request.done = [&answer](absl::StatusOr<BatchResult> result) {
      answer.result = std::move(result);
      answer.done.Notify();
    };
    return request;
  }
  absl::Status Submit(Answer& answer, int images = 1, Priority priority = Priority::kLive) {
    BatchRequest request = Request(answer, images);
    request.priority = priority;
    return batcher_->Submit(std::move(request));
  }
  std::vector<int> sizes() {
    absl::MutexLock lock(&mutex_);
    return sizes_;
  }

  // Images that came to a batch preprocessed for its version.
  int preprocessed() {
    absl::MutexLock lock(&mutex_);
    return preprocessed_;
  }
  // Waits until this many batches have come to the encoder.
  void AwaitBatches(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto came = [this, count]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return sizes_.size() >= count; };
    mutex_.Await(absl::Condition(&came));
  }

  static constexpr int kBadWidth = 3;
  absl::Mutex mutex_;
  std::vector<int> sizes_ ABSL_GUARDED_BY(mutex_);
  int preprocessed_ ABSL_GUARDED_BY(mutex_) = 0;
  // Only for the next batch, whose thread alone reads it then.
  std::atomic<bool> hold_{false};
  absl::Notification holding_, go_on_;
  // Used by a batcher or a batch that gets it.
  StandingClock clock_;
  SnapshotSlot slot_;
  std::unique_ptr<Batcher> batcher_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_SEARCH_BATCHER_FIXTURE_H_
