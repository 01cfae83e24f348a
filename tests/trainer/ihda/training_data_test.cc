// Which images and attributes a run trains on.
#include "trainer/ihda/training_data.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/checkpoint_store.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/ihda/ihda_losses.h"
#include "trainer/ihda/ihda_steps.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class TrainingDataTest : public TinyRunTest {
 protected:
  absl::StatusOr<TrainingData> Load(const v1::TrainingSpec& spec) {
    const auto resolved = ResolveSpec(spec);
    EXPECT_THAT(resolved, IsOk());
    S2P_ASSIGN_OR_RETURN(const auto data_sets, OpenTrainingDataSets(*resolved));
    S2P_ASSIGN_OR_RETURN(const auto manifest, ManifestOf(*resolved, data_sets.attributes()));
    return LoadTrainingData(data_sets, *resolved, manifest, 1);
  }
  // Identities of the target that are trained on.
  std::set<std::string> Trained(const v1::TrainingSpec& spec) {
    const auto data_sets = OpenTrainingDataSets(*ResolveSpec(spec));
    EXPECT_THAT(data_sets, IsOk());
    std::set<std::string> identities;
    for (const DataSetImage& image : data_sets->target.images()) {
      if (data_sets->IsTrainedOn(image)) identities.insert(image.identity);
    }
    return identities;
  }
  // A copy of the target without the sketches of the first `count` identities.
  std::string TargetWithoutSketches(size_t count) {
    const std::string folder = dir_.File("target");
    std::filesystem::copy(Target(), folder, std::filesystem::copy_options::recursive);
    const auto target = DataSet::Open(folder);
    std::set<std::string> bare;
    std::vector<DataSetImage> images;
    for (const DataSetImage& image : target->images()) {
      if (image.split == "train" && bare.size() < count) bare.insert(image.identity);
      const bool left_out = image.modality == v1::MODALITY_SKETCH && bare.count(image.identity) > 0;
      if (!left_out) images.push_back(image);
    }
    EXPECT_THAT(WriteDataSet(folder, {"bare", {}, "", ""}, images), IsOk());
    return folder;
  }
};

TEST_F(TrainingDataTest, SmallerFractionIsPartOfALargerOne) {
  const std::vector<std::string> none = {"validation.fraction=0"};
  const std::set<std::string> all = Trained(With(Spec(), none));
  const auto half = Trained(With(With(Spec(), none), {"pair_fraction=0.5"}));
  const auto most = Trained(With(With(Spec(), none), {"pair_fraction=0.8"}));
  EXPECT_EQ(Trained(With(With(Spec(), none), {"pair_fraction=0"})), all);
  EXPECT_LT(half.size(), most.size());
  EXPECT_LT(most.size(), all.size());
  EXPECT_TRUE(std::includes(most.begin(), most.end(), half.begin(), half.end()));
}

TEST_F(TrainingDataTest, FractionLeavesValidationAndTestAsTheyAre) {
  const auto whole = Load(Spec());
  const auto part = Load(With(Spec(), {"pair_fraction=0.7"}));
  ASSERT_THAT(whole, IsOk());
  ASSERT_THAT(part, IsOk());
  EXPECT_LT(part->photos.labels.size(), whole->photos.labels.size());
  EXPECT_EQ(part->validation->photos->size(), whole->validation->photos->size());
  EXPECT_EQ(part->test->sketches->size(), whole->test->sketches->size());
}

// 2,000 photos, of which 20 have been drawn, and 10 sketches of nothing in particular.
class DrawnFewTest : public TrainingDataTest {
 protected:
  // Sketches that are trained on, and photos.
  std::pair<int, int> Trained(const std::vector<std::string>& fields) {
    std::vector<DataSetImage> lines;
    const auto add = [&](v1::Modality modality, const std::string& identity) {
      const char* folder = modality == v1::MODALITY_PHOTO ? "photo/" : "sketch/";
      lines.push_back({folder + identity + ".png", identity, modality, "train", {}});
    };
    for (int i = 0; i < 2000; ++i) add(v1::MODALITY_PHOTO, absl::StrCat(i));
    for (int i = 0; i < 20; ++i) add(v1::MODALITY_SKETCH, absl::StrCat(100 * i));
    for (int i = 0; i < 10; ++i) add(v1::MODALITY_SKETCH, absl::StrCat("unpaired ", i));
    EXPECT_THAT(WriteDataSet(dir_.path(), {"few", {}, "", ""}, lines), IsOk());
    auto spec = With(Spec(), {"validation.fraction=0", "pair_fraction=0.1",
                              "target_dataset=" + dir_.path(), "max_unreadable=0.5"});
    const auto data_sets = OpenTrainingDataSets(*ResolveSpec(With(spec, fields)));
    EXPECT_THAT(data_sets, IsOk());
    std::pair<int, int> trained;
    for (const DataSetImage& image : data_sets->target.images()) {
      if (!data_sets->IsTrainedOn(image)) continue;
      ++(image.modality == v1::MODALITY_SKETCH ? trained.first : trained.second);
    }
    return trained;
  }
};

