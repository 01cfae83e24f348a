#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/feedback_commands.h"
#include "s2p/v1/feedback.grpc.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// Has `count` entries, f0 and so on, of which odd ones are accepted. One call at a time.
class FakeFeedback final : public v1::FeedbackService::CallbackService {
 public:
  explicit FakeFeedback(int count) : count_(count) {}

  grpc::ServerUnaryReactor* RecordFeedback(grpc::CallbackServerContext* context,
                                           const v1::RecordFeedbackRequest* request,
                                           v1::RecordFeedbackResponse* response) override {
    records.push_back(*request);
    response->set_feedback_id("f7");
    return Finish(context, grpc::Status::OK);
  }
  grpc::ServerUnaryReactor* ListFeedback(grpc::CallbackServerContext* context,
                                         const v1::ListFeedbackRequest* request,
                                         v1::ListFeedbackResponse* response) override {
    lists.push_back(*request);
    const int begin = request->page_token().empty() ? 0 : std::stoi(request->page_token());
    const int end = std::min<int>(count_, begin + static_cast<int>(request->page_size()));
    for (int i = begin; i < end; ++i) *response->add_feedback() = Entry(i);
    if (end < count_) response->set_next_page_token(absl::StrCat(end));
    return Finish(context, grpc::Status::OK);
  }
  grpc::ServerUnaryReactor* ReviewFeedback(grpc::CallbackServerContext* context,
                                           const v1::ReviewFeedbackRequest* request,
                                           v1::ReviewFeedbackResponse* response) override {
    reviews.push_back(*request);
    for (const std::string& id : request->feedback_ids()) {
      if (id == "none") {
        response->add_missing_feedback_ids(id);
      } else {
        response->set_reviewed_count(response->reviewed_count() + 1);
      }
    }
    return Finish(context, grpc::Status::OK);
  }
  grpc::ServerUnaryReactor* DeleteFeedback(grpc::CallbackServerContext* context,
                                           const v1::DeleteFeedbackRequest* request,
                                           v1::DeleteFeedbackResponse* response) override {
    response->set_deleted_count(static_cast<uint32_t>(request->feedback_ids_size()));
    return Finish(context, grpc::Status::OK);
  }
  grpc::ServerWriteReactor<v1::ExportFeedbackResponse>* ExportFeedback(
      grpc::CallbackServerContext*, const v1::ExportFeedbackRequest*) override {
    class Stream final : public grpc::ServerWriteReactor<v1::ExportFeedbackResponse> {
     public:
      Stream(std::vector<v1::ExportFeedbackResponse> messages, grpc::Status end)
          : messages_(std::move(messages)), end_(std::move(end)) {
        Next();
      }
      void OnWriteDone(bool) override { Next(); }
      void OnDone() override { delete this; }

     private:
      void Next() {
        if (at_ == messages_.size()) return Finish(end_);
        StartWrite(&messages_[at_++]);
      }
      const std::vector<v1::ExportFeedbackResponse> messages_;
      const grpc::Status end_;
      size_t at_ = 0;
    };
    return new Stream(messages, outcome);
  }

  static v1::Feedback Entry(int i) {
    v1::Feedback entry;
    entry.set_feedback_id(absl::StrCat("f", i));
    entry.set_photo_id(absl::StrCat("photo\x1b", i));
    entry.set_verdict(i % 3 == 0 ? v1::VERDICT_NO_MATCH : v1::VERDICT_MATCH);
    entry.set_state(i % 2 == 0 ? v1::Feedback::STATE_PENDING : v1::Feedback::STATE_ACCEPTED);
    entry.set_recorded_by("web");
    return entry;
  }

  std::vector<v1::RecordFeedbackRequest> records;
  std::vector<v1::ListFeedbackRequest> lists;
  std::vector<v1::ReviewFeedbackRequest> reviews;
  // The next export, and how it ends.
  std::vector<v1::ExportFeedbackResponse> messages;
  grpc::Status outcome;

 private:
  static grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context,
                                          const grpc::Status& status) {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(status);
    return reactor;
  }
  const int count_;
};

