#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <ostream>
#include <string>

#include "model/checkpoint.h"
#include "tests/model/checkpoint_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::SmallManifest;
using test::StatusIs;
using testing::StartsWith;
using v1::CheckpointManifest;

// A mistake, and the start of the message that refuses it.
struct Mistake {
  const char* name;
  const char* field;
  std::function<void(CheckpointManifest&)> make;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

const Mistake kMistakes[] = {
    {"UnknownArch", "backbone.arch: 'vgg'",
     [](CheckpointManifest& m) { m.mutable_backbone()->set_arch("vgg"); }},
    {"NoArch", "backbone.arch: ''",
     [](CheckpointManifest& m) { m.mutable_backbone()->clear_arch(); }},
    {"StageTwo", "backbone.last_stage: 2",
     [](CheckpointManifest& m) { m.mutable_backbone()->set_last_stage(2); }},
    {"StageFive", "backbone.last_stage: 5",
     [](CheckpointManifest& m) { m.mutable_backbone()->set_last_stage(5); }},
    {"StrideThree", "backbone.last_stride: 3",
     [](CheckpointManifest& m) {
       m.mutable_backbone()->set_last_stage(4);
       m.mutable_backbone()->set_last_stride(3);
     }},
    {"TransformerThatTheArchDoesNotRead", "backbone.transformer: set, but the arch is 'resnet18'",
     [](CheckpointManifest& m) { m.mutable_backbone()->mutable_transformer()->set_patch(8); }},
    {"TransformerWithoutFields", "backbone.transformer.patch: must be from 1 to 64",
     [](CheckpointManifest& m) { m.mutable_backbone()->set_arch("vit"); }},
    {"SummaryOfAResNet", "embedding.pooling: POOLING_SUMMARY, but the network has no summary",
     [](CheckpointManifest& m) {
       m.mutable_backbone()->set_last_stage(4);
       m.mutable_embedding()->set_pooling(v1::POOLING_SUMMARY);
     }},
    {"SummaryWithoutStageFour", "embedding.pooling: POOLING_SUMMARY",
     [](CheckpointManifest& m) {
       m.mutable_backbone()->set_arch("convnext_tiny");
       m.mutable_embedding()->set_pooling(v1::POOLING_SUMMARY);
     }},
    {"SideThatIsNoMultipleOfThePatch", "sketch.width: 50 is not a multiple of 16, as vit_b_16",
     [](CheckpointManifest& m) {
       m.mutable_backbone()->set_arch("vit_b_16");
       m.mutable_sketch()->set_width(50);
     }},
    {"SideBelowTheStrides", "photo.height: 15 is not at least 16, as convnext_tiny needs",
     [](CheckpointManifest& m) {
       m.mutable_backbone()->set_arch("convnext_tiny");
       m.mutable_photo()->set_height(15);
     }},
    {"NoPooling", "embedding.pooling",
     [](CheckpointManifest& m) { m.mutable_embedding()->clear_pooling(); }},
    {"GridWithoutGridPooling", "embedding.grid: 2",
     [](CheckpointManifest& m) { m.mutable_embedding()->set_grid(2); }},
    {"GridTooFine", "embedding.grid: 9",
     [](CheckpointManifest& m) {
       m.mutable_embedding()->set_pooling(v1::POOLING_GRID);
       m.mutable_embedding()->set_grid(9);
     }},
    {"FineGridWithoutGridPooling", "embedding.fine_grid: 6",
     [](CheckpointManifest& m) { m.mutable_embedding()->set_fine_grid(6); }},
    {"FineGridTooFine", "embedding.fine_grid: 9",
     [](CheckpointManifest& m) {
       m.mutable_embedding()->set_pooling(v1::POOLING_GRID);
       m.mutable_embedding()->set_grid(4);
       m.mutable_embedding()->set_fine_grid(9);
     }},
    {"NoDimension", "embedding.dimension: 0",
     [](CheckpointManifest& m) { m.mutable_embedding()->clear_dimension(); }},
    {"AbsurdDimension", "embedding.dimension: 4294967295",
     [](CheckpointManifest& m) { m.mutable_embedding()->set_dimension(0xFFFFFFFFu); }},
    {"DimensionThatNothingProjectsTo", "embedding.dimension: 2, but the pooled vector has 256",
     [](CheckpointManifest& m) { m.mutable_embedding()->set_projection(false); }},
    {"NoNeckSaid", "embedding.neck",
     [](CheckpointManifest& m) { m.mutable_embedding()->clear_neck(); }},
    {"NoFeatureSaid", "embedding.retrieval_feature",
     [](CheckpointManifest& m) { m.mutable_embedding()->clear_retrieval_feature(); }},
    {"FeatureOfANeckThatIsNotThere", "embedding.retrieval_feature: RETRIEVAL_FEATURE_NECK",
     [](CheckpointManifest& m) {
       m.mutable_embedding()->set_retrieval_feature(v1::RETRIEVAL_FEATURE_NECK);
     }},
    {"NoPhoto", "photo.height: 0", [](CheckpointManifest& m) { m.clear_photo(); }},
    {"NoSketch", "sketch.height: 0", [](CheckpointManifest& m) { m.clear_sketch(); }},
    {"TallImages", "photo.height: 1025",
     [](CheckpointManifest& m) { m.mutable_photo()->set_height(1025); }},
    {"NoWidth", "sketch.width: 0",
     [](CheckpointManifest& m) { m.mutable_sketch()->clear_width(); }},
    {"ThickenedTooOften", "sketch.thicken: 9",
     [](CheckpointManifest& m) { m.mutable_sketch()->set_thicken(9); }},
    {"WorkSizeTooSmall", "sketch.work_size: 15 is not in [16, 4096]",
     [](CheckpointManifest& m) { m.mutable_sketch()->set_work_size(15); }},
    {"WorkSizeTooLarge", "photo.work_size: 4097 is not in [16, 4096]",
     [](CheckpointManifest& m) { m.mutable_photo()->set_work_size(4097); }},
    {"ShorterSideBelowTheInput", "photo.resize_shorter: 15 is not in [",
     [](CheckpointManifest& m) { m.mutable_photo()->set_resize_shorter(15); }},
    {"ShorterSideTooLarge", "sketch.resize_shorter: 4097 is not in [",
     [](CheckpointManifest& m) { m.mutable_sketch()->set_resize_shorter(4097); }},
    {"NoFilter", "photo.filter", [](CheckpointManifest& m) { m.mutable_photo()->clear_filter(); }},
    {"FourMeans", "photo.mean: not three",
     [](CheckpointManifest& m) { m.mutable_photo()->add_mean(0); }},
    {"NoStd", "sketch.std: not three",
     [](CheckpointManifest& m) { m.mutable_sketch()->clear_std(); }},
    {"MeanThatIsNoNumber", "photo.mean[1]",
     [](CheckpointManifest& m) {
       m.mutable_photo()->set_mean(1, std::numeric_limits<float>::quiet_NaN());
     }},
    {"StdOfZero", "photo.std[2]", [](CheckpointManifest& m) { m.mutable_photo()->set_std(2, 0); }},
    {"InfiniteStd", "photo.std[0]",
     [](CheckpointManifest& m) {
       m.mutable_photo()->set_std(0, std::numeric_limits<float>::infinity());
     }},
    {"NamelessAttribute", "attributes[1]: a name of 0 bytes",
     [](CheckpointManifest& m) { m.add_attributes(""); }},
    {"AttributeTwice", "attributes[1]: a duplicate name",
     [](CheckpointManifest& m) { m.add_attributes("boots"); }},
    {"AttributesWithoutWidth", "attribute_hidden: 0",
     [](CheckpointManifest& m) { m.clear_attribute_hidden(); }},
    {"WidthWithoutAttributes", "attribute_hidden: 4",
     [](CheckpointManifest& m) { m.clear_attributes(); }},
    {"RankAboveOne", "evaluations[0].rank1",
     [](CheckpointManifest& m) { m.mutable_evaluations(0)->set_rank1(61.7); }},
    {"PrecisionThatIsNoNumber", "evaluations[0].mAP",
     [](CheckpointManifest& m) {
       m.mutable_evaluations(0)->set_mean_average_precision(
           std::numeric_limits<double>::quiet_NaN());
     }},
};

class ManifestMistakeTest : public testing::TestWithParam<Mistake> {};

TEST_P(ManifestMistakeTest, IsInvalidArgumentNamingTheField) {
  CheckpointManifest manifest = SmallManifest();
  GetParam().make(manifest);
  const absl::Status status = ValidateManifest(manifest);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, StartsWith(GetParam().field)));
}

