#include "trainer/ihda/start_plan.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/message_text.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class StartPlanTest : public testing::Test {
 protected:
  // A spec of shoes-resnet18 whose target lists `pairs` identities with a photo and a sketch each;
  // the pictures themselves are not there.
  v1::TrainingSpec Spec(int pairs, const std::vector<std::string>& fields = {}) {
    const std::string target = dir_.File(absl::StrCat("target", pairs));
    std::filesystem::create_directories(target);
    std::ofstream(target + "/dataset.json") << R"({"format":1,"name":"pairs","attributes":[]})";
    std::ofstream lines(target + "/dataset.jsonl");
    for (int i = 0; i < pairs; ++i) {
      for (const char* modality : {"photo", "sketch"}) {
        lines << absl::StrCat(R"({"path":")", modality, "/", i, R"(.png","identity":")", i,
                              R"(","modality":")", modality, R"(","split":"train"})", "\n");
      }
    }
    v1::TrainingSpec spec;
    spec.set_preset("shoes-resnet18");
    spec.set_target_dataset(target);
    spec.set_initial_weights("resnet18.safetensors");
    spec.mutable_validation()->set_fraction(0);
    for (const std::string& field : fields) EXPECT_THAT(SetMessageField(field, spec), IsOk());
    return *ResolveSpec(spec);
  }
  v1::TrainingSpec Settled(v1::TrainingSpec spec) {
    const auto data_sets = OpenTrainingDataSets(spec);
    EXPECT_THAT(data_sets, IsOk());
    if (data_sets.ok()) {
      EXPECT_THAT(SettleDimension(*data_sets, dir_.File("store"), spec), IsOk());
    }
    EXPECT_FALSE(spec.embedding().has_few_pairs_dimension());
    return spec;
  }
  uint32_t Dimension(const v1::TrainingSpec& spec) { return Settled(spec).embedding().dimension(); }
  TempDir dir_;
};

TEST_F(StartPlanTest, FewPairsHaveALongerEmbedding) {
  EXPECT_EQ(Dimension(Spec(kFewPairs - 1)), 2048u);
  EXPECT_EQ(Dimension(Spec(kFewPairs)), 256u);
  EXPECT_EQ(Dimension(Spec(5, {"embedding.few_pairs_dimension=512"})), 512u);
}

TEST_F(StartPlanTest, LengthThatIsAskedForIsKept) {
  EXPECT_EQ(Dimension(Spec(5, {"embedding.dimension=128"})), 128u);
  EXPECT_EQ(Dimension(Spec(5, {"embedding.dimension=0"})), 0u);
  EXPECT_EQ(Dimension(Spec(5, {"embedding.few_pairs_dimension=0"})), 256u);
}

TEST_F(StartPlanTest, EmbeddingIsNoLongerThanItsFeatures) {
  // The channels of stage 3.
  EXPECT_EQ(Dimension(Spec(5, {"embedding.pooling=global"})), 256u);
  EXPECT_EQ(Dimension(Spec(5, {"embedding.pooling=global", "embedding.dimension=128",
                               "embedding.few_pairs_dimension=2048"})),
            256u);
}

TEST_F(StartPlanTest, PseudoSketchesArePairsToo) {
  EXPECT_EQ(Dimension(Spec(kFewPairs, {"pair_fraction=0.1"})), 2048u);
  v1::TrainingSpec spec = Spec(kFewPairs, {"pair_fraction=0.1", "pseudo.per_photo=2"});
  const auto data_sets = OpenTrainingDataSets(spec);
  ASSERT_THAT(data_sets, IsOk());
  const StartPlan plan = PlanStart(*data_sets, spec);
  EXPECT_EQ(plan.made, 2 * plan.photos);
  EXPECT_EQ(plan.images.pairs, static_cast<int>(plan.photos));
  EXPECT_EQ(Dimension(Spec(kFewPairs / 2)), 2048u);
}

TEST_F(StartPlanTest, NothingIsFittedWithoutWeights) {
  EXPECT_EQ(Dimension(Spec(5, {"initial_weights="})), 256u);
}

TEST_F(StartPlanTest, VersionThatIsGoneIsNamedWithTheWayOut) {
  v1::TrainingSpec spec = Spec(5, {"initial_weights=", "initial_version=7"});
  EXPECT_THAT(KeepDimensionOfVersion(dir_.File("store"), spec),
              StatusIs(absl::StatusCode::kNotFound, AllOf(HasSubstr("initial_version: "),
                                                          HasSubstr("set embedding.dimension"))));
}

// A state of a run does not depend on how its length was found.
TEST_F(StartPlanTest, SettledSpecIsThatWhichAsksForTheLength) {
  EXPECT_EQ(SpecDigest(Settled(Spec(5))),
            SpecDigest(Settled(Spec(5, {"embedding.dimension=2048"}))));
  EXPECT_EQ(SpecDigest(Settled(Spec(kFewPairs))),
            SpecDigest(Settled(Spec(kFewPairs, {"embedding.dimension=256"}))));
}

}  // namespace
}  // namespace s2p::test
