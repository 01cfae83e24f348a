#include "trainer/data/packed_images.h"

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "model/sha256.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/data/batch_loader.h"
#include "trainer/data/data_set.h"
#include "trainer/data/data_set_digest.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class PackedImagesTest : public TinyRunTest {
 protected:
  void SetUp() override {
    manifest_ = *ManifestOf(*ResolveSpec(Spec()), {});
    file_ = dir_.File("target.safetensors");
    Pack();
  }
  void Pack() {
    const auto data_set = DataSet::Open(Target());
    ASSERT_THAT(data_set, IsOk());
    const absl::Status status =
        PackDataSet(*data_set, manifest_.photo(), manifest_.sketch(), 2, file_);
    ASSERT_THAT(status, IsOk());
  }
  int64_t Format() {
    const auto tensors = ReadSafetensors(file_);
    EXPECT_THAT(tensors, IsOk());
    return tensors->at("format").bytes[0];
  }
  // Opens the file with one tensor changed.
  template <typename Change>
  absl::Status Changed(Change change) {
    auto tensors = ReadSafetensors(file_);
    EXPECT_THAT(tensors, IsOk());
    change(*tensors);
    EXPECT_THAT(WriteSafetensors(file_, *tensors), IsOk());
    return DataSet::Open(file_).status();
  }

  std::shared_ptr<const PreparedImages> Photos(const DataSet& data_set) const {
    std::vector<DataSetImage> photos;
    for (const DataSetImage& image : data_set.images()) {
      if (image.modality == v1::MODALITY_PHOTO) photos.push_back(image);
    }
    const auto preprocessor = Preprocessor::Create(manifest_.photo());
    auto prepared = PreparedImages::Load(data_set, photos, *preprocessor, 1);
    EXPECT_THAT(prepared, IsOk());
    return *std::move(prepared);
  }

  v1::CheckpointManifest manifest_;
  std::string file_;
};

TEST_F(PackedImagesTest, DataSetIsTheFoldersWithItsDigest) {
  const auto packed = DataSet::Open(file_), folder = DataSet::Open(Target());
  ASSERT_THAT(packed, IsOk());
  EXPECT_EQ(packed->sha256(), folder->sha256());
  EXPECT_EQ(packed->name(), folder->name());
  ASSERT_EQ(packed->images().size(), folder->images().size());
  EXPECT_EQ(packed->images().back().path, folder->images().back().path);
}

TEST_F(PackedImagesTest, ImagesAreThosePreparedFromTheFolderInAnyOrder) {
  const auto packed = DataSet::Open(file_), folder = DataSet::Open(Target());
  std::vector<DataSetImage> photos;
  for (const DataSetImage& image : folder->images()) {
    if (image.modality == v1::MODALITY_PHOTO) photos.insert(photos.begin(), image);
  }
  const auto preprocessor = Preprocessor::Create(manifest_.photo());
  const auto a = PreparedImages::Load(*packed, photos, *preprocessor, 1);
  const auto b = PreparedImages::Load(*folder, photos, *preprocessor, 1);
  ASSERT_THAT(a, IsOk());
  for (int i = 0; i < (*b)->size(); ++i) {
    EXPECT_EQ((*a)->Read(i)->pixels(), (*b)->Read(i)->pixels()) << photos[i].path;
  }
}

TEST_F(PackedImagesTest, GreyImagesTakeOneByteAPixel) {
  const auto tensors = ReadSafetensors(file_);
  EXPECT_EQ(tensors->at("photo").shape, (std::vector<int64_t>{16, 32, 32, 1}));
}

TEST_F(PackedImagesTest, ColourImagesTakeThreeBytesAPixelAndAreTheFolders) {
  manifest_.mutable_photo()->set_grey(false);
  const auto folder = DataSet::Open(Target());
  ASSERT_THAT(PackDataSet(*folder, manifest_.photo(), manifest_.sketch(), 2, file_), IsOk());
  EXPECT_EQ(ReadSafetensors(file_)->at("photo").shape, (std::vector<int64_t>{16, 32, 32, 3}));
  const auto packed = DataSet::Open(file_);
  ASSERT_THAT(packed, IsOk());
  const auto a = Photos(*packed), b = Photos(*folder);
  for (int i = 0; i < b->size(); ++i) EXPECT_EQ(a->Read(i)->pixels(), b->Read(i)->pixels()) << i;
}

TEST_F(PackedImagesTest, ImagesStayInTheFile) {
  EXPECT_TRUE(Photos(*DataSet::Open(file_))->bytes().empty());
  EXPECT_FALSE(Photos(*DataSet::Open(Target()))->bytes().empty());
}

TEST_F(PackedImagesTest, BatchOfAFileThatHasBecomeShorterIsDataLoss) {
  const auto packed = DataSet::Open(file_);
  const auto photos = Photos(*packed);
  std::filesystem::resize_file(file_, 1000);
  BatchLoader loader({}, {{{{photos.get(), 3, v1::MODALITY_PHOTO}}}}, 1);
  EXPECT_THAT(loader.Next().status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("ends early")));
}

TEST_F(PackedImagesTest, DigestOfTheImagesIsTheFolders) {
  const auto packed = ImagesDigest(*DataSet::Open(file_), 1);
  ASSERT_THAT(packed, IsOk());
  EXPECT_EQ(*packed, *ImagesDigest(*DataSet::Open(Target()), 1));
}

