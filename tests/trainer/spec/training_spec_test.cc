#include "trainer/spec/training_spec.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>

#include <fstream>
#include <limits>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/message_text.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/spec/ignored_fields.h"
#include "trainer/spec/spec_errors.h"
#include "trainer/spec/spec_form.h"

namespace s2p::test {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

v1::TrainingSpec Set(const std::vector<std::string>& assignments) {
  v1::TrainingSpec spec;
  for (const std::string& assignment : assignments) {
    const absl::Status status = SetMessageField(assignment, spec);
    EXPECT_THAT(status, IsOk());
  }
  return spec;
}

std::string Refusal(const std::string& assignment) {
  v1::TrainingSpec spec;
  const absl::Status status = SetMessageField(assignment, spec);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << assignment;
  return std::string(status.message());
}

v1::TrainingSpec Preset(const std::string& name, const std::vector<std::string>& fields = {}) {
  v1::TrainingSpec spec = Set(fields);
  spec.set_preset(name);
  auto resolved = ResolveSpec(spec);
  EXPECT_THAT(resolved, IsOk());
  return *std::move(resolved);
}

std::vector<std::string> Errors(const std::vector<std::string>& fields) {
  std::vector<std::string> all = fields;
  all.push_back("target_dataset=target");
  return SpecErrors(Preset("shoes", all));
}

TEST(SetFieldTest, EveryKindOfFieldIsSet) {
  const auto spec =
      Set({"step2.epochs=5", "step2.learning_rate=2.5e-4", "photo.grey=false", "name=my run",
           "seed=18446744073709551615", "initial_version=7", "recipe=RECIPE_RELEASE"});
  EXPECT_EQ(spec.step2().epochs(), 5u);
  EXPECT_DOUBLE_EQ(spec.step2().learning_rate(), 2.5e-4);
  EXPECT_TRUE(spec.photo().has_grey());
  EXPECT_FALSE(spec.photo().grey());
  EXPECT_EQ(spec.name(), "my run");
  EXPECT_EQ(spec.seed(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(spec.initial_version(), 7);
  EXPECT_EQ(spec.recipe(), v1::RECIPE_RELEASE);
}

TEST(SetFieldTest, EnumMayBeWrittenWithoutItsPrefixInAnyCase) {
  EXPECT_EQ(Set({"recipe=release"}).recipe(), v1::RECIPE_RELEASE);
  EXPECT_EQ(Set({"photo.filter=Lanczos"}).photo().filter(), v1::RESIZE_FILTER_LANCZOS);
}

TEST(SetFieldTest, ValueMayHoldAnEqualsSign) { EXPECT_EQ(Set({"name=a=b"}).name(), "a=b"); }

TEST(SetFieldTest, ListIsReplacedByWhatStandsBetweenCommas) {
  EXPECT_THAT(Set({"attributes=boots, high heels,laces"}).attributes(),
              ElementsAre("boots", "high heels", "laces"));
  EXPECT_THAT(Set({"attributes=boots", "attributes=laces"}).attributes(), ElementsAre("laces"));
  EXPECT_THAT(Set({"attributes=boots", "attributes="}).attributes(), IsEmpty());
}

TEST(SetFieldTest, OneOfKeepsTheLast) {
  const auto spec = Set({"initial_weights=w.safetensors", "initial_version=2"});
  EXPECT_FALSE(spec.has_initial_weights());
  EXPECT_EQ(spec.initial_version(), 2);
}

TEST(SetFieldTest, UnknownFieldListsTheKnownOnes) {
  EXPECT_THAT(Refusal("step2.epoch=5"),
              AllOf(HasSubstr("there is no field step2.epoch"), HasSubstr("learning_rate")));
  EXPECT_THAT(Refusal("nothing=1"), HasSubstr("target_dataset"));
}

TEST(SetFieldTest, WhatIsNoValueIsRefusedNamingTheFieldAndWhatItTakes) {
  const std::pair<const char*, const char*> wrong[] = {
      {"step2.epochs=-1", "step2.epochs: must be a whole number of 0 or more"},
      {"step2.epochs=two", "must be a whole number"},
      {"step2.learning_rate=fast", "step2.learning_rate: must be a number"},
      {"photo.grey=perhaps", "photo.grey: must be true or false"},
      {"recipe=soup", "recipe: must be one of PAPER, RELEASE"},
      {"step2=5", "step2: is a group of fields"},
      {"seed.x=1", "seed has no fields"},
      {"target_dataset=caf\xe9",
       "target_dataset: \"caf\\xe9\" must be UTF-8; rename the file or folder"},
      {"epochs", "expected FIELD=VALUE"}};
  for (const auto& [assignment, words] : wrong) {
    EXPECT_THAT(Refusal(assignment), HasSubstr(words)) << assignment;
  }
}

class ReadSpecTest : public testing::Test {
 protected:
  absl::StatusOr<v1::TrainingSpec> Read(const std::string& text) {
    std::ofstream(dir_.File("spec")) << text;
    return ReadSpec(dir_.File("spec"));
  }
  TempDir dir_;
};

TEST_F(ReadSpecTest, TextAndJsonSayTheSame) {
  const auto text = Read("preset: \"demo\" step2 { epochs: 3 }");
  const auto json = Read("  {\"preset\": \"demo\", \"step2\": {\"epochs\": 3}}");
  ASSERT_THAT(text, IsOk());
  ASSERT_THAT(json, IsOk());
  EXPECT_EQ(SpecDigest(*text), SpecDigest(*json));
}

TEST_F(ReadSpecTest, MistakeIsNamedByFileAndLine) {
  const auto spec = Read("preset: \"demo\"\nstep2 { epoch: 3 }\n");
  EXPECT_THAT(spec,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(dir_.File("spec")), HasSubstr("2"), HasSubstr("epoch"))));
  EXPECT_THAT(Read("{\"step2\": {\"epoch\": 3}}"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ReadSpecTest, ByteOrderMarkAndCarriageReturnsAreNoText) {
  for (const char* text : {"\xef\xbb\xbfpreset: \"shoes\"\r\nseed: 5\r\n",
                           "\xef\xbb\xbf{\"preset\": \"shoes\",\r\n\"seed\": 5}\r\n"}) {
    const auto spec = Read(text);
    ASSERT_THAT(spec, IsOk());
    EXPECT_EQ(spec->seed(), 5u);
  }
}

TEST_F(ReadSpecTest, LineThatIsNotUtf8IsNamed) {
  const absl::Status status = Read("preset: \"shoes\"\nname: \"caf\xe9\"\n").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("spec:2: is not UTF-8 at byte 11")));
}

TEST_F(ReadSpecTest, TypographicQuoteIsSaidToBeOne) {
  const absl::Status status = Read("seed: 1\npreset: \xe2\x80\x9cshoes\xe2\x80\x9d\n").status();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("spec:2:9: a non-ASCII character outside a \"quoted\" text"));
}

