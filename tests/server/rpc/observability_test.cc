// An operator's view of a server, over the wire: metrics, request ids, the log.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "daemon/log.h"
#include "s2p/v1/feedback.grpc.pb.h"
#include "server/rpc/metrics.h"
#include "tests/server/feedback/drawings.h"
#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::SizeIs;

// Prometheus's text format, as far as it matters here.
struct Scrape {
  explicit Scrape(const std::string& text) {
    for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      const std::vector<std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 3));
      if (words[0] == "#") {
        (words[1] == "HELP" ? help : type)[words[2]] = words[3];
      } else {
        const size_t space = line.rfind(' ');
        values[std::string(line.substr(0, space))] = std::stod(std::string(line.substr(space + 1)));
      }
    }
  }
  double Value(const std::string& series) const {
    const auto found = values.find(series);
    return found == values.end() ? 0 : found->second;
  }
  // Whichever of its labels comes first.
  double Requests(const std::string& method, const std::string& code) const {
    const std::string m = "method=\"" + method + "\"", c = "code=\"" + code + "\"";
    return Value("s2p_requests_total{" + m + "," + c + "}") +
           Value("s2p_requests_total{" + c + "," + m + "}");
  }
  std::map<std::string, std::string> help, type;
  std::map<std::string, double> values;
};

TEST(MetricsTest, EveryMetricOfTheDesignIsThereFromTheStart) {
  Metrics metrics("1.2.3");
  const Scrape scrape(metrics.Text());
  const std::map<std::string, std::string> wanted = {
      {"s2p_request_seconds", "histogram"},      {"s2p_stage_seconds", "histogram"},
      {"s2p_batch_size", "histogram"},           {"s2p_queue_depth", "gauge"},
      {"s2p_rejected_total", "counter"},         {"s2p_model_version", "gauge"},
      {"s2p_model_precision", "gauge"},          {"s2p_model_loads_total", "counter"},
      {"s2p_model_swap_seconds", "histogram"},   {"s2p_reembed_progress_ratio", "gauge"},
      {"s2p_gallery_photos", "gauge"},           {"s2p_gallery_uncolored_photos", "gauge"},
      {"s2p_gallery_orphans", "gauge"},          {"s2p_decoder_starts_total", "counter"},
      {"s2p_decoder_ends_total", "counter"},     {"s2p_gallery_missing_photos", "gauge"},
      {"s2p_device_memory_bytes", "gauge"},      {"s2p_build_info", "gauge"},
      {"s2p_reembed_left_out_total", "counter"}, {"s2p_feedback_bytes", "gauge"},
      {"s2p_feedback_pairs", "gauge"},           {"s2p_feedback_entries", "gauge"},
      {"s2p_feedback_refused_total", "counter"}};
  for (const auto& [name, type] : wanted) {
    ASSERT_EQ(scrape.type.count(name), 1u) << name;
    EXPECT_EQ(scrape.type.at(name), type) << name;
    EXPECT_GT(scrape.help.at(name).size(), 15u) << name;
  }
}

TEST(MetricsTest, OnePrecisionServesAtATime) {
  Metrics metrics("1.2.3");
  const auto values = [&metrics] {
    const Scrape scrape(metrics.Text());
    std::vector<double> found;
    for (const char* precision : {"fp32", "bf16", "half"}) {
      const std::string series = absl::StrCat("s2p_model_precision{precision=\"", precision, "\"}");
      EXPECT_EQ(scrape.values.count(series), 1u) << series;
      found.push_back(scrape.Value(series));
    }
    return found;
  };
  EXPECT_THAT(values(), testing::ElementsAre(0, 0, 0)) << "none serves yet";
  metrics.SetModelPrecision(Precision::kBfloat16);
  EXPECT_THAT(values(), testing::ElementsAre(0, 1, 0));
  metrics.SetModelPrecision(Precision::kFloat32);
  EXPECT_THAT(values(), testing::ElementsAre(1, 0, 0));
}

