#include "trainer/import_dataset.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/file.h"
#include "model/image.h"
#include "trainer/data_set.h"
#include "trainer/random.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHeaderBytes = size_t{1} << 20;

// An image to copy, and its line.
struct PlannedImage {
  fs::path from;
  DataSetImage line;
};

struct Plan {
  DataSetDescription description;
  std::vector<PlannedImage> images;
};

absl::Status Offending(const fs::path& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file.string(), ": ", what));
}

const char* FolderOf(v1::Modality modality) {
  return modality == v1::MODALITY_PHOTO ? "photo" : "sketch";
}

// What is in a folder, sorted by name so that "the first" means something. Hidden files (as file
// managers leave behind) are passed over.
absl::StatusOr<std::vector<fs::path>> List(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat(folder.string(), ": there is no such folder"));
  }
  std::vector<fs::path> entries;
  fs::directory_iterator iterator(folder, error);
  for (; !error && iterator != fs::directory_iterator(); iterator.increment(error)) {
    if (!absl::StartsWith(iterator->path().filename().string(), ".")) {
      entries.push_back(iterator->path());
    }
  }
  if (error) return FileError(error.value(), folder.string(), "list");
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// That the file is an image by its first bytes, and has one of the endings.
absl::Status CheckImage(const fs::path& file, const std::vector<std::string>& endings) {
  const std::string ending = absl::AsciiStrToLower(file.extension().string());
  if (std::find(endings.begin(), endings.end(), ending) == endings.end()) {
    return Offending(file,
                     absl::StrCat("expected a file ending in ", absl::StrJoin(endings, " or ")));
  }
  auto opened = InputFile::Open(file.string());
  if (!opened.ok()) return Offending(file, opened.status().message());
  const ImageLimits limits;
  if (opened->size_bytes() > limits.max_bytes) {
    return Offending(file, absl::StrCat("larger than ", limits.max_bytes, " bytes"));
  }
  std::string bytes(std::min<size_t>(opened->size_bytes(), kHeaderBytes), '\0');
  if (absl::Status status = opened->Read(bytes.data(), bytes.size()); !status.ok()) return status;
  if (const auto header = ReadImageHeader(bytes, limits); !header.ok()) {
    return Offending(file, header.status().message());
  }
  return absl::OkStatus();
}

PlannedImage Planned(const fs::path& file, const fs::path& path_inside, std::string identity,
                     v1::Modality modality, std::string split) {
  PlannedImage planned;
  planned.from = file;
  planned.line.path = (fs::path(FolderOf(modality)) / path_inside).generic_string();
  planned.line.identity = std::move(identity);
  planned.line.modality = modality;
  planned.line.split = std::move(split);
  return planned;
}

// QMUL-Shoes V1 as its authors publish it: {train,test}/images/N.jpg, {train,test}/sketches/N.png;
// equal stems belong together.

absl::StatusOr<std::map<std::string, fs::path>> ListStems(const fs::path& folder,
                                                          const std::string& ending) {
  const auto entries = List(folder);
  if (!entries.ok()) return entries.status();
  std::map<std::string, fs::path> by_stem;
  for (const fs::path& file : *entries) {
    if (absl::Status status = CheckImage(file, {ending}); !status.ok()) return status;
    const std::string stem = file.stem().string();
    if (!std::all_of(stem.begin(), stem.end(), absl::ascii_isdigit)) {
      return Offending(file, "the name is not a number");
    }
    if (!by_stem.emplace(stem, file).second) return Offending(file, "the number is there twice");
  }
  return by_stem;
}

