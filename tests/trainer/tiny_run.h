// A training run that takes a second: a few drawn shoes, a small network, small pictures.
#ifndef S2P_TESTS_TRAINER_TINY_RUN_H_
#define S2P_TESTS_TRAINER_TINY_RUN_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/message_text.h"
#include "base/status_macros.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/ihda/ihda_trainer.h"
#include "trainer/shoes/synthetic_shoes.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {

// Makes the data once for all tests of a suite.
class TinyRunTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    data_ = std::make_unique<TempDir>();
    SyntheticShoesOptions options;
    options.out = data_->File("shoes");
    options.identities = 16;
    options.seed = 3;
    ASSERT_THAT(Synthesize(options), IsOk());
  }
  static void TearDownTestSuite() { data_.reset(); }

  static std::string Source() { return data_->File("shoes/source"); }
  static std::string Target() { return data_->File("shoes/target"); }

  // Both steps, two epochs each, every term on.
  static v1::TrainingSpec Spec() {
    v1::TrainingSpec spec;
    spec.set_preset("demo");
    for (const std::string& field :
         {"source_dataset=" + Source(), "target_dataset=" + Target(), std::string("device=cpu"),
          std::string("photo.height=32"), std::string("photo.width=32"),
          std::string("sketch.height=32"), std::string("sketch.width=32"),
          std::string("embedding.grid=1"), std::string("embedding.dimension=16"),
          std::string("step1.epochs=2"), std::string("step2.epochs=2"),
          std::string("step1.batch_size=8"), std::string("step2.batch_size=12"),
          std::string("step1.images_per_identity=2"), std::string("loss.identity=1"),
          std::string("loss.triplet=1"), std::string("workers=1"),
          std::string("validation.fraction=0.3")}) {
      EXPECT_THAT(SetMessageField(field, spec), IsOk()) << field;
    }
    return spec;
  }
  static v1::TrainingSpec With(v1::TrainingSpec spec, const std::vector<std::string>& fields) {
    for (const std::string& field : fields) {
      const absl::Status status = SetMessageField(field, spec);
      EXPECT_THAT(status, IsOk());
    }
    return spec;
  }

  absl::StatusOr<std::unique_ptr<IhdaTrainer>> Create(const v1::TrainingSpec& spec,
                                                      IhdaTrainerOptions options = {}) {
    options.threads = 1;
    S2P_ASSIGN_OR_RETURN(const auto resolved, ResolveSpec(spec));
    S2P_ASSIGN_OR_RETURN(auto plan, PlanRun(resolved, options.checkpoint_root));
    return IhdaTrainer::Create(std::move(plan), options);
  }
  // The weights after a whole run.
  TensorMap Train(const v1::TrainingSpec& spec, const IhdaTrainerOptions& options = {}) {
    auto trainer = Create(spec, options);
    EXPECT_THAT(trainer, IsOk());
    if (!trainer.ok()) return {};
    const absl::Status status = (*trainer)->Run();
    EXPECT_THAT(status, IsOk());
    const auto model = (*trainer)->Model({}, "job");
    EXPECT_THAT(model, IsOk());
    return model.ok() ? model->weights : TensorMap();
  }

  TempDir dir_;

 private:
  static inline std::unique_ptr<TempDir> data_;
};

// Names of the tensors that differ in any bit.
inline std::vector<std::string> Differences(const TensorMap& a, const TensorMap& b) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : a) {
    const auto other = b.find(name);
    if (other == b.end() || other->second.bytes != tensor.bytes) names.push_back(name);
  }
  EXPECT_EQ(a.size(), b.size());
  return names;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_TRAINER_TINY_RUN_H_
