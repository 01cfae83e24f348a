#include "trainer/ihda/run_plan.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "model/checkpoint_store.h"
#include "model/file.h"
#include "model/safetensors.h"
#include "model/sha256.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/data/data_set_digest.h"
#include "trainer/data/packed_images.h"
#include "trainer/ihda/build_text.h"
#include "trainer/ihda/resume_state.h"
#include "trainer/ihda/training_format.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

// Runs on a copy of the target, whose pictures may change.
class RunPlanTest : public TinyRunTest {
 protected:
  RunPlanTest() { fs::copy(Target(), dir_.File("target"), fs::copy_options::recursive); }
  v1::TrainingSpec OnCopy(const std::vector<std::string>& fields = {}) const {
    return With(With(Spec(), {"target_dataset=" + dir_.File("target")}), fields);
  }
  static RunPlan Plan(const v1::TrainingSpec& spec, const std::string& checkpoint_root = "") {
    auto plan = PlanRun(*ResolveSpec(spec), checkpoint_root);
    EXPECT_THAT(plan, IsOk());
    return *std::move(plan);
  }
  std::string FirstPicture() const {
    const auto data_set = DataSet::Open(dir_.File("target"), ImageFiles::kMayBeMissing);
    return data_set->PathOf(data_set->images()[0]);
  }
  static TensorMap BackboneOf(const TensorMap& weights) {
    TensorMap backbone;
    for (const auto& [name, tensor] : weights) {
      absl::string_view rest = name;
      if (absl::ConsumePrefix(&rest, "encoder.")) backbone[std::string(rest)] = tensor;
    }
    return backbone;
  }
  // Another picture of the same name and time.
  void ChangePicture() {
    const auto data_set = DataSet::Open(dir_.File("target"));
    const fs::path picture = FirstPicture();
    const auto time = fs::last_write_time(picture);
    fs::copy_file(data_set->PathOf(data_set->images()[2]), picture,
                  fs::copy_options::overwrite_existing);
    fs::last_write_time(picture, time);
  }
  // The state after one epoch.
  IhdaTrainerOptions Interrupted(const v1::TrainingSpec& spec) {
    IhdaTrainerOptions options;
    options.checkpoint_root = store_.root();
    options.state_file = dir_.File("resume");
    bool stop = false;
    options.observer.on_epoch = [&](const auto&, const auto&) { stop = true; };
    options.observer.stop = [&] { return stop; };
    EXPECT_THAT((*Create(spec, options))->Run(), StatusIs(absl::StatusCode::kCancelled));
    options.observer = {};
    options.observer.on_message = [this](const std::string& text) { said_ += text + "\n"; };
    options.observer.on_start_over = [this] { ++starts_over_; };
    return options;
  }
  // Publishes untrained weights of the seed as version 1, in place of another one.
  void PublishVersion(int seed, const std::vector<std::string>& fields = {}) {
    fs::remove_all(store_.DirectoryOf(1));
    const auto trainer = Create(With(With(OnCopy(), fields), {absl::StrCat("seed=", seed)}));
    ASSERT_THAT(trainer, IsOk());
    const auto model = (*trainer)->Model({}, "job");
    ASSERT_THAT(model, IsOk());
    const auto version = store_.Publish(model->manifest, model->weights);
    ASSERT_THAT(version, IsOk());
    EXPECT_EQ(*version, 1);
  }

  const CheckpointStore store_{dir_.File("store")};
  std::string said_;
  int starts_over_ = 0;
};

TEST_F(RunPlanTest, PicturesAreOfTheDigestAndTheirTimesAreNot) {
  const RunPlan before = Plan(OnCopy());
  EXPECT_EQ(before.digest, Plan(Spec()).digest) << "a copy is the same data";
  ChangePicture();
  const RunPlan after = Plan(OnCopy());
  EXPECT_NE(after.digest, before.digest);
  EXPECT_EQ(after.older_digest, before.older_digest);
  EXPECT_EQ(after.contents.source_images_sha256, before.contents.source_images_sha256);
}

TEST_F(RunPlanTest, BytesOfTheInitialWeightsAreOfTheDigest) {
  const auto plan = [&](const std::string& bytes) {
    std::ofstream(dir_.File("w"), std::ios::trunc) << bytes;
    return Plan(OnCopy({"initial_weights=" + dir_.File("w")}));
  };
  const RunPlan before = plan("abc");
  EXPECT_EQ(before.contents.initial_weights_sha256, Sha256("abc"));
  EXPECT_NE(plan("abd").digest, before.digest);
  EXPECT_EQ(plan("abc").digest, before.digest);
}

