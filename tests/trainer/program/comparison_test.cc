#include "trainer/program/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/program/commands.h"
#include "trainer/program/evaluation_report.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ComparisonTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_.File(name)) << text;
    return dir_.File(name);
  }
  // The output of `evaluate --details --json` for queries 0, 1, 2 ... with one photo each.
  static std::string Details(const std::vector<int>& ranks,
                             const std::string& direction = "sketch-to-photo") {
    EvaluationResult result;
    result.evaluation.set_direction(direction);
    result.evaluation.set_gallery(10);
    for (size_t q = 0; q < ranks.size(); ++q) {
      result.first_match_rank.push_back(ranks[q]);
      result.query_paths.push_back(absl::StrCat("sketch/", q, ".png"));
      result.query_identities.push_back(absl::StrCat(q));
      const double share = ranks[q] == 0 ? 0 : 1.0 / ranks[q];
      result.average_precision.push_back(share);
      result.inverse_negative_penalty.push_back(share);
    }
    return EvaluationJson(result, {}, /*details=*/true);
  }
  // The same of a data set with this name and these images.
  static std::string On(const std::string& dataset, const std::string& sha256) {
    const std::string images =
        sha256.empty() ? "" : absl::StrCat(",\"imagesSha256\":\"", sha256, "\"");
    return absl::StrReplaceAll(
        Details({1, 2, 4}),
        {{"\"dataset\":\"\"", absl::StrCat("\"dataset\":\"", dataset, "\"", images)}});
  }
  // The output of `cross-validate --json` for splits with this rank-1.
  static std::string Splits(const std::vector<double>& rank1, uint32_t queries = 8) {
    std::vector<DirectionResult> directions(2);
    for (size_t d = 0; d < 2; ++d) {
      for (const double value : rank1) {
        v1::Evaluation evaluation;
        evaluation.set_direction(d == 0 ? "sketch-to-photo" : "photo-to-sketch");
        evaluation.set_queries(queries);
        evaluation.set_rank1(value);
        directions[d].splits.push_back(evaluation);
      }
      directions[d].spread = SpreadOf(directions[d].splits);
    }
    return CrossValidationJson(directions);
  }
  absl::StatusOr<std::vector<DirectionComparison>> Compare(const std::vector<std::string>& a,
                                                           const std::vector<std::string>& b,
                                                           bool across_data_sets = false) {
    std::vector<Measurement> sides[2];
    for (const auto& [texts, side] : {std::pair(&a, &sides[0]), std::pair(&b, &sides[1])}) {
      for (const std::string& text : *texts) {
        auto measurement = ReadMeasurement(Write(absl::StrCat("file", files_++), text));
        if (!measurement.ok()) return measurement.status();
        side->push_back(*std::move(measurement));
      }
    }
    return CompareMeasurements(sides[0], sides[1], across_data_sets);
  }
  static PairedDifference Metric(const DirectionComparison& comparison, const std::string& name) {
    for (const auto& [metric, difference] : comparison.metrics) {
      if (metric == name) return difference;
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }

  TempDir dir_;
  int files_ = 0;
};

TEST_F(ComparisonTest, QueriesArePairedByHand) {
  // mAP: 1, 1/2, 1/4 against 1, 1, 1/2: d = 0, 1/2, 1/4, mean 1/4, s^2 = 1/16.
  const auto comparison = Compare({Details({1, 2, 4})}, {Details({1, 1, 2})});
  ASSERT_THAT(comparison, IsOk());
  ASSERT_EQ(comparison->size(), 1u);
  EXPECT_EQ((*comparison)[0].direction, "sketch-to-photo");
  EXPECT_EQ((*comparison)[0].groups, "identities");
  EXPECT_EQ((*comparison)[0].metrics.size(), 6u);
  const PairedDifference precision = Metric((*comparison)[0], "mAP");
  EXPECT_DOUBLE_EQ(precision.difference, 0.25);
  EXPECT_DOUBLE_EQ(*precision.standard_error, 0.25 / std::sqrt(3));
  EXPECT_DOUBLE_EQ(Metric((*comparison)[0], "rank1").difference, 1.0 / 3);
  EXPECT_DOUBLE_EQ(Metric((*comparison)[0], "rank5").difference, 0);
}

