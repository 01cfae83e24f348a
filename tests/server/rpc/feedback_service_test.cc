#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/key_file.h"
#include "daemon/log.h"
#include "s2p/v1/feedback.grpc.pb.h"
#include "tests/server/feedback/drawings.h"
#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/no_descriptors.h"
#include "tests/testing/raw_call.h"
#include "tests/testing/status_matchers.h"
#include "trainer/data/data_set.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using State = v1::Feedback;

class FeedbackServiceTest : public ServerTest {
 protected:
  FeedbackServiceTest() { options_.collect_feedback = true; }

  // Serves with the photos p0 and p1.
  void ServePhotos() {
    Serve();
    feedback_stub_ = v1::FeedbackService::NewStub(channel_);
    MustAdd(2);
  }
  static v1::RecordFeedbackRequest Match(const std::string& photo_id, uint32_t drawing) {
    v1::RecordFeedbackRequest request;
    request.set_image(*EncodePng(DrawingOf(drawing)));
    request.set_photo_id(photo_id);
    request.set_verdict(v1::VERDICT_MATCH);
    return request;
  }
  grpc::Status Record(const v1::RecordFeedbackRequest& request,
                      v1::RecordFeedbackResponse* response = nullptr) {
    grpc::ClientContext context;
    v1::RecordFeedbackResponse ignored;
    return feedback_stub_->RecordFeedback(&context, request,
                                          response == nullptr ? &ignored : response);
  }
  std::string MustRecord(const v1::RecordFeedbackRequest& request) {
    v1::RecordFeedbackResponse response;
    EXPECT_THAT(Record(request, &response), IsOk());
    return response.feedback_id();
  }
  std::vector<v1::Feedback> List(State::State state = State::STATE_UNSPECIFIED,
                                 uint32_t page_size = 100) {
    std::vector<v1::Feedback> entries;
    v1::ListFeedbackRequest request;
    request.set_state(state);
    request.set_page_size(page_size);
    do {
      grpc::ClientContext context;
      v1::ListFeedbackResponse response;
      EXPECT_THAT(feedback_stub_->ListFeedback(&context, request, &response), IsOk());
      for (const auto& entry : response.feedback()) entries.push_back(entry);
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return entries;
  }
  grpc::Status Review(const std::vector<std::string>& ids, State::State state,
                      v1::ReviewFeedbackResponse* response = nullptr) {
    grpc::ClientContext context;
    v1::ReviewFeedbackRequest request;
    for (const std::string& id : ids) request.add_feedback_ids(id);
    request.set_state(state);
    v1::ReviewFeedbackResponse ignored;
    return feedback_stub_->ReviewFeedback(&context, request,
                                          response == nullptr ? &ignored : response);
  }
  grpc::Status Forget(const std::vector<std::string>& ids,
                      v1::DeleteFeedbackResponse* response = nullptr) {
    grpc::ClientContext context;
    v1::DeleteFeedbackRequest request;
    for (const std::string& id : ids) request.add_feedback_ids(id);
    v1::DeleteFeedbackResponse ignored;
    return feedback_stub_->DeleteFeedback(&context, request,
                                          response == nullptr ? &ignored : response);
  }
  // The entries, each with the bytes of its photo if they came with it.
  grpc::Status Export(std::vector<std::pair<v1::ExportFeedbackResponse, std::string>>* entries) {
    grpc::ClientContext context;
    auto reader = feedback_stub_->ExportFeedback(&context, {});
    v1::ExportFeedbackResponse message;
    while (reader->Read(&message)) {
      if (message.has_feedback()) entries->push_back({message, ""});
      if (!entries->empty()) entries->back().second += message.photo_chunk();
    }
    return reader->Finish();
  }
  static Image Noise(int side) {
    Image noise(side, side);
    uint32_t state = 1;
    for (int y = 0; y < side; ++y) {
      for (int i = 0; i < side * Image::kChannels; ++i) {
        state = state * 1664525u + 1013904223u;
        noise.row(y)[i] = static_cast<uint8_t>(state >> 24);
      }
    }
    return noise;
  }
  // The file of the photo of `seed`.
  std::string BlobOf(uint32_t seed) const {
    const std::string sha256 = Sha256(PhotoBytes(seed));
    return absl::StrCat(options_.data_dir, "/photos/", sha256.substr(0, 2), "/", sha256);
  }
  static void FlipLastByte(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-1, std::ios::end);
    const int last = file.get();
    file.seekp(-1, std::ios::end);
    file.put(static_cast<char>(last ^ 1));
  }
  void DeletePhoto(const std::string& photo_id) {
    grpc::ClientContext context;
    v1::DeletePhotosRequest request;
    request.add_photo_ids(photo_id);
    v1::DeletePhotosResponse response;
    ASSERT_THAT(gallery_->DeletePhotos(&context, request, &response), IsOk());
  }
  void ExpectRefused(const v1::RecordFeedbackRequest& request, absl::StatusCode code,
                     const std::string& words) {
    EXPECT_THAT(Record(request), StatusIs(code, HasSubstr(words)));
    EXPECT_THAT(List(), IsEmpty());
  }

