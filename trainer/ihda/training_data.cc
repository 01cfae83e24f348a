#include "trainer/ihda/training_data.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/sha256.h"
#include "trainer/data/facing.h"
#include "trainer/data/joined_pairs.h"
#include "trainer/ihda/batch_parts.h"
#include "trainer/ihda/pseudo_pairs.h"
#include "trainer/spec/spec_form.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

// Photos that WithGallery adds.
constexpr size_t kMostOtherPhotos = 5000;

// Numbers identities in order of appearance.
class Numbering {
 public:
  int Of(const std::string& identity) {
    return numbers_.emplace(identity, static_cast<int>(numbers_.size())).first->second;
  }
  std::vector<int> OfAll(const std::vector<DataSetImage>& images) {
    std::vector<int> numbers;
    for (const DataSetImage& image : images) numbers.push_back(Of(image.identity));
    return numbers;
  }
  int size() const { return static_cast<int>(numbers_.size()); }

 private:
  std::map<std::string, int> numbers_;
};

bool IsSameFolder(const std::string& one, const std::string& other) {
  std::error_code error;
  return one == other ? !one.empty() : std::filesystem::equivalent(one, other, error);
}

std::vector<DataSetImage> CopiesOf(const std::vector<const DataSetImage*>& part) {
  std::vector<DataSetImage> images;
  images.reserve(part.size());
  for (const DataSetImage* image : part) images.push_back(*image);
  return images;
}

// Reads the parts of a run's data.
class Loader {
 public:
  Loader(const v1::TrainingSpec& spec, const v1::CheckpointManifest& manifest, int threads,
         const TrainingObserver& observer)
      : spec_(spec), manifest_(manifest), threads_(threads), observer_(observer) {}

  // Removes from `images` what cannot be read.
  absl::StatusOr<std::shared_ptr<const PreparedImages>> Load(const DataSet& data_set,
                                                             std::vector<DataSetImage>& images,
                                                             v1::Modality modality,
                                                             const std::string& what,
                                                             const MadeImages& made = {}) const {
    S2P_ASSIGN_OR_RETURN(const auto preprocessor,
                         Preprocessor::Create(modality == v1::MODALITY_SKETCH ? manifest_.sketch()
                                                                              : manifest_.photo()));
    const auto progress = [&](int64_t done, int64_t total) {
      observer_.on_loading(what, done, total);
    };
    UnreadableImages unreadable;
    unreadable.allowed_share = spec_.max_unreadable();
    auto prepared = PreparedImages::Load(data_set, images, preprocessor, threads_, progress,
                                         &unreadable, observer_.stop, made);
    if (absl::IsCancelled(prepared.status())) {
      return absl::CancelledError(absl::StrCat("stopped while the ", what, " were read"));
    }
    if (!prepared.ok()) {
      return absl::Status(prepared.status().code(),
                          absl::StrCat(what, ": ", prepared.status().message()));
    }
    const size_t asked = images.size();
    for (auto i = unreadable.left_out.rbegin(); i != unreadable.left_out.rend(); ++i) {
      images.erase(images.begin() + static_cast<int64_t>(*i));
    }
    if (!unreadable.left_out.empty()) {
      observer_.on_message(
          absl::StrCat(unreadable.left_out.size(), " of ", asked, " ", what,
                       " cannot be read and are left out; the first: ", unreadable.first_error));
    }
    return prepared;
  }

  absl::Status LoadSource(const OpenDataSets& data_sets, TrainingData& data) const {
    const DataSet& source = *data_sets.source;
    S2P_ASSIGN_OR_RETURN(auto photos, SourcePhotos(source, spec_));
    S2P_ASSIGN_OR_RETURN(data.source.images,
                         Load(source, photos, v1::MODALITY_PHOTO, "source photos"));
    Numbering numbering;
    data.source.labels = numbering.OfAll(photos);
    data.source_identities = numbering.size();
    for (const DataSetImage& photo : photos) {
      for (const size_t column : data_sets.attribute_columns) {
        data.source_attributes.push_back(column < photo.attributes.size()
                                             ? photo.attributes[column]
                                             : std::numeric_limits<float>::quiet_NaN());
      }
    }
    return absl::OkStatus();
  }