INSTANTIATE_TEST_SUITE_P(All, ManifestMistakeTest, testing::ValuesIn(kMistakes),
                         [](const auto& mistake) { return mistake.param.name; });

TEST(ManifestTest, AValidOnePasses) {
  const absl::Status status = ValidateManifest(SmallManifest());
  EXPECT_THAT(status, IsOk());
}

TEST(ManifestTest, StrideOfAMissingStageIsIgnored) {
  CheckpointManifest manifest = SmallManifest();
  manifest.mutable_backbone()->clear_last_stride();
  EXPECT_THAT(ValidateManifest(manifest), IsOk());
}

struct Pooled {
  const char* arch;
  int stage;
  uint32_t grid, fine_grid;
  int dimension;
};

TEST(PooledDimensionTest, IsChannelsTimesCells) {
  for (const Pooled& pooled :
       {Pooled{"resnet18", 3, 0, 0, 256}, Pooled{"resnet34", 4, 0, 0, 512},
        Pooled{"resnet50", 3, 0, 0, 1024}, Pooled{"resnet50", 4, 0, 0, 2048},
        Pooled{"se_resnext50_32x4d", 4, 0, 0, 2048}, Pooled{"resnet18", 3, 6, 0, 9216},
        Pooled{"resnet18", 4, 1, 0, 512}, Pooled{"resnet18", 3, 4, 6, 4096 + 4608},
        Pooled{"resnet50_caffe", 3, 0, 0, 1024},
        // The stage before the last has half the channels in ConvNeXt, and as many in transformers.
        Pooled{"convnext_tiny", 4, 2, 1, 4 * 768 + 384},
        Pooled{"dinov2_vits14", 4, 2, 1, 5 * 384}}) {
    v1::Backbone backbone;
    backbone.set_arch(pooled.arch);
    backbone.set_last_stage(pooled.stage);
    backbone.set_last_stride(1);
    v1::Embedding embedding;
    embedding.set_pooling(pooled.grid > 0 ? v1::POOLING_GRID : v1::POOLING_GLOBAL);
    embedding.set_grid(pooled.grid);
    embedding.set_fine_grid(pooled.fine_grid);
    const auto dimension = PooledDimension(backbone, embedding);
    ASSERT_THAT(dimension, IsOk());
    EXPECT_EQ(*dimension, pooled.dimension) << pooled.arch << " to stage " << pooled.stage;
  }
}

TEST(PooledDimensionTest, OfASummaryIsTheNetworksOwn) {
  v1::Backbone backbone;
  backbone.set_last_stage(4);
  v1::Embedding embedding;
  embedding.set_pooling(v1::POOLING_SUMMARY);
  const std::pair<const char*, int> lengths[] = {
      {"clip_vit_b_32", 512}, {"siglip_vit_b_16", 768}, {"convnext_base", 1024}};
  for (const auto& [arch, length] : lengths) {
    backbone.set_arch(arch);
    EXPECT_EQ(*PooledDimension(backbone, embedding), length) << arch;
  }
}

}  // namespace
}  // namespace s2p
