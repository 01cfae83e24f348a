// Clients that mean harm, next to clients that only want to search. S2P_ACTS=10000 makes it long.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "absl/strings/numbers.h"
#include "tests/server/rpc/server_fixture.h"
#include "tests/testing/raw_call.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;

constexpr int kGoodSearches = 1000;
constexpr char kKey[] = "correct-horse-battery-staple";
constexpr char kSearch[] = "/s2p.v1.SearchService/Search";
constexpr char kAdd[] = "/s2p.v1.GalleryService/AddPhotos";
constexpr char kGet[] = "/s2p.v1.GalleryService/GetPhoto";
constexpr char kList[] = "/s2p.v1.GalleryService/ListPhotos";
constexpr char kDelete[] = "/s2p.v1.GalleryService/DeletePhotos";
constexpr char kPin[] = "/s2p.v1.ModelService/SetServingVersion";
constexpr char kWatch[] = "/s2p.v1.ModelService/WatchModelStatus";
constexpr char kHealth[] = "/grpc.health.v1.Health/Check";

// The start of an HTTP/2 connection: preface and empty settings.
const std::string kPreface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);

std::string Frame(char type, char flags, char stream, const std::string& payload) {
  const size_t size = payload.size();
  return std::string{static_cast<char>(size >> 16),
                     static_cast<char>(size >> 8),
                     static_cast<char>(size),
                     type,
                     flags,
                     0,
                     0,
                     0,
                     stream} +
         payload;
}