  absl::Status LoadTarget(const DataSet& target, std::vector<DataSetImage> photos,
                          std::vector<DataSetImage> sketches, TrainingData& data) const {
    S2P_ASSIGN_OR_RETURN(data.photos.images,
                         Load(target, photos, v1::MODALITY_PHOTO, "target photos"));
    const MadeImages made = PseudoSketchesOf(target, photos, spec_);
    S2P_ASSIGN_OR_RETURN(data.sketches.images,
                         Load(target, sketches, v1::MODALITY_SKETCH, "sketches", made));
    std::set<std::string> sketched;
    for (const DataSetImage& sketch : sketches) sketched.insert(sketch.identity);
    Numbering numbering;
    for (const DataSetImage& photo : photos) {
      if (made.items > 0 || sketched.count(photo.identity) > 0) numbering.Of(photo.identity);
    }
    data.target_identities = numbering.size();
    data.photos.labels = numbering.OfAll(photos);
    data.sketches.labels = numbering.OfAll(sketches);
    for (int64_t item = 0; item < made.items; ++item) {
      data.sketches.labels.insert(data.sketches.labels.end(), static_cast<size_t>(made.each),
                                  data.photos.labels[static_cast<size_t>(item)]);
    }
    data.sketches.made = static_cast<int>(made.items) * made.each;
    return absl::OkStatus();
  }

  absl::Status LoadEvaluation(const DataSet& target, const std::vector<DataSetImage>& images,
                              std::optional<EvaluationSet>& set) const {
    if (!HasPair(images)) return absl::OkStatus();
    S2P_ASSIGN_OR_RETURN(set, LoadEvaluationSet(target, images, manifest_, threads_,
                                                spec_.max_unreadable(), observer_.stop));
    return absl::OkStatus();
  }

 private:
  const v1::TrainingSpec& spec_;
  const v1::CheckpointManifest& manifest_;
  const int threads_;
  const TrainingObserver& observer_;
};

absl::StatusOr<double> PairFlip(const v1::TrainingSpec::AugmentationSpec& augmentation,
                                const LabelledImages& photos, const TrainingObserver& observer) {
  if (augmentation.pair_flip() == 0 || !augmentation.pair_flip_if_both_ways()) {
    return augmentation.pair_flip();
  }
  absl::Status failure;
  const auto share = MirroredShare(photos.labels, [&](int i) {
    auto image = photos.images->Read(i);
    if (image.ok()) return *std::move(image);
    failure = image.status();
    return Image(photos.images->preprocessor().width(), photos.images->preprocessor().height());
  });
  if (!failure.ok()) return failure;
  const bool both_ways = share && *share >= kBothWaysShare;
  if (share) {
    const size_t looked_at = std::min<size_t>(photos.labels.size(), kMostToTellFacing);
    observer.on_message(absl::StrCat(std::lround(100 * *share), " % of ", looked_at,
                                     " target photos are closer to another one when mirrored: ",
                                     both_ways ? "they face both ways, and pairs are flipped"
                                               : "they face one way, and pairs are not flipped"));
  } else {
    observer.on_message(
        absl::StrCat(photos.labels.size(),
                     " target photos are too few to see which way they face: pairs are not "
                     "flipped"));
  }
  return both_ways ? augmentation.pair_flip() : 0;
}

}  // namespace

absl::StatusOr<TargetParts> DivideTarget(const OpenDataSets& data_sets,
                                         const v1::TrainingSpec& spec) {
  const DataSet& target = data_sets.target;
  S2P_RETURN_IF_ERROR(CheckCanMakePseudoSketches(target, spec));
  TargetParts parts;
  std::set<std::string> with_photo, with_sketch;
  for (const DataSetImage& image : target.images()) {
    if (image.split == "test") {
      parts.test.push_back(&image);
    } else if (IsHeldBack(image, data_sets.held_back)) {
      parts.validation.push_back(&image);
    }
    if (data_sets.IsTrainedOn(image)) {
      const bool is_sketch = image.modality == v1::MODALITY_SKETCH;
      (is_sketch ? parts.sketches : parts.photos).push_back(&image);
      (is_sketch ? with_sketch : with_photo).insert(image.identity);
    }
  }
  if (HasPseudoSketches(spec)) with_sketch.insert(with_photo.begin(), with_photo.end());
  int pairs = 0;
  for (const std::string& identity : with_sketch) {
    pairs += static_cast<int>(with_photo.count(identity));
  }
  if (pairs < 2) {
    return absl::FailedPreconditionError(
        absl::StrCat(target.folder(), ": ", pairs, " identities of the split \"train\" have ",
                     HasPseudoSketches(spec) ? "a photo" : "both a photo and a sketch",
                     " (after those held back for validation",
                     data_sets.pair_fraction < 1 ? ", and within pair_fraction" : "",
                     "); at least 2 are needed"));
  }
  if (spec.validation().keep_best() && !HasPair(CopiesOf(parts.validation))) {
    return absl::FailedPreconditionError(
        absl::StrCat("validation.keep_best: ", target.folder(),
                     ": no sketch and its photo are held back to choose the epoch on; raise "
                     "validation.fraction"));
  }
  return parts;
}

