#include "client/spec_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/arguments.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class SpecFileTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::TrainingSpec> Read(const std::string& text) {
    EXPECT_TRUE(WriteFile(path_, text).ok());
    return ReadSpecFile(path_);
  }
  // The message of the refusal.
  std::string Refused(const std::string& text) {
    const auto spec = Read(text);
    EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(spec.status().message());
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.File("job.spec");
};

TEST_F(SpecFileTest, TextFormatIsRead) {
  const auto spec =
      Read("# a comment\npreset: \"shoes\"\nstep2 { epochs: 5 }\nrecipe: RECIPE_PAPER");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->preset(), "shoes");
  EXPECT_EQ(spec->step2().epochs(), 5u);
  EXPECT_FALSE(spec->step2().has_batch_size());
}

TEST_F(SpecFileTest, TypographicQuoteIsSaidToBeOne) {
  EXPECT_THAT(Refused("seed: 1\npreset: \xe2\x80\x9cshoes\xe2\x80\x9d\n"),
              StartsWith(path_ + ":2:9: a character that is not ASCII stands outside of a text"));
}

TEST_F(SpecFileTest, JsonIsReadWhateverSpaceItBeginsWith) {
  const auto spec =
      Read("\n  {\"preset\": \"faces\", \"step2\": {\"epochs\": 5, \"batchSize\": 8}}");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->preset(), "faces");
  EXPECT_EQ(spec->step2().batch_size(), 8u);
}

TEST_F(SpecFileTest, MistakeInTheTextIsNamedWithItsPlace) {
  EXPECT_THAT(Refused("preset: \"shoes\"\nstep3 { epochs: 5 }\n"),
              AllOf(StartsWith(path_ + ":2:"), HasSubstr("step3")));
}

TEST_F(SpecFileTest, MistakeInTheJsonIsNamed) {
  EXPECT_THAT(Refused("{\"step3\": 1}"), AllOf(StartsWith(path_ + ": "), HasSubstr("step3")));
  EXPECT_THAT(Refused("{\"preset\": "), StartsWith(path_ + ": "));
}

TEST_F(SpecFileTest, FileThatIsNotThereIsNamed) {
  const auto spec = ReadSpecFile(dir_.File("none"));
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(spec.status().message()), HasSubstr(dir_.File("none")));
}

class SetSpecFieldTest : public ::testing::Test {
 protected:
  std::string Refused(const std::string& assignment) {
    const absl::Status status = SetSpecField(assignment, spec_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << assignment;
    return std::string(status.message());
  }
  v1::TrainingSpec spec_;
};

TEST_F(SetSpecFieldTest, EveryKindOfFieldIsSet) {
  for (const char* assignment :
       {"name=a=b", "step2.epochs=0", "step2.learning_rate=1e-3", "seed=18446744073709551615",
        "initial_version=7", "backbone.shared=true", "recipe=release",
        "publish.policy=POLICY_NEVER", "embedding.pooling=Grid"}) {
    EXPECT_TRUE(SetSpecField(assignment, spec_).ok()) << assignment;
  }
  EXPECT_EQ(spec_.name(), "a=b");
  EXPECT_TRUE(spec_.step2().has_epochs());
  EXPECT_EQ(spec_.step2().epochs(), 0u);
  EXPECT_EQ(spec_.step2().learning_rate(), 1e-3);
  EXPECT_EQ(spec_.seed(), 18446744073709551615u);
  EXPECT_EQ(spec_.initial_version(), 7);
  EXPECT_TRUE(spec_.backbone().shared());
  EXPECT_EQ(spec_.recipe(), v1::RECIPE_RELEASE);
  EXPECT_EQ(spec_.publish().policy(), v1::TrainingSpec::PublishSpec::POLICY_NEVER);
  EXPECT_EQ(spec_.embedding().pooling(), v1::POOLING_GRID);
}

TEST_F(SetSpecFieldTest, LaterAssignmentWins) {
  ASSERT_TRUE(SetSpecField("step2.epochs=5", spec_).ok());
  ASSERT_TRUE(SetSpecField("step2.epochs=6", spec_).ok());
  EXPECT_EQ(spec_.step2().epochs(), 6u);
}

TEST_F(SetSpecFieldTest, UnknownFieldIsToldWhichThereAre) {
  EXPECT_THAT(Refused("step3.epochs=5"), AllOf(HasSubstr("step3.epochs"), HasSubstr("step2")));
  EXPECT_THAT(Refused("step2.epoch=5"), AllOf(HasSubstr("step2.epoch"), HasSubstr("epochs")));
  EXPECT_THAT(Refused("=5"), HasSubstr("preset"));
}

TEST_F(SetSpecFieldTest, WrongValueIsToldWhatItMustBe) {
  EXPECT_EQ(Refused("step2.epochs=-1"), "step2.epochs: must be a whole number of 0 or more");
  EXPECT_EQ(Refused("step2.epochs=4294967296"),
            "step2.epochs: must be a whole number of 0 or more");
  EXPECT_EQ(Refused("seed=x"), "seed: must be a whole number of 0 or more");
  EXPECT_EQ(Refused("initial_version=1.5"), "initial_version: must be a whole number");
  EXPECT_EQ(Refused("step2.learning_rate=fast"), "step2.learning_rate: must be a number");
  EXPECT_EQ(Refused("backbone.shared=perhaps"), "backbone.shared: must be true or false");
  EXPECT_EQ(Refused("precision=fp8"), "precision: must be one of FP32, BF16");
}

TEST_F(SetSpecFieldTest, TextThatIsNotUtf8IsRefused) {
  EXPECT_EQ(Refused("name=caf\xE9"), "name: the value: \"caf\\xe9\" is not UTF-8 text");
}

TEST_F(SetSpecFieldTest, GroupIsNoValueAndAValueNoGroup) {
  EXPECT_EQ(Refused("step2=5"), "step2: is a group of fields: set one of them");
  EXPECT_EQ(Refused("name.first=x"), "name.first: name has no fields");
}

TEST_F(SetSpecFieldTest, WithoutEqualsItIsNoAssignment) {
  EXPECT_EQ(Refused("step2.epochs"), "step2.epochs: expected FIELD=VALUE");
}

}  // namespace
}  // namespace s2p
