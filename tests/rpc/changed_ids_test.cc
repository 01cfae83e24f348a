#include "rpc/changed_ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "s2p/v1/feedback.pb.h"
#include "s2p/v1/gallery.pb.h"
#include "s2p/v1/model.pb.h"
#include "s2p/v1/training.pb.h"

namespace s2p {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ChangedIdsTest, PhotosAreNamed) {
  v1::DeletePhotosRequest several;
  several.add_photo_ids("a");
  several.add_photo_ids("b");
  EXPECT_THAT(ChangedIds(several, v1::DeletePhotosResponse()), ElementsAre("a", "b"));
  v1::UpdatePhotoMetadataRequest one;
  one.set_photo_id("a");
  (*one.mutable_metadata())["owner"] = "somebody";
  EXPECT_THAT(ChangedIds(one, v1::UpdatePhotoMetadataResponse()), ElementsAre("a"));
}

TEST(ChangedIdsTest, ReviewedFeedbackIsNamed) {
  v1::ReviewFeedbackRequest request;
  request.add_feedback_ids("f1");
  request.add_feedback_ids("f2");
  EXPECT_THAT(ChangedIds(request, v1::ReviewFeedbackResponse()), ElementsAre("f1", "f2"));
}

TEST(ChangedIdsTest, PinnedVersionIsNamed) {
  v1::SetServingVersionRequest request;
  EXPECT_THAT(ChangedIds(request, v1::SetServingVersionResponse()), IsEmpty());
  request.set_version(7);
  EXPECT_THAT(ChangedIds(request, v1::SetServingVersionResponse()), ElementsAre("7"));
}

TEST(ChangedIdsTest, NewJobIsNamedByTheResponse) {
  v1::SubmitJobResponse response;
  response.mutable_job()->set_job_id("j1");
  EXPECT_THAT(ChangedIds(v1::SubmitJobRequest(), response), ElementsAre("j1"));
}

TEST(ChangedIdsTest, JobIsNamedOnce) {
  v1::CancelJobRequest request;
  request.set_job_id("j1");
  v1::CancelJobResponse response;
  response.mutable_job()->set_job_id("j1");
  EXPECT_THAT(ChangedIds(request, response), ElementsAre("j1"));
}

}  // namespace
}  // namespace s2p
