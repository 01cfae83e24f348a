#include "daemon/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/http/gzip.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/daemon/http/server_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::Get;
using test::IsOk;
using test::RawClient;
using test::StatusIs;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class HttpServerTest : public test::HttpServerFixture {};

std::string Post(absl::string_view headers, absl::string_view body) {
  return absl::StrCat("POST /echo HTTP/1.1\r\nHost: x\r\n", headers, "\r\n", body);
}

TEST_F(HttpServerTest, RequestIsAnsweredWithItsPathAndBody) {
  Start();
  const std::string answer = Ask(Post("Content-Length: 5\r\nConnection: close\r\n", "hello"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nPOST /echo hello"));
}

TEST_F(HttpServerTest, ConnectionIsUsedAgain) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/one", ""));
  EXPECT_THAT(client.ReadUntil("GET /one "), HasSubstr("Connection: keep-alive"));
  client.Send(Post("Content-Length: 5\r\n", "hello"));
  EXPECT_THAT(client.ReadUntil("hello"), HasSubstr("POST /echo hello"));
  client.Send(Get("/three"));
  EXPECT_THAT(client.ReadAll(), EndsWith("GET /three "));
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInTheirOrder) {
  Start();
  const std::string answer =
      Ask(absl::StrCat(Get("/one", ""), Post("Content-Length: 3\r\n", "two"), Get("/three")));
  const size_t one = answer.find("GET /one"), two = answer.find("POST /echo two");
  ASSERT_NE(one, std::string::npos);
  ASSERT_NE(two, std::string::npos);
  EXPECT_LT(one, two);
  EXPECT_THAT(answer, EndsWith("GET /three "));
}

TEST_F(HttpServerTest, OldClientIsAnsweredAndItsConnectionClosed) {
  Start();
  const std::string answer = Ask("GET /old HTTP/1.0\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_THAT(answer, EndsWith("GET /old "));
}

TEST_F(HttpServerTest, HeadHasTheHeadersOfGetAndNoBody) {
  Start();
  const std::string answer = Ask("HEAD /path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 11\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, ClientThatWaitsToBeToldToSendIsTold) {
  Start();
  RawClient client = Connect();
  client.Send(Post("Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n", ""));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100"));
  client.Send("hello");
  EXPECT_THAT(client.ReadAll(), EndsWith("POST /echo hello"));
}

TEST_F(HttpServerTest, ThrownExceptionIs500) {
  Start();
  EXPECT_THAT(Ask(Get("/throw")), AllOf(StartsWith("HTTP/1.1 500"), EndsWith("the server failed")));
}

TEST_F(HttpServerTest, HalfClosedClientIsAnswered) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/path", ""));
  client.EndSending();
  EXPECT_THAT(client.ReadAll(), EndsWith("GET /path "));
}

TEST_F(HttpServerTest, BodyThatBreaksOffIsRecordedAndForgotten) {
  Start();
  {
    RawClient client = Connect();
    client.Send(Post("Content-Length: 1000\r\n", "half"));
  }
  handler_.AwaitRecord(499);
  EXPECT_THAT(Ask(Get("/next")), EndsWith("GET /next "));
}

// ---- Bodies.

TEST_F(HttpServerTest, ChunkedBodyIsPutTogether) {
  Start();
  EXPECT_THAT(Ask(Post("Transfer-Encoding: chunked\r\nConnection: close\r\n",
                       "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: z\r\n\r\n")),
              EndsWith("POST /echo hello"));
}

TEST_F(HttpServerTest, DeclaredBodyBeyondTheLimitIsRefusedUnread) {
  handler_.max_body_bytes = 10;
  Start();
  RawClient client = Connect();
  client.Send(Post("Content-Length: 11\r\n", ""));
  EXPECT_THAT(client.ReadAll(), AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("more than 10 bytes")));
}

TEST_F(HttpServerTest, ChunkedBodyBeyondTheLimitIsRefusedOnTheWay) {
  handler_.max_body_bytes = 1 << 16;
  Start();
  RawClient client = Connect();
  client.Send(Post("Transfer-Encoding: chunked\r\n", ""));
  const std::string chunk = absl::StrCat("4000\r\n", std::string(0x4000, 'x'), "\r\n");
  while (!client.HasAnswer() && client.Send(chunk)) {
  }
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, ChunkLineWithoutEndIs400) {
  Start();
  RawClient client = Connect();
  client.Send(Post("Transfer-Encoding: chunked\r\n", "5;"));
  while (!client.HasAnswer() && client.Send(std::string(1024, 'x'))) {
  }
  EXPECT_THAT(client.ReadAll(), AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("chunks")));
}

