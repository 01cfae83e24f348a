#include "server/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "daemon/retry_after.h"
#include "server/indexed_gallery_view.h"
#include "tests/server/gallery_fixture.h"
#include "tests/server/view_builder.h"
#include "tests/testing/fake_encoder.h"

namespace s2p::testing {
namespace {

using ::testing::ElementsAre;
using Priority = BatchRequest::Priority;

// What became of one request.
struct Answer {
  absl::Notification done;
  absl::StatusOr<BatchResult> result = absl::UnknownError("not done");
};

// A batcher whose encoder can be stopped in the middle of a batch.
class BatcherTest : public ::testing::Test {
 protected:
  void Serve(int64_t version) {
    FakeEncoderOptions options;
    options.version = version;
    options.on_encode = [this](absl::Span<const EncoderInput> inputs) {
      {
        absl::MutexLock lock(&mutex_);
        sizes_.push_back(static_cast<int>(inputs.size()));
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
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->version = version;
    snapshot->encoder = std::make_shared<FakeEncoder>(options);
    slot_.Set(snapshot);
  }
  void Start(BatcherOptions options) { batcher_ = *Batcher::Create(options, &slot_); }
  // No batch before Stop or until it is full.
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

  static constexpr int kBadWidth = 3;
  absl::Mutex mutex_;
  std::vector<int> sizes_ ABSL_GUARDED_BY(mutex_);
  // Only for the next batch, whose thread alone reads it then.
  std::atomic<bool> hold_{false};
  absl::Notification holding_, go_on_;
  SnapshotSlot slot_;
  std::unique_ptr<Batcher> batcher_;
};

TEST_F(BatcherTest, RequestsShareABatchAndGetTheirOwnRows) {
  Serve(1);
  Start(Patient(3));
  Answer one, two;
  ASSERT_TRUE(Submit(one, 1).ok());
  ASSERT_TRUE(Submit(two, 2).ok());
  one.done.WaitForNotification();
  two.done.WaitForNotification();
  EXPECT_THAT(sizes(), ElementsAre(3));
  ASSERT_TRUE(one.result.ok() && two.result.ok());
  EXPECT_EQ(one.result->encoding.embeddings.rows(), 1);
  EXPECT_EQ(two.result->encoding.embeddings.rows(), 2);
  const Encoding alone = EncodeImage(FakeEncoder(1), PhotoImage(801));
  EXPECT_THAT(two.result->encoding.embeddings.row(1),
              ::testing::ElementsAreArray(alone.embeddings.row(0)));
}

TEST_F(BatcherTest, WithoutDelayNothingWaits) {
  Serve(1);
  BatcherOptions options;
  options.max_delay = absl::ZeroDuration();
  Start(options);
  Answer answer;
  ASSERT_TRUE(Submit(answer).ok());
  answer.done.WaitForNotification();
  EXPECT_TRUE(answer.result.ok());
}

TEST_F(BatcherTest, FullQueueRefusesAndNeverAnswers) {
  Serve(1);
  BatcherOptions options = Patient(8);
  options.max_queue = 2;
  Start(options);
  Answer one, two, refused;
  ASSERT_TRUE(Submit(one).ok());
  ASSERT_TRUE(Submit(two).ok());
  const absl::Status status = Submit(refused);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("2 images wait"));
  EXPECT_TRUE(RetryAfter(status).has_value());
  batcher_->Stop();
  EXPECT_TRUE(one.result.ok());
  EXPECT_FALSE(refused.done.HasBeenNotified());
}

TEST_F(BatcherTest, LiveRequestsGoFirst) {
  Serve(1);
  hold_ = true;
  BatcherOptions options;
  options.max_batch = 1;
  options.max_delay = absl::ZeroDuration();
  Start(options);
  Answer first, background, live;
  ASSERT_TRUE(Submit(first).ok());
  holding_.WaitForNotification();
  ASSERT_TRUE(Submit(background, 1, Priority::kBackground).ok());
  ASSERT_TRUE(Submit(live).ok());
  bool live_was_first = false;
  go_on_.Notify();
  live.done.WaitForNotification();
  background.done.WaitForNotification();
  live_was_first = live.result->queue_time <= background.result->queue_time;
  EXPECT_TRUE(live_was_first);
}

TEST_F(BatcherTest, AddThatHasWaitedForLongGoesBeforeSearches) {
  Serve(1);
  hold_ = true;
  BatcherOptions options;
  options.max_batch = 2;
  options.max_delay = absl::ZeroDuration();
  options.max_background_wait = absl::ZeroDuration();
  Start(options);
  Answer first, background, live, later;
  ASSERT_TRUE(Submit(first).ok());
  holding_.WaitForNotification();
  std::vector<std::string> order;
  const auto submit = [&](const char* name, Answer& answer, Priority priority) {
    BatchRequest request = Request(answer, 1);
    request.priority = priority;
    // All on the batch thread.
    request.done = [&order, &answer, name](absl::StatusOr<BatchResult> result) {
      order.push_back(name);
      answer.result = std::move(result);
      answer.done.Notify();
    };
    ASSERT_TRUE(batcher_->Submit(std::move(request)).ok());
  };
  submit("live", live, Priority::kLive);
  submit("later", later, Priority::kLive);
  submit("background", background, Priority::kBackground);
  go_on_.Notify();
  batcher_->Stop();
  EXPECT_THAT(order, ElementsAre("background", "live", "later"));
}

// A gallery of one photo a seed, that counts how often it is searched.
class CountingView final : public GalleryView {
 public:
  explicit CountingView(std::shared_ptr<const GalleryView> view) : view_(std::move(view)) {}
  int64_t version() const override { return view_->version(); }
  int dimension() const override { return view_->dimension(); }
  const std::vector<std::string>& attributes() const override { return view_->attributes(); }
  int64_t size() const override { return view_->size(); }
  absl::StatusOr<std::vector<std::vector<GalleryMatch>>> Search(
      const EmbeddingMatrix& queries,
      absl::Span<const GallerySearchOptions> options) const override {
    batches.push_back(queries.rows());
    return view_->Search(queries, options);
  }
  std::shared_ptr<const GalleryItem> Find(absl::string_view photo_id) const override {
    return view_->Find(photo_id);
  }
  absl::StatusOr<absl::Span<const float>> EmbeddingOf(absl::string_view photo_id) const override {
    return view_->EmbeddingOf(photo_id);
  }