TEST(MetricsTest, BucketsResolveATenthOfAMillisecondToTenSeconds) {
  Metrics metrics("1.2.3");
  metrics.CountRequest("Search", absl::StatusCode::kOk, absl::Milliseconds(20));
  const Scrape scrape(metrics.Text());
  std::map<double, double> buckets;
  const std::string prefix = "s2p_request_seconds_bucket{method=\"Search\",le=\"";
  for (const auto& [series, value] : scrape.values) {
    if (series.rfind(prefix, 0) != 0) continue;
    const std::string bound = series.substr(prefix.size(), series.rfind('"') - prefix.size());
    buckets[bound == "+Inf" ? 1e9 : std::stod(bound)] = value;
  }
  EXPECT_EQ(buckets.begin()->first, 0.0001);
  EXPECT_EQ(std::next(buckets.rbegin())->first, 10);
  double last_bound = 0.00006, last_count = 0;
  for (const auto& [bound, count] : buckets) {
    EXPECT_GE(count, last_count) << "cumulative";
    if (bound < 1e9) {
      EXPECT_LT(bound / last_bound, 1.7);
    }
    EXPECT_EQ(count, bound >= 0.020 ? 1 : 0) << bound;
    last_bound = bound;
    last_count = count;
  }
}

TEST(MetricsTest, CountersOfOneMethodAndCodeAreOne) {
  Metrics metrics("1.2.3");
  for (int i = 0; i < 3; ++i) {
    metrics.CountRequest("GetPhoto", absl::StatusCode::kNotFound, absl::Milliseconds(1));
  }
  metrics.CountRejected(Rejection::kBusy);
  const Scrape scrape(metrics.Text());
  EXPECT_EQ(scrape.Requests("GetPhoto", "NOT_FOUND"), 3);
  EXPECT_EQ(scrape.Value("s2p_rejected_total{reason=\"busy\"}"), 1);
  EXPECT_EQ(scrape.Value("s2p_rejected_total{reason=\"queue_full\"}"), 0);
}

class ObservabilityTest : public ServerTest {
 protected:
  ~ObservabilityTest() override {
    server_.reset();
    EXPECT_THAT(ConfigureLog(LogOptions()), IsOk());
  }
  // The id that the trailing metadata of a finished call carries.
  static std::string IdOf(const grpc::ClientContext& context) {
    const auto& trailing = context.GetServerTrailingMetadata();
    EXPECT_EQ(trailing.count("x-request-id"), 1u);
    const auto found = trailing.find("x-request-id");
    return found == trailing.end() ? "" : std::string(found->second.data(), found->second.size());
  }
  // The metrics that Prometheus would read from the server now.
  Scrape ScrapeServer() const {
    const std::vector<std::string> parts = absl::StrSplit(server_->http_address(), ':');
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(parts.back(), &port));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char buffer[4096];
    for (ssize_t n; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
      answer.append(buffer, static_cast<size_t>(n));
    }
    close(fd);
    EXPECT_EQ(answer.rfind("HTTP/1.1 200", 0), 0u) << answer;
    return Scrape(answer.substr(answer.find("\r\n\r\n") + 4));
  }
};

