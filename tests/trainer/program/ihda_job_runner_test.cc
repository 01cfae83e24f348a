#include "trainer/program/ihda_job_runner.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "model/checkpoint_store.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/data/data_set.h"
#include "trainer/data/packed_images.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class IhdaJobRunnerTest : public TinyRunTest {
 protected:
  void SetUp() override { Open({}); }
  void Open(IhdaJobRunnerOptions options) {
    options.checkpoint_root = dir_.File("checkpoints");
    options.data_root = std::filesystem::path(Source()).parent_path().string();
    options.threads = 1;
    auto runner = IhdaJobRunner::Create(options);
    ASSERT_THAT(runner, IsOk());
    runner_ = *std::move(runner);
  }
  void OpenWithMemory(MainMemory memory) {
    IhdaJobRunnerOptions options;
    options.measure_memory = [memory] { return memory; };
    Open(options);
  }
  // A copy of the source in the data root.
  DataSet CopyOfSource(const std::string& name) {
    const std::string folder = std::filesystem::path(Source()).parent_path().string() + "/" + name;
    std::filesystem::remove_all(folder);
    std::filesystem::copy(Source(), folder, std::filesystem::copy_options::recursive);
    return *DataSet::Open(folder);
  }
  // A spec as a user writes it, with paths relative to the data root.
  static v1::TrainingSpec Relative(const std::vector<std::string>& fields = {}) {
    return With(With(Spec(), {"source_dataset=source", "target_dataset=target"}), fields);
  }
  std::string Refusal(const std::vector<std::string>& fields) {
    const auto checked = runner_->Check(Relative(fields));
    EXPECT_THAT(checked, StatusIs(absl::StatusCode::kInvalidArgument));
    return std::string(checked.status().message());
  }
  v1::Job Job(const std::string& id, const std::vector<std::string>& fields = {}) {
    v1::Job job;
    job.set_job_id(id);
    *job.mutable_spec() = Relative(fields);
    const auto checked = runner_->Check(job.spec());
    EXPECT_THAT(checked, IsOk());
    *job.mutable_resolved_spec() = *checked;
    return job;
  }
  absl::StatusOr<JobOutcome> Run(const v1::Job& job) {
    const std::string folder = dir_.File(job.job_id());
    std::filesystem::create_directories(folder);
    JobObserver observer;
    observer.on_message = [this](const std::string& text) { messages_.push_back(text); };
    observer.stop = [this] { return stop_; };
    observer.on_epoch = [this](const auto&, const auto&) { stop_ = stop_ || stops_after_epoch_; };
    observer.needed_versions = [this] { return needed_; };
    observer.on_memory_bytes = [this](uint64_t bytes) { memory_bytes_ = bytes; };
    return runner_->Run(job, folder, observer);
  }
  CheckpointStore Store() { return CheckpointStore(dir_.File("checkpoints")); }

  std::unique_ptr<IhdaJobRunner> runner_;
  std::vector<std::string> messages_;
  std::vector<int64_t> needed_;
  bool stop_ = false;
  bool stops_after_epoch_ = false;
  uint64_t memory_bytes_ = 0;
};

TEST_F(IhdaJobRunnerTest, CheckedSpecIsWholeAndItsPathsOpen) {
  const auto checked = runner_->Check(Relative());
  ASSERT_THAT(checked, IsOk());
  EXPECT_THAT(DataSet::Open(checked->target_dataset()), IsOk());
  EXPECT_EQ(checked->preset(), "demo");
  EXPECT_GT(checked->loss().temperature(), 0);
}

TEST_F(IhdaJobRunnerTest, EveryWrongFieldIsNamedAtOnce) {
  EXPECT_THAT(Refusal({"step2.learning_rate=nan", "backbone.arch=vgg", "device=cuda:31",
                       "target_dataset=nowhere", "source_dataset=../../x"}),
              AllOf(HasSubstr("step2.learning_rate: "), HasSubstr("backbone.arch: "),
                    HasSubstr("device: "), HasSubstr("nowhere"),
                    HasSubstr("source_dataset: ../../x is not inside the data root")));
}