  std::unique_ptr<v1::FeedbackService::Stub> feedback_stub_;
};

TEST_F(FeedbackServiceTest, OffUnlessSwitchedOnAndEveryMethodSaysHow) {
  options_.collect_feedback = false;
  ServePhotos();
  const auto* service = v1::FeedbackService::service_full_name();
  const auto* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
  for (int i = 0; i < descriptor->method_count(); ++i) {
    const std::string path = absl::StrCat("/", service, "/", descriptor->method(i)->name());
    EXPECT_THAT(RawCall(channel_, path, {""}).status,
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("start it with --collect-feedback")))
        << path;
  }
  EXPECT_THAT(Record(Match("p0", 1)), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_FALSE(std::filesystem::exists(options_.data_dir + "/feedback.db"));
}

TEST_F(FeedbackServiceTest, EmptyRequestTellsThatItIsOn) {
  ServePhotos();
  EXPECT_THAT(Record({}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(FeedbackServiceTest, RecordedImageIsListedWithItsDrawing) {
  ServePhotos();
  const std::string id = MustRecord(Match("p0", 1));
  const auto entries = List();
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].feedback_id(), id);
  EXPECT_EQ(entries[0].photo_id(), "p0");
  EXPECT_EQ(entries[0].photo_sha256(), Sha256(PhotoBytes(0)));
  EXPECT_EQ(entries[0].verdict(), v1::VERDICT_MATCH);
  EXPECT_EQ(entries[0].state(), State::STATE_PENDING);
  EXPECT_EQ(entries[0].recorded_by(), "anonymous");
  EXPECT_FALSE(entries[0].exportable());
  EXPECT_FALSE(entries[0].has_reviewed_at());
  grpc::ClientContext context;
  v1::GetFeedbackRequest request;
  request.set_feedback_id(id);
  request.set_with_sketch(true);
  v1::GetFeedbackResponse response;
  ASSERT_THAT(feedback_stub_->GetFeedback(&context, request, &response), IsOk());
  EXPECT_EQ(DecodeImage(response.sketch())->pixels(), DrawingOf(1).pixels());
}

TEST_F(FeedbackServiceTest, StrokesAreDrawnAndKept) {
  ServePhotos();
  v1::RecordFeedbackRequest request = Match("p0", 1);
  v1::Strokes& strokes = *request.mutable_strokes();
  strokes.set_width(300);
  strokes.set_height(200);
  v1::Stroke& stroke = *strokes.add_strokes();
  for (const float x : {20.0F, 250.0F}) {
    v1::Point& point = *stroke.add_points();
    point.set_x(x);
    point.set_y(100);
  }
  MustRecord(request);
  EXPECT_EQ(List()[0].sketch_width(), 300u);
  EXPECT_EQ(List()[0].sketch_height(), 200u);
}

TEST_F(FeedbackServiceTest, SameFeedbackAgainIsOneEntry) {
  ServePhotos();
  v1::RecordFeedbackRequest request = Match("p0", 1);
  request.set_feedback_id("mine.1");
  EXPECT_EQ(MustRecord(request), "mine.1");
  // The same pixels in another file.
  request.clear_feedback_id();
  request.set_image(*EncodePng(*DecodeImage(request.image())));
  v1::RecordFeedbackResponse response;
  ASSERT_THAT(Record(request, &response), IsOk());
  EXPECT_TRUE(response.already_recorded());
  EXPECT_EQ(response.feedback_id(), "mine.1");
  EXPECT_THAT(List(), SizeIs(1));
}

TEST_F(FeedbackServiceTest, IdOfOtherFeedbackAlreadyExists) {
  ServePhotos();
  v1::RecordFeedbackRequest request = Match("p0", 1);
  request.set_feedback_id("mine");
  MustRecord(request);
  request.set_photo_id("p1");
  EXPECT_THAT(Record(request), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("mine")));
}

