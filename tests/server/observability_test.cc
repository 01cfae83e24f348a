// What an operator sees of a server, over the wire: metrics, request ids, the log.
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "absl/strings/str_split.h"
#include "daemon/log.h"
#include "server/metrics.h"
#include "tests/server/server_fixture.h"

namespace s2p::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

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
  std::map<std::string, std::string> help, type;
  std::map<std::string, double> values;
};

TEST(MetricsTest, EveryMetricOfTheDesignIsThereFromTheStart) {
  Metrics metrics("1.2.3");
  const Scrape scrape(metrics.Text());
  const std::map<std::string, std::string> wanted = {
      {"s2p_request_seconds", "histogram"},    {"s2p_stage_seconds", "histogram"},
      {"s2p_batch_size", "histogram"},         {"s2p_queue_depth", "gauge"},
      {"s2p_rejected_total", "counter"},       {"s2p_model_version", "gauge"},
      {"s2p_model_loads_total", "counter"},    {"s2p_model_swap_seconds", "histogram"},
      {"s2p_reembed_progress_ratio", "gauge"}, {"s2p_gallery_photos", "gauge"},
      {"s2p_device_memory_bytes", "gauge"},    {"s2p_build_info", "gauge"}};
  for (const auto& [name, type] : wanted) {
    ASSERT_EQ(scrape.type.count(name), 1u) << name;
    EXPECT_EQ(scrape.type.at(name), type) << name;
    EXPECT_GT(scrape.help.at(name).size(), 15u) << name;
  }
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
  EXPECT_EQ(scrape.Value("s2p_requests_total{code=\"NOT_FOUND\",method=\"GetPhoto\"}") +
                scrape.Value("s2p_requests_total{method=\"GetPhoto\",code=\"NOT_FOUND\"}"),
            3);
  EXPECT_EQ(scrape.Value("s2p_rejected_total{reason=\"busy\"}"), 1);
  EXPECT_EQ(scrape.Value("s2p_rejected_total{reason=\"queue_full\"}"), 0);
}

class ObservabilityTest : public ServerTest {
 protected:
  ~ObservabilityTest() override {
    server_.reset();
    EXPECT_TRUE(ConfigureLog(LogOptions()).ok());
  }
  // The id that the trailing metadata of a finished call carries.
  static std::string IdOf(const grpc::ClientContext& context) {
    const auto& trailing = context.GetServerTrailingMetadata();
    EXPECT_EQ(trailing.count("x-request-id"), 1u);
    const auto found = trailing.find("x-request-id");
    return found == trailing.end() ? "" : std::string(found->second.data(), found->second.size());
  }
};

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

TEST_F(ObservabilityTest, BadIdIsReplaced) {
  Serve();
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", std::string(129, 'x'));
  v1::SearchResponse response;
  search_->Search(&context, SketchOf(1), &response);
  EXPECT_THAT(IdOf(context), SizeIs(32));
}

TEST_F(ObservabilityTest, SlowSearchIsInTheLogWithItsIdAndStages) {
  std::ostringstream log;
  ASSERT_TRUE(ConfigureLog(LogOptions(), &log).ok());
  options_.slow_query = absl::Nanoseconds(1);
  Serve();
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "slow-one");
  v1::SearchRequest request = SketchOf(1);
  request.set_top_k(7);
  v1::SearchResponse response;
  ASSERT_TRUE(search_->Search(&context, request, &response).ok());
  server_.reset();
  EXPECT_THAT(log.str(), AllOf(HasSubstr("slow call"), HasSubstr("slow-one"), HasSubstr("top_k=7"),
                               HasSubstr("images=1"), HasSubstr("version=1"),
                               HasSubstr("filtered=false"), HasSubstr("encode=")));
}

TEST_F(ObservabilityTest, FailureOfOursIsInTheLogWithItsId) {
  std::ostringstream log;
  ASSERT_TRUE(ConfigureLog(LogOptions(), &log).ok());
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
}  // namespace s2p::testing