TEST_F(ReadSpecTest, MissingFileIsNotFound) {
  EXPECT_THAT(ReadSpec(dir_.File("none")), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ResolveSpecTest, PresetFillsWhatIsUnsetAndZeroIsZero) {
  const auto spec = Preset("shoes", {"step1.epochs=0"});
  EXPECT_EQ(spec.step1().epochs(), 0u);
  EXPECT_EQ(spec.step2().epochs(), 60u);
  EXPECT_EQ(spec.backbone().arch(), "resnet50");
}

TEST(ResolveSpecTest, WithoutANameItIsShoes) {
  EXPECT_EQ(ResolveSpec(v1::TrainingSpec())->preset(), "shoes");
}

TEST(ResolveSpecTest, UnknownPresetListsTheKnownOnes) {
  v1::TrainingSpec spec;
  spec.set_preset("boots");
  EXPECT_THAT(std::string(ResolveSpec(spec).status().message()),
              AllOf(HasSubstr("boots"), HasSubstr("shoes-resnet18")));
}

// True for fields that presets leave to the user: names and paths.
bool IsTheUsers(const std::string& field) {
  return field == "name" || field == "source_dataset" || field == "target_dataset" ||
         field == "initial_weights" || field == "initial_version" || field == "repeat_step1" ||
         field == "pair_fraction" || field == "attributes" || field == "pairs_dataset" ||
         field == "watch_afresh" || field == "publish.reference_dataset" ||
         field == "backbone.transformer";
}

// Whether presets leave the field unset because the default is right, or only the release reads
// it. The presets of day one ask for pseudo-sketches.
bool IsUnset(const std::string& field) {
  return field == "channels_last" || field == "validation.keep_best" ||
         field == "validation.sketches_only" || field == "publish.min_queries" ||
         absl::StartsWith(field, "publish.reference_") || absl::StartsWith(field, "release.") ||
         absl::StartsWith(field, "pseudo.") || absl::StartsWith(field, "loss.photo_neighbours.");
}

// Calls `visit` with the path of each field, whether it is set, and its text if it is one.
template <typename Visit>
void Walk(const Message& message, const std::string& prefix, Visit visit) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (field->options().deprecated()) continue;
    const std::string path = prefix + field->name();
    const auto& reflection = *message.GetReflection();
    // A message of the manifest is one value.
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
        field->message_type() == v1::VisionTransformer::descriptor()) {
      visit(path, reflection.HasField(message, field), std::string());
      continue;
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Walk(reflection.GetMessage(message, field), path + ".", visit);
      continue;
    }
    if (field->is_repeated()) {
      visit(path, reflection.FieldSize(message, field) > 0, std::string());
      continue;
    }
    // Enums have no presence: set is anything but unspecified.
    const bool set = field->has_presence() ? reflection.HasField(message, field)
                                           : reflection.GetEnumValue(message, field) != 0;
    visit(path, set,
          field->cpp_type() == FieldDescriptor::CPPTYPE_STRING
              ? reflection.GetString(message, field)
              : std::string());
  }
}

TEST(PresetsTest, EveryPresetIsCompleteWithoutPathsAndValid) {
  EXPECT_THAT(PresetNames(), AllOf(Contains("shoes"), Contains("faces"), Contains("persons"),
                                   Contains("shoes-release"), Contains("faces-release"),
                                   Contains("persons-release"), Contains("demo")));
  for (const std::string& name : PresetNames()) {
    v1::TrainingSpec preset = Preset(name);
    EXPECT_EQ(preset.has_release(), preset.recipe() == v1::RECIPE_RELEASE) << name;
    preset.clear_release();
    Walk(preset, "", [&](const std::string& path, bool set, const std::string& text) {
      const bool of_day_one = absl::StartsWith(name, "day-one") &&
                              (path == "pseudo.per_photo" || path == "pseudo.choose_human_share" ||
                               path == "validation.sketches_only");
      EXPECT_EQ(set, of_day_one || (!IsTheUsers(path) && !IsUnset(path))) << name << " " << path;
      EXPECT_EQ(text.find('/'), std::string::npos) << name << " " << path;
    });
    EXPECT_THAT(SpecErrors(Preset(name, {"target_dataset=t", "source_dataset=s"})), IsEmpty())
        << name;
  }
}