TEST_F(IhdaJobRunnerTest, FieldThatHasMovedIsRefusedNamingItsSuccessor) {
  EXPECT_THAT(Refusal({"step2.decay=0.5", "validation.folds=4"}),
              AllOf(HasSubstr("step2.decay: has moved, use release.step2_decay"),
                    HasSubstr("validation.folds: has moved, use s2p-trainer cross-validate")));
}

TEST_F(IhdaJobRunnerTest, RatesThatTeachNothingAreRefused) {
  for (const char* rate : {"0", "-1", "inf", "nan"}) {
    EXPECT_THAT(Refusal({absl::StrCat("step1.learning_rate=", rate)}),
                HasSubstr("step1.learning_rate: must be above 0"))
        << rate;
  }
}

TEST_F(IhdaJobRunnerTest, DataSmallerThanABatchIsTrainedOnInSmallerBatches) {
  const v1::Job job = Job("a", {"step1.batch_size=300", "step2.batch_size=300"});
  EXPECT_THAT(Run(job), IsOk());
}

TEST_F(IhdaJobRunnerTest, OneIdentityIsRefused) {
  // Everything but one identity is held back.
  const std::string folder = std::filesystem::path(Source()).parent_path().string() + "/one";
  std::filesystem::copy(Target(), folder, std::filesystem::copy_options::recursive);
  const auto target = DataSet::Open(folder);
  std::vector<DataSetImage> images = target->images();
  for (DataSetImage& image : images) {
    image.split = image.identity == images[0].identity ? "train" : "test";
  }
  ASSERT_THAT(WriteDataSet(folder, {"one", {}, "", ""}, images), IsOk());
  EXPECT_THAT(Refusal({"target_dataset=one", "validation.fraction=0"}),
              HasSubstr("1 identities of the split \"train\" have both a photo and a sketch"));
  std::filesystem::remove_all(folder);
}

TEST_F(IhdaJobRunnerTest, LinkThatLeavesTheDataRootIsRefused) {
  const std::string link = std::filesystem::path(Source()).parent_path().string() + "/link";
  std::filesystem::create_directory_symlink("/", link);
  EXPECT_THAT(Refusal({"target_dataset=link/tmp"}), HasSubstr("is not inside the data root"));
  std::filesystem::remove(link);
}

TEST_F(IhdaJobRunnerTest, WeightsAndVersionsThatAreNotThereAreNamed) {
  EXPECT_THAT(Refusal({"initial_weights=none.safetensors"}), HasSubstr("initial_weights: "));
  EXPECT_THAT(Refusal({"initial_version=9"}), HasSubstr("initial_version: "));
}

TEST_F(IhdaJobRunnerTest, AttributesThatTheSourceOrTheVersionLacksAreNamed) {
  EXPECT_THAT(Refusal({"attributes=wheels"}),
              AllOf(HasSubstr("attributes: "), HasSubstr("has none called wheels; known are ")));
  const std::vector<std::string> names = DataSet::Open(Source())->attributes();
  ASSERT_THAT(Run(Job("one", {"attributes=" + names[0]})), IsOk());
  EXPECT_THAT(Refusal({"initial_version=1", "attributes=" + names[1]}),
              HasSubstr("initial_version: version 1 predicts the attributes " + names[0] +
                        ", but the run trains " + names[1]));
  EXPECT_THAT(runner_->Check(Relative({"initial_version=1", "attributes=" + names[0]})), IsOk());
}

TEST_F(IhdaJobRunnerTest, BestEpochWithoutHeldBackPairsIsRefused) {
  EXPECT_THAT(
      Refusal({"validation.keep_best=true", "validation.every_epochs=1", "validation.fraction=0"}),
      AllOf(HasSubstr("validation.keep_best: "), HasSubstr("raise validation.fraction")));
}

