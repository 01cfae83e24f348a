// Nothing of a deleted photo stays in the data folder.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "server/storage/orphaned_blobs.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

class GalleryDeletionTest : public GalleryTest {
 protected:
  // The bytes of all files below the data folder, by path.
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(options_.data_dir)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      files[entry.path().string()] = std::string((std::istreambuf_iterator<char>(file)), {});
    }
    return files;
  }
  // Paths of the files that contain `text`, in their names or bytes.
  static std::vector<std::string> FilesWith(const std::map<std::string, std::string>& files,
                                            const std::string& text) {
    std::vector<std::string> paths;
    for (const auto& [path, bytes] : files) {
      if (bytes.find(text) != bytes.npos || path.find(text) != path.npos) paths.push_back(path);
    }
    return paths;
  }
  std::vector<std::string> FilesWith(const std::string& text) const {
    return FilesWith(Files(), text);
  }
  static std::string BytesOf(absl::Span<const float> values) {
    std::string bytes(values.size() * sizeof(float), '\0');
    std::memcpy(&bytes[0], values.data(), bytes.size());
    return bytes;
  }
  // The embedding of the photo of `seed` by `version` of the model.
  static std::string Embedding(uint32_t seed, int64_t version) {
    const Encoding encoding = EncodeImage(FakeEncoder(version), PhotoImage(seed));
    return BytesOf(encoding.embeddings.row(0));
  }
  // Adds a photo whose id and metadata can be searched for.
  void AddSecret(uint32_t seed) {
    NewItem item = Item(absl::StrCat("secret-id-", seed), seed);
    item.metadata = {{absl::StrCat("secret-name-", seed), absl::StrCat("secret-value-", seed)}};
    ASSERT_THAT(Add(item), IsOk());
  }
  // All that could tell of the photo, as it lies in files.
  static std::vector<std::string> Traces(uint32_t seed) {
    return {PhotoBytes(seed).substr(40),
            Sha256(PhotoBytes(seed)),
            absl::StrCat("secret-id-", seed),
            absl::StrCat("secret-name-", seed),
            absl::StrCat("secret-value-", seed),
            Embedding(seed, 1),
            Embedding(seed, 2)};
  }
};

TEST_F(GalleryDeletionTest, TracesOfAPhotoAreFoundBeforeItIsDeleted) {
  Reopen(1);
  AddSecret(1000);
  Reopen(2);
  for (const std::string& trace : Traces(1000)) EXPECT_THAT(FilesWith(trace), Not(IsEmpty()));
}

TEST_F(GalleryDeletionTest, NothingOfADeletedPhotoIsInAnyFile) {
  Reopen(1);
  // Enough for several levels of pages, so that SQLite moves rows between them.
  for (uint32_t i = 0; i < 400; ++i) AddSecret(1000 + i);
  Reopen(2);
  std::vector<std::string> deleted;
  for (uint32_t i = 0; i < 400; i += 2) deleted.push_back(absl::StrCat("secret-id-", 1000 + i));
  ASSERT_THAT(gallery_->Delete(deleted), IsOk());
  const std::map<std::string, std::string> files = Files();
  for (uint32_t i = 0; i < 400; i += 2) {
    for (const std::string& trace : Traces(1000 + i)) {
      ASSERT_THAT(FilesWith(files, trace), IsEmpty()) << "photo " << i;
    }
  }
  EXPECT_EQ(Ids().size(), 200u);
}

TEST_F(GalleryDeletionTest, NothingOfAPhotoDeletedBeforeAKillIsThereAfterTheNextStart) {
  Reopen(1);
  AddSecret(1000);
  AddSecret(1001);
  {
    // A reader in another process keeps the log from being emptied.
    const auto reader = *Catalogue::OpenReader(options_.data_dir + "/gallery.db");
    ASSERT_THAT(reader->ForEachEmbedding(
                    1, [](int64_t) {},
                    [&](CatalogueItem, CatalogueEmbedding) {
                      return gallery_->Delete({"secret-id-1000"}).status();
                    }),
                IsOk());
  }
  fs::copy(options_.data_dir, dir_.File("killed"), fs::copy_options::recursive);
  options_.data_dir = dir_.File("killed");
  Reopen(1);
  for (const std::string& trace : Traces(1000)) EXPECT_THAT(FilesWith(trace), IsEmpty());
  EXPECT_THAT(Ids(), ElementsAre("secret-id-1001"));
}

TEST_F(GalleryDeletionTest, CopyThatAStartHasSetAsideIsRemovedWithThePhoto) {
  Reopen();
  MustAdd("a", 1);
  const BlobStore blobs = *BlobStore::Open(options_.data_dir + "/photos");
  const std::string sha256 = Sha256(PhotoBytes(1));
  ASSERT_THAT(OrphanedBlobs(&blobs).SetAside({sha256}, absl::Now()), IsOk());
  ASSERT_THAT(blobs.Write({{sha256, PhotoBytes(1)}}), IsOk());
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  EXPECT_THAT(FilesWith(PhotoBytes(1)), IsEmpty());
}

TEST_F(GalleryDeletionTest, FormerMetadataIsNotInTheFilesAfterTheNextDeletion) {
  Reopen();
  AddSecret(1000);
  MustAdd("b", 2);
  ASSERT_THAT(gallery_->UpdateMetadata("secret-id-1000", {}), IsOk());
  ASSERT_THAT(gallery_->Delete({"b"}), IsOk());
  EXPECT_THAT(FilesWith("secret-value-1000"), IsEmpty());
}

TEST_F(GalleryDeletionTest, BytesThatAnotherPhotoSharesStay) {
  Reopen();
  MustAdd("a", 1);
  MustAdd("b", 1);
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("b")), PhotoBytes(1));
}

}  // namespace
}  // namespace s2p::test