TEST_F(ComparisonTest, SeedsAreAveragedAndDoNotCountAsFurtherQueries) {
  const auto one = Compare({Details({1, 2, 4})}, {Details({1, 1, 2})});
  const auto two =
      Compare({Details({1, 2, 4}), Details({1, 2, 4})}, {Details({1, 1, 2}), Details({1, 1, 2})});
  ASSERT_THAT(two, IsOk());
  EXPECT_EQ(Metric((*two)[0], "mAP").groups, 3);
  EXPECT_NEAR(*Metric((*two)[0], "mAP").standard_error, *Metric((*one)[0], "mAP").standard_error,
              1e-12);
}

TEST_F(ComparisonTest, SplitsArePairedByHand) {
  // d = 0.1, 0.3: mean 0.2, error 0.1; t of one degree is 12.7.
  const auto comparison = Compare({Splits({0.5, 0.5})}, {Splits({0.6, 0.8})});
  ASSERT_THAT(comparison, IsOk());
  ASSERT_EQ(comparison->size(), 2u);
  EXPECT_EQ((*comparison)[1].direction, "photo-to-sketch");
  EXPECT_EQ((*comparison)[0].groups, "splits");
  const PairedDifference rank1 = Metric((*comparison)[0], "rank1");
  EXPECT_NEAR(rank1.difference, 0.2, 1e-12);
  EXPECT_NEAR(*rank1.standard_error, 0.1, 1e-12);
  EXPECT_NEAR(*rank1.high, 0.2 + 12.7062 * 0.1, 1e-9);
}

TEST_F(ComparisonTest, SplitsOfSeveralSeedsAreAveragedWithinTheSplit) {
  const auto comparison =
      Compare({Splits({0.5, 0.5}), Splits({0.5, 0.5})}, {Splits({0.5, 0.7}), Splits({0.7, 0.9})});
  ASSERT_THAT(comparison, IsOk());
  const PairedDifference rank1 = Metric((*comparison)[0], "rank1");
  EXPECT_EQ(rank1.groups, 2);
  // Means of the splits: 0.1 and 0.3.
  EXPECT_NEAR(*rank1.standard_error, 0.1, 1e-12);
}

TEST_F(ComparisonTest, SeedsOfOneSplitAreTheGroups) {
  const auto comparison = Compare({Splits({0.5}), Splits({0.5})}, {Splits({0.6}), Splits({0.8})});
  ASSERT_THAT(comparison, IsOk());
  EXPECT_EQ((*comparison)[0].groups, "runs");
  EXPECT_NEAR(*Metric((*comparison)[0], "rank1").standard_error, 0.1, 1e-12);
}

TEST_F(ComparisonTest, FilesOfOlderProgramsAreComparedByWhatTheySay) {
  const std::string old =
      "{\"queries\":1,\"gallery\":10,\"ranks\":[{\"path\":\"s\",\"identity\":\"i\",\"rank\":3},"
      "{\"path\":\"t\",\"identity\":\"j\",\"rank\":null}]}";
  const auto comparison = Compare({old}, {old});
  ASSERT_THAT(comparison, IsOk());
  EXPECT_EQ((*comparison)[0].metrics.size(), 4u) << "the four ranks";
  EXPECT_EQ(Metric((*comparison)[0], "rank5").values, 1);
}