TEST_F(IhdaJobRunnerTest, DataPackedForAnotherInputIsRefused) {
  const auto manifest = ManifestOf(*ResolveSpec(Spec()), {});
  const std::string file =
      std::filesystem::path(Source()).parent_path().string() + "/packed.safetensors";
  ASSERT_THAT(PackDataSet(*DataSet::Open(Target()), manifest->photo(), manifest->sketch(), 1, file),
              IsOk());
  EXPECT_THAT(runner_->Check(Relative({"target_dataset=packed.safetensors"})), IsOk());
  EXPECT_THAT(Refusal({"target_dataset=packed.safetensors", "sketch.height=48"}),
              AllOf(HasSubstr("target_dataset: "), HasSubstr("each sketch is packed as"),
                    HasSubstr("pack the data set again")));
  std::filesystem::remove(file);
}

TEST_F(IhdaJobRunnerTest, JobOfPhotosAloneIsRefusedWithoutPseudoSketchesAndTrainedWithThem) {
  const std::vector<std::string> photos = {"target_dataset=source", "validation.fraction=0",
                                           "step1.epochs=0", "step2.epochs=1"};
  EXPECT_THAT(Refusal(photos),
              HasSubstr("0 identities of the split \"train\" have both a photo and a sketch"));
  std::vector<std::string> with_sketches = photos;
  with_sketches.push_back("pseudo.per_photo=2");
  const auto outcome = Run(Job("day-one", with_sketches));
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->published_version, 1);
  // Source images, and the target's with its pseudo-sketches: 48 photos of 32 x 32 pixels each.
  EXPECT_EQ(memory_bytes_, uint64_t{32 * 32} * (48 + 48 * 3));
}

TEST_F(IhdaJobRunnerTest, JobThatWatchesForPairsTrainsNothingWhileThereIsAVersionAndNoPair) {
  const std::vector<std::string> fields = {"pairs_dataset=pairs", "watch=true", "step1.epochs=0",
                                           "step2.epochs=1", "publish.policy=if_better"};
  std::vector<std::string> photos = fields;
  photos.insert(photos.end(), {"target_dataset=source", "pseudo.per_photo=1"});
  ASSERT_THAT(Run(Job("first", photos)), IsOk());
  EXPECT_THAT(*Store().Versions(), ElementsAre(1)) << "there was no version to wait with";
  const auto waits = Run(Job("second", photos));
  ASSERT_THAT(waits, IsOk());
  EXPECT_EQ(waits->published_version, 0);
  EXPECT_EQ(waits->result, JobResult::kNotTrained);
  EXPECT_THAT(waits->reason, HasSubstr("not trained: there is no pair"));
  ASSERT_TRUE(waits->round.has_value());
  EXPECT_EQ(waits->round->pairs(), 0u);
  const std::string pairs = std::filesystem::path(Source()).parent_path().string() + "/pairs";
  std::filesystem::copy(Target(), pairs, std::filesystem::copy_options::recursive);
  const auto third = Run(Job("third", photos));
  EXPECT_THAT(third->reason, HasSubstr("mAP "));
  ASSERT_TRUE(third->round.has_value());
  EXPECT_GT(third->round->pairs(), 0u);
  EXPECT_EQ(third->round->metric(), "mAP");
  EXPECT_EQ(third->round->compared_version(), 1);
  EXPECT_TRUE(third->round->has_candidate());
  EXPECT_TRUE(third->round->has_published());
  std::filesystem::remove_all(pairs);
  // The target has sketches itself.
  EXPECT_THAT(Run(Job("fourth", fields))->reason, Not(HasSubstr("not trained")));
}

