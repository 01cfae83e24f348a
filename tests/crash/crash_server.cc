// s2p-server with a fake encoder, for a test that kills it:
//   crash_server CHECKPOINT_ROOT DATA_DIR ADDRESS_FILE INDEX
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "daemon/log.h"
#include "server/rpc/server.h"
#include "tests/testing/fake_encoder.h"

namespace s2p::test {
namespace {

// Makes an embedding last long enough for a kill to hit it.
constexpr std::chrono::microseconds kTimePerImage(150);

int Serve(char** argv) {
  LogOptions log;
  log.level = "error";
  if (!ConfigureLog(log).ok()) return 2;
  ServerOptions options;
  options.checkpoint_root = argv[1];
  options.data_dir = argv[2];
  options.host.listen = "127.0.0.1:0";
  options.host.http = "127.0.0.1:0";
  options.index = argv[4];
  options.poll_interval = absl::Milliseconds(5);
  // A slow machine must not make searches miss their deadline.
  options.limits.default_deadline = absl::Hours(24);
  options.warm_up_passes = 0;
  options.batcher.max_delay = absl::ZeroDuration();
  options.load_encoder =
      [](const Checkpoint& checkpoint) -> absl::StatusOr<std::unique_ptr<const Encoder>> {
    FakeEncoderOptions encoder;
    encoder.version = checkpoint.manifest.version();
    encoder.on_encode = [](absl::Span<const EncoderInput> inputs) {
      std::this_thread::sleep_for(kTimePerImage * inputs.size());
      return absl::OkStatus();
    };
    return std::unique_ptr<const Encoder>(std::make_unique<FakeEncoder>(std::move(encoder)));
  };
  auto server = SearchServer::Start(options);
  if (!server.ok()) {
    std::fprintf(stderr, "crash_server: %s\n", server.status().ToString().c_str());
    return 1;
  }
  const std::string temporary = std::string(argv[3]) + ".tmp";
  std::ofstream(temporary) << (*server)->address();
  std::rename(temporary.c_str(), argv[3]);
  // The server runs until it is killed.
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace
}  // namespace s2p::test

int main(int argc, char** argv) { return argc == 5 ? s2p::test::Serve(argv) : 2; }
