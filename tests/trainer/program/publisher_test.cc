#include "trainer/program/publisher.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/no_tensor_memory.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/data/data_set.h"
#include "trainer/program/commands.h"
#include "trainer/program/unseen_images.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class PublisherTest : public TinyRunTest {
 protected:
  v1::TrainingSpec Spec(const std::vector<std::string>& fields) {
    return With(With(TinyRunTest::Spec(), {"validation.fraction=0.5"}), fields);
  }
  // An untrained model and its evaluations; `blind`: it embeds every picture alike, so that each
  // true match ranks last.
  TrainedModel Model(const v1::TrainingSpec& spec, bool blind) {
    IhdaTrainerOptions options;
    options.checkpoint_root = store_.root();
    auto trainer = *Create(spec, options);
    TrainedModel model = *trainer->Model(*trainer->EvaluateAll(), "job");
    for (auto& [name, tensor] : model.weights) {
      if (blind && absl::StartsWith(name, "projection")) {
        std::fill(tensor.bytes.begin(), tensor.bytes.end(), '\0');
      }
    }
    return model;
  }
  absl::StatusOr<PublishOutcome> Publish(const std::vector<std::string>& fields,
                                         bool blind = false) {
    const v1::TrainingSpec spec = Spec(fields);
    return PublishModel(*ResolveSpec(spec), Model(spec, blind), store_);
  }
  absl::StatusOr<PublishOutcome> PublishBlind(const std::vector<std::string>& fields) {
    return Publish(fields, /*blind=*/true);
  }
  // The reason of an outcome that published nothing.
  std::string NotPublished(const absl::StatusOr<PublishOutcome>& outcome) {
    EXPECT_THAT(outcome, IsOk());
    if (!outcome.ok()) return "";
    EXPECT_EQ(outcome->version, 0);
    return outcome->reason;
  }
  // Copies the target's lines that `keeps` takes, after it has changed them.
  std::string CopyOfTarget(const std::string& name,
                           const std::function<bool(DataSetImage&)>& keeps) {
    const std::string folder = dir_.File(name);
    std::filesystem::copy(Target(), folder, std::filesystem::copy_options::recursive);
    std::vector<DataSetImage> images = DataSet::Open(folder)->images(), kept;
    for (DataSetImage& image : images) {
      if (keeps(image)) kept.push_back(image);
    }
    EXPECT_THAT(WriteDataSet(folder, {name, {}, "", ""}, kept), IsOk());
    return folder;
  }
  // The test split.
  std::string Reference() {
    return CopyOfTarget("reference", [](DataSetImage& image) { return image.split == "test"; });
  }
  // Two photos, and a drawing of the one that is missing.
  std::string WithoutThePhotoThatIsDrawn() {
    const auto target = DataSet::Open(Target());
    std::vector<DataSetImage> photos;
    for (const DataSetImage& image : target->images()) {
      if (image.split == "test" && image.modality == v1::MODALITY_PHOTO) photos.push_back(image);
    }
    const std::string folder = CopyOfTarget("missing", [&](DataSetImage& image) {
      return image.path == photos[0].path || image.identity == photos[1].identity;
    });
    std::filesystem::remove(folder + "/" + photos[1].path);
    return folder;
  }
  std::string Photos() {
    return CopyOfTarget("photos", [](DataSetImage& image) {
      return image.modality == v1::MODALITY_PHOTO && image.split == "train";
    });
  }
  // Pairs under names of their own, as a server writes them.
  std::string Pairs() {
    return CopyOfTarget("pairs", [](DataSetImage& image) {
      image.identity = "photo-" + image.identity;
      return image.split == "train";
    });
  }
  // Sketches that the fraction holds back.
  int64_t HeldBackQueries(double fraction) {
    const auto target = DataSet::Open(Target());
    return std::count_if(
        target->images().begin(), target->images().end(), [&](const DataSetImage& image) {
          return image.modality == v1::MODALITY_SKETCH && IsHeldBack(image, {fraction});
        });
  }
  v1::Provenance ProvenanceOf(int64_t version) {
    return store_.Read(version)->manifest.provenance();
  }

  const CheckpointStore store_{dir_.File("store")};
};

