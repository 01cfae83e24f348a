// A data set of a few small pictures, each different.
#ifndef S2P_TESTS_TRAINER_DRAWN_IMAGES_H_
#define S2P_TESTS_TRAINER_DRAWN_IMAGES_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "image/preprocessor.h"
#include "tests/image/image_bytes.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/data/batch_loader.h"
#include "trainer/data/data_set.h"

namespace s2p::test {

class DrawnImagesTest : public testing::Test {
 protected:
  static constexpr int kWidth = 24, kHeight = 20;

  static std::string Name(int i) { return absl::StrCat("photo/", i, ".png"); }
  // A slope whose steepness and offset differ between pictures.
  static Image Drawn(int number) {
    Image image(kWidth, kHeight);
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < 3 * kWidth; ++x) {
        image.row(y)[x] = static_cast<uint8_t>((number * 37 + x * (2 + number % 3) + y * 5) % 256);
      }
    }
    return image;
  }
  // Writes `count` pictures as a data set.
  void Write(int count) {
    std::filesystem::create_directories(dir_.File("photo"));
    std::vector<DataSetImage> lines;
    for (int i = 0; i < count; ++i) {
      const Image image = Drawn(i);
      PngLayout layout;
      layout.width = kWidth;
      layout.height = kHeight;
      layout.depth = 8;
      layout.color = 2;
      std::vector<std::string> rows;
      for (int y = 0; y < kHeight; ++y) {
        rows.emplace_back(reinterpret_cast<const char*>(image.row(y)), 3 * kWidth);
      }
      std::ofstream(dir_.File(Name(i)), std::ios::binary) << Png(layout, rows);
      DataSetImage line;
      line.path = Name(i);
      line.identity = absl::StrCat(i);
      line.split = "train";
      lines.push_back(line);
    }
    ASSERT_THAT(WriteDataSet(dir_.path(), {"drawn", {}, "", ""}, lines), IsOk());
  }
  void Break(int i) { std::ofstream(dir_.File(Name(i)), std::ios::trunc) << "no picture"; }
  absl::StatusOr<DataSet> Open() const { return DataSet::Open(dir_.path()); }

  static Preprocessor Preprocessing(bool grey = false) {
    v1::Preprocessing steps;
    steps.set_grey(grey);
    steps.set_height(kHeight);
    steps.set_width(kWidth);
    steps.set_filter(v1::RESIZE_FILTER_BILINEAR);
    for (int c = 0; c < 3; ++c) {
      steps.add_mean(0.5F);
      steps.add_std(0.25F);
    }
    return *Preprocessor::Create(steps);
  }
  std::shared_ptr<const PreparedImages> Load(int count) {
    Write(count);
    const auto data_set = Open();
    EXPECT_THAT(data_set, IsOk());
    auto images = PreparedImages::Load(*data_set, data_set->images(), Preprocessing(), 2);
    EXPECT_THAT(images, IsOk());
    return *std::move(images);
  }
  static v1::TrainingSpec::AugmentationSpec Everything() {
    v1::TrainingSpec::AugmentationSpec spec;
    spec.set_crop_padding(0.1);
    spec.set_rotation_degrees(10);
    spec.set_color_jitter(0.2);
    spec.set_flip(0.5);
    spec.set_erase(0.5);
    spec.set_scale(0.1);
    spec.set_warp(0.05);
    return spec;
  }

  TempDir dir_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_TRAINER_DRAWN_IMAGES_H_
