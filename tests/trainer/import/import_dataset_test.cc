#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "image/image.h"
#include "tests/testing/golden.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"
#include "trainer/data/random.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Pixels that no encoder can compress.
Image Noise(int width, int height) {
  Image image(width, height);
  Random random(1);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width * Image::kChannels; ++x) {
      image.row(y)[x] = static_cast<uint8_t>(random.Bits() & 0xFF);
    }
  }
  return image;
}

// A JPEG that reaches this size by metadata before its picture.
std::string JpegOfSize(size_t bytes) {
  constexpr size_t kLeast = 4, kMost = 65535 + 2;
  const std::string small = Jpeg(1, 1, 3);
  std::string metadata;
  for (size_t left = bytes - small.size(); left > 0;) {
    size_t size = std::min(left, kMost);
    if (left > size && left - size < kLeast) size -= kLeast;
    metadata += JpegSegment(0xE2, std::string(size - kLeast, 'x'));
    left -= size;
  }
  return small.substr(0, 2) + metadata + small.substr(2);
}

// Images above a megabyte, of each format, with metadata before and around the picture.
std::map<std::string, std::string> LargeImages() {
  const std::string megabytes(3 << 20, 'x');
  return {
      {"metadata.jpg", JpegOfSize(1200 * 1000)},
      {"picture.jpg", *EncodeJpeg(Noise(1000, 1000), 98)},
      {"picture.png", *EncodePng(Noise(700, 700))},
      {"metadata.png", Png({1, 1, 8, 2}, {Bytes({10, 20, 30})}, PngChunk("teXt", megabytes))},
      {"metadata.webp",
       WebP(WebPCanvas(1, 1, 0x20) + RiffChunk("ICCP", megabytes) + WebPLosslessHeader(1, 1))},
  };
}

class ImportDatasetTest : public ImportTest {
 protected:
  void SetUp() override {
    WriteJpg("photo/1.jpg");
    WriteJpg("photo/2.jpg");
  }
};

TEST_F(ImportDatasetTest, FormatsAreKnown) {
  EXPECT_THAT(ImportFormats(),
              ElementsAre("celeba", "data-set", "folder", "iiitd", "market-1501",
                          "market-1501-paper", "photos", "pku-sketch", "qmul-shoes", "ut-zap50k"));
}

TEST_F(ImportDatasetTest, UnknownFormatNamesTheKnown) {
  ExpectWrong("coco", "format \"coco\" is unknown; known are celeba, data-set, folder");
}

TEST_F(ImportDatasetTest, SplitFileForAnotherFormatIsRefused) {
  options_.split_file = Root("split.csv");
  ExpectWrong("folder", "format folder takes no split file");
}

TEST_F(ImportDatasetTest, FolderWithContentIsLeftAsItIs) {
  Write("../out/keep.txt", "mine");
  EXPECT_THAT(Import("folder"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(Read(Out("keep.txt")), "mine");
  EXPECT_FALSE(std::filesystem::exists(Out("photo")));
}

TEST_F(ImportDatasetTest, ProgressCountsImages) {
  std::vector<std::pair<int64_t, int64_t>> seen;
  options_ = {"folder", Root(), Out(), 1, ""};
  const auto progress = [&](int64_t done, int64_t total) { seen.emplace_back(done, total); };
  ASSERT_THAT(ImportDataset(options_, progress), IsOk());
  EXPECT_THAT(seen, ElementsAre(std::pair{1, 2}, std::pair{2, 2}));
}

TEST_F(ImportDatasetTest, NothingIsLeftIfCopyingFails) {
  options_ = {"folder", Root(), Out(), 1, ""};
  const auto lose_second = [&](int64_t done, int64_t) {
    if (done == 1) std::filesystem::remove(Root("photo/2.jpg"));
  };
  const absl::Status status = ImportDataset(options_, lose_second).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("photo/2.jpg: copy"));
  EXPECT_FALSE(std::filesystem::exists(Out()));
}

TEST_F(ImportDatasetTest, StoppedImportLeavesNothing) {
  options_ = {"folder", Root(), Out(), 1, ""};
  int64_t copied = 0;
  const absl::Status status =
      ImportDataset(
          options_, [&](int64_t done, int64_t) { copied = done; }, [&] { return copied == 1; })
          .status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled,
                               HasSubstr("stopped while images were copied")));
  EXPECT_FALSE(std::filesystem::exists(Out()));
}

TEST_F(ImportDatasetTest, KilledImportIsStartedOver) {
  options_ = {"folder", Root(), Out(), 1, ""};
  EXPECT_EXIT(static_cast<void>(ImportDataset(options_, [](int64_t, int64_t) { _exit(3); })),
              testing::ExitedWithCode(3), "");
  ASSERT_TRUE(std::filesystem::exists(Out("photo/1.jpg")));
  EXPECT_THAT(DataSet::Open(Out()), StatusIs(absl::StatusCode::kNotFound));
  Rename("photo/1.jpg", "photo/3.jpg");
  ASSERT_THAT(Import("folder"), IsOk());
  EXPECT_EQ(Open().images().size(), 2u);
  EXPECT_FALSE(std::filesystem::exists(Out("photo/1.jpg")));
}

