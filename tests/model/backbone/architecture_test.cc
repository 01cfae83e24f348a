#include "model/backbone/architecture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "model/backbone/transformer_fields.h"
#include "tests/model/backbone/small_transformer.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::SmallTransformer;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Architecture Find(const std::string& name) {
  auto architecture = FindArchitecture(name, {});
  EXPECT_THAT(architecture, IsOk());
  return *std::move(architecture);
}

v1::Backbone Spec(const std::string& arch, uint32_t last_stage, uint32_t last_stride) {
  v1::Backbone spec;
  spec.set_arch(arch);
  spec.set_last_stage(last_stage);
  spec.set_last_stride(last_stride);
  return spec;
}

TEST(ArchitectureTest, EveryNameIsFoundAndTheLastIsATransformerOfOnesOwn) {
  const std::vector<std::string> names = ArchitectureNames();
  for (const std::string& name : names) {
    EXPECT_THAT(FindArchitecture(name, SmallTransformer()), IsOk()) << name;
  }
  EXPECT_EQ(names.back(), "vit");
}

TEST(ArchitectureTest, ChannelsAreThoseOfTheFamily) {
  EXPECT_THAT(Find("resnet34").channels, ElementsAre(64, 128, 256, 512));
  EXPECT_THAT(Find("resnet50_caffe").channels, ElementsAre(256, 512, 1024, 2048));
  EXPECT_THAT(Find("convnext_base").channels, ElementsAre(128, 256, 512, 1024));
  EXPECT_THAT(Find("dinov2_vits14").channels, ElementsAre(384, 384, 384, 384));
  EXPECT_EQ(Find("clip_vit_l_14").ChannelsAfter(3), 1024);
}

TEST(ArchitectureTest, SummariesHaveTheLengthThatIsPublished) {
  EXPECT_EQ(Find("resnet50").summary, 0);
  EXPECT_EQ(Find("convnext_tiny").summary, 768);
  EXPECT_EQ(Find("clip_vit_b_16").summary, 512);
  EXPECT_EQ(Find("clip_vit_l_14").summary, 768);
  EXPECT_EQ(Find("siglip_vit_b_16").summary, 768);
  EXPECT_EQ(Find("dinov2_vitl14_reg").summary, 1024);
}

TEST(ArchitectureTest, NamedTransformersHaveNoWrongField) {
  for (const std::string& name : ArchitectureNames()) {
    const auto architecture = FindArchitecture(name, SmallTransformer());
    ASSERT_THAT(architecture, IsOk());
    if (const auto* t = std::get_if<v1::VisionTransformer>(&architecture->layout)) {
      EXPECT_THAT(WrongFields(*t), IsEmpty()) << name;
    }
  }
}

struct Mistake {
  const char* message;
  std::function<void(v1::VisionTransformer&)> make;
};

TEST(ArchitectureTest, TransformersOutOfRangeAreInvalidArgumentNamingTheField) {
  using T = v1::VisionTransformer;
  const Mistake mistakes[] = {
      {"patch: must be from 1 to 64", [](T& t) { t.set_patch(0); }},
      {"patch: must be", [](T& t) { t.set_patch(65); }},
      {"width: must be from 8 to 4096", [](T& t) { t.set_width(4104); }},
      {"width: must be a multiple of heads, 4", [](T& t) { t.set_width(66); }},
      {"depth: must be from 1 to 64", [](T& t) { t.set_depth(0); }},
      {"depth: must be less with these widths",
       [](T& t) {
         t.set_depth(64);
         t.set_width(4096);
       }},
      {"heads: must be from 1 to 64", [](T& t) { t.set_heads(0); }},
      {"mlp_width: must be from 1 to 16384", [](T& t) { t.clear_mlp_width(); }},
      {"position_side: must be from 1 to 128", [](T& t) { t.set_position_side(129); }},
      {"registers: must be from 0 to 64", [](T& t) { t.set_registers(65); }},
      {"projection: must be from 0 to 8192", [](T& t) { t.set_projection(0xFFFFFFFFu); }},
      {"activation: must be ACTIVATION_GELU,", [](T& t) { t.clear_activation(); }},
      {"norm_epsilon: must be from 1e-12 to 0.01", [](T& t) { t.clear_norm_epsilon(); }},
      {"norm_epsilon: must be",
       [](T& t) { t.set_norm_epsilon(std::numeric_limits<double>::quiet_NaN()); }},
      {"position_resampling: must be POSITION", [](T& t) { t.clear_position_resampling(); }},
  };
  for (const Mistake& mistake : mistakes) {
    v1::VisionTransformer transformer = SmallTransformer();
    mistake.make(transformer);
    EXPECT_THAT(FindArchitecture("vit", transformer).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(std::string("backbone.transformer.") + mistake.message)));
  }
}

TEST(ArchitectureTest, TransformerOfANamedNetworkIsRefused) {
  v1::Backbone spec = Spec("clip_vit_b_32", 4, 2);
  EXPECT_THAT(ArchitectureOf(spec), IsOk());
  *spec.mutable_transformer() = SmallTransformer();
  EXPECT_THAT(ArchitectureOf(spec).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("backbone.transformer: set, but the arch is 'clip_vit_b_32'")));
}

TEST(ArchitectureTest, LastStrideMattersToResNetsAlone) {
  EXPECT_THAT(ArchitectureOf(Spec("convnext_tiny", 4, 0)), IsOk());
  EXPECT_THAT(ArchitectureOf(Spec("dinov2_vits14", 4, 0)), IsOk());
  EXPECT_THAT(ArchitectureOf(Spec("resnet50_caffe", 4, 0)).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("backbone.last_stride: 0")));
}

TEST(ArchitectureTest, SidesAreMultiplesOfThePatchOrCoverTheStrides) {
  EXPECT_EQ(WrongSide(Find("dinov2_vits14"), 4, 224), "");
  EXPECT_EQ(WrongSide(Find("dinov2_vits14"), 4, 256), "a multiple of 14");
  EXPECT_EQ(WrongSide(Find("vit_b_16"), 4, 1024), "");
  v1::VisionTransformer fine = SmallTransformer();
  fine.set_patch(4);
  EXPECT_EQ(WrongSide(*FindArchitecture("vit", fine), 4, 512), "");
  EXPECT_EQ(WrongSide(*FindArchitecture("vit", fine), 4, 516), "at most 512");
  EXPECT_EQ(WrongSide(Find("convnext_tiny"), 4, 32), "");
  EXPECT_EQ(WrongSide(Find("convnext_tiny"), 4, 31), "at least 32");
  EXPECT_EQ(WrongSide(Find("convnext_tiny"), 3, 16), "");
  EXPECT_EQ(WrongSide(Find("resnet18"), 4, 1), "");
}

}  // namespace
}  // namespace s2p
