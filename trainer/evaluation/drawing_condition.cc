#include "trainer/evaluation/drawing_condition.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "image/preprocessor.h"
#include "model/file.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr int kScanPixels = 4000;
constexpr double kGreyGround = 0.8;
// The brightness of photographed paper: its mean, and how much it changes from side to side.
constexpr double kPaperMean = 0.75, kPaperSlope = 0.4, kPaperNoise = 4;
constexpr int kSpecks = 6, kSpeckWidth = 6, kSpeckHeight = 2;
constexpr uint8_t kSpeckValue = 40;
constexpr double kBoardGround = 60, kChalk = 0.7;
// Shares of red, green and blue that each pen reflects.
constexpr std::array<std::array<double, 3>, 4> kPens = {
    {{0.8, 0.1, 0.1}, {0.1, 0.2, 0.8}, {0.1, 0.6, 0.2}, {0.9, 0.5, 0.1}}};

// Replaces every value by `change(value, x, y, channel)`, rounded and limited to [0, 255].
template <typename Change>
void ChangeEach(Image& image, const Change& change) {
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* row = image.row(y);
    for (int x = 0; x < image.width(); ++x) {
      for (int channel = 0; channel < 3; ++channel, ++row) {
        const double value = change(static_cast<double>(*row), x, y, channel);
        *row = static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
      }
    }
  }
}

void OnPaper(Image& image, std::mt19937& random) {
  std::uniform_real_distribution<double> direction(0, 2 * M_PI);
  std::normal_distribution<double> noise(0, kPaperNoise);
  const double angle = direction(random);
  const double across = std::cos(angle) * kPaperSlope / image.width();
  const double down = std::sin(angle) * kPaperSlope / image.height();
  double grain = 0;
  ChangeEach(image, [&](double value, int x, int y, int channel) {
    if (channel == 0) grain = noise(random);
    const double light =
        kPaperMean + across * (x - image.width() / 2.0) + down * (y - image.height() / 2.0);
    return value * light + grain;
  });
}

void AddSpecks(Image& image, std::mt19937& random) {
  std::uniform_int_distribution<int> left(0, image.width() - kSpeckWidth);
  std::uniform_int_distribution<int> top(0, image.height() - kSpeckHeight);
  for (int i = 0; i < kSpecks; ++i) {
    const int x = left(random), y = top(random);
    for (int row = y; row < y + kSpeckHeight; ++row) {
      std::fill_n(image.row(row) + 3 * x, 3 * kSpeckWidth, kSpeckValue);
    }
  }
}

}  // namespace

const std::vector<std::string>& DrawingConditionNames() {
  static const auto* const kNames = new std::vector<std::string>{
      "clean", "paper", "grey", "specks", "scan", "pens", "negative", "board"};
  return *kNames;
}

absl::StatusOr<DrawingCondition> ParseDrawingCondition(absl::string_view name) {
  const std::vector<std::string>& names = DrawingConditionNames();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<DrawingCondition>(found - names.begin());
  return absl::InvalidArgumentError(
      absl::StrCat("no condition is called '", name, "'; known are ", absl::StrJoin(names, ", ")));
}

Image DrawUnder(DrawingCondition condition, const Image& sketch, uint32_t seed) {
  S2P_CHECK(sketch.width() >= 8 && sketch.height() >= 8);
  std::mt19937 random(seed);
  Image image = sketch;
  switch (condition) {
    case DrawingCondition::kClean:
      break;
    case DrawingCondition::kPaper:
      OnPaper(image, random);
      break;
    case DrawingCondition::kGrey:
      ChangeEach(image, [](double value, int, int, int) { return value * kGreyGround; });
      break;
    case DrawingCondition::kSpecks:
      AddSpecks(image, random);
      break;
    case DrawingCondition::kScan: {
      const double scale =
          static_cast<double>(kScanPixels) / std::max(image.width(), image.height());
      return Resize(image, static_cast<int>(std::lround(image.width() * scale)),
                    static_cast<int>(std::lround(image.height() * scale)));
    }
    case DrawingCondition::kPens: {
      const auto& pen = kPens[random() % kPens.size()];
      ChangeEach(image, [&](double value, int, int, int channel) {
        return 255 - (255 - value) * (1 - pen[static_cast<size_t>(channel)]);
      });
      break;
    }
    case DrawingCondition::kNegative:
      ChangeEach(image, [](double value, int, int, int) { return 255 - value; });
      break;
    case DrawingCondition::kBoard:
      ChangeEach(image,
                 [](double value, int, int, int) { return kBoardGround + (255 - value) * kChalk; });
      break;
  }
  return image;
}

absl::Status WriteUnderCondition(const DataSet& data_set, DrawingCondition condition,
                                 const std::string& folder) {
  S2P_RETURN_IF_ERROR(CreateDataSetFolder(folder));
  std::vector<DataSetImage> images = data_set.images();
  uint32_t seed = 0;
  for (DataSetImage& image : images) {
    const std::string from = data_set.PathOf(image);
    if (image.modality == v1::MODALITY_SKETCH) {
      S2P_ASSIGN_OR_RETURN(const auto sketch, data_set.Read(image));
      S2P_ASSIGN_OR_RETURN(const auto png, EncodePng(DrawUnder(condition, sketch, seed++)));
      image.path += ".png";
      const fs::path to = fs::path(folder) / image.path;
      std::error_code error;
      fs::create_directories(to.parent_path(), error);
      S2P_RETURN_IF_ERROR(WriteFileSynced(to.string(), {png}));
      continue;
    }
    const fs::path to = fs::path(folder) / image.path;
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    if (!error) fs::copy_file(from, to, error);
    if (error) return FileError(error.value(), to.string(), "copy");
  }
  return WriteDataSet(folder, {data_set.name(), data_set.attributes(), "", ""}, images);
}

}  // namespace s2p
