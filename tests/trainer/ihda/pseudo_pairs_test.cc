// Runs on photos and their pseudo-sketches.
#include "trainer/ihda/pseudo_pairs.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/safetensors.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/data/packed_images.h"
#include "trainer/ihda/data_report.h"
#include "trainer/ihda/human_share.h"
#include "trainer/ihda/resume_state.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class PseudoPairsTest : public TinyRunTest {
 protected:
  // Copies the target's photos, and the sketches of the first `sketched` of them.
  std::string Photos(size_t sketched = 0) {
    const std::string folder = dir_.File("photos");
    std::filesystem::copy(Target(), folder, std::filesystem::copy_options::recursive);
    const auto target = DataSet::Open(folder);
    std::vector<DataSetImage> images;
    for (const DataSetImage& image : target->images()) {
      if (image.modality == v1::MODALITY_SKETCH && (image.split == "test" || sketched == 0)) {
        continue;
      }
      if (image.modality == v1::MODALITY_SKETCH) --sketched;
      images.push_back(image);
    }
    EXPECT_THAT(WriteDataSet(folder, {"photos", {}, "", ""}, images), IsOk());
    return folder;
  }
  static v1::TrainingSpec DayOne(const std::string& photos,
                                 const std::vector<std::string>& fields = {}) {
    v1::TrainingSpec spec = Spec();
    spec.clear_source_dataset();
    return With(With(spec, {"target_dataset=" + photos, "pseudo.per_photo=3", "step1.epochs=0",
                            "validation.fraction=0"}),
                fields);
  }
  // The weights of the photo encoder's backbone alone, as files of initial weights have them.
  static TensorMap BackboneOf(const TensorMap& weights) {
    TensorMap backbone;
    for (const auto& [name, tensor] : weights) {
      constexpr absl::string_view kPrefix = "encoder.";
      if (absl::StartsWith(name, kPrefix)) backbone[name.substr(kPrefix.size())] = tensor;
    }
    EXPECT_FALSE(backbone.empty());
    return backbone;
  }
  // Stops a run after its first epoch; with these options it is resumed.
  IhdaTrainerOptions StoppedAfterAnEpoch(const v1::TrainingSpec& spec) {
    IhdaTrainerOptions resumed;
    resumed.state_file = dir_.File("resume");
    IhdaTrainerOptions stopping = resumed;
    int epochs = 0;
    stopping.observer.on_epoch = [&](const auto&, const auto&) { ++epochs; };
    stopping.observer.stop = [&] { return epochs > 0; };
    auto trainer = Create(spec, stopping);
    EXPECT_THAT(trainer, IsOk());
    if (trainer.ok()) {
      EXPECT_THAT((*trainer)->Run(), StatusIs(absl::StatusCode::kCancelled));
    }
    EXPECT_EQ(epochs, 1);
    return resumed;
  }
  static absl::StatusOr<TrainingData> Load(const v1::TrainingSpec& spec) {
    S2P_ASSIGN_OR_RETURN(const auto resolved, ResolveSpec(spec));
    S2P_ASSIGN_OR_RETURN(const auto data_sets, OpenTrainingDataSets(resolved));
    S2P_ASSIGN_OR_RETURN(const auto manifest, ManifestOf(resolved, {}));
    return LoadTrainingData(data_sets, resolved, manifest, 2);
  }
};

TEST_F(PseudoPairsTest, EveryPhotoHasItsSketches) {
  const auto data = Load(DayOne(Photos()));
  ASSERT_THAT(data, IsOk());
  const std::vector<int>& photos = data->photos.labels;
  ASSERT_EQ(photos.size(), 12u);
  EXPECT_EQ(data->target_identities, 12);
  EXPECT_EQ(data->sketches.made, 36);
  ASSERT_EQ(data->sketches.labels.size(), 36u);
  ASSERT_EQ(data->sketches.images->size(), 36);
  for (size_t i = 0; i < 36; ++i) EXPECT_EQ(data->sketches.labels[i], photos[i / 3]);
}

TEST_F(PseudoPairsTest, PeoplesSketchesComeFirst) {
  const auto data = Load(DayOne(Photos(4)));
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->sketches.made, 36);
  EXPECT_EQ(data->sketches.labels.size(), 40u);
  EXPECT_EQ(data->target_identities, 12);
}