TEST_F(ObservabilityTest, FeedbackIsCountedByWhatBecameOfIt) {
  options_.collect_feedback = true;
  options_.feedback_data_set = dir_.File("pairs");
  Serve();
  MustAdd(2);
  const auto stub = v1::FeedbackService::NewStub(channel_);
  const auto record = [&stub](const std::string& photo_id, const std::string& image) {
    grpc::ClientContext context;
    v1::RecordFeedbackRequest request;
    request.set_photo_id(photo_id);
    request.set_image(image);
    request.set_verdict(v1::VERDICT_MATCH);
    v1::RecordFeedbackResponse response;
    stub->RecordFeedback(&context, request, &response);
    return response.feedback_id();
  };
  const std::string drawing = *EncodePng(DrawingOf(1));
  v1::ReviewFeedbackRequest review;
  review.add_feedback_ids(record("p0", drawing));
  review.set_state(v1::Feedback::STATE_ACCEPTED);
  record("p0", drawing);
  record("p1", drawing);
  record("none", drawing);
  record("p0", *EncodePng(Image(30, 30)));
  record("p0", "no image");
  record("", drawing);
  grpc::ClientContext context;
  v1::ReviewFeedbackResponse reviewed;
  ASSERT_THAT(stub->ReviewFeedback(&context, review, &reviewed), IsOk());
  const Scrape scrape = ScrapeServer();
  EXPECT_EQ(scrape.Value(R"(s2p_feedback_recorded_total{result="new"})"), 2);
  EXPECT_EQ(scrape.Value(R"(s2p_feedback_recorded_total{result="known"})"), 1);
  for (const char* reason : {"photo", "blank", "drawing", "request"}) {
    EXPECT_EQ(scrape.Value(absl::StrCat("s2p_feedback_refused_total{reason=\"", reason, "\"}")), 1)
        << reason;
  }
  EXPECT_EQ(scrape.Value(R"(s2p_feedback_entries{state="pending"})"), 1);
  EXPECT_EQ(scrape.Value(R"(s2p_feedback_entries{state="accepted"})"), 1);
  EXPECT_EQ(scrape.Value("s2p_feedback_bytes"),
            2.0 * static_cast<double>(drawing.size() + kEntryBytes));
  EXPECT_EQ(scrape.Value("s2p_feedback_pairs"), 1);
}

TEST_F(ObservabilityTest, ServerThatHasWorkedShowsEveryMetricOfTheDesign) {
  Serve();
  MustAdd(1);
  ASSERT_THAT(Search(SketchOf(1)), IsOk());
  const Scrape scrape = ScrapeServer();
  for (const char* name : {"s2p_requests_total",
                           "s2p_request_seconds",
                           "s2p_stage_seconds",
                           "s2p_batch_size",
                           "s2p_queue_depth",
                           "s2p_rejected_total",
                           "s2p_model_version",
                           "s2p_model_precision",
                           "s2p_model_loads_total",
                           "s2p_model_swap_seconds",
                           "s2p_reembed_progress_ratio",
                           "s2p_gallery_photos",
                           "s2p_gallery_writes_total",
                           "s2p_server_faults_total",
                           "s2p_disk_reserve_bytes",
                           "s2p_gallery_writes_total",
                           "s2p_decoder_starts_total",
                           "s2p_decoder_ends_total",
                           "s2p_device_memory_bytes",
                           "s2p_feedback_recorded_total",
                           "s2p_feedback_refused_total",
                           "s2p_feedback_entries",
                           "s2p_feedback_bytes",
                           "s2p_feedback_pairs",
                           "s2p_build_info"}) {
    EXPECT_EQ(scrape.help.count(name), 1u) << name;
    EXPECT_EQ(scrape.type.count(name), 1u) << name;
  }
  EXPECT_EQ(scrape.Value("s2p_model_version"), 1);
  EXPECT_EQ(scrape.Value("s2p_model_precision{precision=\"fp32\"}"), 1);
  EXPECT_EQ(scrape.Value("s2p_gallery_photos"), 1);
  EXPECT_EQ(scrape.Value("s2p_model_loads_total{result=\"ok\"}"), 1);
  for (const char* stage : {"decode", "preprocess", "queue", "search"}) {
    EXPECT_EQ(scrape.Value(absl::StrCat("s2p_stage_seconds_count{stage=\"", stage, "\"}")), 1)
        << stage;
  }
}