TEST_F(DrawnFewTest, FractionNextToPseudoSketchesLeavesOutNothingThatPeopleDrew) {
  const auto [sketches, photos] = Trained({"pseudo.per_photo=1"});
  EXPECT_EQ(sketches, 30);
  EXPECT_GT(photos, 150);
  EXPECT_LT(photos, 280);
}

TEST_F(DrawnFewTest, FractionOfPairsAloneIsOneOfPeoplesSketches) {
  EXPECT_LT(Trained({}).first, 12);
}

TEST_F(TrainingDataTest, TooSmallAFractionIsNamed) {
  EXPECT_THAT(Load(With(Spec(), {"pair_fraction=0.0001"})),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("within pair_fraction")));
}

// A class that no batch has would only be pushed away from, and smoothing would share labels with
// it.
TEST_F(TrainingDataTest, PhotosWithoutASketchAreNoClasses) {
  const auto whole = Load(With(Spec(), {"validation.fraction=0"}));
  const auto data =
      Load(With(Spec(), {"validation.fraction=0", "target_dataset=" + TargetWithoutSketches(3)}));
  ASSERT_THAT(whole, IsOk());
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(data->photos.labels.size(), whole->photos.labels.size()) << "the start still sees them";
  EXPECT_EQ(data->target_identities, whole->target_identities - 3);
  int classes = 0;
  for (const int label : data->sketches.labels) classes = std::max(classes, label + 1);
  EXPECT_EQ(classes, data->target_identities);
}

TEST_F(TrainingDataTest, ChosenAttributesAreThoseOfTheDataSetInItsOrder) {
  const auto source = DataSet::Open(Source());
  const std::string first = source->attributes()[1], second = source->attributes()[4];
  const auto spec = With(Spec(), {absl::StrCat("attributes=", second, ",", first)});
  const auto all = Load(Spec());
  const auto chosen = Load(spec);
  ASSERT_THAT(all, IsOk());
  ASSERT_THAT(chosen, IsOk());
  const size_t count = source->attributes().size();
  ASSERT_EQ(chosen->source_attributes.size(), 2 * chosen->source.labels.size());
  for (size_t i = 0; i < chosen->source.labels.size(); ++i) {
    EXPECT_EQ(chosen->source_attributes[2 * i], all->source_attributes[count * i + 1]);
    EXPECT_EQ(chosen->source_attributes[2 * i + 1], all->source_attributes[count * i + 4]);
  }
  const auto manifest = (*Create(spec))->Model({}, "job")->manifest;
  EXPECT_THAT(manifest.attributes(), ElementsAre(first, second));
}

TEST_F(TrainingDataTest, UnknownAttributeListsTheKnownOnes) {
  const auto source = DataSet::Open(Source());
  EXPECT_THAT(Create(With(Spec(), {"attributes=wheels"})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("wheels"), HasSubstr(source->attributes().back()))));
}

// Names of the attributes, and the bytes that the last layer of the head has for each.
std::map<std::string, std::string> OutputsByName(const TrainedModel& model) {
  const std::string layer = "attribute_head.4.";
  std::map<std::string, std::string> outputs;
  const auto& names = model.manifest.attributes();
  for (const char* name : {"weight", "bias"}) {
    const std::string& bytes = model.weights.at(layer + name).bytes;
    const size_t row = bytes.size() / static_cast<size_t>(names.size());
    for (int i = 0; i < names.size(); ++i) {
      outputs[names[i]] += bytes.substr(static_cast<size_t>(i) * row, row);
    }
  }
  return outputs;
}