TEST_F(FeedbackServiceTest, BadFieldsAreNamedAndTeachNothing) {
  ServePhotos();
  const auto with = [](const auto& change) {
    v1::RecordFeedbackRequest request = Match("p0", 1);
    change(request);
    return request;
  };
  using Request = v1::RecordFeedbackRequest;
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  ExpectRefused(with([](Request& r) { r.set_image(""); }), kInvalid, "image: ");
  ExpectRefused(with([](Request& r) { r.set_image("no image"); }), kInvalid, "image: ");
  ExpectRefused(with([](Request& r) { r.mutable_image()->resize(r.image().size() / 2); }), kInvalid,
                "image: ");
  ExpectRefused(with([](Request& r) { r.clear_drawing(); }), kInvalid, "drawing: needs one of");
  ExpectRefused(with([](Request& r) { r.clear_verdict(); }), kInvalid, "verdict: needs");
  ExpectRefused(with([](Request& r) { r.clear_photo_id(); }), kInvalid, "photo_id: ");
  ExpectRefused(with([](Request& r) { r.set_feedback_id("../x y"); }), kInvalid, "feedback_id: ");
  ExpectRefused(with([](Request& r) { r.set_image(*EncodePng(Image(40, 40))); }), kInvalid,
                "image: the drawing is blank");
  ExpectRefused(with([](Request& r) { r.set_image(*EncodePng(Image(40, 40, 0))); }), kInvalid,
                "image: the drawing is blank");
  ExpectRefused(with([](Request& r) { r.mutable_strokes()->set_width(10); }), kInvalid,
                "strokes: ");
  ExpectRefused(with([](Request& r) { r.set_photo_id("none"); }), absl::StatusCode::kNotFound,
                "none");
}

TEST_F(FeedbackServiceTest, IdThatAShellWouldTakeForAFlagOrAFolderIsRefused) {
  ServePhotos();
  for (const char* id : {"-x", "--help", ".", "..", "_x", ".hidden"}) {
    v1::RecordFeedbackRequest request = Match("p0", 1);
    request.set_feedback_id(id);
    ExpectRefused(request, absl::StatusCode::kInvalidArgument,
                  "feedback_id: must be 1 to 128 letters, digits, '.', '_' and '-', and begin with "
                  "a letter or digit");
    EXPECT_THAT(Review({id}, State::STATE_ACCEPTED),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("feedback_ids[0]: ")));
  }
  EXPECT_THAT(List(), IsEmpty());
  for (const char* id : {"x-", "7..", "a_b"}) {
    v1::RecordFeedbackRequest request = Match("p0", static_cast<uint32_t>(id[0]));
    request.set_feedback_id(id);
    EXPECT_EQ(MustRecord(request), id);
  }
}

TEST_F(FeedbackServiceTest, HugeDrawingIsRefusedByItsHeader) {
  options_.limits.image.max_pixels = 1000;
  ServePhotos();
  ExpectRefused(Match("p0", 1), absl::StatusCode::kInvalidArgument, "image: ");
}

TEST_F(FeedbackServiceTest, NoiseThatWouldFillTheStoreIsRefused) {
  ServePhotos();
  v1::RecordFeedbackRequest noise = Match("p0", 1);
  noise.set_image(*EncodePng(Noise(1024)));
  ExpectRefused(noise, absl::StatusCode::kInvalidArgument, "send one on a plain ground");
}

TEST_F(FeedbackServiceTest, ListsThatAreTooLongAreNamedBeforeTheyAreParsed) {
  ServePhotos();
  v1::RecordFeedbackRequest request = Match("p0", 1);
  for (int i = 0; i < 2001; ++i) request.mutable_strokes()->add_strokes();
  EXPECT_THAT(Record(request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("strokes.strokes")));
  std::vector<std::string> ids(1001, "x");
  EXPECT_THAT(Review(ids, State::STATE_ACCEPTED),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("feedback_ids")));
}