class FeedbackCommandTest : public testing::Test {
 protected:
  FeedbackCommandTest() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&fake_);
    server_ = builder.BuildAndStart();
    ClientOptions options;
    options.server = absl::StrCat("127.0.0.1:", port);
    client_ = *FeedbackClient::Create(options);
  }
  ~FeedbackCommandTest() override { server_->Shutdown(); }

  static v1::ExportFeedbackResponse Pair(int i, const std::string& identity, uint64_t photo_bytes) {
    v1::ExportFeedbackResponse message;
    *message.mutable_feedback() = FakeFeedback::Entry(i);
    message.set_sketch(absl::StrCat("sketch ", i));
    message.set_identity(identity);
    message.set_photo_content_type("image/png");
    message.set_photo_bytes(photo_bytes);
    return message;
  }
  static v1::ExportFeedbackResponse Chunk(const std::string& bytes) {
    v1::ExportFeedbackResponse message;
    message.set_photo_chunk(bytes);
    return message;
  }
  void ExpectExportSucceeds() {
    fake_.messages = {Pair(1, "boot", 5), Chunk("photo")};
    fake_.outcome = grpc::Status::OK;
    EXPECT_THAT(RunFeedbackExport(*client_, folder_, false, out_), IsOk());
    EXPECT_EQ(Written("photo/000001.png"), "photo");
    EXPECT_NE(Written("dataset.jsonl"), "");
  }
  std::string Written(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(file)), {});
  }

  test::TempDir dir_;
  const std::string folder_ = dir_.File("pairs");
  FakeFeedback fake_{1500};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<FeedbackClient> client_;
  std::ostringstream out_;
};

TEST_F(FeedbackCommandTest, RecordSendsTheDrawingAndPrintsTheId) {
  const std::string png = "\x89PNG and so on";
  std::ofstream(dir_.File("drawing.png"), std::ios::binary) << png;
  ASSERT_THAT(RunFeedbackRecord(*client_, {dir_.File("drawing.png"), "shoe", true, false}, out_),
              IsOk());
  ASSERT_THAT(fake_.records, SizeIs(1));
  EXPECT_EQ(fake_.records[0].image(), png);
  EXPECT_EQ(fake_.records[0].photo_id(), "shoe");
  EXPECT_EQ(fake_.records[0].verdict(), v1::VERDICT_NO_MATCH);
  EXPECT_EQ(out_.str(), "f7\n");
}

TEST_F(FeedbackCommandTest, ListShowsALineForEachEntryOfAllPages) {
  ASSERT_THAT(RunFeedbackList(*client_, {}, out_), IsOk());
  const std::string text = out_.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1501);
  EXPECT_THAT(text, HasSubstr("f1499"));
  EXPECT_THAT(text, HasSubstr("no match"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(fake_.lists, SizeIs(2));
}

TEST_F(FeedbackCommandTest, ListAsksForWhatIsWanted) {
  FeedbackListOptions options;
  options.state = "pending";
  options.recorded_by = "web";
  options.limit = 3;
  options.json = true;
  ASSERT_THAT(RunFeedbackList(*client_, options, out_), IsOk());
  ASSERT_THAT(fake_.lists, SizeIs(1));
  EXPECT_EQ(fake_.lists[0].state(), v1::Feedback::STATE_PENDING);
  EXPECT_EQ(fake_.lists[0].recorded_by(), "web");
  EXPECT_EQ(fake_.lists[0].page_size(), 3u);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("\"feedbackId\": \"f2\""), Not(HasSubstr("\"f3\""))));
}