TEST_F(ObservabilityTest, OrphansAndMissingPhotosOfTheStartAreShown) {
  Serve();
  MustAdd(2);
  server_.reset();
  const std::string photos = options_.data_dir + "/photos/";
  std::filesystem::remove_all(photos + Sha256(PhotoBytes(0)).substr(0, 2));
  const std::string orphan = Sha256("orphan");
  std::filesystem::create_directories(photos + orphan.substr(0, 2));
  std::ofstream(photos + orphan.substr(0, 2) + "/" + orphan) << "orphan";
  Start();
  const Scrape scrape = ScrapeServer();
  EXPECT_EQ(scrape.Value("s2p_gallery_orphans"), 1);
  EXPECT_EQ(scrape.Value("s2p_gallery_missing_photos"), 1);
  EXPECT_EQ(scrape.Value("s2p_server_faults_total{kind=\"photo_missing\"}"), 1);
  EXPECT_EQ(scrape.Value("s2p_server_faults_total{kind=\"disk_full\"}"), 0);
}

TEST_F(ObservabilityTest, ReserveOfTheDiskIsShown) {
  options_.min_free = {1234, 1};
  Start();
  EXPECT_EQ(ScrapeServer().Value("s2p_disk_reserve_bytes"), 1234);
}

TEST_F(ObservabilityTest, CallsAreCountedByTheirCodes) {
  // The deadline of clients that set none has passed when their calls arrive.
  options_.limits.default_deadline = absl::ZeroDuration();
  Serve();
  const Scrape before = ScrapeServer();
  EXPECT_EQ(before.Requests("Search", "OK"), 0);
  grpc::ClientContext patient;
  patient.set_deadline(std::chrono::system_clock::now() + std::chrono::hours(1));
  v1::SearchResponse response;
  ASSERT_THAT(search_->Search(&patient, SketchOf(1), &response), IsOk());
  EXPECT_EQ(Search(v1::SearchRequest()).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Search(v1::SearchRequest()).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Search(SketchOf(1)).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  const Scrape after = ScrapeServer();
  EXPECT_EQ(after.Requests("Search", "OK"), 1);
  EXPECT_EQ(after.Requests("Search", "INVALID_ARGUMENT"), 2);
  EXPECT_EQ(after.Requests("Search", "DEADLINE_EXCEEDED"), 1);
  EXPECT_EQ(after.Value("s2p_rejected_total{reason=\"deadline\"}"), 1);
  EXPECT_EQ(after.Value("s2p_request_seconds_count{method=\"Search\"}"), 4);
}

TEST_F(ObservabilityTest, EveryKindOfCallBringsItsRequestIdBack) {
  Serve();
  MustAdd(1);
  std::vector<std::string> ids;
  const auto call = [&](const std::function<grpc::Status(grpc::ClientContext*)>& work) {
    grpc::ClientContext context;
    context.AddMetadata("x-request-id", "my-own-id");
    work(&context);
    ids.push_back(IdOf(context));
  };
  call([&](grpc::ClientContext* context) {
    v1::SearchResponse response;
    return search_->Search(context, SketchOf(1), &response);
  });
  call([&](grpc::ClientContext* context) {
    v1::SearchResponse response;
    return search_->Search(context, v1::SearchRequest(), &response);
  });
  call([&](grpc::ClientContext* context) {
    auto stream = gallery_->AddPhotos(context);
    stream->Write(Photo("more", 5));
    stream->WritesDone();
    v1::AddPhotoResponse response;
    while (stream->Read(&response)) {
    }
    return stream->Finish();
  });
  for (const char* id : {"p0", "not there"}) {
    call([&](grpc::ClientContext* context) {
      v1::GetPhotoRequest request;
      request.set_photo_id(id);
      auto reader = gallery_->GetPhoto(context, request);
      v1::GetPhotoResponse response;
      while (reader->Read(&response)) {
      }
      return reader->Finish();
    });
  }
  call([&](grpc::ClientContext* context) {
    v1::GetModelStatusResponse response;
    return model_->GetModelStatus(context, {}, &response);
  });
  EXPECT_THAT(ids, AllOf(SizeIs(6), Each(std::string("my-own-id"))));
}

TEST_F(ObservabilityTest, CallWithoutAnIdGetsOneOfItsOwn) {
  Serve();
  std::set<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    grpc::ClientContext context;
    v1::SearchResponse response;
    search_->Search(&context, SketchOf(1), &response);
    ids.insert(IdOf(context));
  }
  EXPECT_THAT(ids, AllOf(SizeIs(3), Each(SizeIs(32))));
}