TEST_F(PublisherTest, NeverPublishesNothing) {
  NotPublished(Publish({"publish.policy=never"}));
  EXPECT_FALSE(store_.Versions().ok());
}

TEST_F(PublisherTest, AlwaysPublishesEachTime) {
  EXPECT_EQ(Publish({})->version, 1);
  EXPECT_EQ(PublishBlind({})->version, 2);
}

TEST_F(PublisherTest, FirstIsBetterThanNothing) {
  EXPECT_EQ(PublishBlind({"publish.policy=if_better"})->version, 1);
}

TEST_F(PublisherTest, ManifestSaysWhichShareWasHeldBack) {
  ASSERT_THAT(Publish({"validation.fraction=0.25"}), IsOk());
  EXPECT_EQ(ProvenanceOf(1).validation_fraction(), 0.25);
}

TEST_F(PublisherTest, IdenticalModelIsNotPublished) {
  ASSERT_THAT(Publish({}), IsOk());
  for (const char* confidence : {"0", "0.95"}) {
    EXPECT_THAT(NotPublished(Publish(
                    {"publish.policy=if_better", absl::StrCat("publish.confidence=", confidence)})),
                AllOf(HasSubstr("mAP"), HasSubstr("better in 0.0 % of the resamplings")));
  }
}

TEST_F(PublisherTest, ClearlyBetterModelIsPublishedWithBothNumbers) {
  ASSERT_THAT(PublishBlind({}), IsOk());
  const auto better = Publish({"publish.policy=if_better"});
  ASSERT_THAT(better, IsOk());
  ASSERT_EQ(better->version, 2) << better->reason;
  const v1::Comparison comparison = ProvenanceOf(2).comparison();
  EXPECT_EQ(comparison.metric(), "mAP");
  EXPECT_EQ(comparison.published_version(), 1);
  EXPECT_GT(comparison.candidate(), comparison.published());
  EXPECT_GE(comparison.confidence(), 0.95);
}

TEST_F(PublisherTest, WorseModelIsNotPublished) {
  ASSERT_THAT(Publish({}), IsOk());
  EXPECT_THAT(NotPublished(PublishBlind({"publish.policy=if_better", "publish.confidence=0"})),
              HasSubstr("of version 1"));
}

TEST_F(PublisherTest, VersionThatTheDeviceHasNoRoomForIsNoFullDisk) {
  ASSERT_THAT(Publish({}), IsOk());
  const v1::TrainingSpec spec = Spec({"publish.policy=if_better"});
  const TrainedModel model = Model(spec, /*blind=*/false);
  const NoTensorMemory full;
  EXPECT_THAT(NotPublished(PublishModel(*ResolveSpec(spec), model, store_)),
              HasSubstr("the published version has no room next to the trained one"));
}

TEST_F(PublisherTest, EpochThatWasChosenByTheHeldBackSketchesIsSaid) {
  ASSERT_THAT(Publish({}), IsOk());
  const auto favoured = HasSubstr("the epoch was chosen by the held-back sketches");
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better"})), Not(favoured));
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better", "validation.keep_best=true",
                                    "validation.every_epochs=1"})),
              favoured);
}

TEST_F(PublisherTest, ImprovementBelowTheLeastIsNotEnough) {
  ASSERT_THAT(PublishBlind({}), IsOk());
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better", "publish.min_improvement=1",
                                    "publish.confidence=0"})),
              HasSubstr("better by 1 in 0.0 % of the resamplings"));
}

TEST_F(PublisherTest, ImprovementThatIsNotSureIsNotEnough) {
  ASSERT_THAT(PublishBlind({}), IsOk());
  // Not every sketch of an untrained model finds its photo first, so some resamplings hold no hit.
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better", "publish.metric=rank1",
                                    "publish.confidence=0.9999"})),
              HasSubstr("publish.confidence asks for 99.99 %"));
  EXPECT_EQ(Publish({"publish.policy=if_better", "publish.metric=rank1", "publish.confidence=0"})
                ->version,
            2);
}