// dataset.json lists the names; its order is nobody's decision.
TEST_F(TrainingDataTest, VersionWithAttributesInAnotherOrderIsContinuedByName) {
  const std::string folder = dir_.File("reordered");
  std::filesystem::copy(Source(), folder, std::filesystem::copy_options::recursive);
  const auto source = DataSet::Open(folder);
  std::vector<std::string> names = source->attributes();
  std::rotate(names.begin(), names.begin() + 2, names.end());
  std::vector<DataSetImage> images = source->images();
  for (DataSetImage& image : images) {
    std::rotate(image.attributes.begin(), image.attributes.begin() + 2, image.attributes.end());
  }
  ASSERT_THAT(WriteDataSet(folder, {"reordered", names, "", ""}, images), IsOk());
  const CheckpointStore store(dir_.File("store"));
  auto trainer = *Create(Spec());
  ASSERT_THAT(trainer->Run(), IsOk());
  const auto model = *trainer->Model({}, "job");
  ASSERT_THAT(store.Publish(model.manifest, model.weights), IsOk());
  IhdaTrainerOptions options;
  options.checkpoint_root = store.root();
  const auto continued =
      Create(With(Spec(), {"initial_version=1", "source_dataset=" + folder}), options);
  ASSERT_THAT(continued, IsOk());
  const auto start = *(*continued)->Model({}, "job");
  EXPECT_THAT(start.manifest.attributes(), testing::ElementsAreArray(names));
  EXPECT_EQ(OutputsByName(start), OutputsByName(model));
  EXPECT_EQ(OutputsByName(start).size(), names.size());
  EXPECT_THAT(Differences(model.weights, start.weights),
              ElementsAre("attribute_head.4.bias", "attribute_head.4.weight"));
}

TEST_F(TrainingDataTest, VersionWithOtherAttributesIsNotContinued) {
  const auto source = DataSet::Open(Source());
  const auto choice = [&](size_t i) { return "attributes=" + source->attributes()[i]; };
  const CheckpointStore store(dir_.File("store"));
  const auto model = *(*Create(With(Spec(), {choice(0)})))->Model({}, "job");
  ASSERT_THAT(store.Publish(model.manifest, model.weights), IsOk());
  IhdaTrainerOptions options;
  options.checkpoint_root = store.root();
  const auto continued = [&](size_t i) {
    return Create(With(Spec(), {"initial_version=1", choice(i)}), options).status();
  };
  EXPECT_THAT(continued(0), IsOk());
  EXPECT_THAT(continued(1),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("predicts the attributes " + source->attributes()[0]),
                             HasSubstr("trains " + source->attributes()[1]))));
}

// Batches of step 1 that a plan needs no images for.
class Step1PlanTest : public testing::Test {
 protected:
  Step1PlanTest() {
    for (int identity = 0; identity < 12; ++identity) {
      data_.source.labels.insert(data_.source.labels.end(), 4, identity);
    }
  }
  // The most images of one identity in a batch of that epoch.
  int MostOfOne(const v1::TrainingSpec& spec, int epoch) {
    const auto step = MakeStep1(spec, data_);
    EXPECT_THAT(step, IsOk());
    int most = 0;
    for (const auto& batch : (*step)->Plan(epoch).indices) {
      std::map<int, int> counts;
      for (const int index : batch[0]) {
        most = std::max(most, ++counts[data_.source.labels[index]]);
      }
    }
    return most;
  }
  static v1::TrainingSpec Spec(v1::Recipe recipe) {
    v1::TrainingSpec spec;
    spec.set_recipe(recipe);
    spec.mutable_step1()->set_batch_size(8);
    spec.mutable_step1()->set_images_per_identity(4);
    spec.mutable_release()->set_step1_single_image_epochs(2);
    return spec;
  }

  TrainingData data_;
};

TEST_F(Step1PlanTest, ReleaseShowsOneImageOfAnIdentityInItsFirstEpochs) {
  EXPECT_EQ(MostOfOne(Spec(v1::RECIPE_RELEASE), 0), 1);
  EXPECT_EQ(MostOfOne(Spec(v1::RECIPE_RELEASE), 1), 1);
  EXPECT_EQ(MostOfOne(Spec(v1::RECIPE_RELEASE), 2), 4);
  EXPECT_EQ(MostOfOne(Spec(v1::RECIPE_PAPER), 0), 4);
}

// InfoNCE needs a second image.
TEST_F(Step1PlanTest, SingleImagesHaveNoContrastiveTerm) {
  EXPECT_EQ(Step1ImagesPerIdentity(Spec(v1::RECIPE_RELEASE), 1), 1);
  v1::TrainingSpec spec = Spec(v1::RECIPE_RELEASE);
  spec.mutable_loss()->set_contrastive(1);
  spec.mutable_loss()->set_temperature(0.1);
  LossHeads heads;
  heads.retrieval_feature = [](const torch::Tensor& v) { return v; };
  const auto terms = [&](int epoch) {
    TrainingPlace place;
    place.epoch = epoch;
    Step1Batch batch;
    batch.source.embedding = torch::ones({8, 3});
    return !Step1Losses(spec, batch, place, heads).empty();
  };
  EXPECT_FALSE(terms(1));
  EXPECT_TRUE(terms(2));
}

}  // namespace
}  // namespace s2p::test