absl::StatusOr<std::vector<DataSetImage>> SourcePhotos(const DataSet& source,
                                                       const v1::TrainingSpec& spec) {
  std::vector<DataSetImage> photos;
  std::set<std::string> identities;
  for (const DataSetImage& image : source.images()) {
    if (image.split != "train" || image.modality != v1::MODALITY_PHOTO) continue;
    photos.push_back(image);
    identities.insert(image.identity);
  }
  if (photos.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(source.folder(), ": the source has no photo in the split \"train\""));
  }
  if (identities.size() < 2 && (RunsStep1(spec) || Step2HasSource(spec))) {
    return absl::FailedPreconditionError(
        absl::StrCat(source.folder(),
                     ": the photos of the split \"train\" show one identity; at least 2 are "
                     "needed"));
  }
  return photos;
}

bool Step2HasSource(const v1::TrainingSpec& spec) {
  return spec.loss().attribute() * spec.step2().attribute_factor() > 0 || spec.loss().domain() > 0;
}

std::vector<std::string> OpenDataSets::attributes() const {
  std::vector<std::string> names;
  for (const size_t column : attribute_columns) names.push_back(source->attributes()[column]);
  return names;
}

bool OpenDataSets::IsTrainedOn(const DataSetImage& image) const {
  if (image.split != "train") return false;
  const bool may_be_seen = sketches_only && image.modality == v1::MODALITY_PHOTO;
  if (!may_be_seen && IsHeldBack(image, held_back)) return false;
  // A drawing is not trained on under one name and measured with under another.
  const auto& others = image.other_identities;
  if (std::any_of(others.begin(), others.end(), [this](const std::string& identity) {
        return IsHeldBackIdentity(identity, held_back);
      })) {
    return false;
  }
  return always.count(image.identity) > 0 || IsInPairFraction(image.identity, pair_fraction);
}

OpenDataSets DataSetsOf(const v1::TrainingSpec& spec, std::optional<DataSet> source,
                        DataSet target) {
  const bool has_pseudo_sketches = HasPseudoSketches(spec);
  std::set<std::string> always;
  for (const DataSetImage& image : target.images()) {
    const bool is_drawn = image.modality == v1::MODALITY_SKETCH;
    if (!image.folder.empty() || (has_pseudo_sketches && is_drawn)) always.insert(image.identity);
  }
  return {std::move(source),
          std::move(target),
          HeldBackOf(spec),
          PairFractionOf(spec),
          {},
          spec.validation().sketches_only() && has_pseudo_sketches,
          std::move(always)};
}

HeldBack HeldBackOf(const v1::TrainingSpec& spec) {
  const SpecFold fold = FoldOf(spec);
  return {spec.validation().fraction(), fold.folds, fold.fold};
}

double PairFractionOf(const v1::TrainingSpec& spec) {
  return spec.pair_fraction() == 0 ? 1 : spec.pair_fraction();
}

absl::StatusOr<std::vector<size_t>> ChooseAttributes(const DataSet& source,
                                                     const v1::TrainingSpec& spec) {
  const std::vector<std::string>& known = source.attributes();
  const std::set<std::string> chosen(spec.attributes().begin(), spec.attributes().end());
  std::vector<size_t> columns;
  std::set<std::string> unknown = chosen;
  for (size_t i = 0; i < known.size(); ++i) {
    unknown.erase(known[i]);
    if (chosen.empty() || chosen.count(known[i]) > 0) columns.push_back(i);
  }
  if (unknown.empty()) return columns;
  return absl::InvalidArgumentError(absl::StrCat("attributes: ", source.folder(),
                                                 " has none called ", absl::StrJoin(unknown, ", "),
                                                 "; known are ", absl::StrJoin(known, ", ")));
}