TEST_F(PublisherTest, IdentitiesThatThePublishedVersionHasSeenAreLeftOut) {
  ASSERT_NE(HeldBackQueries(0.2), HeldBackQueries(0.5));
  ASSERT_THAT(Publish({"validation.fraction=0.2"}), IsOk());
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better"})),
              HasSubstr(absl::StrCat("on ", HeldBackQueries(0.2), " queries")));
}

TEST_F(PublisherTest, ModelThatCannotBeComparedIsKeptAndCanBePublished) {
  ASSERT_THAT(Publish({"validation.fraction=0"}), IsOk());
  const std::string kept = store_.root() + "/undecided/1";
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better"})),
              AllOf(HasSubstr("version 1 held no identity back"), HasSubstr(kept)));
  std::ostringstream said;
  ASSERT_THAT(RunPublish({kept, store_.root()}, said), IsOk());
  EXPECT_THAT(said.str(), HasSubstr("published as version 2"));
  // From then on both have held something back.
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better"})), HasSubstr("of version 2"));
}

TEST_F(PublisherTest, LastThreeModelsThatCannotBeComparedAreKept) {
  ASSERT_THAT(Publish({"validation.fraction=0"}), IsOk());
  for (int i = 1; i <= 5; ++i) {
    EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better"})),
                HasSubstr(absl::StrCat(store_.root(), "/undecided/", i)));
  }
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(std::filesystem::exists(absl::StrCat(store_.root(), "/undecided/", i)), i >= 3) << i;
  }
}

TEST_F(PublisherTest, ModelThatHasSeenEveryIdentityIsKeptToo) {
  ASSERT_THAT(PublishBlind({}), IsOk());
  EXPECT_THAT(
      NotPublished(Publish({"publish.policy=if_better", "validation.fraction=0"})),
      AllOf(HasSubstr("this model, or a version that it starts from, held no identity back"),
            HasSubstr(store_.root() + "/undecided/1")));
}

TEST_F(PublisherTest, ModelHasSeenWhatTheVersionThatItStartsFromHasSeen) {
  ASSERT_THAT(Publish({"validation.fraction=0"}), IsOk());
  ASSERT_THAT(PublishBlind({}), IsOk());
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better", "initial_version=1"})),
              HasSubstr("or a version that it starts from, held no identity back"));
}

TEST_F(PublisherTest, OldVersionIsTakenToHaveHeldBackTheSameAndTheReasonSaysSo) {
  TrainedModel old = Model(Spec({}), /*blind=*/true);
  ASSERT_EQ(old.manifest.provenance().validation_fraction(), 0);
  old.manifest.mutable_provenance()->clear_target_images_sha256();
  ASSERT_THAT(store_.Publish(old.manifest, old.weights), IsOk());
  const auto better = Publish({"publish.policy=if_better"});
  ASSERT_THAT(better, IsOk());
  EXPECT_EQ(better->version, 2);
  EXPECT_THAT(better->reason, HasSubstr("version 1 does not say which identities"));
  // The version that is published now says so.
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better"})), Not(HasSubstr("does not say")));
}

TEST_F(PublisherTest, VersionThatWasMeasuredOnASplitOfItsOwnHasSeenAllIdentities) {
  TrainedModel seen = Model(Spec({}), /*blind=*/false);
  ASSERT_EQ(seen.manifest.provenance().validation_fraction(), 0);
  seen.manifest.mutable_provenance()->set_target_images_sha256(std::string(64, 'a'));
  ASSERT_THAT(store_.Publish(seen.manifest, seen.weights), IsOk());
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better"})),
              HasSubstr("version 1 held no identity back"));
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better", "initial_version=1"})),
              HasSubstr("or a version that it starts from, held no identity back"));
}

