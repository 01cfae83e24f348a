#include "trainer/shoes/synthetic_shoes.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "trainer/data/data_set.h"
#include "trainer/data/parallel_for.h"
#include "trainer/data/random.h"
#include "trainer/shoes/shoe_picture.h"
#include "trainer/shoes/shoe_shape.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr int kSourcePhotos = 3;
constexpr int kMaxIdentities = 1'000'000;

// Streams of random numbers under the options' seed.
enum Stream : uint64_t { kShapes = 1, kSourcePictures = 2, kTargetPhotos = 3, kTargetSketches = 4 };

struct PlannedPicture {
  std::string path;  // in the output folder
  int shoe = 0;
  uint64_t seed = 0;
  bool sketch = false;
  ShoePhotoStyle style = ShoePhotoStyle::kCatalogue;
};

// The shoes to draw, and how the two data sets describe them. Source and target shoes are numbered
// one after the other, so no shoe is in both.
struct Plan {
  std::vector<ShoeShape> shoes;
  std::vector<PlannedPicture> pictures;
  std::vector<DataSetImage> source;
  std::vector<DataSetImage> target;
};

void PlanSource(const SyntheticShoesOptions& options, int shoe, Plan& plan) {
  const std::string identity = absl::StrFormat("s%05d", shoe + 1);
  for (int i = 0; i < kSourcePhotos; ++i) {
    DataSetImage line;
    line.path = absl::StrCat("photo/", identity, "_", i + 1, ".jpg");
    line.identity = identity;
    line.split = "train";
    line.attributes = AttributesOf(plan.shoes[static_cast<size_t>(shoe)]);
    const auto number = static_cast<uint64_t>(shoe) * kSourcePhotos + static_cast<uint64_t>(i);
    plan.pictures.push_back({"source/" + line.path, shoe,
                             SeedOf(SeedOf(options.seed, kSourcePictures), number), false,
                             ShoePhotoStyle::kStudio});
    plan.source.push_back(std::move(line));
  }
}

void PlanTarget(const SyntheticShoesOptions& options, int number, Plan& plan) {
  const int shoe = options.identities + number;
  const std::string identity = absl::StrFormat("t%05d", number + 1);
  for (const bool sketch : {false, true}) {
    DataSetImage line;
    line.path = absl::StrCat(sketch ? "sketch/" : "photo/", identity, sketch ? ".png" : ".jpg");
    line.identity = identity;
    line.modality = sketch ? v1::MODALITY_SKETCH : v1::MODALITY_PHOTO;
    line.split = number < options.identities - options.identities / 4 ? "train" : "test";
    const uint64_t stream = SeedOf(options.seed, sketch ? kTargetSketches : kTargetPhotos);
    plan.pictures.push_back({"target/" + line.path, shoe,
                             SeedOf(stream, static_cast<uint64_t>(number)), sketch,
                             ShoePhotoStyle::kCatalogue});
    plan.target.push_back(std::move(line));
  }
}

Plan MakePlan(const SyntheticShoesOptions& options) {
  Plan plan;
  const uint64_t seed = SeedOf(options.seed, kShapes);
  for (int i = 0; i < 2 * options.identities; ++i) {
    Random random(SeedOf(seed, static_cast<uint64_t>(i)));
    plan.shoes.push_back(RandomShoe(random));
  }
  for (int i = 0; i < options.identities; ++i) PlanSource(options, i, plan);
  for (int i = 0; i < options.identities; ++i) PlanTarget(options, i, plan);
  return plan;
}

absl::Status Draw(const PlannedPicture& picture, const ShoeShape& shape, const std::string& out) {
  S2P_ASSIGN_OR_RETURN(const auto image, picture.sketch
                                             ? SketchShoe(shape, picture.seed)
                                             : PhotographShoe(shape, picture.style, picture.seed));
  constexpr int kJpegQuality = 92;
  S2P_ASSIGN_OR_RETURN(const auto bytes,
                       picture.sketch ? EncodePng(image) : EncodeJpeg(image, kJpegQuality));
  return WriteFileSynced((fs::path(out) / picture.path).string(), {absl::string_view(bytes)});
}

absl::Status MakeFolders(const std::string& out) {
  S2P_RETURN_IF_ERROR(CreateDataSetFolder(out));
  for (const char* name : {"source/photo", "target/photo", "target/sketch"}) {
    const fs::path folder = fs::path(out) / name;
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return FileError(error.value(), folder.string(), "create");
  }
  return absl::OkStatus();
}

DataSetDescription Describe(const SyntheticShoesOptions& options, const char* domain) {
  DataSetDescription description;
  description.name = absl::StrCat("synthetic-shoes-", domain);
  description.source =
      absl::StrCat("procedural shoes, ", options.identities, " identities, seed ", options.seed);
  description.licence = "free of any right: drawn by a program";
  return description;
}

}  // namespace

absl::Status Synthesize(const SyntheticShoesOptions& options,
                        const std::function<void(int64_t, int64_t)>& progress) {
  if (options.identities < 4 || options.identities > kMaxIdentities) {
    return absl::InvalidArgumentError(
        absl::StrCat("identities is ", options.identities, ", outside [3, ", kMaxIdentities, "]"));
  }
  if (options.threads < 0) {
    return absl::InvalidArgumentError(absl::StrCat("threads is ", options.threads, ", below 0"));
  }
  S2P_RETURN_IF_ERROR(MakeFolders(options.out));
  const Plan plan = MakePlan(options);
  S2P_RETURN_IF_ERROR(ParallelFor(
      static_cast<int64_t>(plan.pictures.size()), options.threads,
      [&](int64_t i) {
        const PlannedPicture& picture = plan.pictures[static_cast<size_t>(i)];
        return Draw(picture, plan.shoes[static_cast<size_t>(picture.shoe)], options.out);
      },
      progress));
  DataSetDescription source = Describe(options, "source");
  source.attributes = SyntheticShoeAttributes();
  const std::string folder = options.out;
  if (absl::Status status =
          WriteDataSet((fs::path(folder) / "source").string(), source, plan.source);
      !status.ok()) {
    return status;
  }
  return WriteDataSet((fs::path(folder) / "target").string(), Describe(options, "target"),
                      plan.target);
}

}  // namespace s2p
