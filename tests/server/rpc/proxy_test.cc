// The proxy that deploy/ ships, in front of a server.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/raw_call.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The system's, or the one that tools/setup.sh has extracted. Empty: there is none.
std::string FindNginx() {
  for (const char* path : {"/usr/sbin/nginx", S2P_TOOLS "/usr/sbin/nginx"}) {
    if (fs::exists(path)) return path;
  }
  return "";
}

class ProxyTest : public ServerTest {
 protected:
  void SetUp() override {
    if (nginx_.empty()) GTEST_SKIP() << "nginx is missing: run tools/setup.sh";
    // The proxy's processes have another user when they are started as root.
    fs::permissions(dir_.path(), fs::perms::all);
    const std::string make = absl::StrCat(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ",
        dir_.File("proxy-key.pem"), " -out ", dir_.File("proxy-cert.pem"), " 2>/dev/null");
    if (std::system(make.c_str()) != 0) GTEST_SKIP() << "openssl cannot make a certificate";
    options_.host.listen = "unix:" + dir_.File("server");
    Serve();
    StartProxy();
  }
  void TearDown() override {
    if (proxy_ == 0) return;
    kill(proxy_, SIGTERM);
    waitpid(proxy_, nullptr, 0);
  }

  void StartProxy() {
    const std::string config = dir_.File("nginx.conf");
    std::ofstream(config) << absl::StrReplaceAll(
        Read(std::string(S2P_DEPLOY) + "/proxy/nginx.conf.template"),
        {{"${S2P_PROXY_LISTEN}", "unix:" + dir_.File("proxy")},
         {"${S2P_PROXY_SERVER}", "unix:" + dir_.File("server")},
         {"${S2P_PROXY_TRAINER}", "unix:" + dir_.File("trainer")},
         {"${S2P_PROXY_WEB}", "unix:" + dir_.File("web")},
         {"${S2P_PROXY_SECRETS}", dir_.path()},
         {"/tmp/nginx", dir_.File("nginx")}});
    proxy_ = fork();
    if (proxy_ == 0) {
      execl(nginx_.c_str(), nginx_.c_str(), "-e", "stderr", "-c", config.c_str(), "-g",
            "daemon off; user root;", static_cast<char*>(nullptr));
      _exit(127);
    }
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = Read(dir_.File("proxy-cert.pem"));
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("localhost");
    channel_ = grpc::CreateCustomChannel("unix:" + dir_.File("proxy"), grpc::SslCredentials(tls),
                                         arguments);
    ASSERT_TRUE(channel_->WaitForConnected(gpr_inf_future(GPR_CLOCK_MONOTONIC)));
    search_ = v1::SearchService::NewStub(channel_);
    gallery_ = v1::GalleryService::NewStub(channel_);
    model_ = v1::ModelService::NewStub(channel_);
  }

  static std::string Read(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  const std::string nginx_ = FindNginx();
  pid_t proxy_ = 0;
};

TEST_F(ProxyTest, PhotosAreAddedAndFoundThroughIt) {
  MustAdd(3);
  v1::SearchResponse found;
  ASSERT_THAT(Search(SketchOf(1), &found), IsOk());
  EXPECT_EQ(found.matches(0).photo_id(), "p1");
}

TEST_F(ProxyTest, ErrorsOfTheServerKeepTheirWords) {
  ExpectRefused({}, grpc::StatusCode::INVALID_ARGUMENT, "examples");
}

TEST_F(ProxyTest, FloodOfHeadersEndsThere) {
  grpc::ClientContext context;
  context.AddMetadata("flood", std::string(size_t{4} << 20, 'x'));
  v1::GetModelStatusResponse status;
  EXPECT_FALSE(model_->GetModelStatus(&context, {}, &status).ok());
  EXPECT_THAT(Search(SketchOf(1)), IsOk());
}

TEST_F(ProxyTest, TooManyCallsOfOneAddressAreResourceExhausted) {
  constexpr int kCalls = 500;
  struct Pending {
    grpc::ClientContext context;
    v1::GetModelStatusResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::GetModelStatusResponse>> reader;
  };
  grpc::CompletionQueue queue;
  std::vector<Pending> calls(kCalls);
  for (Pending& call : calls) {
    call.reader = model_->AsyncGetModelStatus(&call.context, {}, &queue);
    call.reader->Finish(&call.response, &call.status, nullptr);
  }
  void* tag = nullptr;
  bool ok = false;
  for (int i = 0; i < kCalls; ++i) queue.Next(&tag, &ok);
  int answered = 0, refused = 0;
  for (const Pending& call : calls) {
    if (call.status.ok()) ++answered;
    if (call.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) ++refused;
  }
  EXPECT_GE(answered, 100);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(answered + refused, kCalls);
}

TEST_F(ProxyTest, MessageThatIsTooLargeIsResourceExhausted) {
  v1::SearchRequest request;
  request.add_examples()->set_image(std::string(size_t{18} << 20, 'x'));
  EXPECT_EQ(Search(request).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ProxyTest, ServerThatIsGoneIsUnavailable) {
  server_.reset();
  EXPECT_THAT(Search(SketchOf(1)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot reach the server")));
}

TEST_F(ProxyTest, HealthAndReflectionStayInside) {
  EXPECT_EQ(RawCall(channel_, "/grpc.health.v1.Health/Check", {""}).status.error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace s2p::test
