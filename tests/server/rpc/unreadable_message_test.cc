// Messages that cannot be parsed, on every method of every service.
#include "rpc/unreadable_message.h"

#include <google/protobuf/descriptor.h>

#include <filesystem>
#include <fstream>

#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/raw_call.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

// The end of a group that never started.
constexpr char kNoMessage[] = "\xFF\xFF\xFF";
constexpr char kAddPhotos[] = "/s2p.v1.GalleryService/AddPhotos";

std::string WhyNoPhoto(const std::string& bytes) {
  return WhyUnreadable(bytes, *v1::AddPhotoRequest::descriptor());
}

TEST(UnreadableMessageTest, TextThatIsNotUtf8IsNamed) {
  EXPECT_EQ(WhyNoPhoto("\x0A\x04"
                       "caf\xE9"),
            "photo_id is not UTF-8");
}

TEST(UnreadableMessageTest, TextInAMapIsNamedWithItsPath) {
  // metadata { key: "k" value: "\xE9" }
  EXPECT_EQ(WhyNoPhoto("\x22\x06\x0A\x01k\x12\x01\xE9"), "metadata.value is not UTF-8");
}

TEST(UnreadableMessageTest, BytesThatAreNoMessageAreNotGuessedAt) {
  for (const std::string& bytes :
       {std::string(kNoMessage), std::string("\x0A\x40too short"), std::string("\x0A"),
        std::string("\x0A\xFF\xFF\xFF\xFF\x0F"), std::string()}) {
    EXPECT_EQ(WhyNoPhoto(bytes), "is not a s2p.v1.AddPhotoRequest");
  }
}

// An image is bytes, not text.
TEST(UnreadableMessageTest, BytesOfAnImageAreNotTakenForText) {
  EXPECT_EQ(WhyNoPhoto("\x12\x01\xE9"), "is not a s2p.v1.AddPhotoRequest");
}

class UnreadableRequestTest : public ServerTest {
 protected:
  // The serialized photo, with a photo_id that is Latin-1.
  std::string Latin1Photo() const {
    std::string bytes = Photo("cafe", 7).SerializeAsString();
    bytes[bytes.find("cafe") + 3] = '\xE9';
    return bytes;
  }
  std::vector<std::string> Ids() {
    grpc::ClientContext context;
    v1::ListPhotosResponse response;
    EXPECT_THAT(gallery_->ListPhotos(&context, {}, &response), IsOk());
    std::vector<std::string> ids;
    for (const v1::Photo& photo : response.photos()) ids.push_back(photo.photo_id());
    return ids;
  }
};