TEST_F(FeedbackCommandTest, UnknownStateIsRefused) {
  FeedbackListOptions options;
  options.state = "unspecified";
  EXPECT_THAT(RunFeedbackList(*client_, options, out_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected pending")));
  EXPECT_THAT(fake_.lists, IsEmpty());
}

TEST_F(FeedbackCommandTest, ReviewSendsAsManyIdsAsACallMayHave) {
  FeedbackReviewOptions options;
  options.feedback_ids.assign(1001, "f");
  options.accept = true;
  ASSERT_THAT(RunFeedbackReview(*client_, options, out_), IsOk());
  ASSERT_THAT(fake_.reviews, SizeIs(2));
  EXPECT_THAT(fake_.reviews[0].feedback_ids(), SizeIs(1000));
  EXPECT_EQ(fake_.reviews[1].state(), v1::Feedback::STATE_ACCEPTED);
  EXPECT_EQ(out_.str(), "1001 accepted\n");
}

TEST_F(FeedbackCommandTest, ReviewNeedsOneDecision) {
  FeedbackReviewOptions options;
  options.feedback_ids = {"f1"};
  EXPECT_THAT(RunFeedbackReview(*client_, options, out_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--accept, --reject")));
  options.accept = options.reject = true;
  EXPECT_THAT(RunFeedbackReview(*client_, options, out_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(fake_.reviews, IsEmpty());
}

TEST_F(FeedbackCommandTest, EntryThatIsNotThereIsNamedAndTheOthersAreReviewed) {
  FeedbackReviewOptions options;
  options.feedback_ids = {"f1", "none"};
  options.reject = true;
  EXPECT_THAT(RunFeedbackReview(*client_, options, out_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_EQ(out_.str(), "1 rejected\n");
}

TEST_F(FeedbackCommandTest, ForgetSaysHowMany) {
  ASSERT_THAT(RunFeedbackForget(*client_, {"f1", "f2"}, false, out_), IsOk());
  EXPECT_EQ(out_.str(), "2 forgotten\n");
}

TEST_F(FeedbackCommandTest, ExportIsADataSet) {
  fake_.messages = {Pair(1, "boot \"7\"", 7), Chunk("photo"),     Chunk(" 1"),
                    Pair(2, "boot \"7\"", 0), Pair(3, "shoe", 3), Chunk("two")};
  ASSERT_THAT(RunFeedbackExport(*client_, folder_, false, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("3 drawings of 2 photos"));
  EXPECT_EQ(Written("photo/000001.png"), "photo 1");
  EXPECT_EQ(Written("photo/000002.png"), "two");
  EXPECT_EQ(Written("sketch/000002.png"), "sketch 2");
  std::vector<std::string> lines;
  std::istringstream text(Written("dataset.jsonl"));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  EXPECT_THAT(lines, SizeIs(5));
  EXPECT_EQ(lines[2], R"({"path":"sketch/000002.png","identity":"boot \"7\"","modality":"sketch",)"
                      R"("split":"train","photo":"photo/000001.png"})");
  EXPECT_THAT(Written("dataset.json"), HasSubstr("\"format\":1"));
}

TEST_F(FeedbackCommandTest, PhotoOfAnotherSizeIsDataLossAndLeavesNoDataSet) {
  for (const char* photo : {"short", "much too long"}) {
    fake_.messages = {Pair(1, "boot", 7), Chunk(photo), Pair(2, "shoe", 1), Chunk("x")};
    EXPECT_THAT(RunFeedbackExport(*client_, folder_, false, out_),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("instead of 7")));
    EXPECT_FALSE(std::filesystem::exists(folder_));
  }
  ExpectExportSucceeds();
}

TEST_F(FeedbackCommandTest, ExportThatBreaksOffLeavesNothingAndCanBeRepeated) {
  fake_.messages = {Pair(1, "boot", 5), Chunk("pho")};
  fake_.outcome = grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
  EXPECT_THAT(RunFeedbackExport(*client_, folder_, false, out_),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(std::filesystem::exists(folder_));
  ExpectExportSucceeds();
}

TEST_F(FeedbackCommandTest, FailedExportRemovesTheFoldersThatItMadeAndNoOthers) {
  std::filesystem::create_directory(dir_.File("mine"));
  fake_.messages = {Pair(1, "boot", 5)};
  EXPECT_THAT(RunFeedbackExport(*client_, dir_.File("mine/a/b"), false, out_),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_TRUE(std::filesystem::is_empty(dir_.File("mine")));
  EXPECT_THAT(RunFeedbackExport(*client_, dir_.File("mine"), false, out_),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_TRUE(std::filesystem::is_empty(dir_.File("mine")));
}

TEST_F(FeedbackCommandTest, FolderWithContentIsNotTouched) {
  std::filesystem::create_directory(folder_);
  std::ofstream(folder_ + "/mine") << "keep me";
  EXPECT_THAT(RunFeedbackExport(*client_, folder_, false, out_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not an empty folder")));
  EXPECT_EQ(Written("mine"), "keep me");
}

TEST_F(FeedbackCommandTest, NothingToExportIsNotFound) {
  EXPECT_THAT(RunFeedbackExport(*client_, folder_, false, out_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no accepted match")));
  EXPECT_FALSE(std::filesystem::exists(folder_));
  ExpectExportSucceeds();
}

}  // namespace
}  // namespace s2p
