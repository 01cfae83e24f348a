#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/key_file.h"
#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using SearchServiceTest = ServerTest;

std::vector<std::string> Ids(const v1::SearchResponse& response) {
  std::vector<std::string> ids;
  for (const v1::Match& match : response.matches()) ids.push_back(match.photo_id());
  return ids;
}

TEST_F(SearchServiceTest, MatchesAreRankedWithScoreAndVersion) {
  Serve();
  MustAdd(20);
  v1::SearchResponse response;
  ASSERT_THAT(Search(SketchOf(7), &response), IsOk());
  ASSERT_EQ(response.matches_size(), 10);
  EXPECT_EQ(response.matches(0).photo_id(), "p7");
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(response.matches(i).rank(), static_cast<uint32_t>(i + 1));
    EXPECT_LE(response.matches(i).score(), response.matches(std::max(0, i - 1)).score());
  }
  EXPECT_EQ(response.model_version(), 1);
  EXPECT_TRUE(response.has_timings());
}

TEST_F(SearchServiceTest, EncodeIncludesWhatItsBatchPreprocesses) {
  Serve();
  MustAdd(1);
  v1::SearchResponse response;
  ASSERT_THAT(Search(SketchOf(0), &response), IsOk());
  const Encoding encoding = EncodeImage(FakeEncoder(1), PhotoImage(0), v1::MODALITY_SKETCH);
  EXPECT_EQ(response.timings().encode().nanos(),
            absl::ToInt64Nanoseconds(encoding.preprocess_time + encoding.encode_time));
}

// The scores of all photos, by a plain loop over what the encoder gives.
TEST_F(SearchServiceTest, RankingIsThatOfAPlainLoopWhateverTheBatch) {
  options_.batcher.max_delay = absl::Milliseconds(20);
  Serve();
  constexpr int kPhotos = 30;
  MustAdd(kPhotos);
  const FakeEncoder encoder(1);
  std::vector<Encoding> photos;
  for (uint32_t i = 0; i < kPhotos; ++i) photos.push_back(EncodeImage(encoder, PhotoImage(i)));
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const Encoding query = EncodeImage(encoder, PhotoImage(t), v1::MODALITY_SKETCH);
      std::vector<std::pair<float, std::string>> expected;
      for (int i = 0; i < kPhotos; ++i) {
        expected.emplace_back(
            -CosineSimilarity(query.embeddings.row(0), photos[i].embeddings.row(0)),
            absl::StrCat("p", i));
      }
      std::sort(expected.begin(), expected.end());
      v1::SearchRequest request = SketchOf(t);
      request.set_top_k(kPhotos);
      v1::SearchResponse response;
      bool same = Search(request, &response).ok() && response.matches_size() == kPhotos;
      for (int i = 0; same && i < kPhotos; ++i) {
        same = response.matches(i).photo_id() == expected[i].second &&
               std::abs(response.matches(i).score() + expected[i].first) < 1e-6F;
      }
      right += same ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 8);
}

TEST_F(SearchServiceTest, StrokesAndPhotoIdsAreExamplesToo) {
  Serve();
  MustAdd(5);
  v1::SearchRequest request;
  request.add_examples()->set_photo_id("p3");
  v1::SearchResponse response;
  ASSERT_THAT(Search(request, &response), IsOk());
  EXPECT_EQ(response.matches(0).photo_id(), "p3");
  EXPECT_NEAR(response.matches(0).score(), 1, 1e-6);
  v1::Strokes* strokes = request.mutable_examples(0)->mutable_strokes();
  strokes->set_width(50);
  strokes->set_height(40);
  strokes->add_strokes()->add_points()->set_x(10);
  EXPECT_THAT(Search(request, &response), IsOk());
}

TEST_F(SearchServiceTest, FilterAndExclusionLeaveOut) {
  Serve();
  v1::AddPhotoRequest red = Photo("red", 1), blue = Photo("blue", 2);
  (*red.mutable_metadata())["colour"] = "red";
  Add({red, blue});
  v1::SearchRequest request = SketchOf(2);
  v1::SearchResponse response;
  (*request.mutable_filter()->mutable_metadata())["colour"] = "red";
  ASSERT_THAT(Search(request, &response), IsOk());
  EXPECT_THAT(Ids(response), ElementsAre("red"));
  EXPECT_EQ(response.matches(0).metadata().at("colour"), "red");
  request.clear_filter();
  request.mutable_filter()->add_exclude_photo_ids("blue");
  ASSERT_THAT(Search(request, &response), IsOk());
  EXPECT_THAT(Ids(response), ElementsAre("red"));
}