TEST_F(RunPlanTest, InitialWeightsThatAreNotThereAreNamed) {
  const auto plan =
      PlanRun(*ResolveSpec(OnCopy({"initial_weights=" + dir_.File("none")})), store_.root());
  EXPECT_THAT(plan.status(), StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir_.File("none"))));
}

TEST_F(RunPlanTest, PackedDataSetIsTheSameRun) {
  const auto manifest = *ManifestOf(*ResolveSpec(Spec()), {});
  ASSERT_THAT(PackDataSet(*DataSet::Open(Target()), manifest.photo(), manifest.sketch(), 2,
                          dir_.File("packed")),
              IsOk());
  EXPECT_EQ(Plan(With(Spec(), {"target_dataset=" + dir_.File("packed")})).digest,
            Plan(Spec()).digest);
}

TEST_F(RunPlanTest, ManifestHasTheDigestsOfImagesAndWeights) {
  auto trainer = Create(OnCopy());
  ASSERT_THAT(trainer, IsOk());
  const auto model = (*trainer)->Model({}, "job");
  ASSERT_THAT(model, IsOk());
  const v1::Provenance& provenance = model->manifest.provenance();
  EXPECT_EQ(provenance.source_images_sha256(), *ImagesDigest(*DataSet::Open(Source()), 1));
  EXPECT_EQ(provenance.target_images_sha256(), *ImagesDigest(*DataSet::Open(Target()), 1));
  EXPECT_EQ(provenance.initial_weights_sha256(), "");
}

TEST_F(RunPlanTest, StateOfOtherPicturesIsRefused) {
  const IhdaTrainerOptions options = Interrupted(OnCopy());
  ChangePicture();
  EXPECT_THAT(Create(OnCopy(), options).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another run")));
  EXPECT_THAT(Create(Spec(), options), IsOk()) << "the original pictures";
}

TEST_F(RunPlanTest, ImageThatCouldNotBeReadBeforeEitherIsNoChange) {
  fs::remove(FirstPicture());
  const v1::TrainingSpec spec = OnCopy({"max_unreadable=0.5"});
  const auto trainer = Create(spec, Interrupted(spec));
  ASSERT_THAT(trainer, IsOk());
  EXPECT_TRUE((*trainer)->resumed());
}

TEST_F(RunPlanTest, ImageThatCanNoLongerBeReadIsNamed) {
  const v1::TrainingSpec spec = OnCopy({"max_unreadable=0.5"});
  IhdaTrainerOptions options = Interrupted(spec);
  fs::remove(FirstPicture());
  const absl::Status refused = Create(spec, options).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("changed since the run was interrupted: target images; "
                                          "1 of the images cannot be read now, such as " +
                                          FirstPicture())));
  options.restarts_when_changed = true;
  ASSERT_THAT(Create(spec, options), IsOk());
  EXPECT_EQ(starts_over_, 1);
  EXPECT_THAT(said_, HasSubstr(FirstPicture()));
}

TEST_F(RunPlanTest, VersionWithOtherWeightsBeginsAnotherRun) {
  PublishVersion(5);
  const v1::TrainingSpec spec = OnCopy({"initial_version=1"});
  IhdaTrainerOptions options = Interrupted(spec);
  EXPECT_TRUE((*Create(spec, options))->resumed());
  PublishVersion(6);
  EXPECT_THAT(Create(spec, options).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("changed since the run was interrupted: the weights of "
                                 "initial_version. Use another")));
  options.restarts_when_changed = true;
  const auto trainer = Create(spec, options);
  ASSERT_THAT(trainer, IsOk());
  EXPECT_FALSE((*trainer)->resumed());
  EXPECT_EQ(starts_over_, 1);
}

TEST_F(RunPlanTest, VersionThatIsGoneIsNotNeededToResume) {
  PublishVersion(5);
  const v1::TrainingSpec spec = OnCopy({"initial_version=1"});
  IhdaTrainerOptions options = Interrupted(spec);
  options.restarts_when_changed = true;
  fs::remove_all(store_.DirectoryOf(1));
  EXPECT_TRUE((*Create(spec, options))->resumed());
  ChangePicture();
  EXPECT_THAT(Create(spec, options).status(),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("target images; initial_version: version 1 is not in " +
                                       store_.root()),
                             HasSubstr("Train from a version that is there"))));
  EXPECT_TRUE(fs::exists(options.state_file)) << "nothing else is left of the run";
}