TEST_F(FeedbackServiceTest, ReviewedEntriesChangeTogetherAndUnknownIdsAreReported) {
  ServePhotos();
  const std::string a = MustRecord(Match("p0", 1)), b = MustRecord(Match("p1", 2));
  v1::ReviewFeedbackResponse response;
  ASSERT_THAT(Review({a, b, "none", a}, State::STATE_ACCEPTED, &response), IsOk());
  EXPECT_EQ(response.reviewed_count(), 2u);
  EXPECT_THAT(response.missing_feedback_ids(), ElementsAre("none"));
  EXPECT_THAT(List(State::STATE_PENDING), IsEmpty());
  const auto accepted = List(State::STATE_ACCEPTED, 1);
  EXPECT_THAT(accepted, SizeIs(2));
  for (const auto& entry : accepted) {
    EXPECT_TRUE(entry.exportable());
    EXPECT_TRUE(entry.has_reviewed_at());
  }
  ASSERT_THAT(Review({a}, State::STATE_PENDING), IsOk());
  EXPECT_THAT(List(State::STATE_PENDING), SizeIs(1));
}

TEST_F(FeedbackServiceTest, ReviewNeedsIdsAndAState) {
  ServePhotos();
  EXPECT_THAT(Review({}, State::STATE_ACCEPTED),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("feedback_ids: must be 1")));
  EXPECT_THAT(Review({"a"}, State::STATE_UNSPECIFIED),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("state: needs")));
  EXPECT_THAT(Review({"a/b"}, State::STATE_ACCEPTED),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("feedback_ids[0]: ")));
}

TEST_F(FeedbackServiceTest, ForgottenDrawingIsInNoFile) {
  ServePhotos();
  const std::string id = MustRecord(Match("p0", 1));
  const std::string trace = EncodePng(DrawingOf(1))->substr(60, 60);
  ASSERT_THAT(FilesBelowWith(options_.data_dir, trace), Not(IsEmpty()));
  v1::DeleteFeedbackResponse response;
  ASSERT_THAT(Forget({id, "none"}, &response), IsOk());
  EXPECT_EQ(response.deleted_count(), 1u);
  EXPECT_THAT(response.missing_feedback_ids(), ElementsAre("none"));
  EXPECT_THAT(FilesBelowWith(options_.data_dir, trace), IsEmpty());
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(FeedbackServiceTest, ExportHasDrawingsAndEachPhotoOnce) {
  ServePhotos();
  // Longer than one piece.
  v1::AddPhotoRequest large = Photo("p2", 2);
  large.set_image(*EncodePng(Noise(500)));
  ASSERT_GT(large.image().size(), 300'000u);
  ASSERT_EQ(Add({large})[0].status().code(), 0);
  const std::string first = MustRecord(Match("p2", 1)), second = MustRecord(Match("p2", 2)),
                    other = MustRecord(Match("p0", 3));
  v1::RecordFeedbackRequest no_match = Match("p1", 4);
  no_match.set_verdict(v1::VERDICT_NO_MATCH);
  const std::string no = MustRecord(no_match);
  MustRecord(Match("p1", 5));
  ASSERT_THAT(Review({first, second, other, no}, State::STATE_ACCEPTED), IsOk());
  std::vector<std::pair<v1::ExportFeedbackResponse, std::string>> entries;
  ASSERT_THAT(Export(&entries), IsOk());
  ASSERT_THAT(entries, SizeIs(3));
  EXPECT_EQ(entries[0].first.feedback().feedback_id(), other);
  EXPECT_EQ(entries[0].second, PhotoBytes(0));
  EXPECT_EQ(entries[1].first.feedback().feedback_id(), first);
  EXPECT_EQ(entries[1].first.identity(), "p2");
  EXPECT_EQ(entries[1].first.photo_content_type(), "image/png");
  EXPECT_EQ(entries[1].first.photo_bytes(), large.image().size());
  EXPECT_EQ(entries[1].second, large.image());
  EXPECT_EQ(entries[2].first.photo_bytes(), 0u);
  EXPECT_EQ(entries[2].second, "");
  EXPECT_EQ(DecodeImage(entries[2].first.sketch())->pixels(), DrawingOf(2).pixels());
}

TEST_F(FeedbackServiceTest, DamagedPhotoIsLeftOutOfTheExportAndTheOthersAreThere) {
  ServePhotos();
  const std::string damaged = MustRecord(Match("p0", 1)), also = MustRecord(Match("p0", 2)),
                    good = MustRecord(Match("p1", 3));
  ASSERT_THAT(Review({damaged, also, good}, State::STATE_ACCEPTED), IsOk());
  FlipLastByte(BlobOf(0));
  std::vector<std::pair<v1::ExportFeedbackResponse, std::string>> entries;
  ASSERT_THAT(Export(&entries), IsOk());
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].first.feedback().feedback_id(), good);
  EXPECT_EQ(entries[0].second, PhotoBytes(1));
  std::filesystem::remove(BlobOf(1));
  entries.clear();
  ASSERT_THAT(Export(&entries), IsOk());
  EXPECT_THAT(entries, IsEmpty());
}

