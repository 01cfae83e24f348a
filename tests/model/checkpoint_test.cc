#include "model/checkpoint.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/checkpoint_store.h"
#include "model/file.h"
#include "model/manifest_format.h"
#include "model/sha256.h"
#include "tests/model/backbone/small_transformer.h"
#include "tests/model/checkpoint_fixture.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::SmallManifest;
using test::SmallWeights;
using test::StatusIs;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(CheckFiniteTest, NamesTheTensorOfAnyType) {
  const std::pair<TensorType, std::string> infinities[] = {
      {TensorType::kF64, std::string("\0\0\0\0\0\0\xF0\x7F", 8)},
      {TensorType::kF32, std::string("\0\0\x80\xFF", 4)},
      {TensorType::kF16, std::string("\0\x7C", 2)},
      {TensorType::kBF16, std::string("\1\x7F", 2).replace(0, 1, "\x80")}};
  for (const auto& [type, bytes] : infinities) {
    TensorMap tensors = SmallWeights();
    tensors["odd"] = TensorBytes{type, {1}, bytes};
    const absl::Status status = CheckFinite(tensors);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tensor 'odd'")))
        << NameOf(type);
  }
}

TEST(CheckFiniteTest, LastOfManyValuesCounts) {
  std::string bytes(400, '\0');
  bytes[398] = '\xC0';
  bytes[399] = '\x7F';
  EXPECT_FALSE(CheckFinite({{"w", TensorBytes{TensorType::kF32, {100}, bytes}}}).ok());
  bytes[399] = '\x7E';
  EXPECT_THAT(CheckFinite({{"w", TensorBytes{TensorType::kF32, {100}, bytes}}}), IsOk());
}

TEST(CheckFiniteTest, WholeNumbersAreAlwaysFinite) {
  EXPECT_THAT(CheckFinite({{"n", TensorBytes{TensorType::kI64, {1}, std::string(8, '\xFF')}}}),
              IsOk());
}

// A published checkpoint, to be damaged.
class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    const CheckpointStore store(dir_.path());
    const auto version = store.Publish(SmallManifest(), SmallWeights());
    ASSERT_THAT(version, IsOk());
    folder_ = store.DirectoryOf(*version);
  }

  std::string Path(const std::string& name) const { return absl::StrCat(folder_, "/", name); }
  std::string Bytes(const std::string& name) const {
    return ReadWholeFile(Path(name), 1 << 20).value();
  }
  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }
  void FlipByte(const std::string& name, size_t position) {
    std::string bytes = Bytes(name);
    bytes[position] = static_cast<char>(bytes[position] ^ 1);
    Write(name, bytes);
  }
  // Changes the manifest's text, which must have `from`.
  void Replace(const std::string& from, const std::string& to) {
    const std::string json = Bytes(kManifestFileName);
    ASSERT_TRUE(absl::StrContains(json, from)) << json;
    Write(kManifestFileName, absl::StrReplaceAll(json, {{from, to}}));
  }
  // Replaces the weights and updates the manifest to match.
  void ReplaceWeights(const std::string& bytes) {
    const std::string before = Bytes(kWeightsFileName);
    Write(kWeightsFileName, bytes);
    Replace(absl::StrCat("\"bytes\": \"", before.size(), "\""),
            absl::StrCat("\"bytes\": \"", bytes.size(), "\""));
    Replace(Sha256(before), Sha256(bytes));
  }
  // Publishes a changed manifest, and expects it to be read back in this format.
  void ExpectPublishedAs(uint32_t format,
                         const std::function<void(v1::CheckpointManifest&)>& change) {
    using google::protobuf::util::MessageDifferencer;
    v1::CheckpointManifest manifest = SmallManifest();
    change(manifest);
    const CheckpointStore store(dir_.path());
    const auto version = store.Publish(manifest, SmallWeights());
    ASSERT_THAT(version, IsOk());
    const auto read = store.Read(*version);
    ASSERT_THAT(read, IsOk());
    const v1::CheckpointManifest& got = read->manifest;
    EXPECT_EQ(got.format_version(), format);
    EXPECT_TRUE(MessageDifferencer::Equals(got.backbone(), manifest.backbone()));
    EXPECT_TRUE(MessageDifferencer::Equals(got.embedding(), manifest.embedding()));
    EXPECT_TRUE(MessageDifferencer::Equals(got.photo(), manifest.photo()));
    EXPECT_TRUE(MessageDifferencer::Equals(got.sketch(), manifest.sketch()));
    EXPECT_TRUE(MessageDifferencer::Equals(got.provenance(), manifest.provenance()));
  }
  // Returns the message; fails unless the checkpoint is refused as DataLoss.
  std::string Damage() {
    const absl::Status status = ReadCheckpoint(folder_).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
    return std::string(status.message());
  }

  test::TempDir dir_;
  std::string folder_;
};

