// A small vision transformer, from the spec to the server's encoder.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "model/checkpoint_store.h"
#include "model/encoder.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"

namespace s2p::test {
namespace {

using testing::Contains;
using testing::IsEmpty;

class TransformerRunTest : public TinyRunTest {
 protected:
  // 16 patches of 32 x 32 pixels, four blocks; sketches of another size than the table's.
  static v1::TrainingSpec Transformer() {
    return With(Spec(),
                {"backbone.arch=vit", "backbone.last_stage=4", "backbone.transformer.patch=8",
                 "backbone.transformer.width=32", "backbone.transformer.depth=4",
                 "backbone.transformer.heads=2", "backbone.transformer.mlp_width=64",
                 "backbone.transformer.position_side=4", "backbone.transformer.registers=1",
                 "backbone.transformer.class_token=true", "backbone.transformer.patch_bias=true",
                 "backbone.transformer.activation=gelu", "backbone.transformer.norm_epsilon=1e-6",
                 "backbone.transformer.position_resampling=antialiased",
                 "embedding.pooling=summary", "sketch.height=40"});
  }
};

TEST_F(TransformerRunTest, EveryPartLearns) {
  const TensorMap start = Train(With(Transformer(), {"step1.epochs=0", "step2.epochs=0"}));
  const std::vector<std::string> different = Differences(start, Train(Transformer()));
  for (const char* name : {"encoder.cls_token", "encoder.pos_embed", "encoder.register_tokens",
                           "encoder.patch_embed.proj.weight", "encoder.blocks.0.attn.qkv.weight",
                           "encoder.blocks.3.mlp.fc2.bias", "encoder.norm.weight"}) {
    EXPECT_THAT(different, Contains(name));
  }
}

TEST_F(TransformerRunTest, FrozenStagesStayAsTheyAre) {
  const v1::TrainingSpec frozen = With(Transformer(), {"backbone.frozen_stages=3"});
  const TensorMap start = Train(With(frozen, {"step1.epochs=0", "step2.epochs=0"}));
  for (const std::string& name : Differences(start, Train(frozen))) {
    EXPECT_TRUE(name.rfind("encoder.", 0) != 0 || name.rfind("encoder.blocks.2.", 0) == 0 ||
                name.rfind("encoder.blocks.3.", 0) == 0 || name.rfind("encoder.norm.", 0) == 0)
        << name;
  }
}

TEST_F(TransformerRunTest, ResumedRunEndsWithTheSameBits) {
  const TensorMap whole = Train(Transformer());
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  bool stop = false;
  options.observer.on_epoch = [&](const v1::TrainingProgress&, const std::vector<v1::Evaluation>&) {
    stop = true;
  };
  options.observer.stop = [&] { return stop; };
  EXPECT_TRUE(absl::IsCancelled((*Create(Transformer(), options))->Run()));
  options.observer = {};
  EXPECT_THAT(Differences(whole, Train(Transformer(), options)), IsEmpty());
}

TEST_F(TransformerRunTest, IsPublishedAsFormat3AndServed) {
  auto trainer = *Create(Transformer());
  ASSERT_THAT(trainer->Run(), IsOk());
  const auto model = trainer->Model({}, "job");
  ASSERT_THAT(model, IsOk());
  const CheckpointStore store(dir_.File("store"));
  const auto version = store.Publish(model->manifest, model->weights);
  ASSERT_THAT(version, IsOk());
  const auto checkpoint = store.Read(*version);
  ASSERT_THAT(checkpoint, IsOk());
  EXPECT_EQ(checkpoint->manifest.format_version(), 3u);
  EncoderOptions options;
  options.device = "cpu";
  const auto encoder = LoadEncoder(*checkpoint, options);
  ASSERT_THAT(encoder, IsOk());
  EXPECT_EQ((*encoder)->dimension(), 16);
}

}  // namespace
}  // namespace s2p::test
