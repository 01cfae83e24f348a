#include "daemon/service_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/daemon_options.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ServiceManagerTest : public testing::Test {
 protected:
  ~ServiceManagerTest() override {
    if (socket_ >= 0) close(socket_);
    unsetenv("NOTIFY_SOCKET");
  }

  // Receives at `name`, whose first character may be '@', the sign of an abstract one.
  void Listen(const std::string& name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof(address.sun_path));
    if (name[0] == '@') address.sun_path[0] = '\0';
    socket_ = socket(AF_UNIX, SOCK_DGRAM, 0);
    ASSERT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }

  std::vector<std::string> Received() const {
    std::vector<std::string> messages;
    char bytes[512];
    ssize_t size;
    while ((size = recv(socket_, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0) {
      messages.emplace_back(bytes, static_cast<size_t>(size));
    }
    return messages;
  }

  // The messages of a program that listens at 127.0.0.1:1, from its start to its end.
  std::vector<std::string> Life(const DaemonOptions& daemon) {
    auto shutdown = *Shutdown::Install();
    shutdown->Request();
    AwaitShutdown(daemon, "127.0.0.1:1", *shutdown, [] {});
    return Received();
  }

  TempDir dir_;
  int socket_ = -1;
};

TEST_F(ServiceManagerTest, SocketOfAPathGetsTheState) {
  Listen(dir_.File("notify"));
  EXPECT_THAT(NotifyServiceManager("READY=1\nSTATUS=x"), IsOk());
  EXPECT_THAT(Received(), ElementsAre("READY=1\nSTATUS=x"));
}

TEST_F(ServiceManagerTest, AbstractSocketGetsTheState) {
  Listen(absl::StrCat("@s2p-service-manager-test-", getpid()));
  EXPECT_THAT(NotifyServiceManager("STOPPING=1"), IsOk());
  EXPECT_THAT(Received(), ElementsAre("STOPPING=1"));
}

TEST_F(ServiceManagerTest, WithoutOneNothingHappens) {
  EXPECT_THAT(NotifyServiceManager("READY=1"), IsOk());
  setenv("NOTIFY_SOCKET", "", 1);
  EXPECT_THAT(NotifyServiceManager("READY=1"), IsOk());
}

TEST_F(ServiceManagerTest, NameThatIsNoSocketIsInvalid) {
  for (const std::string& name : {std::string("vsock:2:1"), "/" + std::string(108, 'x')}) {
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
    EXPECT_THAT(NotifyServiceManager("READY=1"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no socket")));
  }
}

TEST_F(ServiceManagerTest, SocketThatNobodyReadsIsUnavailable) {
  setenv("NOTIFY_SOCKET", dir_.File("nobody").c_str(), 1);
  EXPECT_THAT(NotifyServiceManager("READY=1"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("nobody: No such file")));
}

TEST_F(ServiceManagerTest, ProgramIsReadyAndThenStopsWithTheTimeThatItMayTake) {
  Listen(dir_.File("notify"));
  DaemonOptions daemon;
  daemon.drain = absl::Seconds(300);
  daemon.overrun = absl::Seconds(5);
  EXPECT_THAT(Life(daemon),
              ElementsAre("READY=1\nSTATUS=listening at 127.0.0.1:1",
                          "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=305000000"));
}

TEST_F(ServiceManagerTest, LameDuckCountsAsStopping) {
  Listen(dir_.File("notify"));
  DaemonOptions daemon;
  daemon.lame_duck = absl::Microseconds(1);
  daemon.drain = absl::Seconds(2);
  daemon.overrun = absl::ZeroDuration();
  EXPECT_THAT(Life(daemon),
              ElementsAre("READY=1\nSTATUS=listening at 127.0.0.1:1",
                          "STOPPING=1\nSTATUS=lame duck\nEXTEND_TIMEOUT_USEC=2000001",
                          "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=2000000"));
}

TEST_F(ServiceManagerTest, ProgramServesThoughNobodyTakesItsMessages) {
  Listen(dir_.File("notify"));
  setenv("NOTIFY_SOCKET", dir_.File("nobody").c_str(), 1);
  EXPECT_THAT(Life(DaemonOptions()), IsEmpty());
}

}  // namespace
}  // namespace s2p::test
