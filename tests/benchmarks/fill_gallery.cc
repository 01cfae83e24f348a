// Fills a server's data folder with photos that a version has already embedded, so that a benchmark
// need not wait for the encoder: the embeddings are random unit vectors in clusters.
//
//   fill_gallery CHECKPOINT_FOLDER DATA_DIR COUNT IMAGE_FILE...
//
// The version, the dimension and the attributes are those of the checkpoint's manifest. The photos
// use the bytes of the image files in rotation.
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/checkpoint.h"
#include "model/sha256.h"
#include "server/gallery/gallery.h"
#include "tests/server/random_units.h"
#include "tests/testing/fake_encoder.h"

namespace s2p {
namespace {

constexpr int kTogether = 500;
constexpr int kClusters = 2000;

// An image file's bytes and header.
struct Picture {
  std::string bytes;
  std::string sha256;
  ImageHeader header;
};

absl::StatusOr<std::vector<Picture>> ReadPictures(char** begin, char** end) {
  std::vector<Picture> pictures;
  for (; begin != end; ++begin) {
    std::ifstream file(*begin, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    auto header = ReadImageHeader(bytes.str(), ImageLimits());
    if (!header.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(*begin, ": ", header.status().message()));
    }
    pictures.push_back({bytes.str(), Sha256(bytes.str()), *header});
  }
  return pictures;
}

absl::Status Fill(const std::string& checkpoint, const std::string& data_dir, int count,
                  const std::vector<Picture>& pictures) {
  S2P_ASSIGN_OR_RETURN(auto manifest, ReadManifest(checkpoint));
  FakeEncoderOptions encoder;
  encoder.version = manifest.version();
  encoder.dimension = static_cast<int>(manifest.embedding().dimension());
  encoder.attributes = {manifest.attributes().begin(), manifest.attributes().end()};
  SnapshotSlot slot;
  GalleryOptions options;
  options.data_dir = data_dir;
  S2P_ASSIGN_OR_RETURN(auto gallery, Gallery::Open(options, &slot));
  S2P_RETURN_IF_ERROR(gallery->Activate(std::make_shared<FakeEncoder>(encoder)));
  const EmbeddingMatrix vectors = test::ClusteredUnits(count, encoder.dimension, kClusters, 1);
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(0, 1);
  for (int begin = 0; begin < count; begin += kTogether) {
    std::vector<NewItem> items;
    for (int i = begin; i < std::min(begin + kTogether, count); ++i) {
      const Picture& picture = pictures[static_cast<size_t>(i) % pictures.size()];
      NewItem item;
      item.photo_id = absl::StrFormat("photo%08d", i);
      item.metadata = {{"share", absl::StrCat(i % 100)}};
      item.bytes = picture.bytes;
      item.sha256 = picture.sha256;
      item.header = picture.header;
      item.version = encoder.version;
      const auto row = vectors.row(i);
      item.embedding.assign(row.begin(), row.end());
      for (size_t k = 0; k < encoder.attributes.size(); ++k) {
        item.attributes.push_back(uniform(random));
      }
      items.push_back(std::move(item));
    }
    for (const auto& result : gallery->Add(items)) {
      if (!result.ok()) return result.status();
    }
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  int count = 0;
  if (argc < 5 || !absl::SimpleAtoi(argv[3], &count) || count < 1) {
    std::fprintf(stderr, "usage: fill_gallery CHECKPOINT_FOLDER DATA_DIR COUNT IMAGE_FILE...\n");
    return 2;
  }
  const auto pictures = ReadPictures(argv + 4, argv + argc);
  const absl::Status status =
      pictures.ok() ? Fill(argv[1], argv[2], count, *pictures) : pictures.status();
  if (status.ok()) return 0;
  std::fprintf(stderr, "fill_gallery: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) { return s2p::Main(argc, argv); }
