// market_attribute.mat as published, and with all possible defects.
#ifndef S2P_TESTS_TRAINER_IMPORT_MARKET_MAT_H_
#define S2P_TESTS_TRAINER_IMPORT_MARKET_MAT_H_

#include <gtest/gtest.h>
#include <matio.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace s2p::test {

struct MarketMat {
  struct Part {
    std::vector<std::string> ids;
    // Fields by name; each is a row of doubles.
    std::map<std::string, std::vector<double>> fields;
  };

  // All fields 1 for every identity.
  MarketMat(const std::vector<std::string>& train_ids, const std::vector<std::string>& test_ids) {
    for (const auto& [part, ids] : {std::pair{&train, &train_ids}, std::pair{&test, &test_ids}}) {
      part->ids = *ids;
      for (const char* name :
           {"age",        "backpack", "bag",       "handbag",  "downblack",  "downblue",
            "downbrown",  "downgray", "downgreen", "downpink", "downpurple", "downwhite",
            "downyellow", "upblack",  "upblue",    "upgreen",  "upgray",     "uppurple",
            "upred",      "upwhite",  "upyellow",  "clothes",  "down",       "up",
            "hair",       "hat",      "gender"}) {
        part->fields[name].assign(ids->size(), 1);
      }
    }
  }

  Part test;
  Part train;
  std::string variable = "market_attribute";
  matio_compression compression = MAT_COMPRESSION_NONE;
  // Write numbers as unsigned bytes instead of doubles.
  bool bytes = false;
  // Write image_index as a row of numbers instead of cells.
  bool ids_are_numbers = false;
};

inline matvar_t* MatRow(const std::vector<double>& values, bool bytes) {
  size_t dims[2] = {1, values.size()};
  if (!bytes) {
    return Mat_VarCreate(nullptr, MAT_C_DOUBLE, MAT_T_DOUBLE, 2, dims,
                         const_cast<double*>(values.data()), 0);
  }
  std::vector<uint8_t> small(values.begin(), values.end());
  return Mat_VarCreate(nullptr, MAT_C_UINT8, MAT_T_UINT8, 2, dims, small.data(), 0);
}

inline matvar_t* MatPart(const MarketMat& mat, const MarketMat::Part& part) {
  std::vector<const char*> names;
  for (const auto& [name, values] : part.fields) names.push_back(name.c_str());
  names.push_back("image_index");
  size_t one[2] = {1, 1};
  matvar_t* variable =
      Mat_VarCreateStruct(nullptr, 2, one, names.data(), static_cast<unsigned>(names.size()));
  for (const auto& [name, values] : part.fields) {
    Mat_VarSetStructFieldByName(variable, name.c_str(), 0, MatRow(values, mat.bytes));
  }
  if (mat.ids_are_numbers) {
    Mat_VarSetStructFieldByName(variable, "image_index", 0,
                                MatRow(std::vector<double>(part.ids.size(), 7), false));
    return variable;
  }
  std::vector<matvar_t*> cells;
  for (const std::string& id : part.ids) {
    size_t dims[2] = {1, id.size()};
    cells.push_back(
        Mat_VarCreate(nullptr, MAT_C_CHAR, MAT_T_UINT8, 2, dims, const_cast<char*>(id.data()), 0));
  }
  size_t dims[2] = {1, cells.size()};
  Mat_VarSetStructFieldByName(
      variable, "image_index", 0,
      Mat_VarCreate(nullptr, MAT_C_CELL, MAT_T_CELL, 2, dims, cells.data(), 0));
  return variable;
}

inline void WriteMarketMat(const std::string& path, const MarketMat& mat) {
  size_t one[2] = {1, 1};
  const char* names[] = {"test", "train"};
  matvar_t* root = Mat_VarCreateStruct(mat.variable.c_str(), 2, one, names, 2);
  Mat_VarSetStructFieldByName(root, "test", 0, MatPart(mat, mat.test));
  Mat_VarSetStructFieldByName(root, "train", 0, MatPart(mat, mat.train));
  mat_t* file = Mat_CreateVer(path.c_str(), "made by a test", MAT_FT_MAT5);
  ASSERT_NE(file, nullptr) << path;
  EXPECT_EQ(Mat_VarWrite(file, root, mat.compression), 0);
  Mat_Close(file);
  Mat_VarFree(root);
}

}  // namespace s2p::test

#endif  // S2P_TESTS_TRAINER_IMPORT_MARKET_MAT_H_
