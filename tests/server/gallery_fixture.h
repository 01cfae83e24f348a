// A gallery in its own folder, and photos to add to it.
#ifndef S2P_TESTS_SERVER_GALLERY_FIXTURE_H_
#define S2P_TESTS_SERVER_GALLERY_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "image/image.h"
#include "model/sha256.h"
#include "server/gallery/gallery.h"
#include "server/gallery/snapshot.h"
#include "tests/testing/fake_encoder.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {

// 8 x 8 pixels that depend on `seed`.
inline Image PhotoImage(uint32_t seed) {
  Image image(8, 8);
  uint32_t state = seed * 2654435761u + 1;
  for (int y = 0; y < image.height(); ++y) {
    for (int i = 0; i < image.width() * Image::kChannels; ++i) {
      state = state * 1664525u + 1013904223u;
      image.row(y)[i] = static_cast<uint8_t>(state >> 24);
    }
  }
  return image;
}

inline std::string PhotoBytes(uint32_t seed) { return *EncodePng(PhotoImage(seed)); }

// Encodes one image with `encoder`.
inline Encoding EncodeImage(const Encoder& encoder, const Image& image,
                            v1::Modality modality = v1::MODALITY_PHOTO) {
  const EncoderInput input{&image, modality};
  return *encoder.Encode({&input, 1});
}

// An item as the service makes it: header read, embedded with `encoder`.
inline NewItem MakeNewItem(const std::string& photo_id, uint32_t seed, const Encoder& encoder) {
  NewItem item;
  item.photo_id = photo_id;
  item.bytes = PhotoBytes(seed);
  item.sha256 = Sha256(item.bytes);
  item.header = *ReadImageHeader(item.bytes);
  item.version = encoder.version();
  const Encoding encoding = EncodeImage(encoder, PhotoImage(seed));
  const absl::Span<const float> embedding = encoding.embeddings.row(0);
  const absl::Span<const float> attributes = encoding.attributes.row(0);
  item.embedding.assign(embedding.begin(), embedding.end());
  item.attributes.assign(attributes.begin(), attributes.end());
  return item;
}

class GalleryTest : public testing::Test {
 protected:
  GalleryTest() { options_.data_dir = dir_.File("data"); }

  // Opens (again) and serves with version `version`.
  void Reopen(int64_t version = 1) {
    gallery_.reset();
    slot_.Set(nullptr);
    auto opened = Gallery::Open(options_, &slot_);
    ASSERT_THAT(opened, IsOk());
    gallery_ = *std::move(opened);
    encoder_ = std::make_shared<FakeEncoder>(version);
    const absl::Status activated = gallery_->Activate(encoder_);
    ASSERT_THAT(activated, IsOk());
  }

  NewItem Item(const std::string& photo_id, uint32_t seed,
               OnConflict on_conflict = OnConflict::kFail) const {
    NewItem item = MakeNewItem(photo_id, seed, *encoder_);
    item.on_conflict = on_conflict;
    return item;
  }
  absl::StatusOr<AddResult> Add(const NewItem& item) { return gallery_->Add({&item, 1}).front(); }
  void MustAdd(const std::string& photo_id, uint32_t seed) {
    const absl::StatusOr<AddResult> result = Add(Item(photo_id, seed));
    ASSERT_THAT(result, IsOk());
    ASSERT_EQ(*result, AddResult::kAdded);
  }

  // The ids found for the photo of `seed`, best first.
  std::vector<std::string> Search(uint32_t seed, int top_k = 10) const {
    const std::shared_ptr<const Snapshot> snapshot = slot_.Get();
    GallerySearchOptions options;
    options.top_k = top_k;
    auto results = snapshot->gallery->Search(
        EncodeImage(*snapshot->encoder, PhotoImage(seed)).embeddings, {&options, 1});
    std::vector<std::string> ids;
    for (const GalleryMatch& match : results->front()) ids.push_back(match.item->photo_id);
    return ids;
  }
  std::vector<std::string> Ids(const std::string& after = "", int limit = 1000,
                               const GalleryFilter& filter = {}) const {
    std::vector<std::string> ids;
    const auto items = gallery_->List(after, limit, filter);
    EXPECT_THAT(items, IsOk());
    if (!items.ok()) return ids;
    for (const auto& item : *items) ids.push_back(item->photo_id);
    return ids;
  }
  std::string BlobPath(uint32_t seed) const {
    const std::string sha256 = Sha256(PhotoBytes(seed));
    return absl::StrCat(options_.data_dir, "/photos/", sha256.substr(0, 2), "/", sha256);
  }

  TempDir dir_;
  GalleryOptions options_;
  SnapshotSlot slot_;
  std::shared_ptr<const FakeEncoder> encoder_;
  std::unique_ptr<Gallery> gallery_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_GALLERY_FIXTURE_H_
