// Who may call what, over the wire, while keys change.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/key_file.h"
#include "tests/rpc/host_fixture.h"
#include "tests/testing/raw_call.h"

namespace s2p::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

class AccessTest : public HostTest {
 protected:
  AccessTest() {
    options_.credentials.api_key_file = keys_;
    options_.credentials.reload_interval = std::chrono::seconds(0);
    options_.access.audit_log = dir_.File("audit");
  }
  std::string NewKey(const std::string& name, Roles roles) { return *AddKey(keys_, name, roles); }
  grpc::Status CallWith(const std::string& key) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + key);
    return Call(&context);
  }

  std::string Audit() const {
    std::ostringstream text;
    text << std::ifstream(dir_.File("audit")).rdbuf();
    return text.str();
  }

  const std::string keys_ = dir_.File("keys");
};

TEST_F(AccessTest, KeyOpensWhatItsRolesAllow) {
  const std::string reader = NewKey("reader", {Role::kTrain});
  Start();
  EXPECT_THAT(CallWith(reader), IsOk());
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + reader);
  v1::SetServingVersionResponse response;
  EXPECT_THAT(stub_->SetServingVersion(&context, {}, &response),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("SetServingVersion needs a key with the role admin")));
}

TEST_F(AccessTest, RevokedKeyIsRefusedOnAnOpenConnection) {
  const std::string kept = NewKey("kept", {Role::kSearch});
  const std::string leaked = NewKey("leaked", {Role::kSearch});
  Start();
  EXPECT_THAT(CallWith(leaked), IsOk());
  ASSERT_THAT(RevokeKey(keys_, "leaked"), IsOk());
  EXPECT_THAT(CallWith(leaked), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(CallWith(kept), IsOk());
  EXPECT_EQ(channel_->GetState(false), GRPC_CHANNEL_READY);
}

TEST_F(AccessTest, NewKeyIsAcceptedOnAnOpenConnection) {
  NewKey("old", {Role::kSearch});
  Start();
  EXPECT_THAT(CallWith("s2p.new.00"), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(CallWith(NewKey("new", {Role::kSearch})), IsOk());
  EXPECT_THAT(metrics_.Text(), HasReload("api_keys", "ok"));
}

TEST_F(AccessTest, BrokenFileKeepsTheKeysAndIsCountedOnce) {
  const std::string key = NewKey("web", {Role::kSearch});
  Start();
  std::ofstream(keys_ + ".new") << "too short\n";
  ASSERT_EQ(chmod((keys_ + ".new").c_str(), 0600), 0);
  ASSERT_EQ(std::rename((keys_ + ".new").c_str(), keys_.c_str()), 0);
  EXPECT_THAT(CallWith(key), IsOk());
  EXPECT_THAT(CallWith(key), IsOk());
  EXPECT_THAT(metrics_.Text(), HasReload("api_keys", "failed"));
}

TEST_F(AccessTest, EmptiedFileDoesNotAdmitEveryone) {
  const std::string key = NewKey("web", {Role::kSearch});
  Start();
  ASSERT_EQ(truncate(keys_.c_str(), 0), 0);
  EXPECT_THAT(Call(), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(CallWith(key), IsOk());
}

TEST_F(AccessTest, KeyThatCallsTooOftenIsToldWhenToComeBack) {
  options_.access.calls_per_second_per_key = 0.01;
  const std::string busy = NewKey("busy", {Role::kSearch});
  const std::string other = NewKey("other", {Role::kSearch});
  Start();
  EXPECT_THAT(CallWith(busy), IsOk());
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + busy);
  EXPECT_THAT(Call(&context), StatusIs(absl::StatusCode::kResourceExhausted,
                                       HasSubstr("the key busy may start 0.01 calls a second")));
  int pause_ms = 0;
  EXPECT_TRUE(absl::SimpleAtoi(Trailing(context, "grpc-retry-pushback-ms"), &pause_ms));
  EXPECT_GT(pause_ms, 10'000);
  EXPECT_LE(pause_ms, 100'000);
  EXPECT_THAT(CallWith(other), IsOk());
  EXPECT_THAT(metrics_.Text(), HasSubstr("s2p_rate_limited_total{by=\"key\"} 1"));
}

TEST_F(AccessTest, AddressThatCallsTooOftenIsRefusedBeforeItsKeyIsLookedAt) {
  options_.access.calls_per_second_per_address = 0.01;
  options_.access.limit_loopback = true;
  const std::string key = NewKey("web", {Role::kSearch});
  Start();
  EXPECT_THAT(CallWith("wrong"), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(CallWith(key), StatusIs(absl::StatusCode::kResourceExhausted,
                                      HasSubstr("the address 127.0.0.1 may start")));
  EXPECT_THAT(metrics_.Text(), HasSubstr("s2p_rate_limited_total{by=\"address\"} 1"));
}

TEST_F(AccessTest, ThisMachineMayCallAsOftenAsItLikes) {
  options_.access.calls_per_second_per_address = 0.01;
  const std::string key = NewKey("web", {Role::kSearch});
  Start();
  EXPECT_THAT(CallWith(key), IsOk());
  EXPECT_THAT(CallWith(key), IsOk());
}

TEST_F(AccessTest, ChangeIsRecordedWithItsCaller) {
  const std::string key = NewKey("operator", {Role::kAdmin});
  Start();
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + key);
  context.AddMetadata("x-request-id", "my-own-id");
  v1::SetServingVersionRequest request;
  request.set_version(7);
  v1::SetServingVersionResponse response;
  EXPECT_THAT(stub_->SetServingVersion(&context, request, &response), IsOk());
  End();
  EXPECT_THAT(Audit(), HasSubstr(R"("key":"operator","address":"127.0.0.1",)"
                                 R"("method":"SetServingVersion","ids":["7"],"count":1,)"
                                 R"("code":"OK","request_id":"my-own-id"})"));
}

TEST_F(AccessTest, ChangeIsRecordedWithThePersonWhomTheCallerNames) {
  const std::string key = NewKey("web", {Role::kAdmin});
  Start();
  const auto change = [&](const std::vector<std::string>& users) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + key);
    context.AddMetadata("x-request-id", "r");
    for (const std::string& user : users) context.AddMetadata("x-s2p-user-bin", user);
    v1::SetServingVersionResponse response;
    EXPECT_THAT(stub_->SetServingVersion(&context, {}, &response), IsOk());
  };
  change({"ada@shoes.example"});
  change({"\xE9ve\n"});
  change({std::string(300, 'x')});
  change({});
  change({"ada", "eve"});
  End();
  EXPECT_THAT(Audit(), HasSubstr(R"("request_id":"r","user":"ada@shoes.example"})"));
  EXPECT_THAT(Audit(), HasSubstr(R"("request_id":"r","user":"\\xe9ve\\n"})"));
  EXPECT_THAT(Audit(), HasSubstr(std::string(256, 'x') + "\"}"));
  // The last two name nobody.
  EXPECT_THAT(Audit(), ContainsRegex("\"request_id\":\"r\"}\n[^\n]*\"request_id\":\"r\"}\n"));
}

TEST_F(AccessTest, NameThatComesWithoutAKeyIsNotRecorded) {
  options_.credentials.api_key_file = "";
  Start();
  grpc::ClientContext context;
  context.AddMetadata("x-s2p-user-bin", "ada@shoes.example");
  v1::SetServingVersionResponse response;
  EXPECT_THAT(stub_->SetServingVersion(&context, {}, &response), IsOk());
  End();
  EXPECT_THAT(Audit(), HasSubstr(R"("key":"anonymous")"));
  EXPECT_THAT(Audit(), Not(HasSubstr("user")));
}

TEST_F(AccessTest, ChangeWithoutTheRoleIsRecordedWithoutAPerson) {
  const std::string key = NewKey("web", {Role::kSearch});
  Start();
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + key);
  context.AddMetadata("x-s2p-user-bin", "ada@shoes.example");
  v1::SetServingVersionResponse response;
  stub_->SetServingVersion(&context, {}, &response);
  const std::string request_id = Trailing(context, "x-request-id");
  EXPECT_NE(request_id, "");
  EXPECT_THAT(Audit(), HasSubstr(R"("key":"web")"));
  EXPECT_THAT(Audit(), HasSubstr(R"("code":"PERMISSION_DENIED","request_id":")" + request_id));
  EXPECT_THAT(Audit(), Not(HasSubstr("user")));
}

TEST_F(AccessTest, ReadingIsNotRecorded) {
  const std::string key = NewKey("web", {Role::kSearch});
  Start();
  EXPECT_THAT(CallWith(key), IsOk());
  EXPECT_THAT(CallWith("wrong"), StatusIs(absl::StatusCode::kUnauthenticated));
  End();
  EXPECT_EQ(Audit(), "");
}

TEST_F(AccessTest, NewAndRevokedKeysAreRecorded) {
  NewKey("old", {Role::kSearch});
  Start();
  const std::string key = NewKey("new", {Role::kWrite, Role::kSearch});
  EXPECT_THAT(RevokeKey(keys_, "old"), IsOk());
  EXPECT_THAT(CallWith(key), IsOk());
  EXPECT_THAT(Audit(), HasSubstr(R"("method":"keys","ids":["+new search,write","-old search"],)"
                                 R"("count":2,"code":"OK")"));
}

TEST_F(AccessTest, KeyThatIsReplacedUnderItsNameIsRecorded) {
  NewKey("kept", {Role::kSearch});
  NewKey("web", {Role::kSearch});
  Start();
  EXPECT_THAT(RevokeKey(keys_, "web"), IsOk());
  EXPECT_THAT(CallWith(NewKey("web", {Role::kSearch})), IsOk());
  EXPECT_THAT(Audit(), HasSubstr(R"("method":"keys","ids":["+web search","-web search"],)"
                                 R"("count":2,"code":"OK")"));
}

TEST_F(AccessTest, AuditLogThatCannotBeOpenedIsNamedBeforeAPortOpens) {
  NewKey("web", {Role::kSearch});
  options_.access.audit_log = dir_.File("none/audit");
  EXPECT_THAT(GrpcHost::Create(options_, {}, &metrics_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("--audit-log: cannot open")));
}

TEST_F(AccessTest, ReflectionCanBeSwitchedOff) {
  options_.credentials.api_key_file = "";
  // ServerReflectionRequest { string list_services = 7; }.
  const std::vector<std::string> request = {std::string("\x3a\x01*")};
  Start();
  EXPECT_THAT(RawCall(channel_, kReflection, request).status, IsOk());
  End();
  options_.no_reflection = true;
  Start();
  EXPECT_THAT(RawCall(channel_, kReflection, request).status,
              StatusIs(absl::StatusCode::kUnimplemented));
}

}  // namespace
}  // namespace s2p::test