// A connection without gRPC's library.
class Socket {
 public:
  explicit Socket(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port =
        htons(static_cast<uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    open_ = connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0;
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // False once the server has closed the connection.
  bool Send(const std::string& bytes) {
    if (open_) open_ = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0;
    return open_;
  }
  // Sends the same many times, unless the server closes the connection before. gRPC does not close
  // it for frames that it can ignore.
  void Flood(const std::string& bytes) {
    constexpr int kTimes = 1000;
    char taken[4096];
    for (int i = 0; i < kTimes && Send(bytes); ++i) {
      while (recv(fd_, taken, sizeof(taken), MSG_DONTWAIT) > 0) {
      }
    }
  }
  // Has nothing more to say, and waits until the server closes the connection.
  void ReadUntilClosed() {
    shutdown(fd_, SHUT_WR);
    char taken[4096];
    while (recv(fd_, taken, sizeof(taken), 0) > 0) {
    }
  }

 private:
  const int fd_;
  bool open_ = false;
};

int64_t ResidentBytes() {
  int64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

class HostileTest : public ServerTest {
 protected:
  using Code = grpc::StatusCode;
  // An act, and the code that it has to get.
  struct Act {
    std::string name;
    std::function<grpc::Status()> run;
    Code code;
  };

  void SetUp() override {
    options_.host.credentials.api_key_file = dir_.File("keys");
    std::ofstream(options_.host.credentials.api_key_file) << kKey << "\n";
    fs::permissions(options_.host.credentials.api_key_file, fs::perms::owner_read);
    Serve();
    for (uint32_t i = 0; i < 20; ++i) {
      OpenCall add(channel_, kAdd, Key());
      add.Write(Photo(absl::StrCat("p", i), i).SerializeAsString());
      add.Close();
      add.Read();
      ASSERT_THAT(add.Finish(), IsOk());
    }
  }

  // A connection of its own.
  std::shared_ptr<grpc::Channel> Connect() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(),
                                     arguments);
  }

  static OpenCall::Headers Key() { return {{"authorization", absl::StrCat("Bearer ", kKey)}}; }

  // One request, with the key.
  grpc::Status Send(const std::string& method, const std::string& bytes,
                    const OpenCall::Headers& headers = Key()) {
    OpenCall call(channel_, method, headers);
    if (call.Write(bytes)) call.Close();
    while (call.Read()) {
    }
    return call.Finish();
  }
  grpc::Status Send(const std::string& method, const google::protobuf::Message& request) {
    return Send(method, request.SerializeAsString());
  }
  v1::SearchRequest Drawing(int examples, int strokes, int points) const {
    v1::SearchRequest request;
    for (int i = 0; i < examples; ++i) {
      auto& drawing = *request.add_examples()->mutable_strokes();
      drawing.set_width(100);
      drawing.set_height(100);
      for (int k = 0; k < strokes; ++k) {
        auto& stroke = *drawing.add_strokes();
        for (int n = 0; n < points; ++n) stroke.add_points()->set_x(1);
      }
    }
    return request;
  }
  void Add(std::string name, Code code, std::function<grpc::Status()> run) {
    acts_.push_back({std::move(name), std::move(run), code});
  }

  void AddStrangers();
  void AddUnreadable();
  void AddBombs();
  void AddWrongFields();
  void AddRude();
  void AddConnections();

  // Searches for a photo that is there, again and again, and a thousand times at least.
  void SearchWell(const std::atomic<bool>& over, int& answered, int& wrong) {
    const auto search = v1::SearchService::NewStub(Connect());
    for (uint32_t seed = 0; !over || answered + wrong < kGoodSearches; seed = (seed + 1) % 20) {
      grpc::ClientContext context;
      for (const auto& [name, value] : Key()) context.AddMetadata(name, value);
      v1::SearchResponse found;
      const grpc::Status status = search->Search(&context, SketchOf(seed), &found);
      const bool good = status.ok() && found.matches_size() > 0 &&
                        found.matches(0).photo_id() == absl::StrCat("p", seed);
      ++(good ? answered : wrong);
      if (!good) ADD_FAILURE() << status.error_message();
    }
  }

  std::vector<Act> acts_;
  std::vector<std::unique_ptr<Socket>> half_open_;
  std::mt19937 random_{20261129};
};

void HostileTest::AddStrangers() {
  const auto headers = [this](OpenCall::Headers sent) {
    return [this, sent] { return Send(kSearch, SketchOf(1).SerializeAsString(), sent); };
  };
  Add("no key", Code::UNAUTHENTICATED, headers({}));
  Add("wrong key", Code::UNAUTHENTICATED,
      headers({{"authorization", "Bearer correct-horse-battery-stapler"}}));
  Add("key that is cut", Code::UNAUTHENTICATED, headers({{"authorization", "Bearer correct"}}));
  Add("other scheme", Code::UNAUTHENTICATED,
      headers({{"authorization", absl::StrCat("Basic ", kKey)}}));
  Add("two keys", Code::UNAUTHENTICATED,
      headers({Key()[0], {"authorization", "Bearer another-key-of-mine"}}));
  Add("16 MiB without a key", Code::UNAUTHENTICATED,
      [this] { return Send(kSearch, std::string((size_t{16} << 20) - 100, 'x'), {}); });
  Add("headers and nothing else", Code::UNAUTHENTICATED,
      [this] { return OpenCall(channel_, kAdd).Finish(); });
}

void HostileTest::AddUnreadable() {
  Add("no message", Code::INVALID_ARGUMENT, [this] {
    OpenCall call(channel_, kSearch, Key());
    call.Close();
    return call.Finish();
  });
  Add("noise", Code::INVALID_ARGUMENT, [this] {
    std::string noise(1 + random_() % 1000, '\xFF');
    return Send(kList, noise);
  });
  Add("message that is cut", Code::INVALID_ARGUMENT, [this] {
    const std::string whole = SketchOf(1).SerializeAsString();
    return Send(kSearch, whole.substr(0, 1 + random_() % (whole.size() - 1)));
  });
  Add("Latin-1", Code::INVALID_ARGUMENT, [this] { return Send(kGet, "\x0A\x01\xE9"); });
  Add("groups in groups", Code::INVALID_ARGUMENT,
      [this] { return Send(kSearch, std::string(100000, '\x0B')); });
  Add("second photo is noise", Code::INVALID_ARGUMENT, [this] {
    OpenCall call(channel_, kAdd, Key());
    call.Write(Photo("p1", 1).SerializeAsString());
    call.Write("\xFF\xFF\xFF");
    while (call.Read()) {
    }
    return call.Finish();
  });
  Add("health that is noise", Code::INVALID_ARGUMENT,
      [this] { return Send(kHealth, "\xFF\xFF", {}); });
  Add("unknown method", Code::UNIMPLEMENTED,
      [this] { return Send("/s2p.v1.SearchService/Destroy", ""); });
  Add("unknown service", Code::UNIMPLEMENTED, [this] { return Send("/../../etc/passwd", ""); });
}

void HostileTest::AddBombs() {
  Add("2,001 strokes", Code::INVALID_ARGUMENT,
      [this] { return Send(kSearch, Drawing(1, 2001, 0)); });
  Add("100,001 points", Code::INVALID_ARGUMENT,
      [this] { return Send(kSearch, Drawing(1, 1, 100001)); });
  Add("17 examples", Code::INVALID_ARGUMENT, [this] { return Send(kSearch, Drawing(17, 1, 1)); });
  Add("a million empty strokes", Code::INVALID_ARGUMENT,
      [this] { return Send(kSearch, Drawing(1, 1000000, 0)); });
  Add("a million unknown fields", Code::INVALID_ARGUMENT, [this] {
    std::string bytes;
    for (int i = 0; i < 1000000; ++i) bytes += std::string("\x78\x00", 2);
    return Send(kSearch, bytes);
  });
  Add("a million empty pairs of metadata", Code::INVALID_ARGUMENT, [this] {
    std::string bytes;
    for (int i = 0; i < 1000000; ++i) bytes += std::string("\x22\x00", 2);
    return Send(kAdd, bytes);
  });
  Add("1,001 ids", Code::INVALID_ARGUMENT, [this] {
    v1::DeletePhotosRequest request;
    for (int i = 0; i < 1001; ++i) request.add_photo_ids("none");
    return Send(kDelete, request);
  });
  Add("17 MiB", Code::RESOURCE_EXHAUSTED,
      [this] { return Send(kSearch, std::string(size_t{17} << 20, 'x')); });
  Add("1 MiB to a method of small messages", Code::RESOURCE_EXHAUSTED,
      [this] { return Send(kPin, std::string(size_t{1} << 20, 'x')); });
  Add("2 KiB to health", Code::RESOURCE_EXHAUSTED,
      [this] { return Send(kHealth, std::string(2048, 'x'), {}); });
  Add("header of 64 KiB", Code::RESOURCE_EXHAUSTED, [this] {
    OpenCall::Headers headers = Key();
    headers.emplace_back("long", std::string(64 << 10, 'x'));
    const grpc::Status status = Send(kSearch, "", headers);
    // gRPC ends the call, or now and then the connection.
    if (status.error_code() != Code::UNAVAILABLE) return status;
    return grpc::Status(Code::RESOURCE_EXHAUSTED, "the connection was closed");
  });
  Add("picture of 60,000 x 60,000", Code::INVALID_ARGUMENT, [this] {
    std::string png = *EncodePng(Image(8, 8, 100));
    for (const size_t at : {size_t{16}, size_t{20}})
      png.replace(at, 4, std::string("\0\0\xEA\x60", 4));
    v1::SearchRequest request;
    request.add_examples()->set_image(png);
    return Send(kSearch, request);
  });
  Add("picture that is cut", Code::INVALID_ARGUMENT, [this] {
    v1::SearchRequest request = SketchOf(1);
    std::string& image = *request.mutable_examples(0)->mutable_image();
    image.resize(image.size() / 2);
    return Send(kSearch, request);
  });
}

void HostileTest::AddWrongFields() {
  const auto change = [this](std::function<void(v1::SearchRequest&)> edit) {
    return [this, edit] {
      v1::SearchRequest request = SketchOf(1);
      edit(request);
      return Send(kSearch, request);
    };
  };
  Add("no example", Code::INVALID_ARGUMENT, change([](auto& r) { r.clear_examples(); }));
  Add("top_k of 4 billion", Code::INVALID_ARGUMENT, change([](auto& r) { r.set_top_k(~0u); }));
  Add("score that is no number", Code::INVALID_ARGUMENT,
      change([](auto& r) { r.set_min_score(std::nanf("")); }));
  Add("weight that is infinite", Code::INVALID_ARGUMENT,
      change([](auto& r) { r.mutable_examples(0)->set_weight(INFINITY); }));
  Add("examples that cancel out", Code::INVALID_ARGUMENT, change([](auto& r) {
        *r.add_examples() = r.examples(0);
        r.mutable_examples(1)->set_weight(-1);
      }));
  Add("photo that is not there", Code::NOT_FOUND,
      change([](auto& r) { r.mutable_examples(0)->set_photo_id("none"); }));
  Add("filter by an unknown attribute", Code::FAILED_PRECONDITION,
      change([](auto& r) { r.mutable_filter()->add_attributes()->set_name("none"); }));
  Add("path as an id", Code::NOT_FOUND, [this] {
    v1::GetPhotoRequest request;
    request.set_photo_id("../../gallery.db");
    request.set_rendition(v1::RENDITION_ORIGINAL);
    return Send(kGet, request);
  });
  Add("id with a zero", Code::INVALID_ARGUMENT, [this] {
    v1::GetPhotoRequest request;
    request.set_photo_id(std::string("p1\0", 3));
    return Send(kGet, request);
  });
  Add("token of another server", Code::INVALID_ARGUMENT, [this] {
    v1::ListPhotosRequest request;
    request.set_page_token("!!");
    return Send(kList, request);
  });
  Add("version that is not there", Code::NOT_FOUND, [this] {
    v1::SetServingVersionRequest request;
    request.set_version(-7);
    return Send(kPin, request);
  });
}

void HostileTest::AddRude() {
  Add("deadline that has passed", Code::DEADLINE_EXCEEDED, [this] {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() - std::chrono::seconds(1));
    v1::SearchResponse response;
    return v1::SearchService::NewStub(channel_)->Search(&context, SketchOf(1), &response);
  });
  Add("cancelled at once", Code::CANCELLED, [this] {
    OpenCall call(channel_, kSearch, Key());
    call.Cancel();
    return call.Finish();
  });
  Add("cancelled after its request", Code::CANCELLED, [this] {
    OpenCall call(channel_, kWatch, Key());
    call.Write("");
    call.Cancel();
    return call.Finish();
  });
  Add("stream that is left", Code::CANCELLED, [this] {
    OpenCall call(channel_, kAdd, Key());
    for (uint32_t i = 0; i < 5; ++i) call.Write(Photo("p1", 1).SerializeAsString());
    call.Cancel();
    return call.Finish();
  });
  Add("photo that is not taken", Code::CANCELLED, [this] {
    v1::GetPhotoRequest request;
    request.set_photo_id("p1");
    request.set_rendition(v1::RENDITION_ORIGINAL);
    OpenCall call(channel_, kGet, Key());
    call.Write(request.SerializeAsString());
    call.Cancel();
    return call.Finish();
  });
}