TEST_F(RunPlanTest, StateOfOtherRulesOfTrainingIsAnotherRuns) {
  IhdaTrainerOptions options = Interrupted(OnCopy());
  auto state = ReadResumeState(options.state_file);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->training_format, kTrainingFormat);
  state->training_format = kTrainingFormat + 1;
  state->build = "s2p-trainer 9.0.0";
  ASSERT_THAT(WriteResumeState(options.state_file, *state), IsOk());
  EXPECT_THAT(Create(OnCopy(), options).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(absl::StrCat("the rules of training, from those of s2p-trainer "
                                              "9.0.0 (format ",
                                              kTrainingFormat + 1, ") to those of ", BuildText(),
                                              " (format ", kTrainingFormat, "). Use another"))));
  options.restarts_when_changed = true;
  const auto trainer = Create(OnCopy(), options);
  ASSERT_THAT(trainer, IsOk());
  EXPECT_FALSE((*trainer)->resumed());
  EXPECT_EQ(starts_over_, 1);
  EXPECT_THAT(said_, HasSubstr(absl::StrCat("the old state is in ", options.state_file, ".old")));
}

TEST_F(RunPlanTest, SpecsWhoseRulesHaveChangedHaveAFormatOfTheirOwn) {
  const std::vector<std::vector<std::string>> changed = {
      {"loss.photo_neighbours.weight=1"},
      {"pseudo.per_photo=1", "validation.sketches_only=true", "validation.fraction=0.5"},
      {"sketch.fit=true", "sketch.measured_ground=true"},
  };
  std::set<int> formats = {TrainingFormatOf(OnCopy())};
  for (const std::vector<std::string>& fields : changed) {
    formats.insert(TrainingFormatOf(OnCopy(fields)));
  }
  EXPECT_EQ(formats.size(), 4u);
  EXPECT_EQ(*formats.begin(), 1) << "states of all other specs are continued";
}

TEST_F(RunPlanTest, StateOfOldRulesOfPhotoNeighboursIsAnotherRuns) {
  const v1::TrainingSpec spec = OnCopy({"loss.photo_neighbours.weight=1"});
  const IhdaTrainerOptions options = Interrupted(spec);
  EXPECT_TRUE((*Create(spec, options))->resumed());
  auto state = ReadResumeState(options.state_file);
  ASSERT_THAT(state, IsOk());
  state->training_format = 1;
  ASSERT_THAT(WriteResumeState(options.state_file, *state), IsOk());
  EXPECT_THAT(Create(spec, options).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("the rules of training")));
}

TEST_F(RunPlanTest, AnotherProgramOfTheSameRulesContinuesAndSaysSo) {
  const IhdaTrainerOptions options = Interrupted(OnCopy());
  EXPECT_TRUE((*Create(OnCopy(), options))->resumed());
  EXPECT_EQ(said_.find("continuing"), std::string::npos) << said_;
  auto state = ReadResumeState(options.state_file);
  ASSERT_THAT(state, IsOk());
  state->build = "s2p-trainer 9.0.0";
  ASSERT_THAT(WriteResumeState(options.state_file, *state), IsOk());
  EXPECT_TRUE((*Create(OnCopy(), options))->resumed());
  EXPECT_THAT(said_, HasSubstr(absl::StrCat("continuing what s2p-trainer 9.0.0 has trained; this "
                                            "program, ",
                                            BuildText(), ", trains by the same rules")));
}

TEST_F(RunPlanTest, LengthOfTheVersionIsKeptHoweverManyPairsThereAre) {
  const auto length = [&](const std::vector<std::string>& fields) {
    const auto spec = With(OnCopy({"initial_version=1"}), fields);
    return Plan(spec, store_.root()).spec.embedding().dimension();
  };
  PublishVersion(5, {"embedding.dimension=24"});
  EXPECT_EQ(length({"embedding.few_pairs_dimension=24"}), 24u);
  EXPECT_EQ(length({"embedding.few_pairs_dimension=32"}), 16u);
  PublishVersion(5);
  EXPECT_EQ(length({"embedding.few_pairs_dimension=24"}), 16u);
}