absl::Status CheckDistinct(const v1::TrainingSpec& spec) {
  const std::string& target = spec.target_dataset();
  const std::string& pairs = spec.pairs_dataset();
  const std::string& reference = spec.publish().reference_dataset();
  if (IsSameFolder(pairs, target)) {
    return absl::InvalidArgumentError("pairs_dataset: must be another folder than target_dataset");
  }
  if (IsSameFolder(reference, target) || IsSameFolder(reference, pairs)) {
    return absl::InvalidArgumentError(
        "publish.reference_dataset: must be another data set than those that are trained on");
  }
  return absl::OkStatus();
}

absl::StatusOr<OpenDataSets> OpenTrainingDataSets(const v1::TrainingSpec& spec) {
  S2P_RETURN_IF_ERROR(CheckDistinct(spec));
  const ImageFiles files =
      spec.max_unreadable() > 0 ? ImageFiles::kMayBeMissing : ImageFiles::kMustExist;
  S2P_ASSIGN_OR_RETURN(auto target,
                       OpenWithPairs(spec.target_dataset(), spec.pairs_dataset(), files));
  OpenDataSets data_sets = DataSetsOf(spec, std::nullopt, std::move(target));
  if (spec.source_dataset().empty()) return data_sets;
  S2P_ASSIGN_OR_RETURN(data_sets.source, DataSet::Open(spec.source_dataset(), files));
  S2P_ASSIGN_OR_RETURN(data_sets.attribute_columns, ChooseAttributes(*data_sets.source, spec));
  return data_sets;
}

std::vector<DataSetImage> WithGallery(const v1::TrainingSpec& resolved, const DataSet& target,
                                      std::vector<DataSetImage> held_back) {
  if (!resolved.validation().sketches_only() || !HasPseudoSketches(resolved)) return held_back;
  const bool has_queries =
      std::any_of(held_back.begin(), held_back.end(),
                  [](const DataSetImage& image) { return image.modality == v1::MODALITY_SKETCH; });
  if (!has_queries) return held_back;
  const auto place = [](const DataSetImage& image) {
    return absl::StrCat(image.folder, "\n", image.path);
  };
  std::set<std::string> present, also_right;
  for (const DataSetImage& image : held_back) {
    present.insert(place(image));
    also_right.insert(image.other_identities.begin(), image.other_identities.end());
  }
  std::vector<std::pair<std::string, const DataSetImage*>> others;
  for (const DataSetImage& image : target.images()) {
    if (image.split != "train" || image.modality != v1::MODALITY_PHOTO) continue;
    if (also_right.count(image.identity) > 0) continue;
    if (present.count(place(image)) == 0) others.emplace_back(Sha256(place(image)), &image);
  }
  std::sort(others.begin(), others.end());
  if (others.size() > kMostOtherPhotos) others.resize(kMostOtherPhotos);
  for (const auto& [digest, image] : others) held_back.push_back(*image);
  return held_back;
}

absl::StatusOr<TrainingData> LoadTrainingData(const OpenDataSets& data_sets,
                                              const v1::TrainingSpec& spec,
                                              const v1::CheckpointManifest& manifest, int threads,
                                              const TrainingObserver& observer) {
  const Loader loader(spec, manifest, threads, observer);
  TrainingData data;
  const DataSet& target = data_sets.target;
  S2P_ASSIGN_OR_RETURN(const auto parts, DivideTarget(data_sets, spec));
  if (data_sets.source) {
    S2P_RETURN_IF_ERROR(loader.LoadSource(data_sets, data));
  }
  S2P_RETURN_IF_ERROR(
      loader.LoadTarget(target, CopiesOf(parts.photos), CopiesOf(parts.sketches), data));
  S2P_ASSIGN_OR_RETURN(data.pair_flip, PairFlip(spec.augmentation(), data.photos, observer));
  auto held_back = CopiesOf(parts.validation);
  if (HasPair(held_back)) held_back = WithGallery(spec, target, std::move(held_back));
  absl::Status status = loader.LoadEvaluation(target, held_back, data.validation);
  if (status.ok()) status = loader.LoadEvaluation(target, CopiesOf(parts.test), data.test);
  if (!status.ok()) return status;
  return data;
}

}  // namespace s2p
