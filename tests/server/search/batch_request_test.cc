// Images that are preprocessed before their batch.
#include "server/search/batch_request.h"

#include "tests/server/search/batcher_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAreArray;

class PreprocessTest : public BatcherTest {
 protected:
  // Serves version 1 with this hook, which runs before each image is preprocessed.
  void ServeWith(std::function<absl::Status(const Image&)> on_preprocess) {
    FakeEncoderOptions options;
    options.on_preprocess = std::move(on_preprocess);
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->version = 1;
    snapshot->encoder = std::make_shared<FakeEncoder>(std::move(options));
    slot_.Set(snapshot);
  }
  void Compute(BatchRequest request) {
    BatcherOptions options;
    options.max_delay = absl::ZeroDuration();
    Start(options);
    ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
    batcher_->Stop();
    ASSERT_THAT(answer_.result, IsOk());
  }
  // The rows are those that this version's encoder gives for the images alone.
  void ExpectRowsOf(int64_t version, int images) {
    EXPECT_EQ(answer_.result->snapshot->version, version);
    const BatchRequest same = Request(unused_, images);
    const FakeEncoder encoder(version);
    for (int i = 0; i < images; ++i) {
      const Encoding alone = EncodeImage(encoder, same.images[static_cast<size_t>(i)]);
      EXPECT_THAT(answer_.result->encoding.embeddings.row(i),
                  ElementsAreArray(alone.embeddings.row(0)));
      EXPECT_THAT(answer_.result->encoding.attributes.row(i),
                  ElementsAreArray(alone.attributes.row(0)));
    }
  }

  Answer answer_, unused_;
};

TEST_F(PreprocessTest, BatchTakesWhatWasPreprocessedAndAnswersTheSame) {
  Serve(1);
  BatchRequest request = Request(answer_, 3);
  ASSERT_THAT(PreprocessImages(slot_, request), IsOk());
  EXPECT_EQ(request.preprocessed.size(), 3u);
  Compute(std::move(request));
  EXPECT_EQ(preprocessed(), 3);
  ExpectRowsOf(1, 3);
}

TEST_F(PreprocessTest, AnotherVersionPreprocessesTheImagesAgain) {
  Serve(1);
  BatchRequest request = Request(answer_, 2);
  ASSERT_THAT(PreprocessImages(slot_, request), IsOk());
  Serve(2);
  Compute(std::move(request));
  EXPECT_EQ(preprocessed(), 0);
  ExpectRowsOf(2, 2);
}

TEST_F(PreprocessTest, RequestsPreprocessedForTwoVersionsShareABatch) {
  Serve(1);
  Answer old_answer;
  BatchRequest old_request = Request(old_answer, 1);
  ASSERT_THAT(PreprocessImages(slot_, old_request), IsOk());
  Serve(2);
  BatchRequest request = Request(answer_, 2);
  ASSERT_THAT(PreprocessImages(slot_, request), IsOk());
  Start(Patient(3));
  ASSERT_THAT(batcher_->Submit(std::move(old_request)), IsOk());
  ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  batcher_->Stop();
  EXPECT_THAT(sizes(), testing::ElementsAre(3));
  EXPECT_EQ(preprocessed(), 2);
  ExpectRowsOf(2, 2);
  const Encoding alone = EncodeImage(FakeEncoder(2), Request(unused_, 1).images[0]);
  ASSERT_THAT(old_answer.result, IsOk());
  EXPECT_THAT(old_answer.result->encoding.embeddings.row(0),
              ElementsAreArray(alone.embeddings.row(0)));
}

TEST_F(PreprocessTest, BeforeTheFirstModelNothingIsPreprocessed) {
  BatchRequest request = Request(answer_, 2);
  EXPECT_THAT(PreprocessImages(slot_, request), IsOk());
  EXPECT_TRUE(request.preprocessed.empty());
}

TEST_F(PreprocessTest, CancelledRequestEndsBeforeItsNextImage) {
  int images = 0;
  ServeWith([&images](const Image&) {
    ++images;
    return absl::OkStatus();
  });
  BatchRequest request = Request(answer_, 3);
  request.cancelled = [&images] { return images == 1; };
  EXPECT_THAT(PreprocessImages(slot_, request), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(images, 1);
  EXPECT_TRUE(request.preprocessed.empty());
}

TEST_F(PreprocessTest, LateRequestIsNotPreprocessed) {
  int images = 0;
  ServeWith([&images](const Image&) {
    ++images;
    return absl::OkStatus();
  });
  BatchRequest request = Request(answer_, 1);
  request.deadline = SteadyTime::InfinitePast();
  EXPECT_THAT(PreprocessImages(slot_, request), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(images, 0);
}

TEST_F(PreprocessTest, FailureOfOneImageIsThatOfTheRequest) {
  ServeWith([](const Image&) { return absl::ResourceExhaustedError("no memory"); });
  BatchRequest request = Request(answer_, 2);
  EXPECT_EQ(PreprocessImages(slot_, request), absl::ResourceExhaustedError("no memory"));
}

TEST_F(PreprocessTest, PreprocessedPixelsCountAsMemory) {
  Serve(1);
  BatchRequest request = Request(answer_, 2);
  EXPECT_EQ(PixelBytes(request), 2 * 8 * 8 * 3);
  ASSERT_THAT(PreprocessImages(slot_, request), IsOk());
  // The fake encoder keeps the size.
  EXPECT_EQ(PixelBytes(request), 4 * 8 * 8 * 3);
}

}  // namespace
}  // namespace s2p::test
