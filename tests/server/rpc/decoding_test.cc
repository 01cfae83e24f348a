// Images that a server has decoded by processes, over the real wire.
#include <atomic>
#include <deque>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "daemon/listen_address.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/server/decoder/decoder_fixture.h"
#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class DecodingTest : public ServerTest {
 protected:
  // One thread and one process, so that a call that keeps either stops all others.
  void ServeWith(const char* decoder) {
    options_.decoder_program = decoder;
    options_.decode_threads = 1;
    Serve();
  }
  static v1::SearchRequest SearchFor(const std::string& image) {
    v1::SearchRequest request;
    request.add_examples()->set_image(image);
    return request;
  }
  static v1::AddPhotoRequest PhotoOf(const std::string& photo_id, const std::string& image) {
    v1::AddPhotoRequest request;
    request.set_photo_id(photo_id);
    request.set_image(image);
    return request;
  }
};

TEST_F(DecodingTest, PhotosAndSketchesOfTheRealDecoderMatch) {
  ServeWith(S2P_DECODER);
  MustAdd(5);
  v1::SearchResponse response;
  ASSERT_THAT(Search(SketchOf(3), &response), IsOk());
  EXPECT_EQ(response.matches(0).photo_id(), "p3");
}

TEST_F(DecodingTest, ThumbnailComesFromTheRealDecoder) {
  ServeWith(S2P_DECODER);
  Add({PhotoOf("large", *EncodePng(Pattern(600, 300)))});
  grpc::ClientContext context;
  v1::GetPhotoRequest request;
  request.set_photo_id("large");
  request.set_rendition(v1::RENDITION_THUMBNAIL);
  auto stream = gallery_->GetPhoto(&context, request);
  std::string bytes;
  for (v1::GetPhotoResponse response; stream->Read(&response);) bytes += response.chunk();
  ASSERT_THAT(stream->Finish(), IsOk());
  const auto header = ReadImageHeader(bytes);
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->width, 256);
}

TEST_F(DecodingTest, SketchThatCrashesItsDecoderIsInvalidAndTheNextIsServed) {
  ServeWith(S2P_FAKE_DECODER);
  ExpectRefused(SearchFor(Order("crash")), grpc::StatusCode::INVALID_ARGUMENT,
                "examples[0].image: the image ended the decoder");
  EXPECT_THAT(Search(SearchFor(Order(""))), IsOk());
}

TEST_F(DecodingTest, PhotoThatCrashesItsDecoderIsInvalidAndTheNextIsAdded) {
  ServeWith(S2P_FAKE_DECODER);
  const auto responses = Add({PhotoOf("bad", Order("crash")), PhotoOf("good", Order(""))});
  EXPECT_EQ(responses[0].status().code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(responses[0].status().message(), HasSubstr("image: the image ended the decoder"));
  EXPECT_EQ(responses[1].status().code(), grpc::StatusCode::OK);
}

TEST_F(DecodingTest, SketchThatHangsEndsAtItsDeadlineAndTheNextIsServed) {
  ServeWith(S2P_FAKE_DECODER);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  v1::SearchResponse response;
  const grpc::Status status = search_->Search(&context, SearchFor(Order("hang")), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(Search(SearchFor(Order(""))), IsOk());
}

TEST_F(DecodingTest, SketchThatHangsEndsWithItsCancellation) {
  ServeWith(S2P_FAKE_DECODER);
  grpc::ClientContext context;
  v1::SearchResponse response;
  std::thread call([&] { (void)search_->Search(&context, SearchFor(Order("hang")), &response); });
  context.TryCancel();
  call.join();
  EXPECT_THAT(Search(SearchFor(Order(""))), IsOk());
}

TEST_F(DecodingTest, PhotosThatHangDoNotDelaySearches) {
  ServeWith(S2P_FAKE_DECODER);
  grpc::ClientContext context;
  auto stream = gallery_->AddPhotos(&context);
  for (int i = 0; i < 20; ++i) stream->Write(PhotoOf(absl::StrCat("p", i), Order("hang")));
  EXPECT_THAT(Search(SearchFor(Order(""))), IsOk());
  context.TryCancel();
  (void)stream->Finish();
}

TEST_F(DecodingTest, ThumbnailsThatHangDoNotDelayTheStatusOfTheModel) {
  Serve();
  ASSERT_EQ(Add({PhotoOf("slow", Order("hang"))})[0].status().code(), grpc::StatusCode::OK);
  server_.reset();
  options_.decoder_program = S2P_FAKE_DECODER;
  Start();
  v1::GetPhotoRequest request;
  request.set_photo_id("slow");
  request.set_rendition(v1::RENDITION_THUMBNAIL);
  // More than any pool of the server has threads for them.
  std::deque<grpc::ClientContext> contexts(8);
  std::vector<std::unique_ptr<grpc::ClientReader<v1::GetPhotoResponse>>> streams;
  for (grpc::ClientContext& context : contexts) {
    streams.push_back(gallery_->GetPhoto(&context, request));
  }
  grpc::ClientContext context;
  v1::GetModelStatusResponse response;
  EXPECT_THAT(model_->GetModelStatus(&context, {}, &response), IsOk());
  for (size_t i = 0; i < streams.size(); ++i) {
    contexts[i].TryCancel();
    EXPECT_EQ(streams[i]->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
}

TEST_F(DecodingTest, PhotoThatIsTooSlowForANewVersionIsNotCountedAsDamaged) {
  Serve();
  ASSERT_EQ(Add({PhotoOf("slow", Order("hang"))})[0].status().code(), grpc::StatusCode::OK);
  server_.reset();
  options_.decoder_program = S2P_FAKE_DECODER;
  options_.max_decode_time = absl::Milliseconds(1);
  PublishTinyCheckpoint(store_);
  Start();
  v1::GetModelStatusResponse status;
  while (status.serving_version() != 2) {
    grpc::ClientContext context;
    ASSERT_THAT(model_->GetModelStatus(&context, {}, &status), IsOk());
  }
  EXPECT_EQ(status.faults_size(), 0);
  RawClient scrape(ParseListenAddress(server_->http_address())->port);
  scrape.Send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string text = scrape.ReadAll();
  EXPECT_THAT(text, HasSubstr(R"(s2p_reembed_left_out_total{reason="too_slow"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(s2p_reembed_left_out_total{reason="damaged"} 0)"));
}

TEST_F(DecodingTest, ClientDoesNotLearnWhyADecoderDoesNotStart) {
  const std::string program = dir_.File("decoder");
  std::filesystem::create_symlink(S2P_FAKE_DECODER, program);
  ServeWith(program.c_str());
  std::filesystem::remove(program);
  EXPECT_EQ(Search(SearchFor(Order("crash"))).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const grpc::Status status = Search(SearchFor(Order("")));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("images cannot be decoded at the moment"));
  EXPECT_THAT(status.error_message(), testing::Not(HasSubstr(program)));
}

TEST_F(DecodingTest, ServerWithoutADecoderDoesNotStart) {
  options_.decoder_program = "/nowhere/s2p-decoder";
  EXPECT_THAT(SearchServer::Start(options_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("/nowhere/s2p-decoder cannot be started"),
                             HasSubstr("--decode-in-process starts without"))));
}

}  // namespace
}  // namespace s2p::test