// Digests that the first version of each preset had; the two of the release's trainers have changed
// since, to make as many updates as the release, that for shoes to end step 1 with the release's
// rate, those with edges or thick strokes have got a work size, and those that cut drawings out
// measure their ground. The length for few pairs is settled when a run is planned.
TEST(PresetsTest, PresetsAreWhatTheyWere) {
  const std::map<std::string, std::string> digests = {
      {"day-one", "0762a49cf85ad08764c8ccd9dfd602a70fb65e672bf34f836fcaece2b85e6479"},
      {"day-one-from-nothing", "ad04442ed52ff11ca5db57050eac82ec257728293d38d3d7113493e23cbcdae7"},
      {"demo", "314ddb3eeb0befa4db498d7884096719aa29400320018bc34703e59ae09f0afe"},
      {"faces", "148a948a7f3920c034935d3bd275279c2b5b611615b04bf46a5662fd35a13fdc"},
      {"faces-release", "a682ab2c0342a909fc54b1bb41a4488cdecfd2c09097c25b8d87164ce198b6fe"},
      {"persons", "f04c8025d441372029696d3a0da3cb6b63f4f3450f29cc43c4f5d040ecd371f7"},
      {"persons-release", "3689a18fa513c8f82ffef510330b3120d7685f9597498f3a4acbed4610fb912c"},
      {"shoes", "33306abb3663a5b7d3f0c1ab5e03e19d2bbecb2d4ac8865fe1c9f1a9a150fd12"},
      {"shoes-release", "429e79e5c7c015ffca50acbb448092466e70ed6a9bd9258d9bc981e2f22e35d3"},
      {"shoes-resnet18", "930e8a5fb8688bb6e41660eb0e94f8dfd8f577cdb07a0390c1d6eebab80b865c"},
  };
  for (const std::string& name : PresetNames()) {
    v1::TrainingSpec preset = Preset(name);
    // A run's digest leaves out how its model is published.
    preset.mutable_publish()->set_metric("rank1");
    preset.mutable_publish()->clear_confidence();
    EXPECT_EQ(preset.sketch().measured_ground(), preset.sketch().fit()) << name;
    EXPECT_FALSE(preset.photo().measured_ground()) << name;
    preset.mutable_sketch()->set_measured_ground(false);
    preset.mutable_embedding()->set_few_pairs_dimension(0);
    EXPECT_EQ(SpecDigest(preset), digests.at(name)) << name;
  }
  EXPECT_EQ(digests.size(), PresetNames().size());
}

TEST(PresetsTest, EmbeddingsHaveThePublishedLengths) {
  const std::pair<const char*, uint32_t> lengths[] = {
      {"shoes", 2048}, {"persons-release", 2048}, {"shoes-resnet18", 256}, {"demo", 128}};
  for (const auto& [name, length] : lengths) {
    const auto manifest = ManifestOf(Preset(name), {"boots"});
    ASSERT_THAT(manifest, IsOk());
    EXPECT_EQ(manifest->embedding().dimension(), length) << name;
  }
}

TEST(PresetsTest, LengthForFewPairsGivesWayToALengthThatIsAskedFor) {
  const auto few = [](const std::vector<std::string>& fields) {
    return Preset("shoes-resnet18", fields).embedding().few_pairs_dimension();
  };
  EXPECT_EQ(few({}), 2048u);
  EXPECT_EQ(few({"embedding.dimension=128"}), 0u);
  EXPECT_EQ(few({"embedding.dimension=128", "embedding.few_pairs_dimension=512"}), 512u);
}

TEST(PresetsTest, PicturesWithEdgesOrThickStrokesHaveAWorkSize) {
  const auto shoes = ManifestOf(Preset("shoes"), {});
  EXPECT_EQ(shoes->photo().work_size(), 288u);
  EXPECT_EQ(shoes->sketch().work_size(), 0u);
  EXPECT_EQ(ManifestOf(Preset("shoes-resnet18"), {})->sketch().work_size(), 288u);
  EXPECT_EQ(ManifestOf(Preset("faces", {"photo.edges=true"}), {})->photo().work_size(), 288u);
  EXPECT_EQ(ManifestOf(Preset("shoes", {"photo.work_size=0"}), {})->photo().work_size(), 0u);
}

// A job that an older program queued has neither field.
TEST(PresetsTest, SpecWithoutAWorkSizeKeepsItsMeaningAndItsDigest) {
  v1::TrainingSpec old = Preset("shoes");
  old.mutable_photo()->clear_work_size();
  old.mutable_sketch()->clear_work_size();
  old.mutable_photo()->clear_measured_ground();
  old.mutable_sketch()->clear_measured_ground();
  EXPECT_EQ(SpecDigest(Preset("shoes", {"photo.work_size=0"})), SpecDigest(old));
  // As the preset published then.
  old.mutable_publish()->set_metric("rank1");
  old.mutable_publish()->clear_confidence();
  EXPECT_EQ(SpecDigest(old), "3254fbc4dd035e3108d1c1a86dcf5adf2c203ef3c2b1876c0373c4a71d527437");
  EXPECT_EQ(ManifestOf(old, {})->photo().work_size(), 0u);
}

TEST(PresetsTest, ResizeAndNormalizationReachTheManifest) {
  const auto manifest =
      ManifestOf(Preset("shoes", {"photo.resize_shorter=256", "photo.filter=BICUBIC",
                                  "photo.normalization=CLIP", "sketch.normalization=HALF"}),
                 {});
  ASSERT_THAT(manifest, IsOk());
  EXPECT_EQ(manifest->photo().resize_shorter(), 256u);
  EXPECT_EQ(manifest->photo().filter(), v1::RESIZE_FILTER_BICUBIC);
  EXPECT_THAT(manifest->photo().mean(), ElementsAre(0.48145466F, 0.4578275F, 0.40821073F));
  EXPECT_THAT(manifest->photo().std(), ElementsAre(0.26862954F, 0.26130258F, 0.27577711F));
  EXPECT_THAT(manifest->sketch().mean(), ElementsAre(0.5F, 0.5F, 0.5F));
  EXPECT_THAT(manifest->sketch().std(), ElementsAre(0.5F, 0.5F, 0.5F));
  EXPECT_EQ(manifest->sketch().resize_shorter(), 0u);
}

TEST(PresetsTest, ImageNetNormalizationWithoutACropKeepsTheDigest) {
  EXPECT_EQ(SpecDigest(Preset("shoes", {"photo.normalization=IMAGENET", "photo.resize_shorter=0"})),
            SpecDigest(Preset("shoes")));
  EXPECT_NE(SpecDigest(Preset("shoes", {"photo.normalization=CLIP"})), SpecDigest(Preset("shoes")));
}

