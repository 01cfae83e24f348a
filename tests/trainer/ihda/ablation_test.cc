// The shipped specs of the paper's ablation, each against the full one.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <filesystem>
#include <map>
#include <set>

#include "base/message_text.h"
#include "tests/testing/status_matchers.h"
#include "trainer/spec/spec_errors.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

std::string Folder() { return std::string(S2P_SOURCE_DIR) + "/trainer/spec/presets/ablation/"; }

v1::TrainingSpec Resolved(const std::string& name) {
  const auto spec = ReadSpec(Folder() + name + ".textproto");
  EXPECT_THAT(spec, IsOk());
  auto resolved = ResolveSpec(*spec);
  EXPECT_THAT(resolved, IsOk());
  return *std::move(resolved);
}

// Paths of the fields that differ, each with the value it has in `b`.
class FieldCollector : public google::protobuf::util::MessageDifferencer::Reporter {
 public:
  using Path = std::vector<google::protobuf::util::MessageDifferencer::SpecificField>;
  using Message = google::protobuf::Message;
  void ReportAdded(const Message&, const Message&, const Path& path) override { Add(path); }
  void ReportDeleted(const Message&, const Message&, const Path& path) override { Add(path); }
  void ReportModified(const Message&, const Message&, const Path& path) override { Add(path); }
  std::set<std::string> fields;

 private:
  void Add(const Path& path) {
    // A group is reported besides its fields.
    if (path.back().field->message_type() != nullptr) return;
    std::string name;
    for (const auto& part : path) name += (name.empty() ? "" : ".") + part.field->name();
    fields.insert(name);
  }
};

std::set<std::string> ChangedFields(const v1::TrainingSpec& a, const v1::TrainingSpec& b) {
  FieldCollector collector;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesTo(&collector);
  differencer.Compare(a, b);
  return collector.fields;
}

const std::map<std::string, std::set<std::string>>& Rows() {
  static const auto& rows = *new std::map<std::string, std::set<std::string>>{
      {"baseline-a",
       {"loss.attribute", "loss.attribute_entropy", "loss.consistency", "loss.domain"}},
      {"baseline-b",
       {"step2.attribute_factor", "loss.attribute_entropy", "loss.consistency", "loss.domain"}},
      {"baseline-c", {"loss.attribute", "loss.attribute_entropy", "loss.consistency"}},
      {"source-attributes", {"loss.attribute_entropy", "loss.consistency"}},
      {"without-attribute-entropy", {"loss.attribute_entropy"}},
      {"without-consistency", {"loss.consistency"}},
      {"without-domain", {"loss.domain"}},
      {"full", {}}};
  return rows;
}

TEST(AblationTest, EachRowDiffersFromTheFullOneInWhatItNamesAndThatIsOff) {
  const v1::TrainingSpec full = Resolved("full");
  for (const auto& [name, fields] : Rows()) {
    const v1::TrainingSpec row = Resolved(name);
    EXPECT_EQ(ChangedFields(full, row), fields) << name;
    for (const std::string& field : fields) {
      v1::TrainingSpec off = row;
      ASSERT_THAT(SetMessageField(field + "=0", off), IsOk()) << field;
      EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(off, row)) << field;
    }
  }
}

TEST(AblationTest, EveryShippedRowIsTestedAndValid) {
  std::set<std::string> shipped;
  for (const auto& entry : std::filesystem::directory_iterator(Folder())) {
    shipped.insert(entry.path().stem().string());
    v1::TrainingSpec spec = Resolved(entry.path().stem().string());
    spec.set_target_dataset("target");
    spec.set_source_dataset("source");
    EXPECT_THAT(SpecErrors(spec), testing::IsEmpty()) << entry.path();
  }
  std::set<std::string> tested;
  for (const auto& row : Rows()) tested.insert(row.first);
  EXPECT_EQ(shipped, tested);
}

TEST(AblationTest, FullIsThePresetItself) {
  v1::TrainingSpec preset;
  preset.set_preset("persons");
  EXPECT_TRUE(
      google::protobuf::util::MessageDifferencer::Equals(*ResolveSpec(preset), Resolved("full")));
}

}  // namespace
}  // namespace s2p::test
