#include "trainer/evaluation/edge_correlation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "image/image.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

// A white square of 32 pixels with a black bar from column `left` to `right`.
Image Bar(int left, int right) {
  Image image(32, 32);
  for (int y = 4; y < 28; ++y) {
    std::fill(image.row(y) + 3 * left, image.row(y) + 3 * right, uint8_t{0});
  }
  return image;
}

DataSetImage Write(const TempDir& dir, const std::string& path, const std::string& identity,
                   v1::Modality modality, const Image& image) {
  std::ofstream(dir.File(path), std::ios::binary) << *EncodePng(image);
  DataSetImage line;
  line.path = path;
  line.identity = identity;
  line.modality = modality;
  line.split = "test";
  return line;
}

TEST(EdgeCorrelationTest, SketchOfOneColourMatchesNothing) {
  const TempDir dir;
  // The other sketch's strokes lie where the photo has no edge: they correlate negatively.
  const std::vector<DataSetImage> images = {
      Write(dir, "blank.png", "a", v1::MODALITY_SKETCH, Image(32, 32)),
      Write(dir, "other.png", "b", v1::MODALITY_SKETCH, Bar(16, 24)),
      Write(dir, "photo.png", "a", v1::MODALITY_PHOTO, Bar(4, 8))};
  ASSERT_THAT(WriteDataSet(dir.path(), {"bars", {}, "", ""}, images), IsOk());
  const auto evaluation =
      EvaluateEdgeCorrelation(*DataSet::Open(dir.path()), "test", "photo-to-sketch");
  ASSERT_THAT(evaluation, IsOk());
  EXPECT_EQ(evaluation->rank1(), 0);
}

}  // namespace
}  // namespace s2p::test