TEST_F(UnreadableRequestTest, SecondMessageOfAStreamEndsItByNameAndTheFirstIsAnswered) {
  Serve();
  for (const auto& [bad, why] : {std::pair(Latin1Photo(), "photo_id is not UTF-8"),
                                 std::pair(std::string(kNoMessage), "is not a s2p.v1.AddPhoto")}) {
    const RawReplies replies =
        RawCall(channel_, kAddPhotos,
                {Photo("a", 1).SerializeAsString(), bad, Photo("c", 3).SerializeAsString()});
    EXPECT_EQ(replies.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(replies.status.error_message(),
                AllOf(StartsWith("message 2 of the stream: "), HasSubstr(why)));
    ASSERT_THAT(replies.messages, SizeIs(1));
    v1::AddPhotoResponse response;
    ASSERT_TRUE(response.ParseFromString(replies.messages[0]));
    EXPECT_EQ(response.photo_id(), "a");
    EXPECT_EQ(response.status().code(), 0);
    EXPECT_THAT(Ids(), ElementsAre("a"));
  }
}

TEST_F(UnreadableRequestTest, ManyPhotosBeforeItAreAllAnswered) {
  Serve();
  std::vector<std::string> requests;
  for (uint32_t i = 0; i < 100; ++i) {
    requests.push_back(Photo(absl::StrCat("p", i), i).SerializeAsString());
  }
  requests.push_back(kNoMessage);
  const RawReplies replies = RawCall(channel_, kAddPhotos, requests);
  EXPECT_THAT(replies.messages, SizeIs(100));
  EXPECT_THAT(replies.status.error_message(), StartsWith("message 101 of the stream: "));
  EXPECT_THAT(Ids(), SizeIs(100));
}

TEST_F(UnreadableRequestTest, StreamWithoutAMessageIsOk) {
  Serve();
  EXPECT_THAT(RawCall(channel_, kAddPhotos, {}).status, IsOk());
}

TEST_F(UnreadableRequestTest, EmptyMessageIsAPhotoWithoutAnId) {
  Serve();
  const RawReplies replies = RawCall(channel_, kAddPhotos, {""});
  EXPECT_THAT(replies.status, IsOk());
  ASSERT_THAT(replies.messages, SizeIs(1));
  EXPECT_THAT(replies.messages[0], HasSubstr("photo_id"));
}

TEST_F(UnreadableRequestTest, EveryMethodAnswersInvalidArgumentInWords) {
  Serve();
  int methods = 0;
  for (const char* name : {"s2p.v1.SearchService", "s2p.v1.GalleryService", "s2p.v1.ModelService",
                           "s2p.v1.FeedbackService"}) {
    const auto* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    for (int i = 0; i < service->method_count(); ++i) {
      const auto* method = service->method(i);
      const std::string path = absl::StrCat("/", name, "/", method->name());
      const grpc::Status status = RawCall(channel_, path, {kNoMessage}).status;
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << path;
      EXPECT_THAT(status.error_message(), HasSubstr(method->input_type()->full_name())) << path;
      ++methods;
    }
  }
  EXPECT_EQ(methods, 17);
}

TEST_F(UnreadableRequestTest, TextThatIsNotUtf8IsInvalidArgument) {
  Serve();
  // photo_ids: "\xE9", photo_id: "\xE9", page_token: "\xE9".
  for (const auto& [method, request] :
       {std::pair("DeletePhotos", "\x0A\x01\xE9"), std::pair("UpdatePhotoMetadata", "\x0A\x01\xE9"),
        std::pair("GetPhoto", "\x0A\x01\xE9"), std::pair("ListPhotos", "\x12\x01\xE9")}) {
    const grpc::Status status =
        RawCall(channel_, absl::StrCat("/s2p.v1.GalleryService/", method), {request}).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_THAT(status.error_message(), HasSubstr("UTF-8")) << method;
  }
}

TEST_F(UnreadableRequestTest, CallWithoutARequestIsInvalidArgument) {
  Serve();
  for (const char* method : {"/s2p.v1.SearchService/Search", "/s2p.v1.GalleryService/GetPhoto",
                             "/s2p.v1.ModelService/SetServingVersion"}) {
    EXPECT_EQ(RawCall(channel_, method, {}).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << method;
  }
}

TEST_F(UnreadableRequestTest, UnknownMethodIsStillUnimplemented) {
  Serve();
  for (const char* method : {"/s2p.v1.GalleryService/Unknown", "/s2p.v1.TrainingService/GetJob"}) {
    EXPECT_EQ(RawCall(channel_, method, {kNoMessage}).status.error_code(),
              grpc::StatusCode::UNIMPLEMENTED)
        << method;
  }
}

TEST_F(UnreadableRequestTest, EveryMethodAsksForTheKeyBeforeAMessageIsSent) {
  options_.host.credentials.api_key_file = dir_.File("keys");
  std::ofstream(options_.host.credentials.api_key_file) << "correct-horse-battery-staple\n";
  fs::permissions(options_.host.credentials.api_key_file, fs::perms::owner_read);
  Serve();
  int methods = 0;
  for (const char* name : {"s2p.v1.SearchService", "s2p.v1.GalleryService", "s2p.v1.ModelService",
                           "s2p.v1.FeedbackService"}) {
    const auto* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    for (int i = 0; i < service->method_count(); ++i, ++methods) {
      const std::string path = absl::StrCat("/", name, "/", service->method(i)->name());
      EXPECT_EQ(OpenCall(channel_, path).Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED)
          << path;
    }
  }
  EXPECT_EQ(methods, 17);
}

TEST_F(UnreadableRequestTest, ListsThatAreTooLongAreNamedBeforeTheyAreParsed) {
  Serve();
  v1::SearchRequest search;
  auto& drawing = *search.add_examples()->mutable_strokes();
  for (int i = 0; i < 2001; ++i) drawing.add_strokes();
  EXPECT_THAT(
      RawCall(channel_, "/s2p.v1.SearchService/Search", {search.SerializeAsString()}).status,
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("examples.strokes.strokes:"), HasSubstr("at most 2000"))));
  v1::DeletePhotosRequest remove;
  for (int i = 0; i < 1001; ++i) remove.add_photo_ids("p");
  EXPECT_THAT(
      RawCall(channel_, "/s2p.v1.GalleryService/DeletePhotos", {remove.SerializeAsString()}).status,
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("photo_ids:"), HasSubstr("at most 1000"))));
}

TEST_F(UnreadableRequestTest, PhotoOfManyEmptyPairsEndsItsStream) {
  Serve();
  // metadata {}, two bytes each.
  std::string bytes;
  for (int i = 0; i < 100000; ++i) bytes += std::string("\x22\x00", 2);
  EXPECT_THAT(RawCall(channel_, kAddPhotos, {bytes}).status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("metadata:"), HasSubstr("of memory"))));
}

TEST_F(UnreadableRequestTest, OnlySearchAndAddPhotosTakeLargeMessages) {
  Serve();
  const std::string large(size_t{1} << 20, '\0');
  EXPECT_EQ(RawCall(channel_, "/s2p.v1.GalleryService/ListPhotos", {large}).status.error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(RawCall(channel_, "/s2p.v1.SearchService/Search", {large}).status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(UnreadableRequestTest, ImageThatTheLimitsAllowIsNotTooLargeForAMessage) {
  options_.host.max_message_bytes = 4096;
  Serve();
  v1::AddPhotoRequest large = Photo("a", 1);
  large.mutable_image()->append(size_t{1} << 20, '\0');
  const RawReplies replies = RawCall(channel_, kAddPhotos, {large.SerializeAsString()});
  EXPECT_THAT(replies.status, IsOk()) << replies.status.error_message();
  EXPECT_THAT(replies.messages, SizeIs(1));
}

TEST_F(UnreadableRequestTest, ImageAboveTheLimitIsToldTheLimitAndTheOthersAreAdded) {
  options_.limits.image.max_bytes = 4096;
  Serve();
  v1::AddPhotoRequest large = Photo("b", 2);
  large.mutable_image()->append(5000, '\0');
  const auto responses = Add({Photo("a", 1), large, Photo("c", 3)});
  EXPECT_EQ(responses[1].status().code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(responses[1].status().message(), HasSubstr("4096"));
  EXPECT_EQ(responses[2].status().code(), 0);
}

}  // namespace
}  // namespace s2p::test