TEST_F(CheckpointTest, ReadsWhatWasPublished) {
  const auto checkpoint = ReadCheckpoint(folder_);
  ASSERT_THAT(checkpoint, IsOk());
  EXPECT_EQ(checkpoint->directory, folder_);
  EXPECT_EQ(checkpoint->manifest.format_version(), 1u);
  EXPECT_EQ(checkpoint->manifest.version(), 1);
  EXPECT_TRUE(checkpoint->manifest.has_created_at());
  v1::CheckpointManifest manifest = checkpoint->manifest;
  manifest.clear_format_version();
  manifest.clear_version();
  manifest.clear_created_at();
  manifest.clear_files();
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(manifest, SmallManifest()))
      << manifest.DebugString();
  EXPECT_EQ(SerializeSafetensors(checkpoint->weights), SerializeSafetensors(SmallWeights()));
}

TEST_F(CheckpointTest, FolderWithoutManifestIsNotFound) {
  std::filesystem::remove(Path(kManifestFileName));
  EXPECT_THAT(ReadCheckpoint(folder_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ReadCheckpoint(folder_ + "0"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CheckpointTest, EveryFlippedByteOfTheWeightsIsDataLoss) {
  const size_t size = Bytes(kWeightsFileName).size();
  for (size_t i = 0; i < size; i += 7) {
    FlipByte(kWeightsFileName, i);
    EXPECT_THAT(Damage(), AllOf(HasSubstr(Path(kWeightsFileName)), HasSubstr("sha256: ")));
    FlipByte(kWeightsFileName, i);
  }
  EXPECT_THAT(ReadCheckpoint(folder_), IsOk());
}

TEST_F(CheckpointTest, ShortAndLongWeightsAreDataLoss) {
  const std::string bytes = Bytes(kWeightsFileName);
  for (const std::string& damaged :
       {bytes.substr(0, bytes.size() - 1), bytes + "x", std::string()}) {
    Write(kWeightsFileName, damaged);
    EXPECT_THAT(Damage(), AllOf(HasSubstr(Path(kWeightsFileName)),
                                HasSubstr(absl::StrCat("size: ", damaged.size(), " bytes"))));
  }
}

TEST_F(CheckpointTest, MissingWeightsAreDataLoss) {
  std::filesystem::remove(Path(kWeightsFileName));
  EXPECT_THAT(Damage(), AllOf(HasSubstr(Path(kWeightsFileName)), HasSubstr("missing")));
}

TEST_F(CheckpointTest, TensorsThatDoNotParseAreDataLoss) {
  ReplaceWeights("not tensors at all");
  EXPECT_THAT(Damage(), AllOf(HasSubstr(Path(kWeightsFileName)), HasSubstr("header length")));
}

TEST_F(CheckpointTest, TensorThatIsNotFiniteIsDataLoss) {
  TensorMap weights = SmallWeights();
  weights["projection.sketch_bias"].bytes.replace(4, 4, std::string("\0\0\xC0\x7F", 4));
  ReplaceWeights(SerializeSafetensors(weights));
  EXPECT_THAT(Damage(), HasSubstr("tensor 'projection.sketch_bias': holds a value that is not"));
}

TEST_F(CheckpointTest, EveryTruncationOfTheManifestIsDataLoss) {
  const std::string json = Bytes(kManifestFileName);
  for (size_t size = 0; size < json.rfind('}'); size += 31) {
    Write(kManifestFileName, json.substr(0, size));
    EXPECT_THAT(Damage(), HasSubstr(Path(kManifestFileName))) << size;
  }
}

TEST_F(CheckpointTest, NewerFormatIsFailedPrecondition) {
  Replace("\"formatVersion\": 1,", "\"formatVersion\": 4, \"aFieldOfTheFuture\": [],");
  const absl::Status status = ReadCheckpoint(folder_).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr(Path(kManifestFileName)),
                                     HasSubstr("formatVersion: 4 is newer than this program"))));
}