TEST_F(FeedbackServiceTest, ExportThatCannotOpenAPhotoFailsAndCanBeRepeated) {
  ServePhotos();
  ASSERT_THAT(Review({MustRecord(Match("p0", 1))}, State::STATE_ACCEPTED), IsOk());
  std::vector<std::pair<v1::ExportFeedbackResponse, std::string>> entries;
  // Everything but the photo is open from now on.
  ASSERT_THAT(Export(&entries), IsOk());
  {
    const NoDescriptors none;
    EXPECT_THAT(Export(&entries),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("photo_id 'p0'")));
  }
  EXPECT_THAT(Export(&entries), IsOk());
  EXPECT_THAT(entries, SizeIs(2));
}

TEST_F(FeedbackServiceTest, FifthExportIsToldWhenToRetryAndGetsThePlaceOfOneThatEnds) {
  ServePhotos();
  // More than a connection holds in its buffers, so that the exports wait for their clients.
  v1::AddPhotoRequest large = Photo("p2", 2);
  large.set_image(*EncodePng(Noise(1700)));
  ASSERT_EQ(Add({large})[0].status().code(), 0);
  ASSERT_THAT(Review({MustRecord(Match("p2", 1))}, State::STATE_ACCEPTED), IsOk());
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ExportFeedbackResponse>>> exports;
  v1::ExportFeedbackResponse message;
  for (int i = 0; i < 4; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    exports.push_back(feedback_stub_->ExportFeedback(contexts.back().get(), {}));
    ASSERT_TRUE(exports.back()->Read(&message));
  }
  grpc::ClientContext context;
  auto refused = feedback_stub_->ExportFeedback(&context, {});
  EXPECT_FALSE(refused->Read(&message));
  EXPECT_THAT(refused->Finish(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("(4 are shared by all)")));
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto pause = trailing.find("grpc-retry-pushback-ms");
  ASSERT_NE(pause, trailing.end());
  EXPECT_EQ(std::string(pause->second.data(), pause->second.size()), "5000");
  while (exports[0]->Read(&message)) {
  }
  ASSERT_THAT(exports[0]->Finish(), IsOk());
  std::vector<std::pair<v1::ExportFeedbackResponse, std::string>> entries;
  // The place is free when the server has seen the end of the call, which the client may see first.
  grpc::Status status = Export(&entries);
  while (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) status = Export(&entries);
  EXPECT_THAT(status, IsOk());
  EXPECT_THAT(entries, SizeIs(1));
  for (int i = 1; i < 4; ++i) contexts[static_cast<size_t>(i)]->TryCancel();
  for (int i = 1; i < 4; ++i) exports[static_cast<size_t>(i)]->Finish();
}

