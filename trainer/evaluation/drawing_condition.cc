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
#include "trainer/evaluation/drawing_scene.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr int kScanPixels = 4000;
constexpr double kGreyGround = 0.8;
// The brightness of photographed paper: its mean, and how much it changes from side to side.
constexpr double kPaperMean = 0.75, kPaperSlope = 0.4, kPaperNoise = 4;
constexpr int kSpecks = 6, kSpeckWidth = 6, kSpeckHeight = 2;
constexpr uint8_t kSpeckValue = 40;
constexpr int kSheetWidth = 1024, kSheetHeight = 768, kPictureWidth = 1200, kPictureHeight = 900;
// How much of the sheet's side a drawing takes.
constexpr double kShareOfSheet = 0.6, kShareInCorner = 0.3;
constexpr double kBoardGround = 60, kChalk = 0.7;
// Shares of red, green and blue that each pen reflects.
constexpr std::array<std::array<double, 3>, 4> kPens = {
    {{0.8, 0.1, 0.1}, {0.1, 0.2, 0.8}, {0.1, 0.6, 0.2}, {0.9, 0.5, 0.1}}};

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

Image InCorner(const Image& sketch, std::mt19937& random) {
  const uint32_t corner = random() % 4;
  return OnSheet(sketch, kSheetWidth, kSheetHeight, kShareInCorner, corner % 2 == 0 ? 0.05 : 0.95,
                 corner < 2 ? 0.05 : 0.95);
}

// On a sheet that lies on a table; with `all`, it is ruled and a shadow falls across it too.
Image Photographed(const Image& sketch, bool all, std::mt19937& random) {
  Image sheet = OnSheet(sketch, kSheetWidth, kSheetHeight, kShareOfSheet, 0.5, 0.5);
  if (all) Rule(sheet, random() % 2 == 0);
  Image seen = OnTable(sheet, kPictureWidth, kPictureHeight, random);
  Light(seen, kPaperMean, kPaperSlope / 2, random);
  if (all) CastShadow(seen, random);
  AddGrain(seen, kPaperNoise, random);
  return seen;
}

}  // namespace

const std::vector<std::string>& DrawingConditionNames() {
  static const auto* const kNames = new std::vector<std::string>{
      "clean", "paper",  "grey",   "specks", "scan",       "pens",  "negative",
      "board", "corner", "shadow", "ruled",  "whiteboard", "table", "phone"};
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
    case DrawingCondition::kCorner:
      return InCorner(image, random);
    case DrawingCondition::kShadow:
      image = OnSheet(image, kSheetWidth, kSheetHeight, kShareOfSheet, 0.5, 0.5);
      Light(image, kPaperMean, kPaperSlope / 2, random);
      CastShadow(image, random);
      AddGrain(image, kPaperNoise, random);
      break;
    case DrawingCondition::kRuled:
      image = OnSheet(image, kSheetWidth, kSheetHeight, kShareOfSheet, 0.5, 0.5);
      Rule(image, random() % 2 == 0);
      break;
    case DrawingCondition::kWhiteboard:
      image = OnSheet(image, kSheetWidth, kSheetHeight, kShareOfSheet, 0.5, 0.5);
      OnWhiteboard(image, random);
      AddGrain(image, kPaperNoise, random);
      break;
    case DrawingCondition::kTable:
    case DrawingCondition::kPhone:
      return Photographed(image, condition == DrawingCondition::kPhone, random);
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