void HostileTest::AddConnections() {
  // OK: the server has closed the connection, or holds it without harm.
  const auto closed = [this](std::function<void(Socket&)> act) {
    return [this, act] {
      Socket socket(server_->address());
      act(socket);
      return grpc::Status();
    };
  };
  Add("HTTP/1.1", Code::OK, closed([](Socket& socket) {
        socket.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        socket.ReadUntilClosed();
      }));
  Add("noise on a connection", Code::OK,
      closed([](Socket& socket) { socket.Flood(std::string(100, '\xAA')); }));
  Add("frame of an unknown stream", Code::OK, closed([](Socket& socket) {
        socket.Send(kPreface);
        socket.Flood(Frame(/*DATA=*/0, 0, 0, "x"));
      }));
  Add("flood of pings", Code::OK, closed([](Socket& socket) {
        socket.Send(kPreface);
        socket.Flood(Frame(/*PING=*/6, 0, 0, "12345678"));
      }));
  Add("frame larger than allowed", Code::OK, closed([](Socket& socket) {
        socket.Send(kPreface);
        socket.Flood(Frame(/*HEADERS=*/1, 0, 1, std::string(1 << 20, 'x')));
      }));
  Add("headers that never end", Code::OK, closed([](Socket& socket) {
        socket.Send(kPreface);
        socket.Send(Frame(/*HEADERS=*/1, 0, 1, std::string("\x00\x7F", 2)));
        for (int i = 0; i < 20; ++i) socket.Send(Frame(/*CONTINUATION=*/9, 0, 1, "xxxxxxxxxx"));
      }));
  Add("connection that is half open", Code::OK, [this] {
    constexpr size_t kMost = 50;
    if (half_open_.size() == kMost) half_open_.clear();
    half_open_.push_back(std::make_unique<Socket>(server_->address()));
    half_open_.back()->Send(kPreface.substr(0, 10));
    return grpc::Status();
  });
}