TEST_F(HttpServerTest, DamagedChunkIs400) {
  Start();
  for (const char* body : {"x\r\nhello\r\n", "-1\r\n", "5\r\nhelloX\r\n",
                           "ffffffffffffffffff\r\nhello\r\n", "5\nhello\n0\n\n"}) {
    // More bytes, so that what could still be the beginning of a long line is not waited for.
    EXPECT_THAT(
        Ask(Post("Transfer-Encoding: chunked\r\n", absl::StrCat(body, std::string(9000, 'x')))),
        StartsWith("HTTP/1.1 400"))
        << body;
  }
}

TEST_F(HttpServerTest, BytesBehindTheBodyAreNotPartOfIt) {
  Start();
  const std::string answer = Ask(Post("Content-Length: 5\r\n", "hello\x01 more"));
  EXPECT_THAT(answer, HasSubstr("POST /echo hello"));
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 400"));
  EXPECT_THAT(answer, Not(HasSubstr("hello\x01")));
}

TEST_F(HttpServerTest, BodyOfARefusedRequestIsNotTakenForARequest) {
  Start();
  const std::string hidden = Get("/hidden");
  RawClient client = Connect();
  client.Send(absl::StrCat("POST /forbidden HTTP/1.1\r\nHost: x\r\nContent-Length: ", hidden.size(),
                           "\r\n\r\n", hidden));
  client.EndSending();
  const std::string answer = client.ReadAll();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(answer, Not(HasSubstr("/hidden")));
}

