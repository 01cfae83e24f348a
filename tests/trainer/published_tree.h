// Small trees in the layouts of published data sets.
#ifndef S2P_TESTS_TRAINER_PUBLISHED_TREE_H_
#define S2P_TESTS_TRAINER_PUBLISHED_TREE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/model/image_bytes.h"
#include "tests/testing/temp_dir.h"
#include "trainer/data_set.h"
#include "trainer/import_dataset.h"

namespace s2p::testing {

// Writes a tree below root/ and imports it to out/.
class PublishedTreeTest : public ::testing::Test {
 protected:
  std::string Root(const std::string& path = "") const { return dir_.File("root/" + path); }
  std::string Out() const { return dir_.File("out"); }
  void Write(const std::string& path, const std::string& bytes) {
    std::filesystem::create_directories(std::filesystem::path(Root(path)).parent_path());
    std::ofstream(Root(path), std::ios::binary) << bytes;
  }
  void Jpg(const std::string& path) { Write(path, Jpeg(8, 8, 3)); }
  void PngFile(const std::string& path) {
    PngLayout layout;
    layout.width = layout.height = 1;
    layout.depth = 8;
    layout.color = 2;
    Write(path, Png(layout, {std::string(3, '\x7f')}));
  }
  void Remove(const std::string& path) { ASSERT_TRUE(std::filesystem::remove(Root(path))) << path; }
  absl::StatusOr<ImportSummary> Import(const std::string& format, uint64_t seed = 1,
                                       const std::string& split_file = "") {
    std::filesystem::remove_all(Out());
    return ImportDataset({format, Root(), Out(), seed, split_file});
  }
  // The words of a refusal, after which nothing is left behind.
  std::string Refusal(const std::string& format, const std::string& split_file = "") {
    const auto summary = Import(format, 1, split_file);
    EXPECT_EQ(summary.status().code(), absl::StatusCode::kInvalidArgument) << summary.status();
    EXPECT_FALSE(std::filesystem::exists(Out() + "/dataset.jsonl"));
    EXPECT_FALSE(std::filesystem::exists(Out() + "/photo"));
    return std::string(summary.status().message());
  }
  DataSet Imported() const {
    auto data_set = DataSet::Open(Out());
    EXPECT_TRUE(data_set.ok()) << data_set.status();
    return *std::move(data_set);
  }
  // Identities of one split.
  std::set<std::string> Identities(const std::string& split) const {
    std::set<std::string> identities;
    const DataSet data_set = Imported();
    for (const DataSetImage& image : data_set.images()) {
      if (image.split == split) identities.insert(image.identity);
    }
    return identities;
  }
  // Attribute values of the first image of an identity, by name.
  std::map<std::string, float> Attributes(const std::string& identity) const {
    const DataSet data_set = Imported();
    std::map<std::string, float> values;
    for (const DataSetImage& image : data_set.images()) {
      if (image.identity != identity) continue;
      for (size_t i = 0; i < data_set.attributes().size(); ++i) {
        values[data_set.attributes()[i]] = image.attributes[i];
      }
      return values;
    }
    ADD_FAILURE() << "no identity " << identity;
    return values;
  }

  TempDir dir_;
};

}  // namespace s2p::testing

#endif  // S2P_TESTS_TRAINER_PUBLISHED_TREE_H_
