// The search pipeline without gRPC, at full speed: threads decode ahead, one thread takes full
// batches, embeds them and searches. It is the reference for the throughput of s2p-server.
//
//   pipeline_benchmark CHECKPOINT_ROOT DATA_DIR SECONDS SKETCH...
//
// Prints one number, the searches per second. No running server may use the data folder.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/hardware_threads.h"
#include "base/status_macros.h"
#include "model/checkpoint_store.h"
#include "model/encoder.h"
#include "server/gallery/gallery.h"

namespace s2p {
namespace {

constexpr size_t kBatch = 32;
constexpr int kTopK = 10;

// Decoded sketches, at most two batches ahead.
class Decoded {
 public:
  void Push(Image image) {
    absl::MutexLock lock(&mutex_);
    const auto room = [this] { return stopping_ || images_.size() < 2 * kBatch; };
    mutex_.Await(absl::Condition(&room));
    images_.push_back(std::move(image));
  }
  std::vector<Image> TakeBatch() {
    absl::MutexLock lock(&mutex_);
    const auto full = [this] { return images_.size() >= kBatch; };
    mutex_.Await(absl::Condition(&full));
    std::vector<Image> batch;
    for (; batch.size() < kBatch; images_.pop_front()) batch.push_back(std::move(images_.front()));
    return batch;
  }
  void Stop() {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  bool stopping() {
    absl::MutexLock lock(&mutex_);
    return stopping_;
  }

 private:
  absl::Mutex mutex_;
  std::deque<Image> images_;
  bool stopping_ = false;
};

absl::Status SearchBatch(const Snapshot& snapshot, const std::vector<Image>& images) {
  std::vector<EncoderInput> inputs;
  for (const Image& image : images) inputs.push_back({&image, v1::MODALITY_SKETCH});
  S2P_ASSIGN_OR_RETURN(const auto encoding, snapshot.encoder->Encode(inputs));
  GallerySearchOptions options;
  options.top_k = kTopK;
  const std::vector<GallerySearchOptions> all(images.size(), options);
  return snapshot.gallery->Search(encoding.embeddings, all).status();
}

absl::StatusOr<double> Measure(const Snapshot& snapshot, const std::vector<std::string>& sketches,
                               absl::Duration duration) {
  Decoded decoded;
  std::vector<std::thread> decoders;
  const int threads = HardwareThreads();
  for (int t = 0; t < threads; ++t) {
    decoders.emplace_back([&, t] {
      for (size_t i = static_cast<size_t>(t); !decoded.stopping(); i += 7) {
        auto image = DecodeImage(sketches[i % sketches.size()], ImageLimits());
        if (image.ok()) decoded.Push(*std::move(image));
      }
    });
  }
  absl::Status status = SearchBatch(snapshot, decoded.TakeBatch());
  // Images decoded before the clock starts are not counted.
  for (int i = 0; i < 2 && status.ok(); ++i) status = SearchBatch(snapshot, decoded.TakeBatch());
  const absl::Time begin = absl::Now();
  size_t searched = 0;
  while (status.ok() && absl::Now() - begin < duration) {
    status = SearchBatch(snapshot, decoded.TakeBatch());
    searched += kBatch;
  }
  const absl::Duration took = absl::Now() - begin;
  decoded.Stop();
  for (std::thread& decoder : decoders) decoder.join();
  if (!status.ok()) return status;
  return static_cast<double>(searched) / absl::ToDoubleSeconds(took);
}

absl::StatusOr<double> Run(const std::string& root, const std::string& data_dir, double seconds,
                           const std::vector<std::string>& sketches) {
  const CheckpointStore store(root);
  S2P_ASSIGN_OR_RETURN(const auto version, store.NewestVersion());
  S2P_ASSIGN_OR_RETURN(const auto checkpoint, store.Read(version));
  S2P_ASSIGN_OR_RETURN(auto encoder, LoadEncoder(checkpoint));
  SnapshotSlot slot;
  GalleryOptions options;
  options.data_dir = data_dir;
  S2P_ASSIGN_OR_RETURN(auto gallery, Gallery::Open(options, &slot));
  S2P_RETURN_IF_ERROR(gallery->Activate(std::shared_ptr<const Encoder>(std::move(encoder))));
  return Measure(*slot.Get(), sketches, absl::Seconds(seconds));
}

int Main(int argc, char** argv) {
  double seconds = 0;
  if (argc < 5 || !absl::SimpleAtod(argv[3], &seconds)) {
    std::fprintf(stderr, "usage: pipeline_benchmark CHECKPOINT_ROOT DATA_DIR SECONDS SKETCH...\n");
    return 2;
  }
  std::vector<std::string> sketches;
  for (int i = 4; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    sketches.push_back(bytes.str());
    if (const auto image = DecodeImage(sketches.back(), ImageLimits()); !image.ok()) {
      std::fprintf(stderr, "%s: %s\n", argv[i], image.status().ToString().c_str());
      return 1;
    }
  }
  const auto rate = Run(argv[1], argv[2], seconds, sketches);
  if (!rate.ok()) {
    std::fprintf(stderr, "pipeline_benchmark: %s\n", rate.status().ToString().c_str());
    return 1;
  }
  std::printf("%.2f\n", *rate);
  return 0;
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) { return s2p::Main(argc, argv); }