TEST(PresetsTest, HeadsAreAsWideAsTheirRecipeSays) {
  EXPECT_EQ(ManifestOf(Preset("shoes"), {"boots"})->attribute_hidden(), 512u);
  EXPECT_EQ(ManifestOf(Preset("shoes-release"), {"boots"})->attribute_hidden(), 128u);
  EXPECT_EQ(ManifestOf(Preset("shoes"), {})->attribute_hidden(), 0u);
}

TEST(SpecErrorsTest, BestEpochNeedsEpochsThatAreEvaluated) {
  EXPECT_THAT(Errors({"validation.keep_best=true", "validation.every_epochs=2"}), IsEmpty());
  EXPECT_THAT(Errors({"validation.keep_best=true", "validation.every_epochs=0"}),
              ElementsAre(AllOf(HasSubstr("validation.every_epochs: "),
                                HasSubstr("validation.keep_best"))));
}

TEST(SpecErrorsTest, PseudoSketchesNeedAStyle) {
  EXPECT_THAT(
      Errors({"pseudo.per_photo=64", "pseudo.wobble=0", "pseudo.dropped=0", "pseudo.strokes=0",
              "pseudo.edges=0", "pseudo.difference_of_gaussians=0", "pseudo.pencil=0"}),
      IsEmpty())
      << "the outline has a weight by default";
  EXPECT_THAT(Errors({"pseudo.strokes=0", "pseudo.edges=0", "pseudo.difference_of_gaussians=0",
                      "pseudo.pencil=0", "pseudo.contour=0"}),
              ElementsAre("pseudo: must be above 0 in the weight of one style at least"));
}

TEST(SpecErrorsTest, PseudoSketchesOutOfRangeAreNamed) {
  EXPECT_THAT(Errors({"pseudo.per_photo=65", "pseudo.pencil=nan", "pseudo.dropped=1",
                      "pseudo.wobble=0.06"}),
              ElementsAre(HasSubstr("pseudo.per_photo: must be from 0 to 64"),
                          HasSubstr("pseudo.pencil: must be"), HasSubstr("pseudo.dropped: must be"),
                          HasSubstr("pseudo.wobble: must be from 0 to 0.05")));
}

TEST(PhotoNeighboursOfTest, UnsetFieldsAreThoseOfThePaper) {
  const auto unset = PhotoNeighboursOf(Preset("shoes"));
  EXPECT_EQ(unset.weight(), 0);
  EXPECT_EQ(unset.triplets(), 10u);
  EXPECT_EQ(unset.margin(), 0.01);
  EXPECT_FALSE(unset.meta_step());
  const auto set = PhotoNeighboursOf(
      Preset("shoes", {"loss.photo_neighbours.weight=3", "loss.photo_neighbours.triplets=7",
                       "loss.photo_neighbours.margin=0", "loss.photo_neighbours.meta_step=true"}));
  EXPECT_EQ(set.weight(), 3);
  EXPECT_EQ(set.triplets(), 7u);
  EXPECT_EQ(set.margin(), 0);
  EXPECT_TRUE(set.meta_step());
}

TEST(SpecErrorsTest, MetaStepFollowsTheUpdateOfAnotherTerm) {
  EXPECT_THAT(Errors({"loss.photo_neighbours.weight=1", "loss.photo_neighbours.meta_step=true",
                      "loss.identity=0", "loss.triplet=0", "loss.contrastive=0"}),
              testing::Contains(HasSubstr("loss.photo_neighbours.meta_step: must be false")));
}

TEST(SpecErrorsTest, MetaStepLooksAtOneBatch) {
  const std::vector<std::string> fields = {"loss.photo_neighbours.weight=1",
                                           "loss.photo_neighbours.meta_step=true"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), fields.begin(), fields.end());
    return Errors(more);
  };
  EXPECT_THAT(with({}), IsEmpty());
  EXPECT_THAT(with({"step1.accumulate=2"}), IsEmpty()) << "step 1 has no such term";
  EXPECT_THAT(with({"step2.accumulate=2"}),
              ElementsAre(AllOf(HasSubstr("step2.accumulate: must be 1"),
                                HasSubstr("loss.photo_neighbours.meta_step"))));
  EXPECT_THAT(Errors({"loss.photo_neighbours.weight=1", "step2.accumulate=2"}), IsEmpty());
  EXPECT_THAT(Errors({"loss.photo_neighbours.meta_step=true", "step2.accumulate=2"}), IsEmpty())
      << "the term is off";
}

TEST(SpecErrorsTest, NoImprovementIsCertain) {
  EXPECT_THAT(Errors({"publish.confidence=0"}), IsEmpty());
  for (const char* confidence : {"1", "-0.1", "nan"}) {
    EXPECT_THAT(Errors({absl::StrCat("publish.confidence=", confidence)}),
                ElementsAre(HasSubstr("publish.confidence: must be")));
  }
}

TEST(SpecErrorsTest, EveryNumberThatMakesNoSenseIsNamed) {
  for (const char* assignment : {"step2.learning_rate=nan",
                                 "step2.learning_rate=0",
                                 "step2.learning_rate=-1",
                                 "step2.learning_rate=inf",
                                 "step2.batch_size=3",
                                 "step1.encoder_rate_factor=0",
                                 "step1.weight_decay=-0.1",
                                 "step2.accumulate=0",
                                 "loss.margin=-1",
                                 "loss.label_smoothing=1",
                                 "loss.temperature=0",
                                 "averaging.runs=17",
                                 "averaging.start_share=1",
                                 "validation.fraction=0.9",
                                 "augmentation.flip=1.5",
                                 "photo.height=8",
                                 "sketch.width=4096",
                                 "sketch.work_size=8",
                                 "photo.work_size=5000",
                                 "backbone.last_stage=5",
                                 "photo.resize_shorter=32",
                                 "sketch.resize_shorter=4097",
                                 "embedding.dimension=5000",
                                 "publish.min_improvement=2",
                                 "max_unreadable=1",
                                 "workers=1000",
                                 "initial_version=0",
                                 "publish.reference_tolerance=2",
                                 "pseudo.human_share=1",
                                 "publish.reference_confidence=1",
                                 "loss.photo_neighbours.weight=nan",
                                 "loss.photo_neighbours.triplets=0",
                                 "loss.photo_neighbours.margin=2.5"}) {
    const std::string field(assignment, std::string(assignment).find('='));
    EXPECT_THAT(Errors({assignment}), ElementsAre(HasSubstr(field + ": must be"))) << assignment;
  }
  EXPECT_THAT(Errors({"loss.domain=nan", "source_dataset=source"}),
              ElementsAre(HasSubstr("loss.domain: must be")));
}

