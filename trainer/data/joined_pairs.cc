#include "trainer/data/joined_pairs.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/sha256.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

bool IsPhoto(const DataSetImage& image) { return image.modality != v1::MODALITY_SKETCH; }

// The photos of a data set by their bytes, of which those files are read alone whose size is asked
// for.
class PhotosByBytes {
 public:
  explicit PhotosByBytes(const DataSet& data_set) : data_set_(data_set) {
    for (const DataSetImage& image : data_set.images()) {
      if (!IsPhoto(image)) continue;
      std::error_code error;
      const auto size = fs::file_size(data_set.PathOf(image), error);
      if (!error) by_size_[size].push_back(&image);
    }
  }

  // The first photo with the bytes of the file; none if there is none, or the file cannot be read.
  const DataSetImage* Find(const std::string& file) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (error) return nullptr;
    const auto of_size = by_size_.find(size);
    if (of_size == by_size_.end()) return nullptr;
    ReadAll(of_size->second);
    const auto sha256 = Sha256OfFile(file);
    if (!sha256.ok()) return nullptr;
    const auto found = by_sha256_.find(*sha256);
    return found == by_sha256_.end() ? nullptr : found->second;
  }

 private:
  void ReadAll(std::vector<const DataSetImage*>& photos) {
    for (const DataSetImage* photo : photos) {
      const auto sha256 = Sha256OfFile(data_set_.PathOf(*photo));
      if (sha256.ok()) by_sha256_.emplace(*sha256, photo);
    }
    photos.clear();
  }

  const DataSet& data_set_;
  // Those that have not been read yet.
  std::map<uintmax_t, std::vector<const DataSetImage*>> by_size_;
  std::map<std::string, const DataSetImage*> by_sha256_;
};

// The lines to add to `target`.
std::vector<DataSetImage> LinesToAdd(const DataSet& target, const DataSet& pairs) {
  PhotosByBytes photos(target);
  // By identity of the pairs, the photo of the target that it shows.
  std::map<std::string, const DataSetImage*> shown;
  std::set<std::string> known_paths;
  for (const DataSetImage& image : pairs.images()) {
    if (!IsPhoto(image)) continue;
    const DataSetImage* photo = photos.Find(pairs.PathOf(image));
    if (photo == nullptr) continue;
    shown.emplace(image.identity, photo);
    known_paths.insert(image.path);
  }
  std::vector<DataSetImage> lines;
  for (DataSetImage image : pairs.images()) {
    if (known_paths.count(image.path) > 0) continue;
    const auto found = shown.find(image.identity);
    if (found == shown.end()) {
      image.identity = absl::StrCat(kPairsPrefix, image.identity);
    } else {
      if (found->second->split == "test") continue;
      image.identity = found->second->identity;
      image.split = found->second->split;
    }
    lines.push_back(std::move(image));
  }
  return lines;
}

}  // namespace

bool HasPairs(const std::string& pairs) {
  std::error_code error;
  return !pairs.empty() && fs::exists(fs::path(pairs) / "dataset.jsonl", error);
}

absl::StatusOr<DataSet> OpenWithPairs(const std::string& target, const std::string& pairs,
                                      ImageFiles files) {
  S2P_ASSIGN_OR_RETURN(auto data_set, DataSet::Open(target, files));
  std::error_code error;
  if (!pairs.empty() && (data_set.packed() != nullptr || fs::is_regular_file(pairs, error))) {
    return absl::FailedPreconditionError(
        absl::StrCat(data_set.packed() != nullptr ? target : pairs,
                     ": is packed, and photos are matched by the bytes that they had; name folders "
                     "where there is a pairs_dataset"));
  }
  if (!HasPairs(pairs)) return data_set;
  auto further = DataSet::Open(pairs, ImageFiles::kMayBeMissing);
  // The last pair has just been taken out.
  if (absl::IsNotFound(further.status()) && !HasPairs(pairs)) return data_set;
  if (!further.ok()) return further.status();
  return data_set.With(*further, LinesToAdd(data_set, *further));
}

}  // namespace s2p