TEST_F(ImportDatasetTest, WhatAKilledImportDidNotMakeIsLeftAsItIs) {
  options_ = {"folder", Root(), Out(), 1, ""};
  EXPECT_EXIT(static_cast<void>(ImportDataset(options_, [](int64_t, int64_t) { _exit(3); })),
              testing::ExitedWithCode(3), "");
  Write("../out/keep.txt", "mine");
  EXPECT_THAT(Import("folder"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is not empty")));
  EXPECT_EQ(Read(Out("keep.txt")), "mine");
}

TEST_F(ImportDatasetTest, FolderThatAnotherImportFillsIsRefused) {
  options_ = {"folder", Root(), Out(), 1, ""};
  const auto import_again = [&](int64_t, int64_t) {
    EXPECT_THAT(ImportDataset(options_),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use by process")));
  };
  EXPECT_THAT(ImportDataset(options_, import_again), IsOk());
  EXPECT_EQ(Open().images().size(), 2u);
}

TEST_F(ImportDatasetTest, EmptyFolderIsEmptyAgainIfWritingFails) {
  std::filesystem::create_directories(Out());
  options_ = {"folder", Root(), Out(), 1, ""};
  const auto take_name = [&](int64_t, int64_t) {
    std::filesystem::create_directories(Out("dataset.json.tmp/in the way"));
  };
  EXPECT_FALSE(ImportDataset(options_, take_name).ok());
  EXPECT_TRUE(std::filesystem::is_empty(Out()));
}

TEST_F(ImportDatasetTest, NamesThatCannotBeDescribedAreAllNamedBeforeAnythingIsCopied) {
  WriteJpg("photo/caf\xe9.jpg");
  WriteJpg("photo/two\nlines.jpg");
  options_ = {"folder", Root(), Out(), 1, ""};
  int64_t copied = 0;
  const absl::Status status = ImportDataset(options_, [&](int64_t, int64_t) { ++copied; }).status();
  EXPECT_THAT(
      status,
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("photo/caf\\xe9.jpg: the name is not UTF-8: rename the file"),
                     HasSubstr("photo/two\\nlines.jpg: the name has a control character"))));
  EXPECT_EQ(copied, 0);
}

TEST_F(ImportDatasetTest, FolderWhoseOwnNameIsNotUtf8IsImportedUnderAnother) {
  Rename("photo", "caf\xe9/photo");
  options_ = {"folder", Root("caf\xe9"), Out(), 1, ""};
  const auto summary = ImportDataset(options_);
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(Open().name(), "caf\\xe9");
}

TEST_F(ImportDatasetTest, ImageAboveAMegabyteIsImported) {
  for (const auto& [name, bytes] : LargeImages()) {
    EXPECT_GT(bytes.size(), size_t{1} << 20) << name;
    Write("photo/" + name, bytes);
  }
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, 7);
}

TEST_F(ImportDatasetTest, ImageIsImportedUpToTheLimitAndTheMessageSaysIt) {
  const size_t limit = ImageLimits().max_bytes;
  Write("photo/large.jpg", JpegOfSize(limit));
  EXPECT_THAT(Import("folder"), IsOk());
  std::filesystem::remove_all(Out());
  Write("photo/large.jpg", JpegOfSize(limit + 1));
  ExpectWrong("folder", "photo/large.jpg: has 10485761 bytes; an image may have 10485760 (10 MiB)");
}

TEST_F(ImportDatasetTest, ImagesThatPeopleBringAreImported) {
  const std::string folder = SharedPath("cases/images");
  if (folder.empty()) GTEST_SKIP() << "shared/cases/images is missing next to the project";
  const auto meta = nlohmann::json::parse(Read(folder + "/meta.json"));
  Remove("photo");
  int64_t expected = 0;
  for (const auto& [name, about] : meta.items()) {
    if (about.at("want") != "ok") continue;
    Write("photo/" + name, Read(folder + "/" + name));
    ++expected;
  }
  ASSERT_GT(expected, 50);
  const auto summary = Import("folder");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->photos, expected);
}

TEST_F(ImportDatasetTest, LargeImageThatIsCutIsNamed) {
  const std::string whole = JpegOfSize(3 << 20);
  Write("photo/cut.jpg", whole.substr(0, whole.size() - 2));
  ExpectWrong("folder", "photo/cut.jpg: ");
}

TEST_F(ImportDatasetTest, OutputAmongTheImagesIsRefused) {
  options_ = {"folder", Root(), Root("photo/out"), 1, ""};
  const absl::Status status = ImportDataset(options_).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("photo/out: lies in ")));
  EXPECT_FALSE(std::filesystem::exists(Root("photo/out")));
}

TEST_F(ImportDatasetTest, OutputNextToTheImagesIsFine) {
  options_ = {"folder", Root(), Root("data/out"), 1, ""};
  EXPECT_THAT(ImportDataset(options_), IsOk());
}

TEST_F(ImportDatasetTest, DiskThatTakesTwinsForOneIsNamed) {
  // As if "2.jpg" had been another way to write "1.jpg".
  options_ = {"folder", Root(), Out(), 1, ""};
  const auto take_name = [&](int64_t done, int64_t) {
    if (done == 1) std::filesystem::copy_file(Out("photo/1.jpg"), Out("photo/2.jpg"));
  };
  const absl::Status status = ImportDataset(options_, take_name).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("photo/2.jpg: is there already")));
}

TEST_F(ImportDatasetTest, FolderThatMayNotBeReadIsNamed) {
  if (geteuid() == 0) GTEST_SKIP() << "root reads every folder";
  std::filesystem::permissions(Root("photo"), std::filesystem::perms::none);
  ExpectWrong("folder", "photo: list", absl::StatusCode::kPermissionDenied);
  std::filesystem::permissions(Root("photo"), std::filesystem::perms::owner_all);
}

TEST_F(ImportDatasetTest, RuleForAPublishedFormatIsRefused) {
  options_.identity_from = "stem";
  ExpectWrong("qmul-shoes", "format qmul-shoes says itself what identities come from");
}

}  // namespace
}  // namespace s2p::test