TEST(SpecErrorsTest, FewestQueriesNeedSomethingThatIsHeldBack) {
  EXPECT_THAT(Errors({"publish.min_queries=5", "validation.fraction=0.1"}), IsEmpty());
  EXPECT_THAT(Errors({"publish.min_queries=5", "validation.fraction=0"}),
              ElementsAre(HasSubstr("publish.min_queries: must be 0")));
}

TEST(SpecErrorsTest, AllOfThemAreNamedAtOnce) {
  EXPECT_THAT(Errors({"backbone.arch=vgg", "step2.learning_rate=nan", "publish.metric=f1"}),
              ElementsAre(HasSubstr("backbone.arch"), HasSubstr("step2.learning_rate"),
                          HasSubstr("publish.metric")));
  const absl::Status status = ValidateSpec(Preset("shoes"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("target_dataset")));
}

TEST(SpecErrorsTest, GridsMatterOnlyWhereThereAreAny) {
  EXPECT_THAT(Errors({"embedding.fine_grid=9"}), testing::IsEmpty());
  EXPECT_THAT(Errors({"embedding.pooling=grid", "embedding.grid=4", "embedding.fine_grid=9"}),
              ElementsAre(HasSubstr("embedding.fine_grid: must be from 0 to 8")));
}

// The job was queued by a program that did not know the field.
TEST(SpecErrorsTest, SpecWithoutAveragingIsOneRun) {
  v1::TrainingSpec spec = Preset("shoes");
  spec.set_target_dataset("t");
  spec.clear_averaging();
  EXPECT_THAT(SpecErrors(spec), testing::IsEmpty());
}

TEST(SpecErrorsTest, SpecWithoutPairFlipIfBothWaysIsTaken) {
  v1::TrainingSpec spec = Preset("shoes-resnet18");
  spec.set_target_dataset("t");
  spec.mutable_augmentation()->clear_pair_flip_if_both_ways();
  EXPECT_THAT(SpecErrors(spec), testing::IsEmpty());
  EXPECT_FALSE(spec.augmentation().pair_flip_if_both_ways());
}

TEST(SpecErrorsTest, WhatCannotLearnIsRefused) {
  EXPECT_THAT(Errors({"loss.identity=0", "loss.triplet=0"}),
              ElementsAre(HasSubstr("nothing is learned")));
  EXPECT_THAT(Errors({"loss.identity=0", "loss.triplet=0", "loss.photo_neighbours.weight=1"}),
              ElementsAre(HasSubstr("nothing is learned")));
  EXPECT_THAT(Errors({"source_dataset=s", "step1.images_per_identity=1"}),
              ElementsAre(HasSubstr("step1.images_per_identity")));
}

TEST(SpecErrorsTest, AttributesAndPairsAreChosenFromWhatThereIs) {
  EXPECT_THAT(Errors({"attributes=boots"}),
              ElementsAre(HasSubstr("attributes: must be empty without a source_dataset")));
  EXPECT_THAT(Errors({"attributes=boots", "source_dataset=s"}), IsEmpty());
  EXPECT_THAT(Errors({"pair_fraction=1.5"}), ElementsAre(HasSubstr("pair_fraction: must be from")));
  EXPECT_THAT(Errors({"pair_fraction=nan"}), ElementsAre(HasSubstr("pair_fraction: must be from")));
}

TEST(SpecErrorsTest, SingleImagesEndBeforeTheTripletLossBegins) {
  const auto errors = [](const std::string& epochs) {
    return SpecErrors(Preset("persons-release", {"target_dataset=t", "source_dataset=s",
                                                 "release.step1_single_image_epochs=" + epochs}));
  };
  EXPECT_THAT(errors("10"), IsEmpty());
  EXPECT_THAT(errors("11"), ElementsAre(HasSubstr("release.step1_single_image_epochs: must be")));
}

// The fields of a small transformer, which tests change.
std::vector<std::string> WithTransformer(const std::vector<std::string>& changes) {
  std::vector<std::string> fields = {"backbone.arch=vit",
                                     "backbone.transformer.patch=16",
                                     "backbone.transformer.width=64",
                                     "backbone.transformer.depth=4",
                                     "backbone.transformer.heads=4",
                                     "backbone.transformer.mlp_width=128",
                                     "backbone.transformer.position_side=6",
                                     "backbone.transformer.class_token=true",
                                     "backbone.transformer.activation=gelu",
                                     "backbone.transformer.norm_epsilon=1e-6",
                                     "backbone.transformer.position_resampling=antialiased"};
  fields.insert(fields.end(), changes.begin(), changes.end());
  return fields;
}

TEST(SpecErrorsTest, TransformersAreCheckedFieldByField) {
  EXPECT_THAT(Errors(WithTransformer({})), IsEmpty());
  EXPECT_THAT(Errors(WithTransformer(
                  {"backbone.transformer.patch=0", "backbone.transformer.norm_epsilon=1"})),
              ElementsAre(HasSubstr("backbone.transformer.patch: must be from 1 to 64"),
                          HasSubstr("backbone.transformer.norm_epsilon: must be from")));
  EXPECT_THAT(Errors({"backbone.arch=vit"}), Contains(HasSubstr("backbone.transformer.width: ")));
}