TEST_F(IhdaJobRunnerTest, PairsAndReferenceLieInTheDataRootAndAreDataSets) {
  EXPECT_THAT(Refusal({"pairs_dataset=../x", "publish.reference_dataset=/etc"}),
              AllOf(HasSubstr("pairs_dataset: ../x is not inside the data root"),
                    HasSubstr("publish.reference_dataset: /etc is not inside the data root")));
  EXPECT_THAT(Refusal({"publish.policy=if_better", "publish.reference_dataset=nowhere"}),
              HasSubstr("publish.reference_dataset: "));
  EXPECT_THAT(Refusal({"publish.policy=if_better", "publish.reference_dataset=source"}),
              HasSubstr("no sketch has a photo to be found by it"));
  EXPECT_THAT(Refusal({"publish.reference_dataset=source/../target", "publish.policy=if_better"}),
              HasSubstr("publish.reference_dataset: must be another data set"));
  EXPECT_THAT(Refusal({"pairs_dataset=./target"}), HasSubstr("pairs_dataset: must be another"));
  const auto checked = runner_->Check(Relative({"pairs_dataset=not/yet"}));
  ASSERT_THAT(checked, IsOk());
  EXPECT_TRUE(std::filesystem::path(checked->pairs_dataset()).is_absolute());
}

TEST_F(IhdaJobRunnerTest, FieldThatIsSetInVainIsRefused) {
  EXPECT_THAT(Refusal({"step1.source_images=4"}), HasSubstr("step1.source_images: has no effect"));
}

TEST_F(IhdaJobRunnerTest, JobIsTrainedPublishedAndDrawn) {
  const auto outcome = Run(Job("one"));
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->published_version, 1);
  EXPECT_EQ(outcome->evaluations.size(), 4u) << "validation and test, both directions";
  EXPECT_TRUE(std::filesystem::exists(outcome->learning_curve_file));
  EXPECT_TRUE(runner_->HasState(dir_.File("one"))) << "until its end is kept on disk";
  const auto manifest = ReadManifest(Store().DirectoryOf(1));
  EXPECT_EQ(manifest->provenance().job_id(), "one");
}

// Its end may not have been kept on disk, and no version tells that it was trained.
TEST_F(IhdaJobRunnerTest, JobThatNeverPublishesIsNotTrainedAgain) {
  const v1::Job job = Job("quiet", {"publish.policy=never"});
  ASSERT_THAT(Run(job), IsOk());
  EXPECT_THAT(*Store().Versions(), testing::IsEmpty());
  messages_.clear();
  ASSERT_THAT(Run(job), IsOk());
  EXPECT_THAT(messages_, testing::Contains("resuming from the last whole epoch"));
}

TEST_F(IhdaJobRunnerTest, JobThatHasPublishedIsNotRunAgain) {
  const v1::Job job = Job("one");
  const auto first = Run(job);
  ASSERT_THAT(first, IsOk());
  messages_.clear();
  const auto again = Run(job);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->published_version, 1);
  EXPECT_EQ(again->evaluations.size(), first->evaluations.size());
  EXPECT_THAT(messages_, Not(testing::Contains("reading the data")));
  EXPECT_THAT(*Store().Versions(), ElementsAre(1));
}

TEST_F(IhdaJobRunnerTest, StoppedJobGoesOnWithItsLastEpochAndEndsWithTheSameBits) {
  const v1::Job whole = Job("whole"), stopped = Job("stopped");
  ASSERT_THAT(Run(whole), IsOk());
  stop_ = true;
  EXPECT_THAT(Run(stopped), StatusIs(absl::StatusCode::kCancelled));
  stop_ = false;
  ASSERT_THAT(Run(stopped), IsOk());
  EXPECT_THAT(Differences(Store().Read(1)->weights, Store().Read(2)->weights), testing::IsEmpty());
}