// Files of the first programs that packed have no digest.
TEST_F(PackedImagesTest, FileWithoutADigestOpensAndHasThatOfItsBytes) {
  EXPECT_THAT(Changed([](TensorMap& t) { t.erase("images.sha256"); }), IsOk());
  const auto packed = DataSet::Open(file_);
  ASSERT_THAT(packed, IsOk());
  EXPECT_EQ(*ImagesDigest(*packed, 1), *Sha256OfFile(file_));
  const auto hour_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  std::filesystem::last_write_time(file_, hour_ago);
  DataSetDigestCache files;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(*ImagesDigest(*packed, 1, {}, &files), *Sha256OfFile(file_));
  }
  EXPECT_EQ(files.reads(), 1) << "hashed once";
  EXPECT_EQ(Photos(*packed)->Read(2)->pixels(),
            Photos(*DataSet::Open(Target()))->Read(2)->pixels());
}

TEST_F(PackedImagesTest, PackingThatIsStoppedLeavesNoFile) {
  const auto folder = DataSet::Open(Target());
  int64_t done = 0;
  const absl::Status status = PackDataSet(
      *folder, manifest_.photo(), manifest_.sketch(), 1, dir_.File("stopped"),
      [&](int64_t now, int64_t) { done = now; }, [&] { return done == 20; });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(done, 20);
  EXPECT_FALSE(std::filesystem::exists(dir_.File("stopped")));
  EXPECT_FALSE(std::filesystem::exists(dir_.File("stopped.tmp")));
}

TEST_F(PackedImagesTest, ThereAreNoOriginals) {
  const auto packed = DataSet::Open(file_);
  const auto read = packed->Read(packed->images()[0]);
  EXPECT_THAT(read, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is packed")));
}

TEST_F(PackedImagesTest, PackingTwiceIsRefused) {
  const auto packed = DataSet::Open(file_);
  const absl::Status status =
      PackDataSet(*packed, manifest_.photo(), manifest_.sketch(), 1, dir_.File("again"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_FALSE(std::filesystem::exists(dir_.File("again")));
}

TEST_F(PackedImagesTest, TruncatedFileIsDataLossNamingIt) {
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 1);
  const absl::Status status = DataSet::Open(file_).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(file_)));
}

TEST_F(PackedImagesTest, WhatIsMissingOrWrongIsNamed) {
  EXPECT_THAT(std::string(Changed([](TensorMap& t) { t.erase("format"); }).message()),
              HasSubstr("no 'format'"));
  SetUp();
  EXPECT_THAT(std::string(Changed([](TensorMap& t) { t.erase("dataset.jsonl"); }).message()),
              HasSubstr("'dataset.jsonl': missing"));
  SetUp();
  EXPECT_THAT(std::string(Changed([](TensorMap& t) { t.erase("sketch"); }).message()),
              HasSubstr("'sketch': has 0 images for 16 lines"));
  SetUp();
  EXPECT_THAT(std::string(Changed([](TensorMap& t) {
                            auto& shape = t.at("photo").shape;
                            std::swap(shape[0], shape[1]);
                          }).message()),
              HasSubstr("'photo': is not [n, height, width, channels]"));
  SetUp();
  EXPECT_THAT(
      std::string(
          Changed([](TensorMap& t) {
            t.at("preprocessing.photo").bytes.assign(t.at("preprocessing.photo").bytes.size(), ' ');
          }).message()),
      HasSubstr("'preprocessing.photo': makes no sense"));
}

TEST_F(PackedImagesTest, NewerFormatIsRefused) {
  const absl::Status status = Changed([](TensorMap& t) { t.at("format").bytes[0] = 4; });
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("format 4 is newer")));
}

TEST_F(PackedImagesTest, FormatIsThatOfTheFirstProgramsWhereTheyKnowEveryField) {
  manifest_.mutable_photo()->set_work_size(0);
  manifest_.mutable_sketch()->set_work_size(0);
  Pack();
  EXPECT_EQ(Format(), 1);
  manifest_.mutable_photo()->set_work_size(288);
  Pack();
  EXPECT_EQ(Format(), 2);
  const auto packed = DataSet::Open(file_);
  ASSERT_THAT(packed, IsOk());
  EXPECT_THAT(packed->packed()->CheckPreprocessing(v1::MODALITY_PHOTO, manifest_.photo()), IsOk());
  manifest_.mutable_photo()->set_work_size(0);
  EXPECT_THAT(packed->packed()->CheckPreprocessing(v1::MODALITY_PHOTO, manifest_.photo()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("work_size 288")));
}

TEST_F(PackedImagesTest, ShorterSideNeedsFormat3) {
  manifest_.mutable_photo()->set_resize_shorter(512);
  Pack();
  EXPECT_EQ(Format(), 3);
  const auto packed = DataSet::Open(file_);
  ASSERT_THAT(packed, IsOk());
  EXPECT_THAT(packed->packed()->CheckPreprocessing(v1::MODALITY_PHOTO, manifest_.photo()), IsOk());
  manifest_.mutable_photo()->clear_resize_shorter();
  EXPECT_THAT(packed->packed()->CheckPreprocessing(v1::MODALITY_PHOTO, manifest_.photo()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("resize_shorter 512")));
}

}  // namespace
}  // namespace s2p::test