TEST_F(PseudoPairsTest, SketchesAreTheSameForTheSameSeedAlone) {
  const std::string photos = Photos();
  const auto pixels = [&](const std::vector<std::string>& fields) {
    const auto data = Load(DayOne(photos, fields));
    EXPECT_THAT(data, IsOk());
    return std::string(data->sketches.images->bytes());
  };
  const std::string first = pixels({});
  EXPECT_TRUE(first == pixels({}));
  EXPECT_FALSE(first == pixels({"seed=2"}));
  EXPECT_FALSE(first == pixels({"pseudo.wobble=0.01"}));
}

TEST_F(PseudoPairsTest, RunOnPhotosAloneIsTrainedAndResumedWithTheSameBits) {
  const v1::TrainingSpec spec = DayOne(Photos());
  const TensorMap whole = Train(spec);
  int epochs = 0;
  IhdaTrainerOptions options = StoppedAfterAnEpoch(spec);
  options.observer.on_epoch = [&](const auto&, const auto&) { ++epochs; };
  EXPECT_THAT(Differences(whole, Train(spec, options)), IsEmpty());
  EXPECT_EQ(epochs, 1);
}

TEST_F(PseudoPairsTest, HeldBackSketchesAreMeasuredOnAndTheirPhotosAreTrainedOn) {
  const auto data =
      Load(DayOne(Photos(12), {"validation.fraction=0.5", "validation.sketches_only=true"}));
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->photos.labels.size(), 12u);
  EXPECT_EQ(data->sketches.made, 36);
  ASSERT_TRUE(data->validation.has_value());
  const size_t held_back = data->validation->sketch_identities.size();
  EXPECT_GT(held_back, 0u);
  // The gallery has all photos, as a server's has.
  EXPECT_EQ(data->validation->photo_identities.size(), 12u);
  EXPECT_EQ(data->sketches.labels.size(), 36 + 12 - held_back);
}

TEST_F(PseudoPairsTest, PhotosOfTheTrainSplitJoinTheGallery) {
  const auto target = DataSet::Open(Photos(12));
  ASSERT_THAT(target, IsOk());
  const auto sketch =
      std::find_if(target->images().begin(), target->images().end(),
                   [](const auto& image) { return image.modality == v1::MODALITY_SKETCH; });
  ASSERT_NE(sketch, target->images().end());
  const std::vector<DataSetImage> one = {*sketch};
  const auto gallery = [&](const std::vector<std::string>& fields) {
    return WithGallery(*ResolveSpec(DayOne(target->folder(), fields)), *target, one);
  };
  EXPECT_EQ(gallery({"validation.sketches_only=true"}).size(), 1u + 12u);
  EXPECT_EQ(gallery({"validation.sketches_only=false"}).size(), 1u);
  EXPECT_EQ(gallery({"validation.sketches_only=true", "pseudo.per_photo=0"}).size(), 1u);
}

TEST_F(PseudoPairsTest, PhotoOfWhatASketchWasAlsoDrawnOfIsNoWrongAnswer) {
  const auto target = DataSet::Open(Photos(12));
  ASSERT_THAT(target, IsOk());
  std::vector<DataSetImage> photos;
  for (const DataSetImage& image : target->images()) {
    if (image.modality == v1::MODALITY_PHOTO) photos.push_back(image);
  }
  ASSERT_GE(photos.size(), 2u);
  DataSetImage sketch = photos[0];
  sketch.modality = v1::MODALITY_SKETCH;
  sketch.path = "sketch.png";
  sketch.other_identities = {photos[1].identity};
  const auto gallery = WithGallery(
      *ResolveSpec(DayOne(target->folder(), {"validation.sketches_only=true"})), *target, {sketch});
  EXPECT_EQ(gallery.size(), 1u + 12u - 1u);
  for (const DataSetImage& image : gallery) EXPECT_NE(image.identity, photos[1].identity);
}

TEST_F(PseudoPairsTest, WithoutSketchesNothingIsHeldBack) {
  const auto data =
      Load(DayOne(Photos(), {"validation.fraction=0.5", "validation.sketches_only=true"}));
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->photos.labels.size(), 12u);
  EXPECT_FALSE(data->validation.has_value());
}

