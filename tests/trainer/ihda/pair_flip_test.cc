// Whether pairs are flipped, which the photos decide if the spec says so.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/image/image_bytes.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/data/data_set.h"
#include "trainer/data/facing.h"

namespace s2p::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

void WriteMirrored(const Image& image, const std::string& path) {
  PngLayout layout;
  layout.width = static_cast<uint32_t>(image.width());
  layout.height = static_cast<uint32_t>(image.height());
  layout.depth = 8;
  layout.color = 2;
  std::vector<std::string> rows;
  for (int y = 0; y < image.height(); ++y) {
    std::string row;
    for (int x = image.width() - 1; x >= 0; --x) {
      row.append(reinterpret_cast<const char*>(image.row(y)) + x * Image::kChannels,
                 Image::kChannels);
    }
    rows.push_back(row);
  }
  std::ofstream(path, std::ios::binary) << Png(layout, rows);
}

// Copies the first `identities` of a data set's training part, with every second one mirrored if
// `mirror`.
void CopyTrainingPart(const std::string& from, const std::string& to, size_t identities,
                      bool mirror) {
  const auto data_set = DataSet::Open(from);
  ASSERT_THAT(data_set, IsOk());
  std::set<std::string> names;
  for (const DataSetImage& image : data_set->images()) {
    if (image.split == "train") names.insert(image.identity);
  }
  ASSERT_GE(names.size(), identities);
  std::vector<DataSetImage> kept;
  for (const DataSetImage& image : data_set->images()) {
    const auto number =
        static_cast<size_t>(std::distance(names.begin(), names.find(image.identity)));
    if (number >= identities) continue;
    const std::filesystem::path path = std::filesystem::path(to) / image.path;
    std::filesystem::create_directories(path.parent_path());
    if (mirror && number % 2 == 0) {
      const auto pixels = data_set->Read(image);
      ASSERT_THAT(pixels, IsOk());
      WriteMirrored(*pixels, path);
    } else {
      std::filesystem::copy_file(std::filesystem::path(from) / image.path, path);
    }
    kept.push_back(image);
  }
  ASSERT_THAT(WriteDataSet(to, {"copied", {}, "", ""}, kept), IsOk());
}

class PairFlipTest : public TinyRunTest {
 protected:
  TensorMap TrainAndListen(const v1::TrainingSpec& spec) {
    IhdaTrainerOptions options;
    options.observer.on_message = [&](const std::string& sentence) { said_.push_back(sentence); };
    return Train(With(spec, {"validation.fraction=0", "source_dataset="}), options);
  }
  std::vector<std::string> said_;
};

// The procedural shoes face one way.
TEST_F(PairFlipTest, PhotosThatFaceOneWayAreNotFlipped) {
  const TensorMap never = TrainAndListen(With(Spec(), {"augmentation.pair_flip=0"}));
  const auto flipped = With(Spec(), {"augmentation.pair_flip=0.5"});
  EXPECT_FALSE(Differences(never, TrainAndListen(flipped)).empty());
  EXPECT_THAT(said_, Not(Contains(HasSubstr("when mirrored"))));
  EXPECT_THAT(Differences(never, TrainAndListen(
                                     With(flipped, {"augmentation.pair_flip_if_both_ways=true"}))),
              IsEmpty());
  EXPECT_THAT(said_, Contains(HasSubstr("12 target photos are closer to another one when "
                                        "mirrored: they face one way")));
}

TEST_F(PairFlipTest, PhotosThatFaceBothWaysAreFlipped) {
  CopyTrainingPart(Target(), dir_.File("both"), 12, /*mirror=*/true);
  const auto flipped =
      With(Spec(), {"target_dataset=" + dir_.File("both"), "augmentation.pair_flip=0.5"});
  const TensorMap always = TrainAndListen(flipped);
  EXPECT_THAT(Differences(always, TrainAndListen(
                                      With(flipped, {"augmentation.pair_flip_if_both_ways=true"}))),
              IsEmpty());
  EXPECT_THAT(said_, Contains(HasSubstr("they face both ways, and pairs are flipped")));
}

TEST_F(PairFlipTest, TooFewPhotosAreNotFlippedAndSayNothing) {
  CopyTrainingPart(Target(), dir_.File("few"), kFewestToTellFacing - 1, /*mirror=*/false);
  TrainAndListen(
      With(Spec(), {"target_dataset=" + dir_.File("few"), "step2.batch_size=8",
                    "augmentation.pair_flip=0.5", "augmentation.pair_flip_if_both_ways=true"}));
  EXPECT_THAT(said_, Contains(HasSubstr("7 target photos are too few")));
}

}  // namespace
}  // namespace s2p::test
