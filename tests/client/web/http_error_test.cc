#include "client/web/http_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "daemon/retry_after.h"

namespace s2p {
namespace {

using testing::HasSubstr;

TEST(HttpErrorTest, StatusIsThatOfTheCode) {
  EXPECT_EQ(HttpStatus(absl::StatusCode::kInvalidArgument), 400);
  EXPECT_EQ(HttpStatus(absl::StatusCode::kUnauthenticated), 401);
  EXPECT_EQ(HttpStatus(absl::StatusCode::kNotFound), 404);
  EXPECT_EQ(HttpStatus(TooLargeError("").code()), 413);
  EXPECT_EQ(HttpStatus(absl::StatusCode::kResourceExhausted), 429);
  EXPECT_EQ(HttpStatus(absl::StatusCode::kUnavailable), 503);
  EXPECT_EQ(HttpStatus(absl::StatusCode::kDeadlineExceeded), 504);
  EXPECT_EQ(HttpStatus(absl::StatusCode::kDataLoss), 500);
}

TEST(HttpErrorTest, FileThatIsNotAPictureIsReportedWithoutTheField) {
  const std::string sentence =
      Sentence(absl::InvalidArgumentError("examples[3].image: not a JPEG, PNG or WebP image"));
  EXPECT_THAT(sentence, HasSubstr("This picture cannot be used: not a JPEG"));
  EXPECT_THAT(sentence, testing::Not(HasSubstr("examples")));
  EXPECT_THAT(sentence, HasSubstr("Use a JPEG"));
}

TEST(HttpErrorTest, AdviceOfTheServerIsNotRepeated) {
  EXPECT_EQ(Sentence(absl::InvalidArgumentError(
                "examples[0].image: not a JPEG, PNG or WebP image (GIF): save it as one of these "
                "first")),
            "This picture cannot be used: not a JPEG, PNG or WebP image (GIF): save it as one of "
            "these first.");
}

TEST(HttpErrorTest, DamagedPictureGetsNoAdviceAboutFormats) {
  EXPECT_EQ(Sentence(absl::InvalidArgumentError("image: the JPEG is cut")),
            "This picture cannot be used: the JPEG is cut.");
}

TEST(HttpErrorTest, ImageBeyondTheServersLimitIsTooLarge) {
  const absl::Status status = WithServerLimits(absl::InvalidArgumentError(
      "examples[0].image: the image has 20 bytes; at most 10 are allowed"));
  EXPECT_EQ(HttpStatus(status.code()), 413);
  EXPECT_EQ(Sentence(status), "That is too large: the image has 20 bytes; at most 10 are allowed.");
}

TEST(HttpErrorTest, BusyAndFullAreTwoSentences) {
  EXPECT_THAT(Sentence(BusyError("256 wait", absl::Seconds(1))), HasSubstr("Try again"));
  EXPECT_THAT(Sentence(absl::ResourceExhaustedError("the disk is full")),
              HasSubstr("disk is full"));
}

TEST(HttpErrorTest, NoModelAndNoServerAreTwoSentences) {
  EXPECT_THAT(Sentence(absl::UnavailableError("no model serves yet")), HasSubstr("no model yet"));
  EXPECT_THAT(Sentence(absl::UnavailableError("no server answers at x")),
              HasSubstr("is not responding"));
}

TEST(HttpErrorTest, MessageOfTheJsonReaderIsForProgrammers) {
  const absl::Status status =
      absl::InvalidArgumentError("the request is not JSON of a SearchRequest: Expected : between");
  EXPECT_THAT(Sentence(status), testing::Not(HasSubstr("Expected")));
  EXPECT_THAT(ErrorBody(status, "r1"), HasSubstr("Expected"));
}

TEST(HttpErrorTest, PageEscapesTextFromOthers) {
  EXPECT_THAT(ErrorPage(absl::PermissionDeniedError("the name '<a href=\"&\">'")),
              HasSubstr("&lt;a href=&quot;&amp;&quot;>"));
}

TEST(HttpErrorTest, BodyHasCodeMessageAndRequestId) {
  const auto body =
      nlohmann::json::parse(ErrorBody(absl::NotFoundError("photo_id 'a\xff\"'"), "r1"));
  EXPECT_EQ(body["error"]["code"], "NOT_FOUND");
  EXPECT_EQ(body["error"]["requestId"], "r1");
  EXPECT_THAT(body["error"]["message"].get<std::string>(), HasSubstr("photo_id 'a"));
}

}  // namespace
}  // namespace s2p
