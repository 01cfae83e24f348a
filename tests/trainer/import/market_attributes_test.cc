#include "trainer/import/market_attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/trainer/import/market_mat.h"
#include "trainer/import/colour_attributes.h"

namespace s2p::test {
namespace {

using namespace std::string_literals;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class MarketAttributesTest : public testing::Test {
 protected:
  absl::StatusOr<MarketAttributes> Read() {
    WriteMarketMat(path_, mat_);
    return ReadMarketAttributes(path_, set_);
  }
  absl::StatusOr<MarketAttributes> ReadBytes(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return ReadMarketAttributes(path_, set_);
  }
  std::string WrittenBytes() {
    WriteMarketMat(path_, mat_);
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void KeepNeededFields() {
    for (auto* part : {&mat_.train, &mat_.test}) {
      for (auto field = part->fields.begin(); field != part->fields.end();) {
        const bool unused = field->first == "age" || IsColourAttribute("market-1501", field->first);
        field = unused ? part->fields.erase(field) : std::next(field);
      }
    }
  }
  void ExpectWrong(const std::string& words) {
    const absl::Status status = Read().status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("market_attribute.mat: " + words)));
  }

  TempDir dir_;
  std::string path_ = dir_.File("market_attribute.mat");
  MarketAttributeSet set_ = MarketAttributeSet::kRelease;
  MarketMat mat_ = MarketMat({"0002", "0007", "0010"}, {"0001"});
};

TEST_F(MarketAttributesTest, EachIdentityHasEightValues) {
  const auto attributes = Read();
  ASSERT_THAT(attributes, IsOk());
  EXPECT_THAT(attributes->names, SizeIs(8));
  EXPECT_THAT(attributes->train, SizeIs(3));
  EXPECT_THAT(attributes->test, SizeIs(1));
  EXPECT_THAT(attributes->train.at("0010"), ElementsAre(1, 1, 1, 1, 1, 1, 1, 1));
}

TEST_F(MarketAttributesTest, CompressedFileIsTheSame) {
  mat_.train.fields["up"] = {1, 2, 1};
  const auto plain = Read();
  mat_.compression = MAT_COMPRESSION_ZLIB;
  const auto compressed = Read();
  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(compressed, IsOk());
  EXPECT_EQ(plain->train, compressed->train);
  EXPECT_EQ(plain->train.at("0007")[2], 0);
}

TEST_F(MarketAttributesTest, NumbersMayBeBytes) {
  mat_.bytes = true;
  mat_.test.fields["clothes"] = {2};
  const auto attributes = Read();
  ASSERT_THAT(attributes, IsOk());
  EXPECT_EQ(attributes->test.at("0001")[4], 0);
}

TEST_F(MarketAttributesTest, AgeAndColoursMayHaveAnyValueForTheRelease) {
  mat_.train.fields["age"] = {4, 3, 2};
  mat_.train.fields["upred"] = {9, 9, 9};
  EXPECT_THAT(Read(), IsOk());
}

TEST_F(MarketAttributesTest, PaperHasAgeAndOneBag) {
  set_ = MarketAttributeSet::kPaper;
  mat_.train.fields["age"] = {2, 3, 4};
  mat_.train.fields["backpack"] = {1, 2, 1};
  mat_.train.fields["handbag"] = {1, 1, 2};
  mat_.test.fields["bag"] = {2};
  const auto attributes = Read();
  ASSERT_THAT(attributes, IsOk());
  EXPECT_THAT(attributes->names,
              ElementsAre("male", "short_hair", "long_sleeves", "long_lower_clothing", "dress",
                          "no_hat", "adult", "bag"));
  EXPECT_THAT(attributes->train.at("0002"), ElementsAre(1, 1, 1, 1, 1, 1, 0, 0));
  EXPECT_THAT(attributes->train.at("0007"), ElementsAre(1, 1, 1, 1, 1, 1, 1, 1));
  EXPECT_THAT(attributes->train.at("0010"), ElementsAre(1, 1, 1, 1, 1, 1, 1, 1));
  EXPECT_THAT(attributes->test.at("0001"), ElementsAre(1, 1, 1, 1, 1, 1, 0, 1));
}

TEST_F(MarketAttributesTest, AgeOutsideIsNamedWhereItIsRead) {
  set_ = MarketAttributeSet::kPaper;
  for (const double age : {0.0, 5.0, 2.5}) {
    mat_.train.fields["age"] = {1, 4, age};
    ExpectWrong(absl::StrCat("train.age(3) is ", age, ", not 1, 2, 3 or 4"));
  }
}

TEST_F(MarketAttributesTest, ValueOutsideIsNamed) {
  mat_.train.fields["hair"] = {1, 3, 1};
  ExpectWrong("train.hair(2) is 3, not 1 or 2");
}

TEST_F(MarketAttributesTest, MissingFieldIsNamed) {
  mat_.test.fields.erase("hat");
  ExpectWrong("has no field hat");
}

TEST_F(MarketAttributesTest, FieldOfAnotherLengthIsNamed) {
  mat_.train.fields["down"] = {1, 1};
  ExpectWrong("train.down is not a row of 3 numbers");
}

TEST_F(MarketAttributesTest, IdOfAnotherFormIsNamed) {
  mat_.train.ids[1] = "7";
  ExpectWrong("train.image_index{2} is not an id of four digits");
}

TEST_F(MarketAttributesTest, IdThatIsThereTwiceIsNamed) {
  mat_.train.ids[1] = "0002";
  ExpectWrong("train.image_index has 0002 twice");
}

TEST_F(MarketAttributesTest, IdsThatAreNoCellsAreNamed) {
  mat_.ids_are_numbers = true;
  ExpectWrong("train.image_index is not a row of cells");
}

TEST_F(MarketAttributesTest, AnotherVariableIsNamed) {
  mat_.variable = "duke_attribute";
  ExpectWrong("has no readable variable market_attribute");
}

TEST_F(MarketAttributesTest, TextIsNoMatFile) {
  const absl::Status status = ReadBytes(std::string(500, 'x')).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("is not a MATLAB 5.0 MAT-file")));
}