TEST_F(IhdaJobRunnerTest, StoppedJobStartsOverWhereItsDataHaveChanged) {
  const std::string folder = dir_.File("changing");
  std::filesystem::copy(Target(), folder, std::filesystem::copy_options::recursive);
  v1::Job job = Job("stopped");
  job.mutable_resolved_spec()->set_target_dataset(folder);
  stops_after_epoch_ = true;
  EXPECT_THAT(Run(job), StatusIs(absl::StatusCode::kCancelled));
  stops_after_epoch_ = stop_ = false;
  const auto images = DataSet::Open(folder)->images();
  std::filesystem::copy_file(folder + "/" + images[1].path, folder + "/" + images[0].path,
                             std::filesystem::copy_options::overwrite_existing);
  ASSERT_THAT(Run(job), IsOk());
  EXPECT_THAT(messages_,
              testing::Contains(HasSubstr("changed since the run was interrupted: "
                                          "target images; starting from the beginning")));
}

TEST_F(IhdaJobRunnerTest, PruningKeepsTheNewestAndWhatIsNeeded) {
  IhdaJobRunnerOptions options;
  options.keep_last = 2;
  Open(options);
  needed_ = {1};
  const std::vector<std::string> quick = {"step1.epochs=0", "step2.epochs=1"};
  for (const char* id : {"a", "b", "c", "d"}) ASSERT_THAT(Run(Job(id, quick)), IsOk());
  EXPECT_THAT(*Store().Versions(), ElementsAre(1, 3, 4));
}

TEST_F(IhdaJobRunnerTest, RetryNeedsItsVersionUnlessItResumes) {
  const std::vector<std::string> quick = {"step1.epochs=0", "step2.epochs=1"};
  ASSERT_THAT(Run(Job("first", quick)), IsOk());
  std::vector<std::string> from_version = quick;
  from_version.push_back("initial_version=1");
  const v1::Job job = Job("second", from_version), other = Job("third", quick);
  const std::string folder = dir_.File("second");
  std::filesystem::create_directories(folder);
  EXPECT_THAT(runner_->CheckRetry(job, folder), IsOk());
  std::filesystem::remove_all(Store().DirectoryOf(1));
  const auto gone = StatusIs(absl::StatusCode::kNotFound,
                             AllOf(HasSubstr("initial_version: version 1 is not in "),
                                   HasSubstr("Train from a version that is there")));
  EXPECT_THAT(runner_->CheckRetry(job, folder), gone);
  EXPECT_THAT(Run(job).status(), gone);
  EXPECT_THAT(runner_->CheckRetry(other, folder), IsOk());
  std::ofstream(folder + "/resume") << "state";
  EXPECT_THAT(runner_->CheckRetry(job, folder), IsOk());
}

TEST_F(IhdaJobRunnerTest, PublishedOverAWorseOneBothNumbersAreKept) {
  const std::vector<std::string> quick = {"step1.epochs=0", "step2.epochs=1"};
  ASSERT_THAT(Run(Job("first", quick)), IsOk());
  // A fraction can never improve by the margin of 1, so the second version is always held back.
  const auto kept_back =
      Run(Job("second", {"step1.epochs=0", "step2.epochs=1", "publish.policy=if_better",
                         "publish.min_improvement=1"}));
  ASSERT_THAT(kept_back, IsOk());
  EXPECT_EQ(kept_back->published_version, 0);
  EXPECT_THAT(kept_back->reason, HasSubstr("of version 1"));
  EXPECT_THAT(*Store().Versions(), ElementsAre(1));
}

TEST_F(IhdaJobRunnerTest, PhotosThatARunWouldLeaveOutDoNotRefuseAJob) {
  const DataSet source = CopyOfSource("holes");
  const std::vector<std::string> fields = {"source_dataset=holes", "max_unreadable=0.05"};
  std::filesystem::remove(source.folder() + "/" + source.images()[0].path);
  EXPECT_THAT(Run(Job("job", fields)), IsOk());
  EXPECT_THAT(Refusal({"source_dataset=holes", "max_unreadable=0"}),
              AllOf(HasSubstr("source_dataset: "), HasSubstr("1 of 48 images"),
                    HasSubstr(source.images()[0].path)));
  std::filesystem::remove_all(source.folder());
}

