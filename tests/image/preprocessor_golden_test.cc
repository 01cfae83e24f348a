#include <gtest/gtest.h>

#include <array>
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
    Read(path, "preprocess.safetensors");
  }
  // `file` is the name that is reported.
  void Read(const std::string& path, const std::string& file) {
    auto read = ReadSafetensors(path);
    ASSERT_THAT(read, IsOk());
    golden_ = *std::move(read);
    file_ = file;
  }
  bool Has(const std::string& name) const { return golden_.count(name) > 0; }
  // Compares with the file's entry of this name, if it exists, in levels of 255.
  void ExpectWithin(int levels, const Image& got, const std::string& name) {
    if (!Has(name)) return;
    ++compared_;
    const int difference = Difference(got, name);
    RecordGolden(file_, name, difference, levels);
    EXPECT_LE(difference, levels) << name;
  }
  void ExpectTensor(const std::string& image, const v1::Preprocessing& steps,
                    const std::string& name) {
    if (!Has(name)) return;
    ++compared_;
    const double difference = TensorDifference(image + "/src", steps, name);
    RecordGolden(file_, name, difference, 0.02);
    EXPECT_LE(difference, 0.02) << name;
  }

  TensorMap golden_;
  std::string file_;
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

// How published networks see images.
class PublishedPreprocessingTest : public PreprocessorGoldenTest {
 protected:
  static v1::Preprocessing Published(uint32_t side, uint32_t shorter, v1::ResizeFilter filter,
                                     const std::array<float, 3>& mean,
                                     const std::array<float, 3>& std) {
    v1::Preprocessing steps;
    steps.set_height(side);
    steps.set_width(side);
    steps.set_resize_shorter(shorter);
    steps.set_filter(filter);
    for (const float value : mean) steps.add_mean(value);
    for (const float value : std) steps.add_std(value);
    return steps;
  }
  static v1::Preprocessing Clip(uint32_t side) {
    return Published(side, side, v1::RESIZE_FILTER_BICUBIC, {0.48145466F, 0.4578275F, 0.40821073F},
                     {0.26862954F, 0.26130258F, 0.27577711F});
  }
  // The images of `steps` have the same bytes as the golden file's.
  void ExpectSame(const std::string& image, const std::string& name,
                  const v1::Preprocessing& steps) {
    const std::string place = absl::StrCat("pre/", image, "/", name);
    const auto preprocessor = Preprocessor::Create(steps);
    ASSERT_THAT(preprocessor, IsOk());
    ExpectWithin(0, preprocessor->Prepare(Load(absl::StrCat("pre/", image, "/src"))),
                 place + "/pixels");
    const double difference =
        TensorDifference(absl::StrCat("pre/", image, "/src"), steps, place + "/tensor");
    RecordGolden(file_, place + "/tensor", difference, 1e-6);
    EXPECT_LE(difference, 1e-6) << place;
  }
  // The sum of each channel's rows, or columns.
  static std::vector<int64_t> Sums(const Image& image, bool of_rows) {
    const int lines = of_rows ? image.height() : image.width();
    std::vector<int64_t> sums(static_cast<size_t>(3 * lines));
    for (int y = 0; y < image.height(); ++y) {
      for (int x = 0; x < image.width(); ++x) {
        for (int c = 0; c < 3; ++c) {
          sums[static_cast<size_t>(c * lines + (of_rows ? y : x))] += image.row(y)[x * 3 + c];
        }
      }
    }
    return sums;
  }
  std::vector<int64_t> Integers(const std::string& name) const {
    const std::string& bytes = golden_.at(name).bytes;
    std::vector<int64_t> values(bytes.size() / sizeof(int64_t));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
};

TEST_F(PublishedPreprocessingTest, PixelsAreTheReferencesToTheLastLevel) {
  S2P_GOLDEN_OR_SKIP(path, "vit.safetensors");
  Read(path, "vit.safetensors");
  constexpr std::array<float, 3> kMean = {0.485F, 0.456F, 0.406F}, kStd = {0.229F, 0.224F, 0.225F};
  constexpr std::array<float, 3> kHalf = {0.5F, 0.5F, 0.5F};
  for (const std::string image : {"photo", "sketch"}) {
    ExpectSame(image, "clip", Clip(32));
    ExpectSame(image, "dinov2", Published(32, 36, v1::RESIZE_FILTER_BICUBIC, kMean, kStd));
    ExpectSame(image, "siglip", Published(32, 0, v1::RESIZE_FILTER_BICUBIC, kHalf, kHalf));
    ExpectSame(image, "torchvision", Published(32, 36, v1::RESIZE_FILTER_BILINEAR, kMean, kStd));
  }
  EXPECT_EQ(compared_, 8);
}

TEST_F(PublishedPreprocessingTest, SumsAtFullSizeAreTheReferences) {
  S2P_GOLDEN_OR_SKIP(path, "vit.safetensors");
  Read(path, "vit.safetensors");
  for (const std::string image : {"pre/photo", "pre/sketch"}) {
    const Image prepared = Preprocessor::Create(Clip(224))->Prepare(Load(image + "/src"));
    EXPECT_EQ(Sums(prepared, /*of_rows=*/true), Integers(image + "/clip224/row_sums")) << image;
    EXPECT_EQ(Sums(prepared, /*of_rows=*/false), Integers(image + "/clip224/column_sums")) << image;
  }
}

}  // namespace
}  // namespace s2p::test