TEST_F(MarketAttributesTest, HugeFileIsRefused) {
  const absl::Status status = ReadBytes(std::string(5 << 20, '\0')).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("larger than 4194304 bytes")));
}

TEST_F(MarketAttributesTest, NumbersThatTheFileCannotHoldAreRefusedBeforeTheyAreAllocated) {
  std::string bytes = WrittenBytes();
  // The dimensions of the first row, 1 and the number of identities: 8 bytes of type 5.
  const size_t at = bytes.find("\5\0\0\0\10\0\0\0\1\0\0\0\3\0\0\0"s);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 15] = 4;
  EXPECT_THAT(ReadBytes(bytes),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("market_attribute.mat: declares 67108867 numbers, but has 3")));
}

TEST_F(MarketAttributesTest, MissingFileIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(ReadMarketAttributes(dir_.File("none.mat"), set_).status()));
}

// A file that is still accepted has the shape that callers rely on.
void ExpectSound(const absl::StatusOr<MarketAttributes>& attributes) {
  if (!attributes.ok()) {
    EXPECT_TRUE(absl::IsInvalidArgument(attributes.status())) << attributes.status();
    return;
  }
  for (const auto* part : {&attributes->train, &attributes->test}) {
    for (const auto& [id, values] : *part) {
      EXPECT_THAT(id, SizeIs(4));
      EXPECT_THAT(values, SizeIs(8));
      EXPECT_THAT(values, Each(testing::AnyOf(0, 1)));
    }
  }
}

TEST_F(MarketAttributesTest, TruncationAnywhereIsHarmless) {
  const std::string bytes = WrittenBytes();
  for (size_t size = 0; size < bytes.size(); size += 11) {
    ExpectSound(ReadBytes(bytes.substr(0, size)));
  }
}

TEST_F(MarketAttributesTest, AnyFlippedByteIsHarmless) {
  KeepNeededFields();
  const std::string bytes = WrittenBytes();
  for (size_t i = 0; i < bytes.size(); i += 4) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ "\x01\x80\xff"[i % 3]);
    ExpectSound(ReadBytes(flipped));
  }
}

}  // namespace
}  // namespace s2p::test