TEST_F(HttpServerTest, BodiesInMemoryAreBoundedAndGivenBack) {
  options_.body_budget_bytes = 100'000;
  Start();
  RawClient first = Connect();
  first.Send(Post("Content-Length: 90000\r\nConnection: close\r\n", std::string(80'000, 'x')));
  while (server_->body_bytes() < 80'000) std::this_thread::yield();
  EXPECT_THAT(Ask(Post("Content-Length: 50000\r\n", std::string(50'000, 'x'))),
              AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("large bodies")));
  first.Send(std::string(10'000, 'x'));
  EXPECT_THAT(first.ReadAll(), StartsWith("HTTP/1.1 200"));
  while (server_->body_bytes() > 0) std::this_thread::yield();
}

TEST_F(HttpServerTest, BodiesOfOneAddressLeaveRoomForThoseOfOthers) {
  options_.body_budget_bytes = 400'000;
  options_.body_bytes_per_address = 100'000;
  Start();
  RawClient stalled = Connect("127.0.0.2"), further = Connect("127.0.0.2");
  stalled.Send(Post("Content-Length: 90000\r\n", std::string(80'000, 'x')));
  while (server_->body_bytes() < 80'000) std::this_thread::yield();
  const std::string request =
      Post("Content-Length: 50000\r\nConnection: close\r\n", std::string(50'000, 'x'));
  further.Send(request);
  EXPECT_THAT(further.ReadAll(), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(Ask(request), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, ClosedConnectionsCountUntilTheirAnswersAreMade) {
  options_.body_budget_bytes = 400'000;
  options_.body_bytes_per_address = 100'000;
  Start();
  const auto send = [](RawClient& client, const char* path) {
    client.Send(absl::StrCat("POST ", path, " HTTP/1.1\r\nHost: x\r\nContent-Length: 80000\r\n\r\n",
                             std::string(80'000, 'x')));
  };
  {
    RawClient gone = Connect("127.0.0.2");
    send(gone, "/wait");
    handler_.AwaitWaiting(1);
  }
  RawClient next = Connect("127.0.0.2");
  send(next, "/echo");
  EXPECT_THAT(next.ReadUntil("large bodies"), StartsWith("HTTP/1.1 503"));
  handler_.Release();
}

TEST_F(HttpServerTest, ProxyHasTheMemoryOfAllItsClients) {
  options_.body_budget_bytes = 400'000;
  options_.body_bytes_per_address = 100'000;
  options_.is_proxy = [](absl::string_view address) { return address == "127.0.0.2"; };
  Start();
  RawClient proxy = Connect("127.0.0.2");
  proxy.Send(Post("Content-Length: 200000\r\nConnection: close\r\n", std::string(200'000, 'x')));
  EXPECT_THAT(proxy.ReadAll(), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, SmallAnswersAreSentWhileBodiesFillTheMemory) {
  options_.body_budget_bytes = 100'000;
  Start();
  RawClient stalled = Connect();
  stalled.Send(Post("Content-Length: 100001\r\n", std::string(100'000, 'x')));
  while (server_->body_bytes() < 100'000) std::this_thread::yield();
  EXPECT_THAT(Ask(Get("/bytes?n=16384")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Ask(Get("/bytes?n=16385")), StartsWith("HTTP/1.1 503"));
}

TEST_F(HttpServerTest, AnswerThatNobodyTakesIsBoundedByTheSameMemory) {
  options_.body_budget_bytes = 12 << 20;
  Start();
  RawClient slow = Connect();
  slow.Send(Get("/bytes?n=8000000"));
  while (server_->body_bytes() < 8'000'000) std::this_thread::yield();
  EXPECT_THAT(Ask(Get("/bytes?n=8000000")),
              AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("large answers")));
  EXPECT_THAT(slow.ReadAll(), EndsWith("bbb"));
}

TEST_F(HttpServerTest, RequestIsRecordedOnceWithTheStatusThatIsSent) {
  options_.body_budget_bytes = 1 << 20;
  Start();
  Ask(Get("/bytes?n=2000000"));
  Ask(Get("/bytes?n=2"));
  Ask(Get("/forbidden"));
  Ask(Get("/throw"));
  Ask("nonsense\r\n\r\n");
  EXPECT_THAT(handler_.recorded(), testing::ElementsAre(503, 200, 403, 500, 400));
}

TEST_F(HttpServerTest, CompressedBodyIsUnpackedWithinTheLimit) {
  Start();
  const std::string packed = Gzip("hello");
  const auto send = [&](absl::string_view encoding, const std::string& bytes) {
    return Ask(Post(absl::StrCat("Content-Encoding: ", encoding,
                                 "\r\nContent-Length: ", bytes.size(), "\r\nConnection: close\r\n"),
                    bytes));
  };
  EXPECT_THAT(send("gzip", packed), EndsWith("POST /echo hello"));
  EXPECT_THAT(send("gzip", Gzip(std::string(50 << 20, 'x'))), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(send("gzip", packed.substr(0, packed.size() - 1)), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(send("br", packed), StartsWith("HTTP/1.1 415"));
}

TEST_F(HttpServerTest, TextIsCompressedForClientsThatTakeIt) {
  Start();
  const std::string plain = Ask(Get("/bytes?n=10000"));
  const std::string packed =
      Ask(Get("/bytes?n=10000", "Accept-Encoding: br, gzip\r\nConnection: close\r\n"));
  EXPECT_THAT(plain, AllOf(HasSubstr("Content-Length: 10000"), Not(HasSubstr("gzip"))));
  EXPECT_THAT(packed, HasSubstr("Content-Encoding: gzip"));
  EXPECT_LT(packed.size(), 1000u);
  EXPECT_THAT(Ask(Get("/bytes?n=10000", "Accept-Encoding: gzip;q=0\r\nConnection: close\r\n")),
              HasSubstr("Content-Length: 10000"));
}

// ---- Hostile heads.

TEST_F(HttpServerTest, EndlessRequestLineIs414) {
  Start();
  RawClient client = Connect();
  client.Send("GET /");
  while (!client.HasAnswer() && client.Send(std::string(1024, 'x'))) {
  }
  EXPECT_THAT(client.ReadAll(), AllOf(StartsWith("HTTP/1.1 414"), HasSubstr("8192 bytes")));
}

TEST_F(HttpServerTest, EndlessHeaderIs431) {
  Start();
  RawClient client = Connect();
  client.Send("GET / HTTP/1.1\r\nX: ");
  while (!client.HasAnswer() && client.Send(std::string(1024, 'x'))) {
  }
  EXPECT_THAT(client.ReadAll(), AllOf(StartsWith("HTTP/1.1 431"), HasSubstr("32768 bytes")));
}

TEST_F(HttpServerTest, TenThousandHeadersAre431) {
  Start();
  std::string request = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 10'000; ++i) absl::StrAppend(&request, "a: b\r\n");
  EXPECT_THAT(Ask(request), AllOf(StartsWith("HTTP/1.1 431"), HasSubstr("more than 100 headers")));
}

TEST_F(HttpServerTest, DripFedHeadEndsAtItsDeadline) {
  options_.head_deadline = absl::Milliseconds(50);
  options_.head.max_head_bytes = size_t{1} << 40;
  Start();
  RawClient client = Connect();
  client.Send("GET / HTTP/1.1\r\nX: ");
  while (!client.HasAnswer() && client.Send("x")) {
  }
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 408"));
}

TEST_F(HttpServerTest, DripFedBodyEndsAtItsDeadline) {
  options_.transfer_deadline = absl::Milliseconds(50);
  options_.min_bytes_per_second = uint64_t{1} << 40;
  handler_.max_body_bytes = uint64_t{1} << 39;
  options_.body_budget_bytes = uint64_t{1} << 40;
  Start();
  RawClient client = Connect();
  client.Send(Post("Content-Length: 1000000000\r\n", ""));
  while (!client.HasAnswer() && client.Send("x")) {
  }
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 408"));
}

TEST_F(HttpServerTest, SilentConnectionIsClosedWithoutAWord) {
  options_.head_deadline = absl::Milliseconds(1);
  Start();
  EXPECT_THAT(Connect().ReadAll(), IsEmpty());
}

TEST_F(HttpServerTest, IdleConnectionIsClosedAtItsDeadline) {
  options_.idle_deadline = absl::Milliseconds(1);
  Start();
  EXPECT_THAT(Ask(Get("/path", "")), EndsWith("GET /path "));
}

TEST_F(HttpServerTest, RequestThatProxiesReadDifferentlyIsRefused) {
  Start();
  const char* requests[] = {
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
      "identity\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n",
      "GET / HTTP/1.1\nHost: x\n\n",
      "GET / HTTP/1.1\r\nHost: x\n\r\n",
      "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
      "GET / HTTP/1.1\r\nA: \x01\r\n\r\n",
      "GET / HTTP/1.1\r\nNoColon\r\n\r\n",
      "GET / HTTP/1.1\r\n: no name\r\n\r\n",
      "GET  / HTTP/1.1\r\n\r\n",
      "GET / HTTP/3.0\r\n\r\n",
      "GET /\r\n\r\n",
      "\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
      "nonsense\r\n\r\n",
      "\x16\x03\x01\x02\x01\x01",
  };
  for (const char* request : requests) {
    EXPECT_THAT(Ask(request), StartsWith("HTTP/1.1 400")) << request;
  }
}

TEST_F(HttpServerTest, OtherTransferEncodingIs501) {
  Start();
  for (const char* coding : {"gzip, chunked", "identity", "xchunked", "chunked, chunked"}) {
    const std::string answer =
        Ask(Post(absl::StrCat("Transfer-Encoding: ", coding, "\r\n"), "0\r\n\r\n"));
    EXPECT_THAT(answer, testing::AnyOf(StartsWith("HTTP/1.1 501"), StartsWith("HTTP/1.1 400")))
        << coding;
  }
}

// ---- Many clients.

TEST_F(HttpServerTest, HealthIsAnsweredWhileAllThreadsAreBusy) {
  options_.threads = 2;
  Start();
  std::vector<RawClient> busy;
  for (int i = 0; i < 2; ++i) {
    busy.push_back(Connect());
    busy.back().Send(Get("/wait"));
  }
  handler_.AwaitWaiting(2);
  EXPECT_THAT(Ask(Get("/healthz")), StartsWith("HTTP/1.1 200"));
  handler_.Release();
  for (RawClient& client : busy) EXPECT_THAT(client.ReadAll(), EndsWith("GET /wait "));
}

TEST_F(HttpServerTest, MoreRequestsThanMayWaitAre503) {
  options_.threads = 1;
  options_.max_waiting = 0;
  Start();
  RawClient busy = Connect();
  busy.Send(Get("/wait"));
  handler_.AwaitWaiting(1);
  EXPECT_THAT(Ask(Post("Content-Length: 5\r\n", "hello")),
              AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("too many requests")));
}

TEST_F(HttpServerTest, CallerWhoseRequestsLastLeavesAThreadToOthers) {
  options_.threads = 2;
  Start();
  std::vector<RawClient> lasting;
  for (int i = 0; i < 2; ++i) {
    lasting.push_back(Connect());
    lasting.back().Send(Get("/wait", "caller: a\r\nConnection: close\r\n"));
  }
  handler_.AwaitWaiting(1);
  EXPECT_THAT(Ask(Get("/path", "caller: b\r\nConnection: close\r\n")), EndsWith("GET /path "));
  handler_.Release();
  for (RawClient& client : lasting) EXPECT_THAT(client.ReadAll(), EndsWith("GET /wait "));
}

TEST_F(HttpServerTest, CallerThatFillsTheWaitingPlacesLeavesOneToAnother) {
  options_.threads = 1;
  options_.max_waiting = 1;
  Start();
  RawClient runs = Connect(), waits = Connect(), other = Connect();
  runs.Send(Get("/wait", "caller: a\r\nConnection: close\r\n"));
  handler_.AwaitWaiting(1);
  waits.Send(Get("/wait", "caller: a\r\nConnection: close\r\n"));
  EXPECT_THAT(Ask(Get("/path", "caller: a\r\nConnection: close\r\n")), StartsWith("HTTP/1.1 503"));
  other.Send(Get("/path", "caller: b\r\nConnection: close\r\n"));
  handler_.Release();
  EXPECT_THAT(other.ReadAll(), EndsWith("GET /path "));
}

TEST_F(HttpServerTest, HealthIsAnsweredWhileAThousandConnectionsAreIdle) {
  options_.max_connections = 1100;
  options_.max_connections_per_address = 1100;
  Start();
  std::vector<RawClient> idle;
  for (int i = 0; i < 1000; ++i) {
    idle.push_back(Connect());
    ASSERT_TRUE(idle.back().Send("GET / HT"));
  }
  EXPECT_THAT(Ask(Get("/healthz")), StartsWith("HTTP/1.1 200"));
  EXPECT_GE(server_->connections(), 1000);
}

TEST_F(HttpServerTest, IdleConnectionsMakeRoomForNewOnes) {
  options_.max_connections = 10;
  options_.max_connections_per_address = 1000;
  Start();
  std::vector<RawClient> idle;
  for (int i = 0; i < 100; ++i) idle.push_back(Connect());
  EXPECT_THAT(Ask(Get("/path")), EndsWith("GET /path "));
  EXPECT_THAT(idle.front().ReadAll(), IsEmpty());
  EXPECT_LE(server_->connections(), 10);
}

TEST_F(HttpServerTest, UnfinishedBodiesMakeRoomIfNothingElseDoes) {
  options_.max_connections = 2;
  Start();
  RawClient first = Connect(), second = Connect();
  for (RawClient* client : {&first, &second}) {
    client->Send(Post("Content-Length: 5\r\nConnection: close\r\n", "hel"));
    const uint64_t bytes = client == &first ? 3 : 6;
    while (server_->body_bytes() < bytes) std::this_thread::yield();
  }
  EXPECT_THAT(Ask(Get("/path")), EndsWith("GET /path "));
  EXPECT_THAT(first.ReadAll(), IsEmpty());
  second.Send("lo");
  EXPECT_THAT(second.ReadAll(), EndsWith("POST /echo hello"));
}

TEST_F(HttpServerTest, RequestInProgressDoesNotMakeRoom) {
  options_.max_connections = 1;
  Start();
  RawClient busy = Connect();
  busy.Send(Get("/wait"));
  handler_.AwaitWaiting(1);
  EXPECT_THAT(Connect().ReadAll(), IsEmpty());
  handler_.Release();
  EXPECT_THAT(busy.ReadAll(), EndsWith("GET /wait "));
}

TEST_F(HttpServerTest, AddressBeyondItsLimitDoesNotDisturbOthers) {
  options_.max_connections_per_address = 2;
  Start();
  RawClient first = Connect("127.0.0.2"), second = Connect("127.0.0.2");
  EXPECT_THAT(Connect("127.0.0.2").ReadAll(), IsEmpty());
  EXPECT_THAT(Ask(Get("/path")), EndsWith("GET /path "));
  first.Send(Get("/mine"));
  EXPECT_THAT(first.ReadAll(), EndsWith("GET /mine "));
}

TEST_F(HttpServerTest, ProxyMayHaveMoreConnectionsThanAClient) {
  options_.max_connections_per_address = 1;
  options_.is_proxy = [](absl::string_view address) { return address == "127.0.0.2"; };
  Start();
  RawClient first = Connect("127.0.0.2"), second = Connect("127.0.0.2");
  for (RawClient* client : {&first, &second}) {
    client->Send(Get("/path"));
    EXPECT_THAT(client->ReadAll(), EndsWith("GET /path "));
  }
}

// ---- Streamed bodies.

TEST_F(HttpServerTest, StreamedBodyArrivesPieceByPiece) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/stream", ""));
  handler_.source->Add(std::string("hello"));
  EXPECT_THAT(client.ReadUntil("5\r\nhello\r\n"), HasSubstr("Transfer-Encoding: chunked\r\n"));
  handler_.source->Add(std::string(16, 'x'));
  EXPECT_EQ(client.ReadUntil("x\r\n"), absl::StrCat("10\r\n", std::string(16, 'x'), "\r\n"));
  handler_.source->Add(std::nullopt);
  EXPECT_EQ(client.ReadUntil("0\r\n\r\n"), "0\r\n\r\n");
  client.Send(Get("/next"));
  EXPECT_THAT(client.ReadAll(), EndsWith("GET /next "));
}

TEST_F(HttpServerTest, EmptyPieceIsNotTheEnd) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/stream"));
  handler_.source->Add(std::string());
  handler_.source->Add(std::string("hello"));
  handler_.source->Add(std::nullopt);
  EXPECT_THAT(client.ReadAll(), EndsWith("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
}

TEST_F(HttpServerTest, StreamsUseNoThread) {
  options_.threads = 1;
  Start();
  std::vector<RawClient> streams;
  for (int i = 0; i < 10; ++i) {
    streams.push_back(Connect());
    streams.back().Send(Get("/stream"));
    streams.back().ReadUntil("\r\n\r\n");
  }
  EXPECT_THAT(Ask(Get("/path")), EndsWith("GET /path "));
}

TEST_F(HttpServerTest, SlowClientHoldsOnePieceOfAStream) {
  Start();
  for (int i = 0; i < 100; ++i) handler_.source->Add(std::string(4 << 20, 'x'));
  RawClient client = Connect();
  client.Send(Get("/stream"));
  client.ReadUntil("\r\n\r\n");
  EXPECT_THAT(Ask(Get("/path")), EndsWith("GET /path "));
  // The rest is in the buffers of the two sockets.
  EXPECT_LT(handler_.source->reads(), 10);
}

TEST_F(HttpServerTest, BrokenStreamLooksBroken) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/stream"));
  handler_.source->Add(std::string("hello"));
  client.ReadUntil("hello\r\n");
  handler_.source->Add(absl::DataLossError("gone"));
  EXPECT_THAT(client.ReadAll(), Not(HasSubstr("0\r\n")));
}

TEST_F(HttpServerTest, StreamForAnOldClientEndsWithTheConnection) {
  Start();
  RawClient client = Connect();
  client.Send("GET /stream HTTP/1.0\r\n\r\n");
  handler_.source->Add(std::string("hello"));
  handler_.source->Add(std::nullopt);
  const std::string answer = client.ReadAll();
  EXPECT_THAT(answer, EndsWith("\r\n\r\nhello"));
  EXPECT_THAT(answer, Not(HasSubstr("chunked")));
}

TEST_F(HttpServerTest, StreamOfAClientThatLeavesIsCancelled) {
  Start();
  {
    RawClient client = Connect();
    client.Send(Get("/stream"));
    client.ReadUntil("\r\n\r\n");
  }
  handler_.source->AwaitCancel();
}

TEST_F(HttpServerTest, HeadOfAStreamCancelsIt) {
  Start();
  EXPECT_THAT(Ask("HEAD /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              AllOf(HasSubstr("Transfer-Encoding: chunked"), EndsWith("\r\n\r\n")));
  handler_.source->AwaitCancel();
}

// ---- Life.

TEST_F(HttpServerTest, StopWaitsForTheAnswerInProgress) {
  Start();
  RawClient client = Connect(), idle = Connect();
  client.Send(Get("/wait", ""));
  handler_.AwaitWaiting(1);
  std::thread stop([&] { server_->Stop(); });
  EXPECT_THAT(idle.ReadAll(), IsEmpty());
  handler_.Release();
  EXPECT_THAT(client.ReadAll(), AllOf(HasSubstr("Connection: close"), EndsWith("GET /wait ")));
  stop.join();
  EXPECT_FALSE(Connect().is_connected());
}

TEST_F(HttpServerTest, StopEndsStreams) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/stream"));
  client.ReadUntil("\r\n\r\n");
  server_->Stop();
  handler_.source->AwaitCancel();
  handler_.source->Add(std::string("late"));
  EXPECT_THAT(client.ReadAll(), IsEmpty());
}

TEST_F(HttpServerTest, BadOptionIsNamed) {
  options_.threads = 0;
  EXPECT_THAT(HttpServer::Start(options_, &handler_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("HTTP threads: 0")));
  options_.threads = 1;
  options_.max_connections = 0;
  EXPECT_THAT(HttpServer::Start(options_, &handler_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("HTTP connections")));
}

}  // namespace
}  // namespace s2p