  // Of the batch thread until it has ended.
  mutable std::vector<int> batches;

 private:
  const std::shared_ptr<const GalleryView> view_;
};

class BatchSearchTest : public BatcherTest {
 protected:
  void SetUp() override {
    const FakeEncoder encoder(1);
    std::vector<GalleryRow> rows;
    for (uint32_t seed = 1; seed <= 9; ++seed) {
      const Encoding encoding = EncodeImage(encoder, PhotoImage(seed));
      auto item = std::make_shared<GalleryItem>();
      item->photo_id = absl::StrCat("photo", seed);
      const auto embedding = encoding.embeddings.row(0);
      const auto attributes = encoding.attributes.row(0);
      rows.push_back({std::move(item),
                      {embedding.begin(), embedding.end()},
                      {attributes.begin(), attributes.end()}});
    }
    view_ = std::make_shared<CountingView>(*BuildView(
        {1, encoder.dimension(), encoder.attributes()}, std::move(rows), *MakeIndexBuilder()));
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->version = 1;
    snapshot->encoder = std::make_shared<FakeEncoder>(1);
    snapshot->gallery = view_;
    slot_.Set(snapshot);
    Start(Patient());
  }
  BatchRequest Search(Answer& answer, uint32_t seed) {
    BatchRequest request = Request(answer, 0);
    request.images.push_back(PhotoImage(seed));
    request.modalities.push_back(v1::MODALITY_PHOTO);
    request.query = [](const EmbeddingMatrix& drawn, const GalleryView&) { return drawn; };
    request.search.top_k = 1;
    return request;
  }