TEST(SpecErrorsTest, SidesOfTheInputFitThePatches) {
  EXPECT_THAT(Errors({"backbone.arch=dinov2_vits14", "photo.height=98", "photo.width=98",
                      "sketch.height=98", "sketch.width=100"}),
              ElementsAre("sketch.width: must be a multiple of 14 for the arch dinov2_vits14"));
}

TEST(SpecErrorsTest, SummaryNeedsANetworkThatHasOne) {
  EXPECT_THAT(Errors({"backbone.arch=convnext_tiny", "embedding.pooling=summary"}), IsEmpty());
  EXPECT_THAT(
      Errors({"backbone.arch=convnext_tiny", "backbone.last_stage=3", "embedding.pooling=summary"}),
      ElementsAre(HasSubstr("embedding.pooling: must be GLOBAL or GRID, unless")));
  EXPECT_THAT(Errors({"embedding.pooling=summary"}),
              ElementsAre(HasSubstr("embedding.pooling: must be GLOBAL or GRID, unless")));
}

TEST(ManifestOfTest, DescribesATransformerAndItsSummary) {
  const auto manifest = ManifestOf(
      Preset("shoes",
             WithTransformer({"backbone.transformer.projection=32", "embedding.pooling=summary"})),
      {});
  ASSERT_THAT(manifest, IsOk());
  EXPECT_EQ(manifest->backbone().transformer().depth(), 4u);
  // The preset's stride is that of a ResNet.
  EXPECT_EQ(manifest->backbone().last_stride(), 2u);
  EXPECT_EQ(manifest->embedding().dimension(), 32u);
}

TEST(IgnoredFieldsTest, EachIsRefusedWithItsReason) {
  const std::vector<std::pair<std::vector<std::string>, const char*>> in_vain = {
      {{"release.step1_decay=0.1"}, "release.step1_decay: has no effect: only the recipe RELEASE"},
      {{"release.step1_last_decay=0.5"}, "release.step1_last_decay: has no effect"},
      {{"release.step2_decay=0.8"}, "release.step2_decay: has no effect"},
      {{"release.step2_decay_from_epoch=5"}, "release.step2_decay_from_epoch: has no effect"},
      {{"release.step1_single_image_epochs=5"}, "release.step1_single_image_epochs: has no effect"},
      {{"recipe=release", "step1.cosine=true"}, "step1.cosine: has no effect"},
      {{"recipe=release", "step2.cosine=true"}, "step2.cosine: has no effect"},
      {{"recipe=release", "step1.warmup_epochs=5"}, "step1.warmup_epochs: has no effect"},
      {{"step1.source_images=8"}, "step1.source_images: has no effect"},
      {{"step2.images_per_identity=2"}, "step2.images_per_identity: has no effect"},
      {{"preset=demo", "backbone.last_stride=1"}, "backbone.last_stride: has no effect"},
      {{"backbone.arch=vit_b_16", "backbone.last_stride=2"},
       "backbone.last_stride: has no effect: only ResNets read it"},
      {{"backbone.arch=convnext_tiny", "backbone.frozen_statistics=true"},
       "backbone.frozen_statistics: has no effect"},
      {{"backbone.transformer.patch=16"}, "backbone.transformer: has no effect: the arch vit"},
      {{"loss.attribute=1"}, "loss.attribute: has no effect: the term needs a source_dataset"},
      {{"loss.attribute_entropy=1"}, "loss.attribute_entropy: has no effect"},
      {{"loss.consistency=1"}, "loss.consistency: has no effect"},
      {{"loss.domain=1"}, "loss.domain: has no effect"},
      {{"skip_unused_weights=true"}, "skip_unused_weights: has no effect"},
      {{"repeat_step1=true"}, "repeat_step1: has no effect: there is no initial_version"},
      {{"watch=true", "repeat_step1=true"}, "repeat_step1: has no effect: step 1 needs a source"}};
  for (const auto& [assignments, words] : in_vain) {
    EXPECT_THAT(ResolveSpec(Set(assignments)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
  }
  EXPECT_EQ(in_vain.size(), FieldsThatMayBeIgnored().size());
}

TEST(IgnoredFieldsTest, ValuesOfThePresetAndZerosAreNoErrors) {
  EXPECT_THAT(ResolveSpec(Set({"loss.domain=0", "step1.cosine=false", "repeat_step1=false"})),
              IsOk());
  for (const std::string& name : PresetNames()) {
    EXPECT_THAT(ResolveSpec(Preset(name)), IsOk()) << name;
  }
  v1::TrainingSpec demo = Set({"recipe=release"});
  demo.set_preset("demo");
  EXPECT_THAT(ResolveSpec(demo), IsOk()) << "the cosine is the preset's";
}

TEST(IgnoredFieldsTest, Step1ThatDoesNotExistCannotBeRepeated) {
  const std::vector<std::string> again = {"initial_version=1", "repeat_step1=true"};
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, {"source_dataset=s", "step1.epochs=0"}}) {
    std::vector<std::string> fields = again;
    fields.insert(fields.end(), more.begin(), more.end());
    EXPECT_THAT(ResolveSpec(Set(fields)),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("repeat_step1: has no effect: step 1 needs a source_dataset")));
  }
}

TEST(IgnoredFieldsTest, EachHasAnEffectWhereItsConditionHolds) {
  for (const auto& assignments : std::vector<std::vector<std::string>>{
           {"recipe=release", "release.step1_decay=0.1", "release.step1_single_image_epochs=0"},
           {"step1.cosine=true", "step1.warmup_epochs=3"},
           {"source_dataset=s", "loss.domain=1", "loss.attribute=1"},
           {"initial_weights=w", "skip_unused_weights=true"},
           {"initial_version=1", "repeat_step1=true", "source_dataset=s"},
           {"backbone.last_stride=2"}}) {
    EXPECT_THAT(ResolveSpec(Set(assignments)), IsOk()) << assignments.back();
  }
}

