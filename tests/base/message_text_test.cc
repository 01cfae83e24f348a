#include "base/message_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "s2p/v1/training.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class MessageFileTest : public testing::Test {
 protected:
  absl::StatusOr<v1::TrainingSpec> ReadFile(const std::string& path) {
    v1::TrainingSpec spec;
    S2P_RETURN_IF_ERROR(ReadMessageFile(path, spec));
    return spec;
  }
  absl::StatusOr<v1::TrainingSpec> Read(const std::string& text) {
    std::ofstream(path_) << text;
    return ReadFile(path_);
  }
  // The message with which the text is refused.
  std::string Refused(const std::string& text) {
    const auto spec = Read(text);
    EXPECT_THAT(spec, StatusIs(absl::StatusCode::kInvalidArgument));
    return std::string(spec.status().message());
  }

  test::TempDir dir_;
  const std::string path_ = dir_.File("job.spec");
};

TEST_F(MessageFileTest, TextFormatIsRead) {
  const auto spec =
      Read("# a comment\npreset: \"shoes\"\nstep2 { epochs: 5 }\nrecipe: RECIPE_PAPER");
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->preset(), "shoes");
  EXPECT_EQ(spec->step2().epochs(), 5u);
  EXPECT_FALSE(spec->step2().has_batch_size());
}

TEST_F(MessageFileTest, TypographicQuoteIsNamed) {
  EXPECT_THAT(Refused("seed: 1\npreset: \xe2\x80\x9cshoes\xe2\x80\x9d\n"),
              StartsWith(path_ + ":2:9: a non-ASCII character outside a \"quoted\" text"));
}

TEST_F(MessageFileTest, JsonMayStartWithAnyWhiteSpace) {
  const auto spec =
      Read("\n  {\"preset\": \"faces\", \"step2\": {\"epochs\": 5, \"batchSize\": 8}}");
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->preset(), "faces");
  EXPECT_EQ(spec->step2().batch_size(), 8u);
}

TEST_F(MessageFileTest, MistakeInTheTextIsNamedWithItsPosition) {
  EXPECT_THAT(Refused("preset: \"shoes\"\nstep3 { epochs: 5 }\n"),
              AllOf(StartsWith(path_ + ":2:"), HasSubstr("step3")));
}

TEST_F(MessageFileTest, MistakeInTheJsonIsNamed) {
  EXPECT_THAT(Refused("{\"step3\": 1}"), AllOf(StartsWith(path_ + ": "), HasSubstr("step3")));
  EXPECT_THAT(Refused("{\"preset\": "), StartsWith(path_ + ": "));
}

TEST_F(MessageFileTest, MissingFileIsNamed) {
  const auto spec = ReadFile(dir_.File("none"));
  EXPECT_THAT(spec, StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir_.File("none"))));
}

class SetMessageFieldTest : public testing::Test {
 protected:
  std::string Refused(const std::string& assignment) {
    const absl::Status status = SetMessageField(assignment, spec_);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << assignment;
    return std::string(status.message());
  }
  v1::TrainingSpec spec_;
};

TEST_F(SetMessageFieldTest, EveryKindOfFieldIsSet) {
  for (const char* assignment :
       {"name=a=b", "step2.epochs=0", "step2.learning_rate=1e-3", "seed=18446744073709551615",
        "initial_version=7", "backbone.shared=true", "recipe=release",
        "publish.policy=POLICY_NEVER", "embedding.pooling=Grid"}) {
    EXPECT_THAT(SetMessageField(assignment, spec_), IsOk()) << assignment;
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

TEST_F(SetMessageFieldTest, ListIsSeparatedByCommasAndReplaced) {
  ASSERT_THAT(SetMessageField("attributes=boots", spec_), IsOk());
  ASSERT_THAT(SetMessageField("attributes=high heels,laces", spec_), IsOk());
  ASSERT_EQ(spec_.attributes_size(), 2);
  EXPECT_EQ(spec_.attributes(0), "high heels");
  EXPECT_EQ(spec_.attributes(1), "laces");
  EXPECT_THAT(Refused("attributes=caf\xe9"), HasSubstr("attributes: "));
}

TEST_F(SetMessageFieldTest, LaterAssignmentWins) {
  ASSERT_THAT(SetMessageField("step2.epochs=5", spec_), IsOk());
  ASSERT_THAT(SetMessageField("step2.epochs=6", spec_), IsOk());
  EXPECT_EQ(spec_.step2().epochs(), 6u);
}

TEST_F(SetMessageFieldTest, ErrorForAnUnknownFieldListsTheFields) {
  EXPECT_THAT(Refused("step3.epochs=5"), AllOf(HasSubstr("step3.epochs"), HasSubstr("step2")));
  EXPECT_THAT(Refused("step2.epoch=5"), AllOf(HasSubstr("step2.epoch"), HasSubstr("epochs")));
  EXPECT_THAT(Refused("=5"), HasSubstr("preset"));
}

TEST_F(SetMessageFieldTest, ErrorForAWrongValueSaysWhatIsExpected) {
  EXPECT_EQ(Refused("step2.epochs=-1"), "step2.epochs: must be a whole number of 0 or more");
  EXPECT_EQ(Refused("step2.epochs=4294967296"),
            "step2.epochs: must be a whole number of 0 or more");
  EXPECT_EQ(Refused("seed=x"), "seed: must be a whole number of 0 or more");
  EXPECT_EQ(Refused("initial_version=1.5"), "initial_version: must be a whole number");
  EXPECT_EQ(Refused("step2.learning_rate=fast"), "step2.learning_rate: must be a number");
  EXPECT_EQ(Refused("backbone.shared=perhaps"), "backbone.shared: must be true or false");
  EXPECT_EQ(Refused("precision=fp8"), "precision: must be one of FP32, BF16");
}

TEST_F(SetMessageFieldTest, TextThatIsNotUtf8IsRefused) {
  EXPECT_EQ(Refused("name=caf\xE9"), "name: \"caf\\xe9\" must be UTF-8; rename the file or folder");
}

TEST_F(SetMessageFieldTest, GroupIsNotAValueAndAValueIsNotAGroup) {
  EXPECT_EQ(Refused("step2=5"), "step2: is a group of fields: set one of them");
  EXPECT_EQ(Refused("name.first=x"), "name.first: name has no fields");
}

TEST_F(SetMessageFieldTest, WordWithoutEqualsIsNotAnAssignment) {
  EXPECT_EQ(Refused("step2.epochs"), "step2.epochs: expected FIELD=VALUE");
}

}  // namespace
}  // namespace s2p
