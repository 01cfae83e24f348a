#include "trainer/data/joined_pairs.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
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

// Finds the photos of a data set by their bytes. Reads only files of a size that is asked for.
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

  // The first photo with the bytes of the file; null if there is none. NotFound if there is no such
  // file, and other errors: a photo that cannot be read now must not become another identity.
  absl::StatusOr<const DataSetImage*> Find(const std::string& file) {
    S2P_ASSIGN_OR_RETURN(const auto sha256, Sha256OfFile(file));
    std::error_code error;
    const auto of_size = by_size_.find(fs::file_size(file, error));
    if (error || of_size == by_size_.end()) return nullptr;
    S2P_RETURN_IF_ERROR(ReadAll(of_size->second));
    const auto found = by_sha256_.find(sha256);
    return found == by_sha256_.end() ? nullptr : found->second;
  }

 private:
  absl::Status ReadAll(std::vector<const DataSetImage*>& photos) {
    for (const DataSetImage* photo : photos) {
      const auto sha256 = Sha256OfFile(data_set_.PathOf(*photo));
      if (absl::IsNotFound(sha256.status())) continue;
      if (!sha256.ok()) return sha256.status();
      by_sha256_.emplace(*sha256, photo);
    }
    photos.clear();
    return absl::OkStatus();
  }

  const DataSet& data_set_;
  // Those that have not been read yet.
  std::map<uintmax_t, std::vector<const DataSetImage*>> by_size_;
  std::map<std::string, const DataSetImage*> by_sha256_;
};

// The lines of `pairs` to add to a target.
class Joining {
 public:
  Joining(const DataSet& target, const DataSet& pairs) : pairs_(pairs), photos_(target) {}

  absl::StatusOr<std::vector<DataSetImage>> Lines() {
    S2P_RETURN_IF_ERROR(RecognisePhotos());
    for (const DataSetImage& image : pairs_.images()) {
      if (IsPhoto(image)) {
        AddPhoto(image);
      } else {
        S2P_RETURN_IF_ERROR(AddSketch(image));
      }
    }
    NameCopies();
    return std::move(lines_);
  }

 private:
  absl::Status RecognisePhotos() {
    for (const DataSetImage& image : pairs_.images()) {
      if (!IsPhoto(image)) continue;
      const auto photo = photos_.Find(pairs_.PathOf(image));
      if (absl::IsNotFound(photo.status())) continue;
      if (!photo.ok()) return photo.status();
      shown_by_path_.emplace(image.path, *photo);
      if (*photo != nullptr) shown_by_identity_.emplace(image.identity, *photo);
    }
    return absl::OkStatus();
  }

  void AddPhoto(DataSetImage image) {
    const auto shown = shown_by_path_.find(image.path);
    if (shown == shown_by_path_.end() || shown->second != nullptr) return;
    image.identity = absl::StrCat(kPairsPrefix, image.identity);
    lines_.push_back(std::move(image));
  }

  absl::Status AddSketch(DataSetImage image) {
    const auto sha256 = Sha256OfFile(pairs_.PathOf(image));
    // It has been forgotten since the lines were read.
    if (absl::IsNotFound(sha256.status())) return absl::OkStatus();
    if (!sha256.ok()) return sha256.status();
    const DataSetImage* photo = PhotoOf(image);
    image.identity =
        photo == nullptr ? absl::StrCat(kPairsPrefix, image.identity) : photo->identity;
    if (photo != nullptr) image.split = photo->split;
    copies_[*sha256].push_back(lines_.size());
    lines_.push_back(std::move(image));
    return absl::OkStatus();
  }

  // The photo of the target that the sketch was drawn for; null if there is none.
  const DataSetImage* PhotoOf(const DataSetImage& sketch) const {
    const auto by_path = shown_by_path_.find(sketch.photo);
    if (by_path != shown_by_path_.end()) return by_path->second;
    const auto by_identity = shown_by_identity_.find(sketch.identity);
    return by_identity == shown_by_identity_.end() ? nullptr : by_identity->second;
  }

  // Tells the copies of a drawing of each other. Takes out those that show a test photo, and those
  // that would be trained on and measured with.
  void NameCopies() {
    std::set<size_t> left_out;
    for (const auto& [sha256, places] : copies_) {
      std::set<std::string> identities, splits;
      for (const size_t place : places) {
        identities.insert(lines_[place].identity);
        splits.insert(lines_[place].split);
      }
      if (splits.count("test") > 0 || splits.size() > 1) {
        left_out.insert(places.begin(), places.end());
      }
      for (const size_t place : places) {
        std::copy_if(
            identities.begin(), identities.end(),
            std::back_inserter(lines_[place].other_identities),
            [&](const std::string& identity) { return identity != lines_[place].identity; });
      }
    }
    std::vector<DataSetImage> kept;
    for (size_t place = 0; place < lines_.size(); ++place) {
      if (left_out.count(place) == 0) kept.push_back(std::move(lines_[place]));
    }
    lines_ = std::move(kept);
  }

  const DataSet& pairs_;
  PhotosByBytes photos_;
  // By path and by identity of the pairs: the photo of the target that it is. By path null for one
  // that the target does not have.
  std::map<std::string, const DataSetImage*> shown_by_path_, shown_by_identity_;
  std::vector<DataSetImage> lines_;
  // Places in lines_ of the sketches with the same bytes: a drawing may show several photos.
  std::map<std::string, std::vector<size_t>> copies_;
};

// True if there is a pair at all.
bool HasPairs(const std::string& pairs) {
  std::error_code error;
  return !pairs.empty() && fs::exists(fs::path(pairs) / "dataset.jsonl", error);
}

}  // namespace

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
  S2P_ASSIGN_OR_RETURN(auto lines, Joining(data_set, *further).Lines());
  return data_set.With(*further, std::move(lines));
}

}  // namespace s2p