// A watched job that an older program accepted is continued.
TEST(IgnoredFieldsTest, ClearedFieldsLeaveASpecThatIsAccepted) {
  v1::TrainingSpec spec = Set({"recipe=release", "step1.cosine=true", "step2.images_per_identity=3",
                               "loss.domain=1", "release.step1_decay=0.5", "name=kept"});
  ClearIgnoredFields(spec);
  EXPECT_THAT(ResolveSpec(spec), IsOk());
  EXPECT_FALSE(spec.step1().has_cosine());
  EXPECT_EQ(spec.release().step1_decay(), 0.5) << "the recipe RELEASE reads it";
  EXPECT_EQ(spec.name(), "kept");
}

TEST(ResolveSpecTest, SingleImagesOfThePresetEndBeforeTheTripletLossOfTheSpec) {
  v1::TrainingSpec spec =
      Set({"step1.triplet_from_epoch=3", "source_dataset=s", "target_dataset=t"});
  spec.set_preset("persons-release");
  const auto resolved = ResolveSpec(spec);
  ASSERT_THAT(resolved, IsOk());
  EXPECT_EQ(resolved->release().step1_single_image_epochs(), 3u);
  EXPECT_THAT(SpecErrors(*resolved), IsEmpty());
}

// A watched job and those that continue it have one spec, but for where they start from.
TEST(IgnoredFieldsTest, FieldsOfAWatchedJobMayBeMeantForTheFirstOrForTheOthers) {
  v1::TrainingSpec spec = Set({"watch=true", "initial_weights=w", "skip_unused_weights=true",
                               "repeat_step1=true", "source_dataset=s"});
  EXPECT_THAT(ResolveSpec(spec), IsOk());
  spec.set_initial_version(1);
  EXPECT_THAT(ResolveSpec(spec), IsOk());
}

// The first column of the table of fields that need another one.
std::set<std::string> DocumentedFields() {
  std::ifstream file(std::string(S2P_SOURCE_DIR) + "/docs/training.md");
  std::string line;
  std::set<std::string> fields;
  bool inside = false;
  while (std::getline(file, line)) {
    if (absl::StartsWith(line, "## ")) inside = line == "## Fields that need another one";
    if (!inside || !absl::StartsWith(line, "| `")) continue;
    const std::vector<std::string> parts = absl::StrSplit(line.substr(0, line.find('|', 1)), '`');
    for (size_t i = 1; i < parts.size(); i += 2) fields.insert(parts[i]);
  }
  return fields;
}

// True for a field that every run reads.
bool IsAlwaysRead(const std::string& field) {
  static const auto& fields = *new std::set<std::string>{"preset",
                                                         "name",
                                                         "recipe",
                                                         "source_dataset",
                                                         "target_dataset",
                                                         "initial_weights",
                                                         "initial_version",
                                                         "seed",
                                                         "device",
                                                         "precision",
                                                         "workers",
                                                         "channels_last",
                                                         "max_unreadable",
                                                         "pair_fraction",
                                                         "pairs_dataset",
                                                         "pseudo.per_photo",
                                                         "attributes",
                                                         "backbone.arch",
                                                         "backbone.last_stage",
                                                         "backbone.shared",
                                                         "backbone.frozen_stages",
                                                         "embedding.pooling",
                                                         "embedding.dimension",
                                                         "embedding.retrieval_feature",
                                                         "loss.identity",
                                                         "loss.triplet",
                                                         "augmentation.crop_padding",
                                                         "augmentation.rotation_degrees",
                                                         "augmentation.color_jitter",
                                                         "augmentation.pair_flip",
                                                         "augmentation.erase",
                                                         "augmentation.scale",
                                                         "validation.fraction",
                                                         "publish.policy"};
  if (fields.count(field) > 0) return true;
  const auto dot = field.find('.');
  if (dot == std::string::npos) return false;
  const std::string group = field.substr(0, dot), name = field.substr(dot + 1);
  static const auto& of_inputs = *new std::set<std::string>{
      "height", "width",        "grey", "edges",          "thicken",
      "filter", "resize_first", "fit",  "resize_shorter", "normalization"};
  if (group == "photo" || group == "sketch") return of_inputs.count(name) > 0;
  static const auto& of_step2 = *new std::set<std::string>{
      "epochs",       "batch_size",    "learning_rate", "warmup_epochs", "encoder_rate_factor",
      "weight_decay", "gradient_clip", "accumulate"};
  return group == "step2" && of_step2.count(name) > 0;
}

// A new field has to be put into one of the three.
TEST(IgnoredFieldsTest, EveryFieldIsReadOrRefusedOrDocumented) {
  const std::vector<std::string> rules = FieldsThatMayBeIgnored();
  const std::set<std::string> refused(rules.begin(), rules.end());
  const std::set<std::string> documented = DocumentedFields();
  std::set<std::string> all;
  Walk(v1::TrainingSpec(), "", [&](const std::string& path, bool, const std::string&) {
    all.insert(path);
    EXPECT_EQ(refused.count(path) + documented.count(path) + (IsAlwaysRead(path) ? 1 : 0), 1u)
        << path;
  });
  for (const std::string& field : documented) EXPECT_EQ(all.count(field), 1u) << field;
}

// Gives a field another value than it has.
void Change(const FieldDescriptor& field, Message& message) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(&message, &field, !reflection.GetBool(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(&message, &field,
                                  reflection.GetUInt32(message, &field) > 0
                                      ? reflection.GetUInt32(message, &field) - 1
                                      : 1);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int value = reflection.GetEnumValue(message, &field);
      return reflection.SetEnumValue(&message, &field, value == 1 ? 2 : 1);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(&message, &field, "resnet34");
    default:
      FAIL() << field.full_name() << ": is of a kind that this test does not know";
  }
}