TEST_F(PublisherTest, BetterModelThatIsNotWorseOnTheReferenceSetIsPublishedWithBothNumbers) {
  ASSERT_THAT(PublishBlind({}), IsOk());
  const auto better =
      Publish({"publish.policy=if_better", "publish.reference_dataset=" + Reference()});
  ASSERT_THAT(better, IsOk());
  EXPECT_EQ(better->version, 2) << better->reason;
  EXPECT_THAT(better->reason, AllOf(HasSubstr("better in "), HasSubstr("on the reference set mAP"),
                                    HasSubstr("of version 1 on 4 queries, at most 0.02 lower")));
}

TEST_F(PublisherTest, BetterModelThatTheReferenceSetSaysNothingOfIsNotPublished) {
  ASSERT_THAT(PublishBlind({}), IsOk());
  EXPECT_THAT(
      NotPublished(Publish({"publish.policy=if_better", "max_unreadable=0.5",
                            "publish.reference_dataset=" + WithoutThePhotoThatIsDrawn()})),
      AllOf(HasSubstr("not published: mAP "),
            HasSubstr("; but no sketch of the reference set has a photo that can be read")));
}

TEST_F(PublisherTest, FewerQueriesThanAskedForDecideNothingAndLeaveNoModel) {
  ASSERT_THAT(PublishBlind({}), IsOk());
  const int64_t queries = HeldBackQueries(0.5);
  EXPECT_THAT(NotPublished(Publish(
                  {"publish.policy=if_better", absl::StrCat("publish.min_queries=", queries + 1)})),
              AllOf(HasSubstr(absl::StrCat(queries, " held-back sketches are too few")),
                    HasSubstr(absl::StrCat("publish.min_queries needs ", queries + 1))));
  EXPECT_FALSE(std::filesystem::exists(store_.root() + "/undecided"));
  EXPECT_EQ(
      Publish({"publish.policy=if_better", absl::StrCat("publish.min_queries=", queries)})->version,
      2);
}

TEST_F(PublisherTest, VersionThatHeldNothingBackIsNoMatterOfMoreQueries) {
  ASSERT_THAT(PublishBlind({"validation.fraction=0"}), IsOk());
  EXPECT_THAT(NotPublished(Publish({"publish.policy=if_better", "publish.min_queries=1"})),
              AllOf(HasSubstr("version 1 held no identity back"), HasSubstr("The model is kept")));
}

TEST_F(PublisherTest, PairsAreNewToAModelOfPhotosAlone) {
  const std::string photos = Photos(), pairs = Pairs();
  const std::vector<std::string> day_one = {"target_dataset=" + photos, "pseudo.per_photo=2",
                                            "step1.epochs=0", "validation.sketches_only=true"};
  ASSERT_THAT(PublishBlind(day_one), IsOk());
  EXPECT_EQ(ProvenanceOf(1).validation_fraction(), 1);
  std::vector<std::string> with_pairs = day_one;
  with_pairs.insert(with_pairs.end(), {"pairs_dataset=" + pairs, "publish.policy=if_better"});
  const auto better = Publish(with_pairs);
  ASSERT_THAT(better, IsOk());
  EXPECT_EQ(better->version, 2) << better->reason;
  EXPECT_EQ(ProvenanceOf(2).validation_fraction(), 0.5);
  // To the blind model each match is the last of all photos, not of the held-back ones alone.
  const auto all = static_cast<double>(DataSet::Open(photos)->images().size());
  ASSERT_TRUE(better->comparison.has_value());
  EXPECT_NEAR(better->comparison->published(), 1 / all, 1e-9);
}

// Data sets of which "test" has become "val", and which may have changed since.
class SplitForValidationTest : public PublisherTest {
 protected:
  // `changes` is applied to each image.
  std::string WithVal(const std::string& name,
                      const std::function<void(DataSetImage&)>& change = {}) {
    return CopyOfTarget(name, [&](DataSetImage& image) {
      if (image.split == "test") image.split = "val";
      if (change) change(image);
      return true;
    });
  }
  // The same with a pair less, so that the other one has grown.
  std::string WithValBeforeItGrew() {
    std::string left_out;
    return CopyOfTarget("small", [&](DataSetImage& image) {
      if (image.split == "test") image.split = "val";
      if (left_out.empty() && image.split == "train") left_out = image.identity;
      return image.identity != left_out;
    });
  }
  static std::vector<std::string> On(const std::string& folder, const std::string& fraction,
                                     const std::vector<std::string>& more = {}) {
    std::vector<std::string> fields = {"target_dataset=" + folder,
                                       "validation.fraction=" + fraction};
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
  }
  static std::vector<std::string> IfBetter(std::vector<std::string> fields) {
    fields.emplace_back("publish.policy=if_better");
    return fields;
  }
};