TEST_F(FeedbackServiceTest, DeletedPhotoIsNotExportedAndItsCopiesAreGone) {
  options_.feedback_data_set = dir_.File("pairs");
  ServePhotos();
  ASSERT_THAT(
      Review({MustRecord(Match("p0", 1)), MustRecord(Match("p1", 2))}, State::STATE_ACCEPTED),
      IsOk());
  EXPECT_THAT(DataSet::Open(dir_.File("pairs"))->images(), SizeIs(4));
  DeletePhoto("p0");
  std::vector<std::pair<v1::ExportFeedbackResponse, std::string>> entries;
  ASSERT_THAT(Export(&entries), IsOk());
  EXPECT_THAT(entries, SizeIs(1));
  EXPECT_THAT(DataSet::Open(dir_.File("pairs"))->images(), SizeIs(2));
  EXPECT_THAT(FilesBelowWith(dir_.File("pairs"), PhotoBytes(0).substr(40)), IsEmpty());
  // With the photo the pair comes back.
  ASSERT_EQ(Add({Photo("p0", 0)})[0].status().code(), 0);
  EXPECT_THAT(DataSet::Open(dir_.File("pairs"))->images(), SizeIs(4));
}

TEST_F(FeedbackServiceTest, IdentityThatIsUpdatedIsThatOfTheDataSetAndTheExport) {
  options_.feedback_data_set = dir_.File("pairs");
  ServePhotos();
  ASSERT_THAT(Review({MustRecord(Match("p0", 1))}, State::STATE_ACCEPTED), IsOk());
  grpc::ClientContext context;
  v1::UpdatePhotoMetadataRequest request;
  request.set_photo_id("p0");
  (*request.mutable_metadata())["identity"] = "boot 7";
  v1::UpdatePhotoMetadataResponse response;
  ASSERT_THAT(gallery_->UpdatePhotoMetadata(&context, request, &response), IsOk());
  const auto data_set = DataSet::Open(dir_.File("pairs"));
  ASSERT_THAT(data_set, IsOk());
  std::vector<std::string> identities;
  for (const auto& image : data_set->images()) {
    identities.push_back(image.identity);
  }
  EXPECT_THAT(identities, ElementsAre("boot 7", "boot 7"));
  std::vector<std::pair<v1::ExportFeedbackResponse, std::string>> entries;
  ASSERT_THAT(Export(&entries), IsOk());
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].first.identity(), "boot 7");
}

TEST_F(FeedbackServiceTest, DeletionWhoseCopiesStaySaysSoUntilItIsRepeated) {
  options_.feedback_data_set = dir_.File("pairs");
  ServePhotos();
  ASSERT_THAT(Review({MustRecord(Match("p0", 1))}, State::STATE_ACCEPTED), IsOk());
  const std::string photos = dir_.File("pairs/photo");
  std::filesystem::rename(photos, dir_.File("moved"));
  std::ofstream(photos) << "no folder";
  grpc::ClientContext context, again;
  v1::DeletePhotosRequest request;
  request.add_photo_ids("p0");
  v1::DeletePhotosResponse response;
  EXPECT_THAT(gallery_->DeletePhotos(&context, request, &response),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("not yet their copies"), Not(HasSubstr(dir_.path())))));
  std::filesystem::remove(photos);
  std::filesystem::rename(dir_.File("moved"), photos);
  EXPECT_THAT(gallery_->DeletePhotos(&again, request, &response), IsOk());
  EXPECT_THAT(FilesBelowWith(dir_.File("pairs"), PhotoBytes(0).substr(40)), IsEmpty());
}

// The disk of a data set, which can hold up one write.
struct SlowDisk {
  std::atomic<bool> holds_next{false};
  absl::Notification go;
  DiskSpace Measure() {
    if (holds_next.exchange(false)) go.WaitForNotification();
    return DiskSpace{uint64_t{1} << 40, uint64_t{1} << 40};
  }
};