  std::shared_ptr<CountingView> view_;
};

TEST_F(BatchSearchTest, QueriesOfABatchAreSearchedTogetherAndAnsweredEach) {
  Answer three, seven, no_search;
  ASSERT_TRUE(batcher_->Submit(Search(three, 3)).ok());
  ASSERT_TRUE(Submit(no_search).ok());
  ASSERT_TRUE(batcher_->Submit(Search(seven, 7)).ok());
  batcher_->Stop();
  EXPECT_THAT(view_->batches, ElementsAre(2));
  ASSERT_TRUE(three.result.ok() && seven.result.ok() && no_search.result.ok());
  EXPECT_EQ(three.result->matches.at(0).item->photo_id, "photo3");
  EXPECT_EQ(seven.result->matches.at(0).item->photo_id, "photo7");
  EXPECT_TRUE(no_search.result->matches.empty());
}

TEST_F(BatchSearchTest, SearchThatTheGalleryRefusesFailsAlone) {
  Answer good, refused;
  BatchRequest request = Search(refused, 3);
  request.search.filter.attributes = {{"heel", 0, 1}};
  ASSERT_TRUE(batcher_->Submit(std::move(request)).ok());
  ASSERT_TRUE(batcher_->Submit(Search(good, 5)).ok());
  batcher_->Stop();
  EXPECT_EQ(refused.result.status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(good.result.ok()) << good.result.status();
  EXPECT_EQ(good.result->matches.at(0).item->photo_id, "photo5");
}

TEST_F(BatchSearchTest, QueryThatCannotBeMadeFailsAlone) {
  Answer good, refused;
  BatchRequest request = Search(refused, 3);
  request.query = [](const EmbeddingMatrix&, const GalleryView&) {
    return absl::StatusOr<EmbeddingMatrix>(absl::NotFoundError("no such photo"));
  };
  ASSERT_TRUE(batcher_->Submit(std::move(request)).ok());
  ASSERT_TRUE(batcher_->Submit(Search(good, 5)).ok());
  batcher_->Stop();
  EXPECT_EQ(refused.result.status(), absl::NotFoundError("no such photo"));
  ASSERT_TRUE(good.result.ok()) << good.result.status();
  EXPECT_EQ(good.result->matches.at(0).item->photo_id, "photo5");
}

TEST_F(BatcherTest, LateRequestCostsNoCompute) {
  Serve(1);
  Start(Patient());
  Answer answer;
  BatchRequest request = Request(answer, 1);
  request.deadline = absl::InfinitePast();
  ASSERT_TRUE(batcher_->Submit(std::move(request)).ok());
  batcher_->Stop();
  EXPECT_EQ(answer.result.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(sizes(), ElementsAre());
}

TEST_F(BatcherTest, CancelledRequestCostsNoComputeAndOthersGoOn) {
  Serve(1);
  Start(Patient());
  Answer cancelled, other;
  BatchRequest request = Request(cancelled, 1);
  request.cancelled = [] { return true; };
  ASSERT_TRUE(batcher_->Submit(std::move(request)).ok());
  ASSERT_TRUE(Submit(other).ok());
  batcher_->Stop();
  EXPECT_EQ(cancelled.result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(other.result.ok());
  EXPECT_THAT(sizes(), ElementsAre(1));
}

TEST_F(BatcherTest, OneBadImageFailsItsOwnRequestAlone) {
  Serve(1);
  Start(Patient());
  Answer bad, good;
  ASSERT_TRUE(batcher_->Submit(Request(bad, 1, kBadWidth)).ok());
  ASSERT_TRUE(Submit(good).ok());
  batcher_->Stop();
  EXPECT_EQ(bad.result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(good.result.ok());
}

TEST_F(BatcherTest, ABatchKeepsTheSnapshotItBeganWith) {
  Serve(1);
  hold_ = true;
  BatcherOptions options;
  options.max_delay = absl::ZeroDuration();
  Start(options);
  Answer before, after;
  ASSERT_TRUE(Submit(before).ok());
  holding_.WaitForNotification();
  Serve(2);
  ASSERT_TRUE(Submit(after).ok());
  go_on_.Notify();
  after.done.WaitForNotification();
  before.done.WaitForNotification();
  EXPECT_EQ(before.result->snapshot->version, 1);
  EXPECT_EQ(after.result->snapshot->version, 2);
}

TEST_F(BatcherTest, WithoutAModelRequestsAreUnavailable) {
  Start(Patient());
  Answer answer;
  ASSERT_TRUE(Submit(answer).ok());
  batcher_->Stop();
  EXPECT_EQ(answer.result.status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(BatcherTest, RequestWithoutImagesGetsTheSnapshot) {
  Serve(5);
  Start(Patient());
  Answer answer;
  ASSERT_TRUE(Submit(answer, 0).ok());
  batcher_->Stop();
  ASSERT_TRUE(answer.result.ok());
  EXPECT_EQ(answer.result->snapshot->version, 5);
  EXPECT_EQ(answer.result->encoding.embeddings.rows(), 0);
}

TEST_F(BatcherTest, RequestLargerThanABatchIsABatchByItself) {
  Serve(1);
  Start(Patient(2));
  Answer large;
  ASSERT_TRUE(Submit(large, 5).ok());
  large.done.WaitForNotification();
  EXPECT_THAT(sizes(), ElementsAre(5));
}

TEST_F(BatcherTest, StoppedBatcherRefuses) {
  Serve(1);
  Start(Patient());
  batcher_->Stop();
  Answer answer;
  EXPECT_EQ(Submit(answer).code(), absl::StatusCode::kUnavailable);
}

TEST_F(BatcherTest, ManyThreadsEachGetTheirOwnAnswer) {
  Serve(1);
  BatcherOptions options;
  options.max_delay = absl::ZeroDuration();
  options.max_queue = 1000;
  Start(options);
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < 20; ++i) {
        Answer answer;
        BatchRequest request = Request(answer, 0);
        request.images.push_back(PhotoImage(1000 * t + i));
        request.modalities.push_back(v1::MODALITY_SKETCH);
        ASSERT_TRUE(batcher_->Submit(std::move(request)).ok());
        answer.done.WaitForNotification();
        const Encoding alone =
            EncodeImage(FakeEncoder(1), PhotoImage(1000 * t + i), v1::MODALITY_SKETCH);
        right += answer.result->encoding.embeddings.row(0) == alone.embeddings.row(0) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 160);
}

TEST(BatcherOptionsTest, BadOptionIsNamed) {
  SnapshotSlot slot;
  for (const auto& [batch, queue, name] :
       {std::tuple(0, 1, "max_batch"), std::tuple(257, 1, "max_batch"),
        std::tuple(1, 0, "max_queue")}) {
    BatcherOptions options;
    options.max_batch = batch;
    options.max_queue = queue;
    const auto batcher = Batcher::Create(options, &slot);
    EXPECT_EQ(batcher.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(batcher.status().message()), ::testing::HasSubstr(name));
  }
}

}  // namespace
}  // namespace s2p::testing
