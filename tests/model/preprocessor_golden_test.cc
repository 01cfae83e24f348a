#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "model/preprocessor.h"
#include "model/safetensors.h"
#include "tests/testing/golden.h"

namespace s2p::testing {
namespace {

// The reference's own stages, on its images: a photo, a sketch, a grey image, one with alpha.
class PreprocessorGoldenTest : public ::testing::Test {
 protected:
  // U8 [h, w, 3], [h, w, 4] (alpha is ignored, as Pillow's convert does) or [h, w].
  Image Load(const std::string& name) const {
    const TensorBytes& tensor = golden_.at(name);
    const int height = static_cast<int>(tensor.shape[0]), width = static_cast<int>(tensor.shape[1]);
    const int channels = tensor.shape.size() == 2 ? 1 : static_cast<int>(tensor.shape[2]);
    Image image(width, height);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (int c = 0; c < 3; ++c) {
          const size_t at =
              (static_cast<size_t>(y) * width + x) * channels + (channels == 1 ? 0 : c);
          image.row(y)[x * 3 + c] = static_cast<uint8_t>(tensor.bytes[at]);
        }
      }
    }
    return image;
  }
  // Largest difference of any channel, in levels.
  int Difference(const Image& got, const std::string& name) const {
    const Image want = Load(name);
    EXPECT_EQ(got.width(), want.width()) << name;
    EXPECT_EQ(got.height(), want.height()) << name;
    int largest = 0;
    for (size_t i = 0; i < want.pixels().size() && i < got.pixels().size(); ++i) {
      largest = std::max(largest, std::abs(int{got.pixels()[i]} - int{want.pixels()[i]}));
    }
    return largest;
  }
  // Through the whole preprocessor, against the reference's tensor.
  double TensorDifference(const std::string& image, const v1::Preprocessing& steps,
                          const std::string& name) const {
    const auto preprocessor = Preprocessor::Create(steps);
    EXPECT_TRUE(preprocessor.ok()) << preprocessor.status();
    std::vector<float> got(preprocessor->size()), want(got.size());
    preprocessor->Apply(Load(image), absl::MakeSpan(got));
    const std::string& bytes = golden_.at(name).bytes;
    EXPECT_EQ(bytes.size(), want.size() * sizeof(float)) << name;
    std::memcpy(want.data(), bytes.data(), std::min(bytes.size(), want.size() * sizeof(float)));
    double largest = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      largest = std::max(largest, std::abs(double{got[i]} - want[i]));
    }
    return largest;
  }
  static v1::Preprocessing Steps(uint32_t height, uint32_t width, bool edges,
                                 v1::ResizeFilter filter) {
    v1::Preprocessing steps;
    steps.set_height(height);
    steps.set_width(width);
    steps.set_grey(true);
    steps.set_edges(edges);
    steps.set_filter(filter);
    for (const float mean : {0.485F, 0.456F, 0.406F}) steps.add_mean(mean);
    for (const float std : {0.229F, 0.224F, 0.225F}) steps.add_std(std);
    return steps;
  }
  void Read(const std::string& path) {
    auto read = ReadSafetensors(path);
    ASSERT_TRUE(read.ok()) << read.status();
    golden_ = *std::move(read);
  }

  TensorMap golden_;
};

TEST_F(PreprocessorGoldenTest, EveryStageIsPillows) {
  S2P_GOLDEN_OR_SKIP(path, "preprocess.safetensors");
  Read(path);
  for (const std::string image : {"photo", "sketch", "gray", "rgba"}) {
    const Image source = Load(image + "/src");
    const Image grey = ToGrey(source), edges = InvertedEdges(source);
    EXPECT_EQ(Difference(grey, image + "/sbir_sketch/gray"), 0) << image;
    EXPECT_LE(Difference(Resize(grey, 96, 96), image + "/sbir_sketch/resized"), 1) << image;
    EXPECT_EQ(Difference(edges, image + "/sbir_photo/inverted"), 0) << image;
    EXPECT_EQ(Difference(ToGrey(edges), image + "/sbir_photo/gray"), 0) << image;
    EXPECT_LE(Difference(Resize(ToGrey(edges), 96, 96), image + "/sbir_photo/resized"), 1) << image;
    EXPECT_LE(Difference(Resize(source, 96, 96), image + "/resize_first/resized"), 1) << image;
  }
  for (const std::string image : {"photo", "sketch", "gray"}) {
    const Image persons = Resize(Load(image + "/src"), 128, 384, v1::RESIZE_FILTER_LANCZOS);
    EXPECT_LE(Difference(persons, image + "/pku/stored"), 1) << image;
  }
}

TEST_F(PreprocessorGoldenTest, TensorsAreTheReferenceProgramsFromImageToInput) {
  S2P_GOLDEN_OR_SKIP(path, "preprocess.safetensors");
  Read(path);
  for (const std::string image : {"photo", "sketch", "gray", "rgba"}) {
    EXPECT_LE(
        TensorDifference(image + "/src", Steps(96, 96, /*edges=*/false, v1::RESIZE_FILTER_BILINEAR),
                         image + "/sbir_sketch/tensor"),
        0.02)
        << image;
    EXPECT_LE(
        TensorDifference(image + "/src", Steps(96, 96, /*edges=*/true, v1::RESIZE_FILTER_BILINEAR),
                         image + "/sbir_photo/tensor"),
        0.02)
        << image;
  }
}

}  // namespace
}  // namespace s2p::testing