// Programs that know format 1 alone refuse a field that they do not know.
TEST_F(CheckpointTest, ManifestOfFormat1HasNoFieldOfFormat2) {
  const std::string json = Bytes(kManifestFileName);
  EXPECT_THAT(json, HasSubstr("\"formatVersion\": 1,"));
  for (const char* field :
       {"workSize", "measuredGround", "validationFraction", "initialWeightsSha256", "ImagesSha256",
        "confidence", "resizeShorter"}) {
    EXPECT_THAT(json, Not(HasSubstr(field)));
  }
}

TEST_F(CheckpointTest, FieldOfFormat2MakesAManifestOfFormat2) {
  const std::function<void(v1::CheckpointManifest&)> changes[] = {
      [](auto& m) { m.mutable_photo()->set_work_size(288); },
      [](auto& m) { m.mutable_sketch()->set_measured_ground(true); },
      [](auto& m) { m.mutable_provenance()->set_initial_weights_sha256("ab"); },
      [](auto& m) { m.mutable_provenance()->mutable_comparison()->set_confidence(0.5); }};
  for (const auto& change : changes) ExpectPublishedAs(2, change);
}

TEST_F(CheckpointTest, TransformersAndSummariesMakeAManifestOfFormat3) {
  const std::function<void(v1::CheckpointManifest&)> changes[] = {
      [](auto& m) {
        m.mutable_backbone()->set_arch("vit");
        *m.mutable_backbone()->mutable_transformer() = test::SmallTransformer();
      },
      [](auto& m) {
        m.mutable_backbone()->set_arch("convnext_tiny");
        m.mutable_backbone()->set_last_stage(4);
        m.mutable_embedding()->set_pooling(v1::POOLING_SUMMARY);
      }};
  for (const auto& change : changes) ExpectPublishedAs(3, change);
}

// A model that programs of format 2 can serve is still written as format 2.
TEST_F(CheckpointTest, NamedNetworkAloneNeedsNoNewFormat) {
  v1::CheckpointManifest manifest = SmallManifest();
  manifest.mutable_backbone()->set_arch("convnext_tiny");
  EXPECT_EQ(OldestFormatOf(manifest), 1u);
}

TEST_F(CheckpointTest, FieldOfFormat3InAManifestOfFormat2IsDataLoss) {
  Replace("\"formatVersion\": 1,", "\"formatVersion\": 2,");
  Replace("\"arch\": \"resnet18\",", "\"arch\": \"vit\", \"transformer\": {\"patch\": 8},");
  EXPECT_THAT(Damage(), HasSubstr("formatVersion: 2, but there are fields of 3"));
}

TEST_F(CheckpointTest, FieldOfFormat2InAManifestOfFormat1IsDataLoss) {
  Replace("\"thicken\": 0,", "\"thicken\": 0, \"workSize\": 288,");
  EXPECT_THAT(Damage(), HasSubstr("formatVersion: 1, but there are fields of 2"));
}

TEST_F(CheckpointTest, WhatFormat3AddedMakesAManifestOfFormat3) {
  const std::function<void(v1::CheckpointManifest&)> changes[] = {
      [](auto& m) { m.mutable_photo()->set_resize_shorter(256); },
      [](auto& m) { m.mutable_sketch()->set_resize_shorter(256); },
      [](auto& m) { m.mutable_photo()->set_filter(v1::RESIZE_FILTER_BICUBIC); },
      [](auto& m) { m.mutable_sketch()->set_filter(v1::RESIZE_FILTER_BICUBIC); }};
  for (const auto& change : changes) ExpectPublishedAs(3, change);
}

TEST_F(CheckpointTest, WhatFormat3AddedInAnOlderManifestIsDataLoss) {
  Replace("\"thicken\": 0,", "\"thicken\": 0, \"resizeShorter\": 288,");
  EXPECT_THAT(Damage(), HasSubstr("formatVersion: 1, but there are fields of 3"));
}