TEST_F(PseudoPairsTest, ConfirmedPairsAreSketchesOfTheTargetsPhotos) {
  const std::string pairs = dir_.File("pairs");
  std::filesystem::copy(Target(), pairs, std::filesystem::copy_options::recursive);
  std::vector<DataSetImage> lines;
  const auto whole = DataSet::Open(pairs);
  for (DataSetImage image : whole->images()) {
    image.identity = "id-" + image.identity;
    if (image.split == "train" && lines.size() < 8) lines.push_back(image);
  }
  ASSERT_THAT(WriteDataSet(pairs, {"pairs", {}, "", ""}, lines), IsOk());
  const auto data = Load(DayOne(Photos(), {"pairs_dataset=" + pairs}));
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->photos.labels.size(), 12u) << "no photo is there twice";
  EXPECT_GT(PeoplesPairs(*data), 0);
  EXPECT_EQ(PeoplesPairs(*data), static_cast<int64_t>(data->sketches.labels.size()) - 36);
  const auto resolved = ResolveSpec(DayOne(dir_.File("photos"), {"pairs_dataset=" + pairs}));
  EXPECT_THAT(ReportData(*OpenTrainingDataSets(*resolved), *resolved),
              Contains(AllOf(HasSubstr("pairs_dataset adds"), HasSubstr(" and 0 photos"))));
  const auto of_few =
      Load(DayOne(dir_.File("photos"), {"pairs_dataset=" + pairs, "pair_fraction=0.01"}));
  ASSERT_THAT(of_few, IsOk());
  EXPECT_LT(of_few->photos.labels.size(), 12u);
  EXPECT_EQ(PeoplesPairs(*of_few), PeoplesPairs(*data)) << "all that people drew is trained on";
}

TEST_F(PseudoPairsTest, ShareFollowsTheNumberOfPeoplesSketches) {
  EXPECT_EQ(ShareByNumber(0), 0);
  EXPECT_NEAR(ShareByNumber(10), 1.0 / 6, 1e-12);
  EXPECT_EQ(ShareByNumber(50), 0.25);
  EXPECT_EQ(ShareByNumber(1000), 0.25);
  const auto shares = [&](const std::vector<std::string>& fields) {
    const v1::TrainingSpec spec = DayOne(Photos(6), fields);
    const auto data = Load(spec);
    EXPECT_THAT(data, IsOk());
    std::filesystem::remove_all(dir_.File("photos"));
    return SharesToTry(*ResolveSpec(spec), *data);
  };
  EXPECT_THAT(shares({"pseudo.choose_human_share=true"}), ElementsAre(ShareByNumber(6)));
  EXPECT_THAT(shares({"pseudo.human_share=0.3"}), ElementsAre(0.3));
  EXPECT_THAT(shares({}), ElementsAre(0));
  EXPECT_THAT(shares({"pseudo.human_share=0.3", "pseudo.per_photo=0"}), ElementsAre(0));
}

TEST_F(PseudoPairsTest, SharesAreTriedWhereEnoughIsHeldBackToJudgeThem) {
  TrainingData data;
  data.target_identities = 30;
  data.sketches.made = 30;
  for (int i = 0; i < 60; ++i) data.sketches.labels.push_back(i % 30);
  EvaluationSet& validation = data.validation.emplace();
  v1::TrainingSpec spec;
  spec.mutable_pseudo()->set_choose_human_share(true);
  for (int i = 0; i < kLeastToChoose; ++i) {
    EXPECT_THAT(SharesToTry(spec, data), ElementsAre(ShareByNumber(30))) << i;
    validation.photo_identities.push_back(absl::StrCat(i));
    validation.sketch_identities.push_back(absl::StrCat(i));
  }
  EXPECT_THAT(SharesToTry(spec, data), ElementsAre(0.25, 0.1, 0.5, 0.75, 0.9));
}

TEST_F(PseudoPairsTest, RunThatChoosesItsShareIsResumedWithTheSameBits) {
  const v1::TrainingSpec spec = DayOne(Photos(6), {"pseudo.choose_human_share=true"});
  const TensorMap whole = Train(spec);
  const IhdaTrainerOptions options = StoppedAfterAnEpoch(spec);
  auto state = ReadResumeState(options.state_file);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->human_share, ShareByNumber(6));
  EXPECT_THAT(Differences(whole, Train(spec, options)), IsEmpty());
  EXPECT_FALSE(Differences(whole, Train(With(spec, {"pseudo.choose_human_share=false"}))).empty());
  // The share is the state's, however it was chosen.
  state->human_share = 0.5;
  ASSERT_THAT(WriteResumeState(options.state_file, *state), IsOk());
  EXPECT_FALSE(Differences(whole, Train(spec, options)).empty());
}