TEST_F(HostileTest, EveryActGetsItsCodeAndEveryGoodSearchItsAnswer) {
  AddStrangers();
  AddUnreadable();
  AddBombs();
  AddWrongFields();
  AddRude();
  AddConnections();
  EXPECT_GE(acts_.size(), 40u);
  const char* wanted = std::getenv("S2P_ACTS");
  int count = static_cast<int>(2 * acts_.size());
  ASSERT_TRUE(wanted == nullptr || absl::SimpleAtoi(wanted, &count));

  std::atomic<bool> over{false};
  int answered = 0, wrong = 0;
  std::thread searcher([&] { SearchWell(over, answered, wrong); });
  int64_t before = 0;
  for (int i = 0; i < count; ++i) {
    // Each once, in a random order, before any comes again.
    const size_t place = static_cast<size_t>(i) % acts_.size();
    if (place == 0) std::shuffle(acts_.begin(), acts_.end(), random_);
    if (static_cast<size_t>(i) == acts_.size()) before = ResidentBytes();
    const Act& act = acts_[place];
    // gRPC closes the connection of some acts.
    channel_ = Connect();
    const grpc::Status status = act.run();
    EXPECT_EQ(status.error_code(), act.code) << act.name << ": " << status.error_message();
  }
  over = true;
  searcher.join();
  EXPECT_GE(answered, kGoodSearches);
  EXPECT_EQ(wrong, 0);
  // After the first round nothing grows for long.
  EXPECT_LT(ResidentBytes() - before, int64_t{256} << 20);
}

}  // namespace
}  // namespace s2p::test