TEST_F(CheckpointTest, FormatThatIsNotANumberIsDataLoss) {
  const std::string json = Bytes(kManifestFileName);
  for (const char* format : {"0", "-1", "1.5", "\"one\"", "null", "1e99"}) {
    Write(kManifestFileName,
          absl::StrReplaceAll(
              json, {{"\"formatVersion\": 1", absl::StrCat("\"formatVersion\": ", format)}}));
    EXPECT_THAT(Damage(), HasSubstr("formatVersion: not a number from 1 on")) << format;
  }
  Write(kManifestFileName, "{}");
  EXPECT_THAT(Damage(), HasSubstr("formatVersion: missing"));
}

TEST_F(CheckpointTest, UnknownFieldOfThisFormatIsDataLoss) {
  Replace("\"version\":", "\"colour\": 3, \"version\":");
  EXPECT_THAT(Damage(), AllOf(HasSubstr(Path(kManifestFileName)), HasSubstr("colour")));
}

TEST_F(CheckpointTest, InvalidFieldOfTheManifestIsNamed) {
  Replace("\"dimension\": 2", "\"dimension\": 0");
  EXPECT_THAT(Damage(),
              AllOf(HasSubstr(Path(kManifestFileName)), HasSubstr("embedding.dimension")));
}

TEST_F(CheckpointTest, VersionBelowOneIsDataLoss) {
  Replace("\"version\": \"1\"", "\"version\": \"0\"");
  EXPECT_THAT(Damage(), HasSubstr("manifest.json: version: "));
}

TEST_F(CheckpointTest, FileNamesNeverLeaveTheFolder) {
  const std::string json = Bytes(kManifestFileName);
  for (const char* name : {"../1/weights.safetensors", "/etc/passwd", ".hidden", "..", "",
                           "manifest.json", "a\\u0000b"}) {
    Write(kManifestFileName, absl::StrReplaceAll(json, {{kWeightsFileName, name}}));
    EXPECT_THAT(Damage(), HasSubstr("files[0].name")) << name;
  }
}

TEST_F(CheckpointTest, OtherFilesAreVerifiedToo) {
  Write("notes.txt", "abc");
  Replace("\"files\": [",
          absl::StrCat("\"files\": [{\"name\": \"notes.txt\", \"bytes\": \"3\", \"sha256\": \"",
                       Sha256("abc"), "\"},"));
  EXPECT_THAT(ReadCheckpoint(folder_), IsOk());
  Write("notes.txt", "abd");
  EXPECT_THAT(Damage(), AllOf(HasSubstr("notes.txt"), HasSubstr("sha256: ")));
}

TEST_F(CheckpointTest, InvalidFileEntriesAreNamed) {
  const std::string sha256 = Sha256(Bytes(kWeightsFileName));
  const std::string json = Bytes(kManifestFileName);
  Replace(sha256, "ABCD");
  EXPECT_THAT(Damage(), HasSubstr("files[0].sha256: not 64 lower-case hex digits"));
  Write(kManifestFileName, json);
  Replace(kWeightsFileName, "wights.safetensors");
  EXPECT_THAT(Damage(), HasSubstr("files: weights.safetensors is missing"));
  Write(kManifestFileName, json);
  Replace("\"bytes\": \"", "\"bytes\": \"9999999999");
  EXPECT_THAT(Damage(), HasSubstr("files[0].bytes: "));
}

TEST_F(CheckpointTest, FolderInPlaceOfTheWeightsIsRefused) {
  std::filesystem::remove(Path(kWeightsFileName));
  std::filesystem::create_directory(Path(kWeightsFileName));
  EXPECT_THAT(ReadCheckpoint(folder_), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(CheckpointTest, AnOverlongManifestIsDataLossBeforeItIsRead) {
  std::filesystem::resize_file(Path(kManifestFileName), uintmax_t{1} << 40);
  EXPECT_THAT(Damage(), HasSubstr("above the limit of"));
}

TEST_F(CheckpointTest, ManifestAloneNeedsNoWeights) {
  std::filesystem::remove(Path(kWeightsFileName));
  const auto manifest = ReadManifest(folder_);
  ASSERT_THAT(manifest, IsOk());
  EXPECT_EQ(manifest->attributes(0), "boots");
}

}  // namespace
}  // namespace s2p