TEST_F(PseudoPairsTest, ShareIsChosenOnHeldBackSketches) {
  const std::string folder = Photos(12);
  const auto once = DataSet::Open(folder);
  std::vector<DataSetImage> images = once->images();
  for (const DataSetImage& image : once->images()) {
    if (image.modality != v1::MODALITY_SKETCH) continue;
    // As many sketches as it takes to choose.
    for (int64_t i = 0; i < kLeastToChoose; ++i) {
      images.push_back(image);
      images.back().path = absl::StrCat(image.path, i, ".png");
      std::filesystem::copy(folder + "/" + image.path, folder + "/" + images.back().path);
    }
  }
  ASSERT_THAT(WriteDataSet(folder, {"photos", {}, "", ""}, images), IsOk());
  const std::vector<std::string> fields = {"pseudo.choose_human_share=true",
                                           "validation.fraction=0.5",
                                           "validation.sketches_only=true", "step2.epochs=1"};
  auto random = Create(DayOne(folder, fields));
  ASSERT_THAT(random, IsOk());
  const auto untrained = (*random)->Model({}, "job");
  ASSERT_THAT(untrained, IsOk());
  const double by_number = (*random)->human_share();
  EXPECT_EQ(by_number, 0.25);
  ASSERT_THAT(WriteSafetensors(dir_.File("w"), BackboneOf(untrained->weights)), IsOk());
  std::vector<std::string> from_weights = fields;
  from_weights.push_back("initial_weights=" + dir_.File("w"));
  auto fitted = Create(DayOne(folder, from_weights));
  ASSERT_THAT(fitted, IsOk());
  const double chosen = (*fitted)->human_share();
  double best = -1, best_share = 0;
  for (const double share : {by_number, 0.1, 0.5, 0.75, 0.9}) {
    std::vector<std::string> fixed = from_weights;
    fixed.insert(fixed.end(), {"pseudo.choose_human_share=false",
                               absl::StrFormat("pseudo.human_share=%.17g", share)});
    auto trainer = Create(DayOne(folder, fixed));
    ASSERT_THAT(trainer, IsOk());
    const v1::Evaluation found = (*trainer)->EvaluateAll()->front();
    EXPECT_EQ(found.split(), "train-validation");
    if (found.mean_average_precision() > best) {
      best = found.mean_average_precision();
      best_share = share;
    }
  }
  EXPECT_EQ(chosen, best_share);
}

// The last thing that Create asks before is the fit.
TEST_F(PseudoPairsTest, RunIsStoppedWhileItsProjectionIsFitted) {
  auto random = Create(DayOne(Photos(6)));
  ASSERT_THAT(random, IsOk());
  const auto untrained = (*random)->Model({}, "job");
  ASSERT_THAT(untrained, IsOk());
  ASSERT_THAT(WriteSafetensors(dir_.File("w"), BackboneOf(untrained->weights)), IsOk());
  const v1::TrainingSpec spec = DayOne(dir_.File("photos"), {"initial_weights=" + dir_.File("w")});
  int asked = 0, stops_at = 0;
  IhdaTrainerOptions options;
  options.observer.stop = [&] { return ++asked == stops_at; };
  ASSERT_THAT(Create(spec, options), IsOk());
  stops_at = std::exchange(asked, 0);
  EXPECT_THAT(Create(spec, options),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("while the projection was fitted")));
}

TEST_F(PseudoPairsTest, NothingIsSaidToBeLeftOut) {
  const auto resolved = ResolveSpec(DayOne(Photos()));
  ASSERT_THAT(resolved, IsOk());
  const auto data_sets = OpenTrainingDataSets(*resolved);
  ASSERT_THAT(data_sets, IsOk());
  EXPECT_THAT(ReportData(*data_sets, *resolved), Each(Not(HasSubstr("left out"))));
}

TEST_F(PseudoPairsTest, OnePhotoIsTooFew) {
  const std::string folder = Photos();
  const auto set = DataSet::Open(folder);
  std::vector<DataSetImage> images = set->images();
  for (DataSetImage& image : images) image.split = &image == &images[0] ? "train" : "test";
  ASSERT_THAT(WriteDataSet(folder, {"photos", {}, "", ""}, images), IsOk());
  EXPECT_THAT(Load(DayOne(folder)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("1 identities of the split \"train\" have a photo")));
}

TEST_F(PseudoPairsTest, PackedPhotosAreRefused) {
  const v1::TrainingSpec spec = DayOne(Photos());
  const auto manifest = ManifestOf(*ResolveSpec(spec), {});
  const std::string file = dir_.File("packed.safetensors");
  ASSERT_THAT(PackDataSet(*DataSet::Open(spec.target_dataset()), manifest->photo(),
                          manifest->sketch(), 1, file),
              IsOk());
  EXPECT_THAT(Load(With(spec, {"target_dataset=" + file})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("packed"), HasSubstr("pseudo.per_photo"))));
}

}  // namespace
}  // namespace s2p::test