TEST_F(SplitForValidationTest, IsNewToModelsOfTheSameList) {
  const std::string folder = WithVal("val");
  ASSERT_THAT(PublishBlind(On(folder, "0")), IsOk());
  const auto better = Publish(IfBetter(On(folder, "0")));
  ASSERT_THAT(better, IsOk());
  EXPECT_EQ(better->version, 2) << better->reason;
  EXPECT_THAT(better->reason, AllOf(HasSubstr("on 4 queries"), Not(HasSubstr("certain"))));
}

TEST_F(SplitForValidationTest, IsNotComparedOnByAVersionThatMayHaveTrainedOnIt) {
  // Its list had the same images, to train on.
  const std::string before =
      CopyOfTarget("before", [](DataSetImage& image) { return (image.split = "train", true); });
  ASSERT_THAT(PublishBlind(On(before, "0")), IsOk());
  EXPECT_THAT(NotPublished(Publish(IfBetter(On(WithVal("val"), "0")))),
              HasSubstr("version 1 is not known to have held the split \"val\" back"));
}

TEST_F(SplitForValidationTest, IsNotComparedOnByAModelThatStartsFromSuchAVersion) {
  const std::string before =
      CopyOfTarget("before", [](DataSetImage& image) { return (image.split = "train", true); });
  const std::string folder = WithVal("val");
  ASSERT_THAT(Publish(On(before, "0")), IsOk());
  ASSERT_THAT(PublishBlind(On(folder, "0")), IsOk());
  EXPECT_THAT(NotPublished(Publish(IfBetter(On(folder, "0", {"initial_version=1"})))),
              HasSubstr("this model, or a version that it starts from, is not known to have held"));
  // Nor by one that starts from a model that does.
  ASSERT_THAT(Publish(On(folder, "0", {"initial_version=1"})), IsOk());
  EXPECT_THAT(NotPublished(Publish(IfBetter(On(folder, "0", {"initial_version=3"})))),
              HasSubstr("this model, or a version that it starts from, is not known to have held"));
}

TEST_F(SplitForValidationTest, IsLeftOutOfAChangedListWhereAFractionIsHeldBack) {
  const std::string small = WithValBeforeItGrew(), grown = WithVal("grown");
  ASSERT_THAT(PublishBlind(On(small, "0.5")), IsOk());
  const auto better = Publish(IfBetter(On(grown, "0.5")));
  ASSERT_THAT(better, IsOk());
  const auto data_set = DataSet::Open(grown);
  int by_hash = 0, held_back = 0;
  for (const DataSetImage& image : data_set->images()) {
    if (image.modality != v1::MODALITY_SKETCH) continue;
    by_hash += IsValidationIdentity(image.identity, 0.5) ? 1 : 0;
    held_back += IsHeldBack(image, {0.5}) ? 1 : 0;
  }
  ASSERT_LT(by_hash, held_back);
  EXPECT_THAT(better->reason, HasSubstr(absl::StrCat("on ", by_hash, " queries")));
}

TEST_F(SplitForValidationTest, IsComparedOnWithAWordWhereAListHasGrownAndNothingElseIsHeldBack) {
  ASSERT_THAT(PublishBlind(On(WithValBeforeItGrew(), "0")), IsOk());
  const auto better = Publish(IfBetter(On(WithVal("grown"), "0")));
  ASSERT_THAT(better, IsOk());
  EXPECT_EQ(better->version, 2) << better->reason;
  EXPECT_THAT(better->reason,
              AllOf(HasSubstr("on 4 queries"), HasSubstr("so it is not certain that the split")));
}

}  // namespace
}  // namespace s2p::test