// A field that describes the model, and that every run is said to read, is in the manifest.
TEST(IgnoredFieldsTest, EveryFieldOfTheModelThatIsAlwaysReadChangesTheManifest) {
  // A grid that nothing reads until the pooling is one.
  const v1::TrainingSpec spec = Preset("shoes", {"embedding.grid=2"});
  const std::string before = ManifestOf(spec, {})->SerializeAsString();
  int changed = 0;
  for (const char* group : {"backbone", "embedding", "photo", "sketch"}) {
    const FieldDescriptor* of_group = spec.GetDescriptor()->FindFieldByName(group);
    for (int i = 0; i < of_group->message_type()->field_count(); ++i) {
      const FieldDescriptor* field = of_group->message_type()->field(i);
      const std::string path = absl::StrCat(group, ".", field->name());
      // Decides what is trained, not what is described.
      if (!IsAlwaysRead(path) || path == "backbone.frozen_stages") continue;
      v1::TrainingSpec other = spec;
      Change(*field, *other.GetReflection()->MutableMessage(&other, of_group));
      const auto manifest = ManifestOf(other, {});
      ASSERT_THAT(manifest, IsOk()) << path;
      EXPECT_NE(manifest->SerializeAsString(), before) << path;
      ++changed;
    }
  }
  EXPECT_GT(changed, 20);
}

TEST(MovedFieldsTest, EachIsRefusedNamingItsSuccessor) {
  const std::pair<const char*, const char*> moved[] = {
      {"step1.decay=1", "step1.decay: has moved, use release.step1_decay"},
      {"step1.decay_from_epoch=0", "step1.decay_from_epoch: has moved, use release.step1_decay"},
      {"step2.decay=0.8", "step2.decay: has moved, use release.step2_decay"},
      {"step2.decay_from_epoch=31",
       "step2.decay_from_epoch: has moved, use release.step2_decay_from_epoch"},
      {"validation.folds=4", "validation.folds: has moved, use s2p-trainer cross-validate --folds"},
      {"validation.fold=1", "validation.fold: has moved, use s2p-trainer cross-validate --folds"}};
  for (const auto& [assignment, words] : moved) {
    EXPECT_THAT(ResolveSpec(Set({assignment})),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
  }
}

// A spec of a job that a program queued before fields moved.
TEST(UpgradeSpecTest, OlderSpecMeansTheSameAndHasTheSameDigest) {
  v1::TrainingSpec spec = Set({"recipe=release", "step1.decay=0.1", "step1.decay_from_epoch=0",
                               "step2.decay=0.8", "step2.decay_from_epoch=31", "validation.folds=0",
                               "validation.fold=0", "channels_last=false"});
  UpgradeSpec(spec);
  EXPECT_THAT(MovedFields(spec), IsEmpty());
  EXPECT_EQ(spec.release().step1_decay(), 0.1);
  EXPECT_EQ(spec.release().step2_decay(), 0.8);
  EXPECT_EQ(spec.release().step2_decay_from_epoch(), 31u);
  EXPECT_EQ(SpecDigest(spec), "56517c9e39fcb48ce1e961879830d1147472304b366ee5ec6bdbbb5a4f46e29e");
}

// The digest of a run of an older program, whose spec lacks the field.
TEST(UpgradeSpecTest, LastRateOfStep1ChangesTheDigestOnlyWhereAnEpochHasAnother) {
  v1::TrainingSpec older = Preset("shoes-release");
  older.mutable_release()->clear_step1_last_decay();
  v1::TrainingSpec newer = older;
  const auto digest_with = [&](double decay) {
    newer.mutable_release()->set_step1_last_decay(decay);
    return SpecDigest(newer);
  };
  EXPECT_EQ(digest_with(0.1), SpecDigest(older));
  EXPECT_NE(digest_with(0.5), SpecDigest(older));
  EXPECT_NE(digest_with(0.25), digest_with(0.5));
  older.mutable_step1()->set_epochs(102);
  newer.mutable_step1()->set_epochs(102);
  EXPECT_EQ(digest_with(0.5), SpecDigest(older));
  older.mutable_step1()->set_epochs(103);
  newer.mutable_step1()->set_epochs(103);
  EXPECT_NE(digest_with(0.5), SpecDigest(older));
}

TEST(UpgradeSpecTest, FoldOfAnOlderJobIsKept) {
  v1::TrainingSpec spec = Set({"validation.folds=4", "validation.fold=1"});
  UpgradeSpec(spec);
  EXPECT_EQ(FoldOf(spec).folds, 4u);
  EXPECT_EQ(FoldOf(spec).fold, 1u);
}

TEST(UpgradeSpecTest, SpecOfThePresentFormStaysAsItIs) {
  for (const std::string& name : PresetNames()) {
    v1::TrainingSpec spec = Preset(name);
    UpgradeSpec(spec);
    EXPECT_EQ(spec.SerializeAsString(), Preset(name).SerializeAsString()) << name;
  }
}

TEST(IsChannelsLastTest, FollowsThePrecisionUnlessItIsSet) {
  EXPECT_FALSE(IsChannelsLast(Preset("demo")));
  EXPECT_TRUE(IsChannelsLast(Preset("demo", {"precision=bf16"})));
  EXPECT_FALSE(IsChannelsLast(Preset("demo", {"precision=bf16", "channels_last=false"})));
  EXPECT_TRUE(IsChannelsLast(Preset("demo", {"channels_last=true"})));
}

TEST(SpecDigestTest, OneFieldMakesAnother) {
  EXPECT_EQ(SpecDigest(Preset("demo")), SpecDigest(Preset("demo")));
  EXPECT_NE(SpecDigest(Preset("demo")), SpecDigest(Preset("demo", {"seed=2"})));
  for (const char* field : {"release.step1_single_image_epochs=5", "pair_fraction=0.5",
                            "attributes=boots", "loss.photo_neighbours.weight=1"}) {
    EXPECT_NE(SpecDigest(Preset("persons-release")), SpecDigest(Preset("persons-release", {field})))
        << field;
  }
}

}  // namespace
}  // namespace s2p::test
