#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>

#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;
using Response = v1::AddPhotoResponse;

class GalleryServiceTest : public ServerTest {
 protected:
  std::vector<std::string> ListAll(uint32_t page_size) {
    std::vector<std::string> ids;
    v1::ListPhotosRequest request;
    request.set_page_size(page_size);
    do {
      grpc::ClientContext context;
      v1::ListPhotosResponse response;
      EXPECT_THAT(gallery_->ListPhotos(&context, request, &response), IsOk());
      EXPECT_LE(response.photos_size(), static_cast<int>(page_size));
      for (const v1::Photo& photo : response.photos()) ids.push_back(photo.photo_id());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return ids;
  }
  v1::AddPhotoRequest Noise() const;
  grpc::Status Get(const std::string& photo_id, v1::Rendition rendition, v1::Photo* photo,
                   std::string* bytes) {
    grpc::ClientContext context;
    v1::GetPhotoRequest request;
    request.set_photo_id(photo_id);
    request.set_rendition(rendition);
    auto reader = gallery_->GetPhoto(&context, request);
    v1::GetPhotoResponse response;
    while (reader->Read(&response)) {
      if (response.has_photo()) *photo = response.photo();
      *bytes += response.chunk();
    }
    return reader->Finish();
  }
};

TEST_F(GalleryServiceTest, BadPhotoFailsAloneAndInItsPlace) {
  Serve();
  v1::AddPhotoRequest bad = Photo("bad", 1);
  bad.set_image("no image");
  const auto responses = Add({Photo("a", 1), bad, Photo("b", 2)});
  EXPECT_EQ(responses[0].result(), Response::RESULT_ADDED);
  EXPECT_EQ(responses[1].status().code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(responses[1].status().message(), HasSubstr("image:"));
  EXPECT_EQ(responses[2].result(), Response::RESULT_ADDED);
}

TEST_F(GalleryServiceTest, ChangesAreRecordedPhotoByPhoto) {
  options_.host.access.audit_log = dir_.File("audit");
  Serve();
  v1::AddPhotoRequest bad = Photo("bad", 1);
  bad.set_image("no image");
  (*bad.mutable_metadata())["owner"] = "somebody";
  Add({Photo("a", 1), bad});
  grpc::ClientContext context;
  v1::DeletePhotosRequest request;
  request.add_photo_ids("a");
  request.add_photo_ids("none");
  v1::DeletePhotosResponse response;
  EXPECT_THAT(gallery_->DeletePhotos(&context, request, &response), IsOk());
  server_->Shutdown(absl::InfiniteDuration());
  std::vector<std::string> lines;
  std::ifstream file(dir_.File("audit"));
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  const auto line = [](const std::string& words) {
    return AllOf(HasSubstr(R"("key":"anonymous","address":"127.0.0.1",)" + words),
                 Not(HasSubstr("somebody")));
  };
  EXPECT_THAT(lines,
              UnorderedElementsAre(
                  line(R"("method":"AddPhotos","ids":["a"],"count":1,"code":"OK")"),
                  line(R"("method":"AddPhotos","ids":["bad"],"count":1,"code":"INVALID_ARGUMENT")"),
                  line(R"("method":"AddPhotos","ids":[],"count":1,"code":"OK")"),
                  line(R"("method":"DeletePhotos","ids":["a","none"],"count":2,"code":"OK")")));
}

TEST_F(GalleryServiceTest, SamePhotoAgainChangesNothing) {
  Serve();
  Add({Photo("a", 1)});
  EXPECT_EQ(Add({Photo("a", 1)})[0].result(), Response::RESULT_UNCHANGED);
}

TEST_F(GalleryServiceTest, ConflictIsResolvedAsAsked) {
  Serve();
  Add({Photo("a", 1)});
  v1::AddPhotoRequest other = Photo("a", 2);
  EXPECT_EQ(Add({other})[0].status().code(), grpc::StatusCode::ALREADY_EXISTS);
  other.set_on_conflict(v1::ON_CONFLICT_SKIP);
  EXPECT_EQ(Add({other})[0].result(), Response::RESULT_SKIPPED);
  other.set_on_conflict(v1::ON_CONFLICT_REPLACE);
  EXPECT_EQ(Add({other})[0].result(), Response::RESULT_REPLACED);
}

TEST_F(GalleryServiceTest, LastOfTheStreamWins) {
  Serve();
  std::vector<v1::AddPhotoRequest> requests;
  for (uint32_t i = 0; i < 20; ++i) {
    requests.push_back(Photo("same", i));
    requests.back().set_on_conflict(v1::ON_CONFLICT_REPLACE);
  }
  Add(requests);
  v1::Photo photo;
  std::string bytes;
  ASSERT_THAT(Get("same", v1::RENDITION_ORIGINAL, &photo, &bytes), IsOk());
  EXPECT_EQ(bytes, PhotoBytes(19));
}

TEST_F(GalleryServiceTest, EachMessageWithTheSameIdIsAnsweredOnceAndInOrder) {
  Serve();
  // The first is refused by its image; the second and all after it find what is there already.
  std::vector<v1::AddPhotoRequest> requests(500, Photo("same", 1));
  requests[0].set_image("no image");
  const auto responses = Add(requests);
  ASSERT_EQ(responses.size(), 500u);
  EXPECT_EQ(responses[0].status().code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(responses[1].result(), Response::RESULT_ADDED);
  for (size_t i = 2; i < responses.size(); ++i) {
    ASSERT_EQ(responses[i].result(), Response::RESULT_UNCHANGED) << i;
  }
}

TEST_F(GalleryServiceTest, MorePhotosThanAreUnderWayAtOnceAllArrive) {
  Serve();
  MustAdd(150);
  EXPECT_EQ(ListAll(1000).size(), 150u);
}

TEST_F(GalleryServiceTest, BadFieldsAreNamed) {
  Serve();
  v1::AddPhotoRequest without_id = Photo("", 1), long_key = Photo("k", 1), mode = Photo("m", 1);
  (*long_key.mutable_metadata())[std::string(65, 'k')] = "";
  mode.set_on_conflict(static_cast<v1::OnConflict>(9));
  const auto responses = Add({without_id, long_key, mode});
  EXPECT_THAT(responses[0].status().message(), HasSubstr("photo_id"));
  EXPECT_THAT(responses[1].status().message(), HasSubstr("metadata"));
  EXPECT_THAT(responses[2].status().message(), HasSubstr("on_conflict"));
  for (const auto& response : responses) {
    EXPECT_EQ(response.status().code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(GalleryServiceTest, AddingBeforeTheFirstModelIsUnavailable) {
  Start();
  grpc::ClientContext context;
  auto stream = gallery_->AddPhotos(&context);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GalleryServiceTest, ClientThatLeavesDoesNotStopTheServer) {
  Serve();
  {
    grpc::ClientContext context;
    auto stream = gallery_->AddPhotos(&context);
    for (uint32_t i = 0; i < 10; ++i) stream->Write(Photo(absl::StrCat("x", i), i));
    context.TryCancel();
    stream->Finish();
  }
  EXPECT_EQ(Add({Photo("a", 99)})[0].result(), Response::RESULT_ADDED);
}

TEST_F(GalleryServiceTest, DeletedPhotoIsGoneAndMissingOnesAreNamed) {
  Serve();
  MustAdd(3);
  grpc::ClientContext context;
  v1::DeletePhotosRequest request;
  request.add_photo_ids("p1");
  request.add_photo_ids("none");
  v1::DeletePhotosResponse response;
  ASSERT_THAT(gallery_->DeletePhotos(&context, request, &response), IsOk());
  EXPECT_EQ(response.deleted_count(), 1u);
  EXPECT_THAT(response.missing_photo_ids(), ElementsAre("none"));
  EXPECT_THAT(ListAll(10), ElementsAre("p0", "p2"));
  v1::SearchResponse found;
  ASSERT_THAT(Search(SketchOf(1), &found), IsOk());
  EXPECT_EQ(found.matches_size(), 2);
}

TEST_F(GalleryServiceTest, IdThatIsGivenTwiceIsDeletedOnceAndNotMissing) {
  Serve();
  MustAdd(1);
  grpc::ClientContext context;
  v1::DeletePhotosRequest request;
  for (const char* id : {"p0", "none", "p0", "none"}) request.add_photo_ids(id);
  v1::DeletePhotosResponse response;
  ASSERT_THAT(gallery_->DeletePhotos(&context, request, &response), IsOk());
  EXPECT_EQ(response.deleted_count(), 1u);
  EXPECT_THAT(response.missing_photo_ids(), ElementsAre("none"));
}

TEST_F(GalleryServiceTest, NothingToDeleteIsRefused) {
  Serve();
  grpc::ClientContext context;
  v1::DeletePhotosResponse response;
  EXPECT_EQ(gallery_->DeletePhotos(&context, {}, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(GalleryServiceTest, PagesCoverTheGalleryOnce) {
  Serve();
  MustAdd(7);
  EXPECT_THAT(ListAll(3), ElementsAre("p0", "p1", "p2", "p3", "p4", "p5", "p6"));
}

TEST_F(GalleryServiceTest, BadPageIsRefused) {
  Serve();
  v1::ListPhotosResponse response;
  for (const uint32_t size : {0u, 1001u}) {
    grpc::ClientContext context;
    v1::ListPhotosRequest request;
    request.set_page_size(size);
    const grpc::Status status = gallery_->ListPhotos(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("page_size"));
  }
  grpc::ClientContext context;
  v1::ListPhotosRequest request;
  request.set_page_token("!!");
  EXPECT_EQ(gallery_->ListPhotos(&context, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(GalleryServiceTest, ThumbnailIsASmallJpeg) {
  Serve();
  v1::AddPhotoRequest large = Photo("large", 1);
  large.set_image(*EncodePng(Image(600, 300, 90)));
  Add({large});
  v1::Photo photo;
  std::string bytes;
  ASSERT_THAT(Get("large", v1::RENDITION_THUMBNAIL, &photo, &bytes), IsOk());
  const auto header = ReadImageHeader(bytes);
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->format, ImageFormat::kJpeg);
  EXPECT_EQ(header->width, 256);
  EXPECT_EQ(header->height, 128);
  EXPECT_EQ(photo.width(), 600u);
}

// A JPEG with an EXIF segment that contains `text`.
std::string JpegWithExif(const Image& image, const std::string& text) {
  const std::string jpeg = *EncodeJpeg(image);
  std::string exif("Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", 20);
  exif += text;
  const size_t size = exif.size() + 2;
  std::string segment = {'\xFF', '\xE1', static_cast<char>(size >> 8), static_cast<char>(size)};
  return jpeg.substr(0, 2) + segment + exif + jpeg.substr(2);
}

TEST_F(GalleryServiceTest, ThumbnailHasNothingOfTheExifAndTheOriginalIsAsItWasGiven) {
  Serve();
  v1::AddPhotoRequest small = Photo("small", 1), large = Photo("large", 1);
  small.set_image(JpegWithExif(Image(64, 32, 90), "SECRET CAMERA, 52.5 N 13.4 E"));
  large.set_image(JpegWithExif(Image(600, 300, 90), "SECRET CAMERA, 52.5 N 13.4 E"));
  for (const auto& response : Add({small, large})) ASSERT_EQ(response.status().code(), 0);
  for (const char* id : {"small", "large"}) {
    v1::Photo photo;
    std::string thumbnail, original;
    ASSERT_THAT(Get(id, v1::RENDITION_THUMBNAIL, &photo, &thumbnail), IsOk());
    ASSERT_THAT(Get(id, v1::RENDITION_ORIGINAL, &photo, &original), IsOk());
    EXPECT_THAT(original, HasSubstr("SECRET CAMERA"));
    EXPECT_THAT(thumbnail, testing::Not(HasSubstr("SECRET CAMERA")));
    EXPECT_THAT(thumbnail, testing::Not(HasSubstr("Exif")));
  }
}

TEST_F(GalleryServiceTest, MissingFileOfAPhotoIsDataLossWithoutAPath) {
  Serve();
  MustAdd(1);
  const std::string sha256 = Sha256(PhotoBytes(0));
  std::filesystem::remove(
      absl::StrCat(options_.data_dir, "/photos/", sha256.substr(0, 2), "/", sha256));
  v1::Photo photo;
  std::string bytes;
  for (const auto rendition : {v1::RENDITION_ORIGINAL, v1::RENDITION_THUMBNAIL}) {
    const grpc::Status status = Get("p0", rendition, &photo, &bytes);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
    EXPECT_EQ(status.error_message(), "photo_id 'p0': its file is missing");
  }
  EXPECT_THAT(Get("p0", v1::RENDITION_NONE, &photo, &bytes), IsOk());
}

TEST_F(GalleryServiceTest, LowDiskRefusesPhotosAndMetadataAndDeletes) {
  std::atomic<uint64_t> free_bytes{1'000'000};
  options_.min_free = {1000, 1};
  options_.measure_disk = [&] { return DiskSpace{free_bytes, 2'000'000}; };
  Serve();
  MustAdd(2);
  free_bytes = 500;
  const auto refused = Add({Photo("new", 9)})[0];
  EXPECT_EQ(refused.status().code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.status().message(), HasSubstr("--min-free"));
  {
    grpc::ClientContext context;
    v1::UpdatePhotoMetadataRequest request;
    request.set_photo_id("p0");
    v1::UpdatePhotoMetadataResponse response;
    EXPECT_EQ(gallery_->UpdatePhotoMetadata(&context, request, &response).error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  {
    grpc::ClientContext context;
    v1::DeletePhotosRequest request;
    request.add_photo_ids("p0");
    v1::DeletePhotosResponse response;
    EXPECT_THAT(gallery_->DeletePhotos(&context, request, &response), IsOk());
    EXPECT_EQ(response.deleted_count(), 1u);
  }
  free_bytes = 1'000'000;
  EXPECT_EQ(Add({Photo("new", 9)})[0].status().code(), 0);
}

// Paths of the files below `folder` that contain `text`.
std::vector<std::string> FilesWith(const std::string& folder, const std::string& text) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    if (bytes.find(text) != std::string::npos) paths.push_back(entry.path().string());
  }
  return paths;
}

TEST_F(GalleryServiceTest, SketchesOfSearchesAreKeptNowhere) {
  Serve();
  MustAdd(1);
  const std::string sketch = PhotoBytes(77);
  v1::SearchRequest strokes;
  v1::Strokes* drawing = strokes.add_examples()->mutable_strokes();
  drawing->set_width(1000);
  drawing->set_height(1000);
  v1::Stroke* stroke = drawing->add_strokes();
  for (int i = 0; i < 20; ++i) {
    auto* point = stroke->add_points();
    point->set_x(123.456f + 10 * static_cast<float>(i));
    point->set_y(321.123f);
  }
  ASSERT_THAT(Search(SketchOf(77)), IsOk());
  ASSERT_THAT(Search(strokes), IsOk());
  ASSERT_THAT(FilesWith(dir_.path(), PhotoBytes(0)), testing::SizeIs(1));
  EXPECT_THAT(FilesWith(dir_.path(), sketch), testing::IsEmpty());
  EXPECT_THAT(FilesWith(dir_.path(), Sha256(sketch)), testing::IsEmpty());
  EXPECT_THAT(FilesWith(dir_.path(), stroke->SerializeAsString().substr(0, 40)),
              testing::IsEmpty());
  const float x = stroke->points(7).x();
  EXPECT_THAT(FilesWith(dir_.path(), std::string(reinterpret_cast<const char*>(&x), sizeof(x))),
              testing::IsEmpty());
}

// An original of more than 2 MiB.
v1::AddPhotoRequest GalleryServiceTest::Noise() const {
  Image noise(1000, 900);
  uint32_t state = 1;
  for (int y = 0; y < noise.height(); ++y) {
    for (int i = 0; i < noise.width() * 3; ++i) {
      noise.row(y)[i] = static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
    }
  }
  v1::AddPhotoRequest request = Photo("noise", 1);
  request.set_image(*EncodePng(noise));
  return request;
}

TEST_F(GalleryServiceTest, LargeOriginalComesInChunks) {
  Serve();
  const v1::AddPhotoRequest request = Noise();
  ASSERT_GT(request.image().size(), size_t{2} << 20);
  ASSERT_EQ(Add({request})[0].status().code(), 0);
  v1::Photo photo;
  std::string bytes;
  ASSERT_THAT(Get("noise", v1::RENDITION_ORIGINAL, &photo, &bytes), IsOk());
  EXPECT_EQ(bytes, request.image());
}

TEST_F(GalleryServiceTest, EndOfAnOriginalIsReadWhenTheClientHasTakenItsStart) {
  Serve();
  const v1::AddPhotoRequest request = Noise();
  ASSERT_EQ(Add({request})[0].status().code(), 0);
  grpc::ClientContext context;
  v1::GetPhotoRequest get;
  get.set_photo_id("noise");
  get.set_rendition(v1::RENDITION_ORIGINAL);
  auto reader = gallery_->GetPhoto(&context, get);
  v1::GetPhotoResponse response;
  ASSERT_TRUE(reader->Read(&response));
  const std::string& sha256 = response.photo().sha256();
  // Far more than a connection buffers is still in the file.
  std::fstream file(options_.data_dir + "/photos/" + sha256.substr(0, 2) + "/" + sha256,
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put(static_cast<char>(request.image().back() + 1));
  file.close();
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST_F(GalleryServiceTest, PhotosBeyondTheLimitAreRefusedWithATimeToComeBack) {
  options_.max_photos_sent = 1;
  Serve();
  ASSERT_EQ(Add({Noise()})[0].status().code(), 0);
  v1::GetPhotoRequest request;
  request.set_photo_id("noise");
  request.set_rendition(v1::RENDITION_ORIGINAL);
  grpc::ClientContext slow_context, context;
  v1::GetPhotoResponse response;
  auto slow = gallery_->GetPhoto(&slow_context, request);
  // Does not read the rest.
  ASSERT_TRUE(slow->Read(&response));
  auto second = gallery_->GetPhoto(&context, request);
  EXPECT_FALSE(second->Read(&response));
  EXPECT_THAT(second->Finish(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("(1 are shared by all)")));
  EXPECT_EQ(context.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"), 1u);
  slow_context.TryCancel();
  slow->Finish();
  v1::Photo photo;
  std::string bytes;
  // The server learns of it a moment later.
  while (!Get("noise", v1::RENDITION_NONE, &photo, &bytes).ok()) std::this_thread::yield();
}

TEST_F(GalleryServiceTest, BudgetOfOneByteAddsPhotosOneAfterTheOther) {
  options_.max_add_bytes = 1;
  std::atomic<int> largest{0};
  on_encode_ = [&](absl::Span<const EncoderInput> inputs) {
    largest = std::max(largest.load(), static_cast<int>(inputs.size()));
    return absl::OkStatus();
  };
  Serve();
  std::thread other([this] { Add({Photo("x", 100), Photo("y", 101), Photo("z", 102)}); });
  MustAdd(20);
  other.join();
  EXPECT_EQ(ListAll(1000).size(), 23u);
  // One of each stream.
  EXPECT_LE(largest, 2);
}

TEST_F(GalleryServiceTest, UnknownPhotoIsNotFound) {
  Serve();
  v1::Photo photo;
  std::string bytes;
  EXPECT_EQ(Get("none", v1::RENDITION_NONE, &photo, &bytes).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(GalleryServiceTest, MetadataIsReplacedAndSearchable) {
  Serve();
  MustAdd(2);
  grpc::ClientContext context;
  v1::UpdatePhotoMetadataRequest request;
  request.set_photo_id("p0");
  (*request.mutable_metadata())["shop"] = "x";
  v1::UpdatePhotoMetadataResponse response;
  ASSERT_THAT(gallery_->UpdatePhotoMetadata(&context, request, &response), IsOk());
  v1::SearchRequest search = SketchOf(1);
  (*search.mutable_filter()->mutable_metadata())["shop"] = "x";
  v1::SearchResponse found;
  ASSERT_THAT(Search(search, &found), IsOk());
  ASSERT_EQ(found.matches_size(), 1);
  EXPECT_EQ(found.matches(0).photo_id(), "p0");
}

TEST_F(GalleryServiceTest, StatsCountPhotosAndSketches) {
  Serve();
  MustAdd(2);
  v1::AddPhotoRequest sketch = Photo("s", 9);
  sketch.set_modality(v1::MODALITY_SKETCH);
  Add({sketch});
  grpc::ClientContext context;
  v1::GetGalleryStatsResponse stats;
  ASSERT_THAT(gallery_->GetGalleryStats(&context, {}, &stats), IsOk());
  EXPECT_EQ(stats.photo_count(), 2u);
  EXPECT_EQ(stats.sketch_count(), 1u);
  EXPECT_EQ(stats.model_version(), 1);
  EXPECT_EQ(stats.dimension(), 16u);
  EXPECT_EQ(stats.index_kind(), "Flat");
  EXPECT_EQ(stats.index_recall(), 1);
  EXPECT_EQ(stats.uncolored_photo_count(), 0u);
}

TEST_F(GalleryServiceTest, PhotoTellsItsColoursAndASketchHasNone) {
  Serve();
  v1::AddPhotoRequest red = Photo("red", 1), sketch = Photo("sketch", 1);
  Image image(16, 16, 0);
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 16; ++x) image.row(y)[x * Image::kChannels] = 255;
  }
  red.set_image(*EncodePng(image));
  sketch.set_image(red.image());
  sketch.set_modality(v1::MODALITY_SKETCH);
  Add({red, sketch});
  v1::Photo photo;
  std::string ignored;
  ASSERT_THAT(Get("red", v1::RENDITION_NONE, &photo, &ignored), IsOk());
  ASSERT_EQ(photo.colors_size(), 1);
  EXPECT_NEAR(photo.colors(0).color().l(), 53.24, 0.01);
  EXPECT_NEAR(photo.colors(0).color().a(), 80.09, 0.01);
  EXPECT_NEAR(photo.colors(0).color().b(), 67.20, 0.01);
  EXPECT_EQ(photo.colors(0).share(), 1);
  ASSERT_THAT(Get("sketch", v1::RENDITION_NONE, &photo, &ignored), IsOk());
  EXPECT_EQ(photo.colors_size(), 0);
}

TEST_F(GalleryServiceTest, ListTakesAColourFilter) {
  Serve();
  v1::AddPhotoRequest black = Photo("black", 1), white = Photo("white", 1);
  black.set_image(*EncodePng(Image(16, 16, 0)));
  white.set_image(*EncodePng(Image(16, 16, 255)));
  Add({black, white});
  grpc::ClientContext context;
  v1::ListPhotosRequest request;
  request.mutable_filter()->add_colors()->mutable_color()->set_rgb("#000000");
  v1::ListPhotosResponse response;
  ASSERT_THAT(gallery_->ListPhotos(&context, request, &response), IsOk());
  ASSERT_EQ(response.photos_size(), 1);
  EXPECT_EQ(response.photos(0).photo_id(), "black");
}

TEST_F(GalleryServiceTest, WritersReadersAndSearchesGoTogether) {
  Serve();
  MustAdd(10);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < 10; ++i) {
        const uint32_t seed = 1000 * (t + 1) + i;
        Add({Photo(absl::StrCat("t", t, "-", i), seed)});
        v1::SearchResponse found;
        EXPECT_THAT(Search(SketchOf(seed), &found), IsOk());
        EXPECT_EQ(found.matches(0).photo_id(), absl::StrCat("t", t, "-", i))
            << "an answered write is searchable";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ListAll(1000).size(), 50u);
}

}  // namespace
}  // namespace s2p::test