// A photo of one colour, with a dark frame.
std::string InColour(uint8_t red, uint8_t green, uint8_t blue) {
  Image image(32, 32, 20);
  for (int y = 4; y < 28; ++y) {
    for (int x = 4; x < 28; ++x) {
      uint8_t* pixel = image.row(y) + x * Image::kChannels;
      pixel[0] = red;
      pixel[1] = green;
      pixel[2] = blue;
    }
  }
  return *EncodePng(image);
}

class ColouredSearchTest : public SearchServiceTest {
 protected:
  // Three photos; the drawing has the pixels of the green one.
  void ServeThree() {
    Serve();
    std::vector<v1::AddPhotoRequest> photos;
    for (const auto& [id, image] :
         {std::pair{"red", InColour(200, 30, 30)}, std::pair{"green", InColour(30, 160, 60)},
          std::pair{"blue", InColour(30, 50, 190)}}) {
      photos.emplace_back().set_photo_id(id);
      photos.back().set_image(image);
    }
    for (const auto& response : Add(photos)) ASSERT_EQ(response.status().code(), 0);
    request_.add_examples()->set_image(InColour(30, 160, 60));
  }

  v1::SearchRequest request_;
  v1::SearchResponse response_;
};

TEST_F(ColouredSearchTest, PreferenceRanksAndLeavesScoresAsTheyAre) {
  ServeThree();
  ASSERT_THAT(Search(request_, &response_), IsOk());
  ASSERT_EQ(response_.matches_size(), 3);
  EXPECT_EQ(response_.matches(0).photo_id(), "green");
  std::map<std::string, float> scores;
  for (const v1::Match& match : response_.matches()) {
    scores[match.photo_id()] = match.score();
    EXPECT_EQ(match.color_score(), 0);
  }
  v1::ColorPreference& preference = *request_.add_color_preferences();
  preference.mutable_color()->set_rgb("#1e32be");
  preference.set_weight(1);
  ASSERT_THAT(Search(request_, &response_), IsOk());
  ASSERT_EQ(response_.matches_size(), 3);
  EXPECT_EQ(response_.matches(0).photo_id(), "blue");
  EXPECT_NEAR(response_.matches(0).color_score(), 1, 0.01);
  for (const v1::Match& match : response_.matches()) {
    EXPECT_EQ(match.score(), scores[match.photo_id()]);
  }
}

TEST_F(ColouredSearchTest, FilterKeepsPhotosOfTheColourAlone) {
  ServeThree();
  request_.mutable_filter()->add_colors()->mutable_color()->set_rgb("#c81e1e");
  ASSERT_THAT(Search(request_, &response_), IsOk());
  EXPECT_THAT(Ids(response_), ElementsAre("red"));
}

TEST_F(ColouredSearchTest, BadColourNamesItsField) {
  ServeThree();
  request_.add_color_preferences()->mutable_color()->set_rgb("blue");
  ExpectRefused(request_, grpc::StatusCode::INVALID_ARGUMENT, "color_preferences[0].color.rgb:");
  request_.clear_color_preferences();
  request_.mutable_filter()->add_colors();
  ExpectRefused(request_, grpc::StatusCode::INVALID_ARGUMENT, "filter.colors[0].color:");
}

TEST_F(ColouredSearchTest, ColoursSurviveARestart) {
  ServeThree();
  server_.reset();
  Start();
  WaitUntilReady();
  request_.mutable_filter()->add_colors()->mutable_color()->set_rgb("#1e32be");
  ASSERT_THAT(Search(request_, &response_), IsOk());
  EXPECT_THAT(Ids(response_), ElementsAre("blue"));
}

TEST_F(SearchServiceTest, MinScoreLeavesOutWhatIsWorse) {
  Serve();
  MustAdd(10);
  v1::SearchRequest request = SketchOf(4);
  request.set_min_score(0.95F);
  v1::SearchResponse response;
  ASSERT_THAT(Search(request, &response), IsOk());
  ASSERT_GE(response.matches_size(), 1);
  for (const v1::Match& match : response.matches()) EXPECT_GE(match.score(), 0.95F);
}

