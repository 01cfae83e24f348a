// Small trees in the layouts of published data sets.
#ifndef S2P_TESTS_TRAINER_IMPORT_IMPORT_FIXTURE_H_
#define S2P_TESTS_TRAINER_IMPORT_IMPORT_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "tests/image/image_bytes.h"
#include "tests/testing/temp_dir.h"
#include "trainer/data/data_set.h"
#include "trainer/import/import_dataset.h"

namespace s2p::test {

// A test's root folder, the data set imported from it, and the errors.
class ImportTest : public testing::Test {
 protected:
  std::string Root(const std::string& path = "") const { return dir_.File("root") + "/" + path; }
  std::string Out(const std::string& path = "") const {
    return dir_.File("out") + (path.empty() ? "" : "/" + path);
  }

  // Below the root.
  void Write(const std::string& path, const std::string& bytes) {
    std::filesystem::create_directories(std::filesystem::path(Root(path)).parent_path());
    std::ofstream(Root(path), std::ios::binary) << bytes;
  }
  void WriteJpg(const std::string& path) { Write(path, Jpeg(1, 1, 3)); }
  void WritePng(const std::string& path) { Write(path, Png({1, 1, 8, 2}, {Bytes({10, 20, 30})})); }
  // Removes files and folders.
  void Remove(const std::string& path) {
    ASSERT_GT(std::filesystem::remove_all(Root(path)), 0u) << path;
  }
  void Rename(const std::string& from, const std::string& to) {
    std::filesystem::create_directories(std::filesystem::path(Root(to)).parent_path());
    std::filesystem::rename(Root(from), Root(to));
  }
  // Replaces the one place where the file has `from`.
  void Replace(const std::string& path, const std::string& from, const std::string& to) {
    std::string text = Read(Root(path));
    const size_t found = text.find(from);
    ASSERT_NE(found, std::string::npos) << from;
    Write(path, text.replace(found, from.size(), to));
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  absl::StatusOr<ImportSummary> Import(const std::string& format) {
    options_.format = format;
    options_.root = dir_.File("root");
    options_.out = Out();
    return ImportDataset(options_);
  }
  // The import fails with these words in its message, and leaves nothing behind.
  void ExpectWrong(const std::string& format, const std::string& words,
                   absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
    const absl::Status status = Import(format).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(words));
    EXPECT_FALSE(std::filesystem::exists(Out()));
  }
  void ExpectMissing(const std::string& format, const std::string& words) {
    ExpectWrong(format, words, absl::StatusCode::kNotFound);
  }

  // The imported data set; Open checks that its paths are inside it.
  DataSet Open() const {
    auto data_set = DataSet::Open(Out());
    if (!data_set.ok()) {
      ADD_FAILURE() << data_set.status();
      std::abort();
    }
    return *std::move(data_set);
  }
  // Attributes by name of the image at `path`.
  static std::map<std::string, float> AttributesOf(const DataSet& data_set,
                                                   const std::string& path) {
    std::map<std::string, float> values;
    for (const DataSetImage& image : data_set.images()) {
      if (image.path != path) continue;
      for (size_t i = 0; i < image.attributes.size(); ++i) {
        values[data_set.attributes()[i]] = image.attributes[i];
      }
    }
    return values;
  }
  // Identities of a split.
  static std::set<std::string> IdentitiesOf(const DataSet& data_set, const std::string& split) {
    std::set<std::string> identities;
    for (const DataSetImage& image : data_set.images()) {
      if (image.split == split) identities.insert(image.identity);
    }
    return identities;
  }

  TempDir dir_;
  ImportOptions options_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_TRAINER_IMPORT_IMPORT_FIXTURE_H_