// Control bytes never arrive here: gRPC's own client refuses to send them.
TEST_F(ObservabilityTest, BadIdIsReplaced) {
  Serve();
  for (const std::string& bad : {std::string(129, 'x'), std::string("two words")}) {
    grpc::ClientContext context;
    context.AddMetadata("x-request-id", bad);
    v1::SearchResponse response;
    search_->Search(&context, SketchOf(1), &response);
    EXPECT_THAT(IdOf(context), SizeIs(32)) << bad;
  }
}

TEST_F(ObservabilityTest, CallerWithoutAKeyGetsItsRequestIdToo) {
  options_.host.credentials.api_key_file = dir_.File("keys");
  std::ofstream(options_.host.credentials.api_key_file) << "correct-horse-battery-staple\n";
  std::filesystem::permissions(options_.host.credentials.api_key_file,
                               std::filesystem::perms::owner_read);
  Serve();
  const auto expect_refused = [&](const std::function<grpc::Status(grpc::ClientContext*)>& work) {
    grpc::ClientContext context;
    context.AddMetadata("x-request-id", "stranger");
    EXPECT_EQ(work(&context).error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(IdOf(context), "stranger");
  };
  expect_refused([&](grpc::ClientContext* context) {
    v1::SearchResponse response;
    return search_->Search(context, SketchOf(1), &response);
  });
  expect_refused(
      [&](grpc::ClientContext* context) { return gallery_->AddPhotos(context)->Finish(); });
  expect_refused([&](grpc::ClientContext* context) {
    v1::GetPhotoRequest request;
    request.set_photo_id("p0");
    return gallery_->GetPhoto(context, request)->Finish();
  });
  expect_refused([&](grpc::ClientContext* context) {
    v1::GetModelStatusResponse response;
    return model_->GetModelStatus(context, {}, &response);
  });
  expect_refused([&](grpc::ClientContext* context) {
    return model_->WatchModelStatus(context, {})->Finish();
  });
}

TEST_F(ObservabilityTest, SlowSearchIsInTheLogWithItsIdAndStages) {
  std::ostringstream log;
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  options_.host.call_log.slow = absl::Nanoseconds(1);
  Serve();
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "slow-one");
  v1::SearchRequest request = SketchOf(1);
  request.set_top_k(7);
  v1::SearchResponse response;
  ASSERT_THAT(search_->Search(&context, request, &response), IsOk());
  server_.reset();
  EXPECT_THAT(log.str(), AllOf(HasSubstr("slow call"), HasSubstr("slow-one"), HasSubstr("top_k=7"),
                               HasSubstr("images=1"), HasSubstr("version=1"),
                               HasSubstr("filtered=false"), HasSubstr("encode=")));
}

TEST_F(ObservabilityTest, FailureOfOursIsInTheLogWithItsId) {
  std::ostringstream log;
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  on_encode_ = [](absl::Span<const EncoderInput>) { return absl::InternalError("burnt out"); };
  Serve();
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "broken-one");
  v1::SearchResponse response;
  EXPECT_EQ(search_->Search(&context, SketchOf(1), &response).error_code(),
            grpc::StatusCode::INTERNAL);
  server_.reset();
  EXPECT_THAT(log.str(),
              AllOf(HasSubstr(" error "), HasSubstr("broken-one"), HasSubstr("burnt out")));
}

}  // namespace
}  // namespace s2p::test