TEST_F(IhdaJobRunnerTest, DataSetWithoutItsImagesIsRefused) {
  const DataSet source = CopyOfSource("list");
  for (const DataSetImage& image : source.images()) {
    std::filesystem::remove(source.folder() + "/" + image.path);
  }
  EXPECT_THAT(Refusal({"source_dataset=list", "max_unreadable=0.5"}),
              HasSubstr("48 of 48 images that were looked for are missing"));
  std::filesystem::remove_all(source.folder());
}

TEST_F(IhdaJobRunnerTest, AtMostAThousandImagesAreLookedFor) {
  const DataSet source = CopyOfSource("long");
  std::vector<DataSetImage> images;
  for (size_t i = 0; i < 1500; ++i) {
    images.push_back(source.images()[i % source.images().size()]);
    images.back().split = "train";
    images.back().path = absl::StrCat("missing-", i, ".png");
  }
  ASSERT_THAT(WriteDataSet(source.folder(), {"long", source.attributes(), "", ""}, images), IsOk());
  EXPECT_THAT(Refusal({"source_dataset=long"}),
              HasSubstr("1000 of 1000 images that were looked for are missing"));
  std::filesystem::remove_all(source.folder());
}

TEST_F(IhdaJobRunnerTest, OneSourceIdentityIsRefusedOnlyWhereABatchNeedsTwo) {
  const DataSet source = CopyOfSource("one");
  std::vector<DataSetImage> images = source.images();
  for (DataSetImage& image : images) image.identity = images[0].identity;
  ASSERT_THAT(WriteDataSet(source.folder(), {"one", source.attributes(), "", ""}, images), IsOk());
  const std::vector<std::string> fields = {"source_dataset=one", "step1.epochs=0",
                                           "loss.attribute=0", "loss.domain=0"};
  EXPECT_THAT(Run(Job("job", fields)), IsOk());
  EXPECT_THAT(Refusal({"source_dataset=one"}), HasSubstr("show one identity"));
  std::filesystem::remove_all(source.folder());
}