TEST_F(SearchServiceTest, AttributesComeWhenAskedFor) {
  Serve();
  MustAdd(2);
  v1::SearchRequest request = SketchOf(1);
  v1::SearchResponse response;
  ASSERT_THAT(Search(request, &response), IsOk());
  EXPECT_EQ(response.query_attributes_size(), 0);
  request.set_with_attributes(true);
  ASSERT_THAT(Search(request, &response), IsOk());
  ASSERT_EQ(response.query_attributes_size(), 3);
  EXPECT_EQ(response.query_attributes(0).name(), "red");
  EXPECT_EQ(response.matches(0).attributes_size(), 3);
}

TEST_F(SearchServiceTest, FilterOnAnUnknownAttributeIsFailedPrecondition) {
  Serve();
  MustAdd(1);
  v1::SearchRequest request = SketchOf(1);
  request.mutable_filter()->add_attributes()->set_name("wings");
  ExpectRefused(request, grpc::StatusCode::FAILED_PRECONDITION, "wings");
}

TEST_F(SearchServiceTest, BadRequestsNameTheirField) {
  Serve();
  v1::SearchRequest request = SketchOf(1);
  request.set_top_k(0);
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "top_k");
  request.set_top_k(1001);
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "top_k");
  request = SketchOf(1);
  request.mutable_examples(0)->set_image("");
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "examples[0].image");
  request.mutable_examples(0)->set_image(PhotoBytes(1).substr(0, 60));
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "examples[0].image");
  request.mutable_examples(0)->set_photo_id("nobody");
  ExpectRefused(request, grpc::StatusCode::NOT_FOUND, "examples[0].photo_id");
}

TEST_F(SearchServiceTest, ImageDamagedBehindItsHeaderIsRefused) {
  Serve();
  std::string bytes = *EncodePng(Image(64, 64, 7));
  for (size_t i = 45; i < 60; ++i) bytes[i] = static_cast<char>(bytes[i] ^ 0x55);
  v1::SearchRequest request;
  request.add_examples()->set_image(bytes);
  ExpectRefused(request, grpc::StatusCode::INVALID_ARGUMENT, "examples[0].image");
}

TEST_F(SearchServiceTest, BeforeTheFirstModelSearchIsUnavailable) {
  Start();
  ExpectRefused(SketchOf(1), grpc::StatusCode::UNAVAILABLE, "no model");
}

TEST_F(SearchServiceTest, DrawingsAndPhotosComeToTheirBatchPreprocessed) {
  std::atomic<int> images{0}, preprocessed{0};
  on_encode_ = [&](absl::Span<const EncoderInput> inputs) {
    for (const EncoderInput& input : inputs) {
      ++images;
      if (input.preprocessed != nullptr && input.preprocessed->version == 1) ++preprocessed;
    }
    return absl::OkStatus();
  };
  Serve();
  MustAdd(2);
  v1::SearchRequest request = SketchOf(1);
  *request.add_examples() = SketchOf(2).examples(0);
  v1::SearchResponse response;
  ASSERT_THAT(Search(request, &response), IsOk());
  EXPECT_EQ(images, 4);
  EXPECT_EQ(preprocessed, 4);
}

TEST_F(SearchServiceTest, PhotosThatAreAddedArePreprocessedOnAsManyThreadsAsDecode) {
  std::atomic<int> running{0}, most{0};
  std::atomic<bool> held{false};
  on_preprocess_ = [&](const Image&) {
    const int now = ++running;
    if (now > most) most = now;
    // The first stays until another comes, which it must not, or all had plenty of time to.
    const bool is_first = !held.exchange(true);
    for (int i = 0; is_first && running == 1 && i < 100'000; ++i) std::this_thread::yield();
    --running;
    return absl::OkStatus();
  };
  options_.decode_threads = 1;
  Serve();
  MustAdd(32);
  EXPECT_EQ(most, 1);
}

TEST_F(SearchServiceTest, FailureToPreprocessIsThatOfTheSearch) {
  std::atomic<bool> fail{false};
  on_preprocess_ = [&](const Image&) {
    return fail ? absl::ResourceExhaustedError("no memory") : absl::OkStatus();
  };
  Serve();
  MustAdd(1);
  fail = true;
  ExpectRefused(SketchOf(1), grpc::StatusCode::RESOURCE_EXHAUSTED, "no memory");
  fail = false;
  EXPECT_THAT(Search(SketchOf(1)), IsOk());
}

TEST_F(SearchServiceTest, FullQueueSaysWhenToComeBack) {
  absl::Notification encoding, go_on;
  std::atomic<bool> hold{false};
  on_encode_ = [&](absl::Span<const EncoderInput>) {
    if (hold.exchange(false)) {
      encoding.Notify();
      go_on.WaitForNotification();
    }
    return absl::OkStatus();
  };
  options_.batcher.max_queue = 1;
  options_.batcher.max_batch = 1;
  Serve();
  hold = true;
  std::thread first([this] { EXPECT_THAT(Search(SketchOf(1)), IsOk()); });
  encoding.WaitForNotification();
  // One more waits; of those after it, each is refused at once.
  std::thread second([this] { Search(SketchOf(2)); });
  // The place in the queue may go to this search first; then it must leave by its deadline, which
  // grows, as a machine may be too slow for any.
  for (auto patience = std::chrono::milliseconds(200);; patience *= 2) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + patience);
    v1::SearchResponse response;
    const grpc::Status status = search_->Search(&context, SketchOf(3), &response);
    ASSERT_FALSE(status.ok());
    if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) continue;
    const auto hint = context.GetServerTrailingMetadata().find("grpc-retry-pushback-ms");
    ASSERT_NE(hint, context.GetServerTrailingMetadata().end());
    int milliseconds = 0;
    EXPECT_TRUE(absl::SimpleAtoi(absl::string_view(hint->second.data(), hint->second.size()),
                                 &milliseconds));
    EXPECT_GE(milliseconds, 10);
    break;
  }
  go_on.Notify();
  first.join();
  second.join();
}

