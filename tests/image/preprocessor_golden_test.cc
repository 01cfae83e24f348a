#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "image/preprocessor.h"
#include "model/safetensors.h"
#include "tests/testing/golden.h"
#include "tests/testing/golden_report.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

// The reference's own stages, on its images: a photo, a sketch, a grey image, one with alpha.
class PreprocessorGoldenTest : public testing::Test {
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
    EXPECT_THAT(preprocessor, IsOk());
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
  void ReadWholeOrSmall() {
    std::string path = GoldenPath("preprocess.safetensors");
    if (path.empty()) path = GoldenPath("preprocess_small.safetensors");
    auto read = ReadSafetensors(path);
    ASSERT_THAT(read, IsOk());
    golden_ = *std::move(read);
  }
  bool Has(const std::string& name) const { return golden_.count(name) > 0; }
  // Compares with the file's entry of this name, if it exists, in levels of 255.
  void ExpectWithin(int levels, const Image& got, const std::string& name) {
    if (!Has(name)) return;
    ++compared_;
    const int difference = Difference(got, name);
    RecordGolden("preprocess.safetensors", name, difference, levels);
    EXPECT_LE(difference, levels) << name;
  }
  void ExpectTensor(const std::string& image, const v1::Preprocessing& steps,
                    const std::string& name) {
    if (!Has(name)) return;
    ++compared_;
    const double difference = TensorDifference(image + "/src", steps, name);
    RecordGolden("preprocess.safetensors", name, difference, 0.02);
    EXPECT_LE(difference, 0.02) << name;
  }

  TensorMap golden_;
  int compared_ = 0;
};

// Uses the complete file if it exists, otherwise the small part of it.
TEST_F(PreprocessorGoldenTest, EveryStageIsPillows) {
  ReadWholeOrSmall();
  for (const std::string image : {"photo", "sketch", "gray", "rgba"}) {
    if (!Has(image + "/src")) continue;
    const Image source = Load(image + "/src");
    const Image grey = ToGrey(source), edges = InvertedEdges(source);
    ExpectWithin(0, grey, image + "/sbir_sketch/gray");
    ExpectWithin(1, Resize(grey, 96, 96), image + "/sbir_sketch/resized");
    ExpectWithin(0, edges, image + "/sbir_photo/inverted");
    ExpectWithin(0, ToGrey(edges), image + "/sbir_photo/gray");
    ExpectWithin(1, Resize(ToGrey(edges), 96, 96), image + "/sbir_photo/resized");
    const Image first = Resize(source, 96, 96), tall = Resize(source, 128, 384);
    ExpectWithin(1, first, image + "/resize_first/resized");
    ExpectWithin(1, ToGrey(first), image + "/resize_first/gray");
    ExpectWithin(1, ToGrey(tall), image + "/resize_first_384x128/gray");
    // Pillow premultiplies alpha around the resize; our images have none (it is composited).
    if (image == "rgba") continue;
    const Image persons = Resize(source, 128, 384, v1::RESIZE_FILTER_LANCZOS);
    ExpectWithin(1, persons, image + "/pku/stored");
    ExpectWithin(1, ToGrey(persons), image + "/pku/gray");
  }
  EXPECT_GE(compared_, 5);
}

TEST_F(PreprocessorGoldenTest, TensorsAreTheReferenceProgramsFromImageToInput) {
  ReadWholeOrSmall();
  for (const std::string image : {"photo", "sketch", "gray", "rgba"}) {
    if (!Has(image + "/src")) continue;
    ExpectTensor(image, Steps(96, 96, /*edges=*/false, v1::RESIZE_FILTER_BILINEAR),
                 image + "/sbir_sketch/tensor");
    ExpectTensor(image, Steps(96, 96, /*edges=*/true, v1::RESIZE_FILTER_BILINEAR),
                 image + "/sbir_photo/tensor");
    if (image == "rgba") continue;
    v1::Preprocessing persons = Steps(384, 128, /*edges=*/false, v1::RESIZE_FILTER_LANCZOS);
    persons.set_resize_first(true);
    ExpectTensor(image, persons, image + "/pku/tensor");
  }
  EXPECT_GE(compared_, 1);
}

}  // namespace
}  // namespace s2p::test