absl::Status PlanQmulSplit(const fs::path& root, const std::string& split,
                           std::set<std::string>& seen, Plan& plan) {
  const fs::path photo_folder = root / split / "images";
  const fs::path sketch_folder = root / split / "sketches";
  const auto photos = ListStems(photo_folder, ".jpg");
  if (!photos.ok()) return photos.status();
  const auto sketches = ListStems(sketch_folder, ".png");
  if (!sketches.ok()) return sketches.status();
  for (const auto& [stem, file] : *sketches) {
    if (photos->count(stem) == 0) {
      return Offending(file,
                       absl::StrCat("has no photo ", stem, ".jpg in ", photo_folder.string()));
    }
  }
  if (photos->empty()) return Offending(photo_folder, "has no photo");
  // Numbers in their own order: 2 before 10.
  std::vector<std::pair<std::string, fs::path>> in_order(photos->begin(), photos->end());
  std::stable_sort(in_order.begin(), in_order.end(),
                   [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
  for (const auto& [stem, file] : in_order) {
    const auto sketch = sketches->find(stem);
    if (sketch == sketches->end()) {
      return Offending(file,
                       absl::StrCat("has no sketch ", stem, ".png in ", sketch_folder.string()));
    }
    if (!seen.insert(stem).second) return Offending(file, "the number is in train and in test");
    plan.images.push_back(Planned(file, stem + ".jpg", stem, v1::MODALITY_PHOTO, split));
    plan.images.push_back(Planned(sketch->second, stem + ".png", stem, v1::MODALITY_SKETCH, split));
  }
  return absl::OkStatus();
}

absl::StatusOr<Plan> PlanQmulShoes(const fs::path& root) {
  Plan plan;
  plan.description.name = "qmul-shoes-v1";
  plan.description.source =
      "QMUL-Shoes V1: Q. Yu, F. Liu, Y.-Z. Song, T. Xiang, T. Hospedales, C. C. Loy, \"Sketch Me "
      "That Shoe\", CVPR 2016";
  plan.description.licence = "research use only; no right to redistribute was found";
  std::set<std::string> seen;
  for (const char* split : {"train", "test"}) {
    if (absl::Status status = PlanQmulSplit(root, split, seen, plan); !status.ok()) return status;
  }
  return plan;
}

// A folder of one's own: photo/ and sketch/, or train/ and test/ (and val/) with these inside. A
// file is IDENTITY.ext or IDENTITY_anything.ext; or all of an identity's files are in a folder
// named after it.

const std::vector<std::string>& ImageEndings() {
  static const auto* const endings = new std::vector<std::string>{".jpg", ".jpeg", ".png", ".webp"};
  return *endings;
}

absl::Status AddFile(const fs::path& file, const fs::path& path_inside, std::string identity,
                     v1::Modality modality, const std::string& split, Plan& plan) {
  if (absl::Status status = CheckImage(file, ImageEndings()); !status.ok()) return status;
  if (identity.empty()) return Offending(file, "the name has no identity before the first _");
  plan.images.push_back(Planned(file, path_inside, std::move(identity), modality, split));
  return absl::OkStatus();
}

absl::Status AddModality(const fs::path& folder, v1::Modality modality, const std::string& split,
                         Plan& plan) {
  const auto entries = List(folder);
  if (!entries.ok()) return entries.status();
  for (const fs::path& entry : *entries) {
    const fs::path name = entry.filename();
    if (!IsFolder(entry)) {
      const std::string stem = entry.stem().string();
      absl::Status status =
          AddFile(entry, name, stem.substr(0, stem.find('_')), modality, split, plan);
      if (!status.ok()) return status;
      continue;
    }
    const auto files = List(entry);
    if (!files.ok()) return files.status();
    for (const fs::path& file : *files) {
      absl::Status status =
          AddFile(file, name / file.filename(), name.string(), modality, split, plan);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status AddSplit(const fs::path& folder, const std::string& split, Plan& plan) {
  absl::Status status = AddModality(folder / "photo", v1::MODALITY_PHOTO, split, plan);
  if (!status.ok()) return status;
  // Photos alone are a data set too: a source, or a gallery.
  if (!IsFolder(folder / "sketch")) return absl::OkStatus();
  return AddModality(folder / "sketch", v1::MODALITY_SKETCH, split, plan);
}

// A quarter of the identities, those whose seeded hash is lowest, become the test part.
void SplitByIdentity(uint64_t seed, Plan& plan) {
  std::set<std::pair<uint64_t, std::string>> order;
  for (const PlannedImage& image : plan.images) {
    order.emplace(SeedOf(seed, HashOf(image.line.identity)), image.line.identity);
  }
  std::set<std::string> test;
  for (const auto& [hash, identity] : order) {
    if (test.size() * 4 >= order.size()) break;
    test.insert(identity);
  }
  for (PlannedImage& image : plan.images) {
    image.line.split = test.count(image.line.identity) > 0 ? "test" : "train";
  }
}

absl::Status CheckIdentities(const Plan& plan) {
  std::map<std::string, std::string> split_of;
  std::set<std::string> with_photo;
  for (const PlannedImage& image : plan.images) {
    const auto [found, is_new] = split_of.emplace(image.line.identity, image.line.split);
    if (!is_new && found->second != image.line.split) {
      return Offending(image.from, absl::StrCat("identity ", image.line.identity, " is in ",
                                                found->second, " and in ", image.line.split));
    }
    if (image.line.modality == v1::MODALITY_PHOTO) with_photo.insert(image.line.identity);
  }
  for (const PlannedImage& image : plan.images) {
    if (with_photo.count(image.line.identity) == 0) {
      return Offending(image.from, absl::StrCat("identity ", image.line.identity, " has no photo"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Plan> PlanFolder(const fs::path& root, uint64_t split_seed) {
  Plan plan;
  plan.description.name =
      root.filename().empty() ? root.parent_path().filename().string() : root.filename().string();
  if (plan.description.name.empty() || plan.description.name == ".") {
    plan.description.name = "folder";
  }
  plan.description.source = "imported from a folder";
  bool has_splits = false;
  for (const char* split : {"train", "val", "test"}) {
    if (!IsFolder(root / split)) continue;
    has_splits = true;
    if (absl::Status status = AddSplit(root / split, split, plan); !status.ok()) return status;
  }
  if (!has_splits) {
    if (absl::Status status = AddSplit(root, "train", plan); !status.ok()) return status;
    SplitByIdentity(split_seed, plan);
  }
  if (plan.images.empty()) return Offending(root, "has no images");
  if (absl::Status status = CheckIdentities(plan); !status.ok()) return status;
  return plan;
}

absl::StatusOr<Plan> MakePlan(const ImportOptions& options) {
  if (options.format == "qmul-shoes") return PlanQmulShoes(options.root);
  if (options.format == "folder") return PlanFolder(options.root, options.split_seed);
  for (const char* known : {"pku-sketch", "market-1501", "ut-zap50k", "celeba", "iiitd"}) {
    if (options.format == known) {
      return absl::UnimplementedError(
          absl::StrCat("format ", known, " cannot be imported by this version"));
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("format \"", options.format, "\" is unknown; known are qmul-shoes and folder"));
}

absl::Status CopyImages(const Plan& plan, const fs::path& out,
                        const std::function<void(int64_t, int64_t)>& progress) {
  const auto total = static_cast<int64_t>(plan.images.size());
  int64_t done = 0;
  for (const PlannedImage& image : plan.images) {
    const fs::path to = out / image.line.path;
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    if (!error) fs::copy_file(image.from, to, error);
    if (error) return FileError(error.value(), to.string(), "copy");
    if (progress) progress(++done, total);
  }
  return absl::OkStatus();
}

ImportSummary Summarise(const Plan& plan) {
  ImportSummary summary;
  summary.name = plan.description.name;
  std::set<std::string> train;
  std::set<std::string> test;
  for (const PlannedImage& image : plan.images) {
    ++(image.line.modality == v1::MODALITY_PHOTO ? summary.photos : summary.sketches);
    (image.line.split == "test" ? test : train).insert(image.line.identity);
  }
  summary.train_identities = static_cast<int64_t>(train.size());
  summary.test_identities = static_cast<int64_t>(test.size());
  return summary;
}

}  // namespace

absl::StatusOr<ImportSummary> ImportDataset(const ImportOptions& options,
                                            const std::function<void(int64_t, int64_t)>& progress) {
  // The layout first, so that a wrong root leaves no folder behind.
  auto plan = MakePlan(options);
  if (!plan.ok()) return plan.status();
  if (absl::Status status = CreateDataSetFolder(options.out); !status.ok()) return status;
  if (absl::Status status = CopyImages(*plan, options.out, progress); !status.ok()) return status;
  std::vector<DataSetImage> lines;
  for (PlannedImage& image : plan->images) lines.push_back(image.line);
  if (absl::Status status = WriteDataSet(options.out, plan->description, lines); !status.ok()) {
    return status;
  }
  return Summarise(*plan);
}

}  // namespace s2p