TEST_F(SearchServiceTest, LateSearchIsNotComputed) {
  absl::Notification encoding, go_on;
  std::atomic<bool> hold{false};
  std::atomic<int> batches{0};
  on_encode_ = [&](absl::Span<const EncoderInput>) {
    ++batches;
    if (hold.exchange(false)) {
      encoding.Notify();
      go_on.WaitForNotification();
    }
    return absl::OkStatus();
  };
  Serve();
  hold = true;
  std::thread first([this] { EXPECT_THAT(Search(SketchOf(1)), IsOk()); });
  encoding.WaitForNotification();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
  v1::SearchResponse response;
  EXPECT_EQ(search_->Search(&context, SketchOf(2), &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  go_on.Notify();
  first.join();
  server_->Shutdown(absl::InfiniteDuration());  // Whatever waited is over now.
  EXPECT_EQ(batches, 1);
}

TEST_F(SearchServiceTest, KeyForSearchesChangesNothing) {
  options_.host.credentials.api_key_file = dir_.File("keys");
  const std::string key =
      AddKey(options_.host.credentials.api_key_file, "web", {Role::kSearch}).value();
  Serve();
  const auto with_key = [&key](grpc::ClientContext& context) {
    context.AddMetadata("authorization", "Bearer " + key);
  };
  grpc::ClientContext search, stats, add, remove, pin;
  for (auto* context : {&search, &stats, &add, &remove, &pin}) with_key(*context);
  v1::SearchResponse found;
  EXPECT_THAT(search_->Search(&search, SketchOf(1), &found), IsOk());
  v1::GetGalleryStatsResponse counted;
  EXPECT_THAT(gallery_->GetGalleryStats(&stats, {}, &counted), IsOk());
  const auto denied = [](const std::string& role) {
    return StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("the role " + role));
  };
  EXPECT_THAT(gallery_->AddPhotos(&add)->Finish(), denied("write"));
  v1::DeletePhotosResponse deleted;
  EXPECT_THAT(gallery_->DeletePhotos(&remove, {}, &deleted), denied("write"));
  v1::SetServingVersionResponse pinned;
  EXPECT_THAT(model_->SetServingVersion(&pin, {}, &pinned), denied("admin"));
}

TEST_F(SearchServiceTest, KeyIsAskedForOnEveryService) {
  options_.host.credentials.api_key_file = dir_.File("keys");
  {
    std::ofstream file(options_.host.credentials.api_key_file);
    file << "correct-horse-battery-staple\n";
  }
  std::filesystem::permissions(options_.host.credentials.api_key_file,
                               std::filesystem::perms::owner_read);
  Serve();
  ExpectRefused(SketchOf(1), grpc::StatusCode::UNAUTHENTICATED, "");
  grpc::ClientContext without;
  v1::GetModelStatusResponse model;
  EXPECT_EQ(model_->GetModelStatus(&without, {}, &model).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  grpc::ClientContext stream_context;
  auto stream = gallery_->AddPhotos(&stream_context);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  grpc::ClientContext with;
  with.AddMetadata("authorization", "Bearer correct-horse-battery-staple");
  v1::SearchResponse response;
  EXPECT_THAT(search_->Search(&with, SketchOf(1), &response), IsOk());
}

}  // namespace
}  // namespace s2p::test