TEST_F(IhdaJobRunnerTest, ImagesThatNeverFitIntoMemoryAreRefused) {
  OpenWithMemory({1000, 50'000});
  EXPECT_THAT(Refusal({}), AllOf(HasSubstr("the images alone take 0.00 GiB of main memory"),
                                 HasSubstr("are all there is")));
}

TEST_F(IhdaJobRunnerTest, JobWhoseImagesDoNotFitNowFailsBeforeItReadsThem) {
  int64_t images = static_cast<int64_t>(DataSet::Open(Target())->images().size());
  const DataSet source = *DataSet::Open(Source());
  for (const DataSetImage& image : source.images()) {
    if (image.split == "train") ++images;
  }
  // The preset's images are grey: one byte a pixel.
  const uint64_t bytes = static_cast<uint64_t>(images) * 32 * 32;
  OpenWithMemory({bytes - 1, bytes});
  EXPECT_THAT(Run(Job("large")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("are available")));
  EXPECT_EQ(memory_bytes_, bytes);
  OpenWithMemory({bytes + (uint64_t{1} << 30), bytes});
  EXPECT_THAT(Run(Job("large")), IsOk());
}

TEST_F(IhdaJobRunnerTest, PhotosAmongWhichHeldBackSketchesAreSearchedAreCounted) {
  uint64_t images = 0;
  const DataSet target = *DataSet::Open(Target());
  for (const DataSetImage& image : target.images()) {
    // Trained on, the pair of a pseudo-sketch, and in the gallery.
    const bool thrice = image.split == "train" && image.modality == v1::MODALITY_PHOTO;
    images += thrice ? 3 : 1;
  }
  const DataSet source = *DataSet::Open(Source());
  for (const DataSetImage& image : source.images()) images += image.split == "train" ? 1 : 0;
  OpenWithMemory({0, UINT64_MAX});
  EXPECT_THAT(Run(Job("large", {"pseudo.per_photo=1", "validation.sketches_only=true",
                                "validation.fraction=0.5"})),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("are available")));
  EXPECT_EQ(memory_bytes_, images * 32 * 32);
}

TEST_F(IhdaJobRunnerTest, StateOfAStoppedJobIsFoundAndDropped) {
  const std::string folder = dir_.File("job");
  EXPECT_FALSE(runner_->HasState(folder));
  std::filesystem::create_directories(folder);
  for (const char* name : {"resume", "resume.old", "resume.failed", "resume.tmp"}) {
    std::ofstream(folder + "/" + name) << "state";
    EXPECT_TRUE(runner_->HasState(folder)) << name;
    runner_->DropState(folder);
    EXPECT_FALSE(runner_->HasState(folder)) << name;
  }
}

TEST_F(IhdaJobRunnerTest, RunThatStartsFromTheBeginningStartsItsLogAnew) {
  const v1::Job job = Job("one", {"publish.policy=never"});
  for (int run = 0; run < 2; ++run) {
    ASSERT_THAT(Run(job), IsOk());
    std::ifstream log(dir_.File("one/metrics.jsonl"));
    int lines = 0;
    for (std::string line; std::getline(log, line);) ++lines;
    EXPECT_EQ(lines, 4) << "two epochs of each step";
  }
}

TEST_F(IhdaJobRunnerTest, BrokenImagesAreLeftOutUpToTheStatedShare) {
  const std::string folder = std::filesystem::path(Source()).parent_path().string() + "/broken";
  std::filesystem::copy(Source(), folder, std::filesystem::copy_options::recursive);
  const auto source = DataSet::Open(folder);
  const v1::Job job = Job("job", {"source_dataset=broken", "max_unreadable=0.05"});
  const v1::Job strict = Job("strict", {"source_dataset=broken", "max_unreadable=0"});
  // One vanishes and one breaks, of 48.
  std::filesystem::remove(folder + "/" + source->images()[0].path);
  std::ofstream(folder + "/" + source->images()[1].path, std::ios::trunc) << "no image";
  const auto outcome = Run(job);
  EXPECT_THAT(outcome, IsOk());
  EXPECT_THAT(messages_, testing::Contains(HasSubstr("2 of 48 source photos cannot be read")));
  const auto refused = Run(strict);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(source->images()[0].path));
  std::filesystem::remove_all(folder);
}

TEST_F(IhdaJobRunnerTest, MoreBrokenImagesFailTheJobWithTheirNumber) {
  const std::string folder = std::filesystem::path(Source()).parent_path().string() + "/broken";
  std::filesystem::copy(Source(), folder, std::filesystem::copy_options::recursive);
  const auto source = DataSet::Open(folder);
  const v1::Job job = Job("job", {"source_dataset=broken", "max_unreadable=0.05"});
  for (int i = 0; i < 5; ++i) std::filesystem::remove(folder + "/" + source->images()[i].path);
  const auto outcome = Run(job);
  EXPECT_THAT(std::string(outcome.status().message()),
              AllOf(HasSubstr("source photos: 5 of 48 images cannot be read"),
                    HasSubstr(source->images()[0].path)));
  std::filesystem::remove_all(folder);
}

TEST(IhdaJobRunnerOptionsTest, RootsThatCannotBeUsedAreNamed) {
  TempDir dir;
  IhdaJobRunnerOptions options;
  options.checkpoint_root = dir.File("checkpoints");
  options.data_root = dir.File("nothing");
  EXPECT_THAT(IhdaJobRunner::Create(options), StatusIs(absl::StatusCode::kNotFound));
  options.data_root = dir.path();
  std::ofstream(dir.File("file")) << "";
  options.checkpoint_root = dir.File("file/checkpoints");
  const auto runner = IhdaJobRunner::Create(options);
  EXPECT_FALSE(runner.ok());
  EXPECT_THAT(std::string(runner.status().message()), HasSubstr(options.checkpoint_root));
}

}  // namespace
}  // namespace s2p::test
