#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/sha256.h"
#include "tests/server/rpc/server_fixture.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Keeps the text of everything that the server answers while one part after the other breaks.
class HiddenPathsTest : public ServerTest {
 protected:
  HiddenPathsTest() {
    on_encode_ = [this](absl::Span<const EncoderInput>) {
      return encoder_broken_ ? absl::InternalError(options_.data_dir + "/models/1: unreadable")
                             : absl::OkStatus();
    };
  }
  void Saw(const grpc::Status& status) {
    absl::StrAppend(&seen_, status.error_message(), status.error_details(), "\n");
  }
  void Saw(const google::protobuf::Message& message) { seen_ += message.DebugString(); }

  // Calls each method once.
  void CallAll() {
    v1::SearchResponse found;
    Saw(Search(SketchOf(1), &found));
    v1::AddPhotoRequest bad = Photo("bad", 8);
    bad.set_image("no image");
    for (const auto& response : Add({Photo("new", 9), bad})) Saw(response);
    Call(&v1::GalleryService::Stub::DeletePhotos, [] {
      v1::DeletePhotosRequest request;
      request.add_photo_ids("p2");
      return request;
    }());
    Call(&v1::GalleryService::Stub::UpdatePhotoMetadata, [] {
      v1::UpdatePhotoMetadataRequest request;
      request.set_photo_id("p1");
      return request;
    }());
    Call(&v1::GalleryService::Stub::ListPhotos, v1::ListPhotosRequest());
    Call(&v1::GalleryService::Stub::GetGalleryStats, v1::GetGalleryStatsRequest());
    for (const auto rendition : {v1::RENDITION_ORIGINAL, v1::RENDITION_THUMBNAIL}) {
      v1::GetPhotoRequest request;
      request.set_photo_id("p0");
      request.set_rendition(rendition);
      Read(&v1::GalleryService::Stub::GetPhoto, *gallery_, request);
    }
    grpc::ClientContext context;
    v1::SetServingVersionRequest pin;
    pin.set_version(1);
    v1::SetServingVersionResponse pinned;
    Saw(model_->SetServingVersion(&context, pin, &pinned));
    Saw(pinned);
    AwaitStatus([](const v1::GetModelStatusResponse&) { return true; });
  }
  // The first status that is as wanted.
  template <typename Wanted>
  void AwaitStatus(Wanted wanted) {
    grpc::ClientContext context;
    auto reader = model_->WatchModelStatus(&context, {});
    v1::WatchModelStatusResponse response;
    do {
      ASSERT_TRUE(reader->Read(&response));
      Saw(response);
    } while (!wanted(response.status()));
    context.TryCancel();
    while (reader->Read(&response)) {
    }
    Saw(reader->Finish());
  }
  std::string PhotoFile(uint32_t seed) const {
    const std::string sha256 = Sha256(PhotoBytes(seed));
    return absl::StrCat(options_.data_dir, "/photos/", sha256.substr(0, 2), "/", sha256);
  }

  std::atomic<bool> encoder_broken_{false};
  std::string seen_;

 private:
  template <typename Request, typename Response>
  void Call(grpc::Status (v1::GalleryService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
            const Request& request) {
    grpc::ClientContext context;
    Response response;
    Saw(((*gallery_).*method)(&context, request, &response));
    Saw(response);
  }
  template <typename Stub, typename Request, typename Response>
  void Read(std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(grpc::ClientContext*,
                                                                          const Request&),
            Stub& stub, const Request& request) {
    grpc::ClientContext context;
    auto reader = (stub.*method)(&context, request);
    Response response;
    while (reader->Read(&response)) {
    }
    Saw(reader->Finish());
  }
};

TEST_F(HiddenPathsTest, NoMessageOfABrokenServerNamesItsFolders) {
  Serve();
  MustAdd(3);
  const CheckpointStore other(dir_.File("other"));
  const std::string damaged = other.DirectoryOf(PublishTinyCheckpoint(other));
  std::ofstream(damaged + "/manifest.json") << "{";
  std::filesystem::rename(damaged, store_.DirectoryOf(2));
  AwaitStatus([](const v1::GetModelStatusResponse& status) {
    return status.versions(0).state() == v1::ModelVersion::STATE_FAILED;
  });
  std::filesystem::remove(PhotoFile(0));
  CallAll();
  encoder_broken_ = true;
  CallAll();
  encoder_broken_ = false;
  std::filesystem::rename(options_.data_dir + "/photos", options_.data_dir + "/away");
  std::filesystem::rename(store_.root(), store_.root() + ".away");
  AwaitStatus([](const v1::GetModelStatusResponse& status) { return status.faults_size() > 1; });
  CallAll();
  EXPECT_THAT(seen_, Not(HasSubstr(dir_.path())));
  // The faults were met.
  EXPECT_THAT(seen_, AllOf(HasSubstr("/manifest.json: "), HasSubstr("models/1: unreadable"),
                           HasSubstr("photo_id 'p0': its file is missing"),
                           HasSubstr("the store of versions is missing")));
}

}  // namespace
}  // namespace s2p::test