TEST_F(ComparisonTest, WhatCannotBeComparedIsRefused) {
  const std::string details = Details({1, 2, 4});
  const std::pair<std::vector<std::string>, const char*> wrong[] = {
      {{Details({1, 2})}, "the same queries"},
      {{Details({1, 2, 0})}, "the same gallery"},
      {{Details({1, 2, 4}, "photo-to-sketch")}, "no direction"},
      {{Splits({0.5, 0.5})}, "one has queries, the other has splits"},
      {{absl::StrReplaceAll(details, {{"\"gallery\":10", "\"gallery\":11"}})},
       "galleries of 10 and 11"},
      {{details, details}, "A has 1 measurements and B 2"}};
  for (const auto& [b, words] : wrong) {
    EXPECT_THAT(Compare({details}, b),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
  }
  EXPECT_THAT(Compare({Splits({0.5, 0.5})}, {Splits({0.5})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("of 2 and 1 splits")));
  EXPECT_THAT(Compare({Splits({0.5})}, {Splits({0.5}, 9)}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("8 and 9 queries")));
}

TEST_F(ComparisonTest, MeasurementsOnOtherImagesAreComparedOnRequestAlone) {
  EXPECT_THAT(
      Compare({On("shoes", "1f")}, {On("shoes", "2e")}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("measured on different images"), HasSubstr("--across-data-sets"))));
  EXPECT_THAT(Compare({On("shoes", "1f")}, {On("shoes", "2e")}, /*across_data_sets=*/true), IsOk());
  EXPECT_THAT(Compare({On("shoes", "1f")}, {On("a copy", "1f")}), IsOk());
}

TEST_F(ComparisonTest, NamesOfDataSetsAreComparedWhereImagesAreNotKnown) {
  for (const char* sha256 : {"", "2e"}) {
    EXPECT_THAT(Compare({On("shoes", "")}, {On("boots", sha256)}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("the data sets \"shoes\" and \"boots\"")));
    EXPECT_THAT(Compare({On("shoes", "")}, {On("shoes", sha256)}), IsOk());
    EXPECT_THAT(Compare({Details({1, 2, 4})}, {On("shoes", sha256)}), IsOk());
  }
  const auto named = [](const std::string& name) {
    return absl::StrReplaceAll(Splits({0.5, 0.6}),
                               {{"\"dataset\":\"\"", "\"dataset\":\"" + name + "\""}});
  };
  EXPECT_THAT(Compare({named("shoes")}, {named("boots")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"boots\"")));
  EXPECT_THAT(Compare({named("shoes")}, {named("shoes")}), IsOk());
  EXPECT_THAT(Compare({named("shoes")}, {Splits({0.5, 0.6})}), IsOk());
}

TEST_F(ComparisonTest, DigestIsOfTheMeasuredImagesAndNotOfTheirOrder) {
  std::vector<DataSetImage> images(3);
  for (size_t i = 0; i < images.size(); ++i) {
    Write(absl::StrCat(i, ".png"), absl::StrCat("picture ", i));
    images[i].path = absl::StrCat(i, ".png");
    images[i].identity = "shoe";
    images[i].split = "test";
  }
  ASSERT_THAT(WriteDataSet(dir_.path(), {"shoes", {}, "", ""}, images), IsOk());
  const auto data_set = DataSet::Open(dir_.path());
  ASSERT_THAT(data_set, IsOk());
  images.pop_back();
  const auto digest = [&] { return MeasuredImagesOf(*data_set, images, 2).sha256; };
  const std::string before = digest();
  EXPECT_EQ(before.size(), 64u);
  std::reverse(images.begin(), images.end());
  EXPECT_EQ(digest(), before);
  Write("2.png", "another picture");
  EXPECT_EQ(digest(), before);
  Write("1.png", "another picture");
  EXPECT_NE(digest(), before);
}

TEST_F(ComparisonTest, FileThatIsNoMeasurementIsNamed) {
  const std::pair<std::string, std::string> wrong[] = {
      {"{\"rank1\":", "is not the JSON"},
      {"[1]", "is not the JSON"},
      {EvaluationJson(EvaluationResult(), {}, /*details=*/false), "--details --json"},
      {"{\"gallery\":10,\"ranks\":[{\"path\":\"s\"}]}", "identity"},
      {"{\"gallery\":10,\"ranks\":[{\"path\":\"s\",\"identity\":\"i\",\"rank\":\"first\"}]}",
       "type"},
      {"{\"splits\":[{}]}", "sketch-to-photo"}};
  for (const auto& [text, words] : wrong) {
    const std::string path = Write("wrong.json", text);
    EXPECT_THAT(ReadMeasurement(path), StatusIs(absl::StatusCode::kInvalidArgument,
                                                AllOf(HasSubstr(path), HasSubstr(words))))
        << text;
  }
  EXPECT_THAT(ReadMeasurement(dir_.File("none")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ComparisonTest, CheckpointNeedsADataSet) {
  std::ostringstream out;
  EXPECT_THAT(RunCompare({{dir_.path()}, {dir_.path()}}, out),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--dataset")));
  EXPECT_THAT(RunCompare({{dir_.path()}, {}}, out),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--a and --b")));
}

TEST_F(ComparisonTest, TableShowsPercentAndLeavesOutWhatIsNotKnown) {
  const auto comparison = Compare({Splits({0.5, 0.5})}, {Splits({0.6, 0.8})});
  EXPECT_THAT(ComparisonTable(*comparison),
              AllOf(HasSubstr("sketch-to-photo: 2 values of 2 splits"),
                    HasSubstr("rank1      50.0 %   70.0 %   +20.0   10.0   -107.1 to +147.1")));
  const auto one = Compare({Splits({0.5})}, {Splits({0.6})});
  EXPECT_THAT(ComparisonTable(*one), HasSubstr("rank1      50.0 %   60.0 %   +10.0\n"));
  EXPECT_THAT(ComparisonJson(*one), HasSubstr("\"standardError\":null"));
}

}  // namespace
}  // namespace s2p::test