TEST_F(FeedbackServiceTest, CallsThatWaitForTheDataSetLeaveThreadsToTheOthers) {
  const auto disk = std::make_shared<SlowDisk>();
  options_.feedback_data_set = dir_.File("pairs");
  options_.measure_disk = [disk] { return disk->Measure(); };
  ServePhotos();
  const std::string first = MustRecord(Match("p0", 1)), second = MustRecord(Match("p1", 2));
  disk->holds_next = true;
  std::vector<std::thread> waiting;
  for (const std::string& id : {first, second}) {
    waiting.emplace_back([&, id] { EXPECT_THAT(Review({id}, State::STATE_ACCEPTED), IsOk()); });
  }
  // A review is stored, and a photo deleted, before its call waits for the data set.
  while (List(State::STATE_ACCEPTED).size() < 2) absl::SleepFor(absl::Milliseconds(1));
  for (const char* photo_id : {"p0", "p1"}) {
    waiting.emplace_back([&, photo_id] { DeletePhoto(photo_id); });
  }
  for (int left = 2; left > 0; absl::SleepFor(absl::Milliseconds(1))) {
    grpc::ClientContext context;
    v1::ListPhotosResponse response;
    EXPECT_THAT(gallery_->ListPhotos(&context, {}, &response), IsOk());
    left = response.photos_size();
  }
  // Four calls wait; nobody else does.
  EXPECT_THAT(List(), SizeIs(2));
  EXPECT_EQ(Add({Photo("p2", 2)})[0].status().code(), 0);
  disk->go.Notify();
  for (std::thread& thread : waiting) thread.join();
  EXPECT_THAT(DataSet::Open(dir_.File("pairs")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(FeedbackServiceTest, FeedbackSurvivesARestart) {
  options_.feedback_data_set = dir_.File("pairs");
  ServePhotos();
  const std::string id = MustRecord(Match("p0", 1));
  ASSERT_THAT(Review({id}, State::STATE_ACCEPTED), IsOk());
  server_.reset();
  Start();
  feedback_stub_ = v1::FeedbackService::NewStub(channel_);
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].state(), State::STATE_ACCEPTED);
  EXPECT_THAT(DataSet::Open(dir_.File("pairs"))->images(), SizeIs(2));
}

TEST_F(FeedbackServiceTest, StartThatDoesNotWriteTheFormerDataSetWarnsAndNamesIt) {
  const std::string pairs = dir_.File("pairs");
  options_.feedback_data_set = pairs;
  Serve();
  const auto log_of_start = [this](bool collect, const std::string& data_set) {
    server_.reset();
    std::ostringstream log;
    EXPECT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
    options_.collect_feedback = collect;
    options_.feedback_data_set = data_set;
    Start();
    server_.reset();
    EXPECT_THAT(ConfigureLog(LogOptions()), IsOk());
    return log.str();
  };
  const auto warns = AllOf(HasSubstr("an earlier start wrote a data set"), HasSubstr(pairs));
  EXPECT_THAT(log_of_start(true, pairs), Not(warns));
  EXPECT_THAT(log_of_start(false, ""), warns);
  EXPECT_THAT(log_of_start(true, ""), warns);
  EXPECT_THAT(log_of_start(false, ""), warns);
  EXPECT_THAT(log_of_start(true, dir_.File("others")), warns);
  EXPECT_THAT(log_of_start(true, dir_.File("others")), Not(warns));
  std::filesystem::remove_all(dir_.File("others"));
  EXPECT_THAT(log_of_start(true, ""), Not(HasSubstr("an earlier start wrote")));
}

TEST_F(FeedbackServiceTest, SearchesAreKeptNowhereThoughFeedbackIs) {
  ServePhotos();
  v1::SearchRequest search;
  search.add_examples()->set_image(*EncodePng(DrawingOf(1)));
  ASSERT_THAT(Search(search), IsOk());
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(FilesBelowWith(dir_.path(), EncodePng(DrawingOf(1))->substr(60, 60)), IsEmpty());
}

TEST_F(FeedbackServiceTest, StatsCountByState) {
  ServePhotos();
  const std::string id = MustRecord(Match("p0", 1));
  MustRecord(Match("p1", 1));
  ASSERT_THAT(Review({id}, State::STATE_REJECTED), IsOk());
  grpc::ClientContext context;
  v1::GetFeedbackStatsResponse stats;
  ASSERT_THAT(feedback_stub_->GetFeedbackStats(&context, {}, &stats), IsOk());
  EXPECT_EQ(stats.pending_count(), 1u);
  EXPECT_EQ(stats.rejected_count(), 1u);
  EXPECT_EQ(stats.accepted_count(), 0u);
  EXPECT_EQ(stats.kept_bytes(), 2 * (EncodePng(DrawingOf(1))->size() + kEntryBytes));
  EXPECT_EQ(stats.max_kept_bytes(), options_.max_feedback_bytes);
}

// Keys of each role.
class FeedbackRolesTest : public FeedbackServiceTest {
 protected:
  FeedbackRolesTest() {
    options_.host.credentials.api_key_file = dir_.File("keys");
    options_.host.access.audit_log = dir_.File("audit");
    for (const auto& [name, role] :
         {std::pair("searcher", Role::kSearch), std::pair("writer", Role::kWrite),
          std::pair("operator", Role::kAdmin)}) {
      keys_[name] = *AddKey(dir_.File("keys"), name, {role});
    }
  }
  grpc::StatusCode Call(const std::string& method, const std::string& key,
                        const std::string& message = "") {
    OpenCall call(channel_, absl::StrCat("/s2p.v1.FeedbackService/", method),
                  {{"authorization", "Bearer " + keys_[key]}});
    if (call.Write(message) && call.Close()) {
      while (call.Read()) {
      }
    }
    return call.Finish().error_code();
  }
  std::map<std::string, std::string> keys_;
};

TEST_F(FeedbackRolesTest, SearchersRecordAndOnlyOperatorsSeeAndChange) {
  Serve();
  const auto denied = grpc::StatusCode::PERMISSION_DENIED;
  for (const char* method :
       {"ListFeedback", "GetFeedback", "ReviewFeedback", "DeleteFeedback", "ExportFeedback"}) {
    EXPECT_EQ(Call(method, "searcher"), denied) << method;
    EXPECT_EQ(Call(method, "writer"), denied) << method;
    EXPECT_NE(Call(method, "operator"), denied) << method;
  }
  for (const char* method : {"RecordFeedback", "GetFeedbackStats"}) {
    EXPECT_NE(Call(method, "searcher"), denied) << method;
    EXPECT_EQ(Call(method, "writer"), denied) << method;
  }
}

TEST_F(FeedbackRolesTest, DeletionIsInTheAuditLogWithItsIdsAndTheKey) {
  Serve();
  v1::DeleteFeedbackRequest request;
  request.add_feedback_ids("first");
  request.add_feedback_ids("second");
  EXPECT_EQ(Call("DeleteFeedback", "operator", request.SerializeAsString()), grpc::StatusCode::OK);
  server_->Shutdown(absl::InfiniteDuration());
  const std::string audit = FileBytes(dir_.File("audit"));
  EXPECT_THAT(audit, HasSubstr(R"("key":"operator")"));
  EXPECT_THAT(
      audit,
      HasSubstr(R"("method":"DeleteFeedback","ids":["first","second"],"count":2,"code":"OK")"));
}

TEST_F(FeedbackRolesTest, ReviewsAndExportsAreInTheAuditLogAndLooksAreNot) {
  Serve();
  const std::string review = [] {
    v1::ReviewFeedbackRequest request;
    request.add_feedback_ids("none");
    request.set_state(State::STATE_ACCEPTED);
    return request.SerializeAsString();
  }();
  EXPECT_EQ(Call("ReviewFeedback", "operator", review), grpc::StatusCode::OK);
  EXPECT_EQ(Call("ExportFeedback", "operator"), grpc::StatusCode::OK);
  EXPECT_EQ(Call("DeleteFeedback", "searcher"), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Call("ListFeedback", "operator"), grpc::StatusCode::OK);
  server_->Shutdown(absl::InfiniteDuration());
  const std::string audit = FileBytes(dir_.File("audit"));
  EXPECT_THAT(audit,
              HasSubstr(R"("method":"ReviewFeedback","ids":["none"],"count":1,"code":"OK")"));
  EXPECT_THAT(audit, HasSubstr(R"("method":"ExportFeedback","ids":[],"count":0,"code":"OK")"));
  EXPECT_THAT(audit, HasSubstr(R"("key":"searcher")"));
  EXPECT_THAT(audit, HasSubstr(R"("method":"DeleteFeedback")"));
  EXPECT_THAT(audit, Not(HasSubstr("ListFeedback")));
}

TEST_F(FeedbackServiceTest, DataSetFolderThatIsSomethingElseStopsTheStartAndIsNamed) {
  options_.feedback_data_set = dir_.File("mine");
  std::filesystem::create_directory(dir_.File("mine"));
  std::ofstream(dir_.File("mine/thesis.txt")) << "keep me";
  EXPECT_THAT(SearchServer::Start(options_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("thesis.txt")));
}

}  // namespace
}  // namespace s2p::test