// Programs before this one wrote neither their name, nor their rules, nor the version's weights.
TEST_F(RunPlanTest, StateOfTheProgramBeforeIsResumedToTheSameWeights) {
  PublishVersion(5);
  const v1::TrainingSpec spec = OnCopy({"initial_version=1"});
  IhdaTrainerOptions from_version;
  from_version.checkpoint_root = store_.root();
  const TensorMap whole = Train(spec, from_version);
  const IhdaTrainerOptions options = Interrupted(spec);
  const std::string written = *ReadWholeFile(options.state_file, uint64_t{1} << 30);
  const std::string version = Plan(spec, store_.root()).contents.initial_version_sha256;
  EXPECT_EQ(version.size(), 64u);
  const std::string before = absl::StrReplaceAll(
      written, {{absl::StrCat("\"build\":\"", BuildText(), "\","), ""},
                {absl::StrCat("\"initialVersion\":\"", version, "\","), ""},
                {absl::StrCat(",\"trainingFormat\":", kTrainingFormat, "}"), "}"}});
  EXPECT_EQ(before.find("build\":"), std::string::npos);
  EXPECT_EQ(before.find("initialVersion\":"), std::string::npos);
  EXPECT_EQ(before.find("trainingFormat\":"), std::string::npos);
  std::ofstream(options.state_file, std::ios::binary | std::ios::trunc) << before;
  {
    const auto trainer = Create(spec, options);
    ASSERT_THAT(trainer, IsOk());
    EXPECT_TRUE((*trainer)->resumed());
  }
  EXPECT_THAT(said_, HasSubstr("continuing what an older program has trained"));
  EXPECT_THAT(Differences(whole, Train(spec, options)), testing::IsEmpty());
}

TEST(WhatChangedTest, EverythingThatDiffersIsSaid) {
  const RunIdentity before{"lists", {"source", "target", "weights"}};
  EXPECT_EQ(WhatChanged(before, {"others", {"s", "target", "w"}}),
            "the spec or a list of images, source images, the initial weights");
  EXPECT_EQ(WhatChanged({}, before), "the spec, the data or the initial weights");
  EXPECT_EQ(WhatChanged({"lists", {"", "", "", "v"}}, {"lists", {"", "", "", "w"}}),
            "the weights of initial_version");
}

TEST_F(RunPlanTest, WeightsThatAreGoneAreRememberedAndNotNeededToResume) {
  const std::string weights = dir_.File("w");
  const auto untrained = (*Create(Spec()))->Model({}, "job");
  ASSERT_THAT(untrained, IsOk());
  ASSERT_THAT(WriteSafetensors(weights, BackboneOf(untrained->weights)), IsOk());
  const v1::TrainingSpec spec = OnCopy({"initial_weights=" + weights});
  const IhdaTrainerOptions options = Interrupted(spec);
  const auto plan = [&] {
    DataSetDigestCache digests(dir_.File("digests.json"));
    return PlanRun(*ResolveSpec(spec), store_.root(), {}, {}, &digests);
  };
  ASSERT_THAT(plan(), IsOk());
  fs::remove(weights);
  auto again = plan();
  ASSERT_THAT(again, IsOk());
  const auto trainer = IhdaTrainer::Create(*std::move(again), options);
  ASSERT_THAT(trainer, IsOk());
  EXPECT_TRUE((*trainer)->resumed());
  ChangePicture();
  IhdaTrainerOptions restarts = options;
  restarts.restarts_when_changed = true;
  EXPECT_THAT(IhdaTrainer::Create(*plan(), restarts).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(weights)));
  EXPECT_TRUE(fs::exists(options.state_file)) << "nothing else is left of the run";
  fs::remove(options.state_file);
  EXPECT_THAT(IhdaTrainer::Create(*plan(), options).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(weights)))
      << "a run that begins needs them";
}

// Older programs left images and weights out of the digest.
TEST_F(RunPlanTest, StateOfAnOlderProgramIsResumedToTheSameWeights) {
  const TensorMap whole = Train(OnCopy());
  const IhdaTrainerOptions options = Interrupted(OnCopy());
  auto state = ReadResumeState(options.state_file);
  ASSERT_THAT(state, IsOk());
  state->run_digest = Plan(OnCopy()).older_digest;
  ASSERT_THAT(WriteResumeState(options.state_file, *state), IsOk());
  {
    const auto trainer = Create(OnCopy(), options);
    ASSERT_THAT(trainer, IsOk());
    EXPECT_TRUE((*trainer)->resumed());
  }
  EXPECT_THAT(Differences(whole, Train(OnCopy(), options)), testing::IsEmpty());
}

TEST_F(RunPlanTest, RunThatIsStoppedWhileItReadsIsCancelledWithinSomeImages) {
  IhdaTrainerOptions options;
  int64_t done = 0;
  options.observer.on_loading = [&](const std::string&, int64_t now, int64_t) { done = now; };
  options.observer.stop = [&] { return done == 5; };
  EXPECT_THAT(Create(Spec(), options).status(),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("source photos")));
  EXPECT_EQ(done, 5);
}

}  // namespace
}  // namespace s2p::test
