#include "model/embedding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

TEST(EmbeddingMatrixTest, RowsAreContiguous) {
  EmbeddingMatrix matrix(2, 3);
  matrix.row(1)[0] = 7;
  EXPECT_EQ(matrix.rows(), 2);
  EXPECT_EQ(matrix.dimension(), 3);
  EXPECT_EQ(matrix.data()[3], 7);
  EXPECT_EQ(matrix.data()[2], 0);
}

TEST(EmbeddingMatrixTest, RowOfAnEmptyDimensionIsEmpty) {
  EXPECT_TRUE(EmbeddingMatrix(2, 0).row(1).empty());
}

TEST(CosineSimilarityTest, IsTheDotProductOfUnitVectors) {
  EXPECT_FLOAT_EQ(CosineSimilarity({0.6f, 0.8f}, {0.8f, 0.6f}), 0.96f);
  EXPECT_FLOAT_EQ(CosineSimilarity({0.6f, 0.8f}, {-0.6f, -0.8f}), -1);
  EXPECT_EQ(CosineSimilarity({1, 0}, {0, 1}), 0);
}

TEST(CosineSimilarityTest, RoundingDoesNotLeaveTheRange) {
  const std::vector<float> a(3, 0.57735032f);  // Their squares add up to a little more than 1.
  const std::vector<float> b(3, -0.57735032f);
  EXPECT_EQ(CosineSimilarity(a, a), 1);
  EXPECT_EQ(CosineSimilarity(a, b), -1);
}

TEST(CosineSimilarityTest, AddsInDouble) {
  // In float32 the second product would be lost next to the first.
  const std::vector<float> a = {1, 1e-5f, -1};
  const std::vector<float> b = {0.5f, 1e-5f, 0.5f};
  EXPECT_FLOAT_EQ(CosineSimilarity(a, b), 1e-10f);
}

TEST(NormalizeL2Test, ScalesToNormOne) {
  std::vector<float> vector = {3, 0, -4};
  ASSERT_TRUE(NormalizeL2(absl::MakeSpan(vector)));
  EXPECT_EQ(vector, (std::vector<float>{0.6f, 0, -0.8f}));
}

TEST(NormalizeL2Test, HugeValuesDoNotOverflow) {
  std::vector<float> vector = {3e38f, 0};
  ASSERT_TRUE(NormalizeL2(absl::MakeSpan(vector)));
  EXPECT_EQ(vector, (std::vector<float>{1, 0}));
}

TEST(NormalizeL2Test, ZeroIsLeftAlone) {
  std::vector<float> vector = {0, 1e-13f};
  EXPECT_FALSE(NormalizeL2(absl::MakeSpan(vector)));
  EXPECT_EQ(vector, (std::vector<float>{0, 1e-13f}));
}

TEST(NormalizeL2Test, NotFiniteIsLeftAlone) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> vector = {1, infinity};
  EXPECT_FALSE(NormalizeL2(absl::MakeSpan(vector)));
  EXPECT_EQ(vector, (std::vector<float>{1, infinity}));
  std::vector<float> not_a_number = {1, std::nanf("")};
  EXPECT_FALSE(NormalizeL2(absl::MakeSpan(not_a_number)));
  EXPECT_EQ(not_a_number[0], 1);
}

TEST(NormalizeRowsTest, ScalesEachRow) {
  EmbeddingMatrix matrix(2, 2);
  matrix.row(0)[1] = -2;
  matrix.row(1)[0] = 5;
  ASSERT_THAT(NormalizeRows(matrix), test::IsOk());
  EXPECT_EQ(matrix.row(0)[1], -1);
  EXPECT_EQ(matrix.row(1)[0], 1);
}

TEST(NormalizeRowsTest, RowThatCannotBeScaledIsAnInternalErrorOfItsOwnKind) {
  for (const float value : {0.0f, std::nanf("")}) {
    EmbeddingMatrix matrix(2, 1);
    matrix.row(0)[0] = 1;
    matrix.row(1)[0] = value;
    const absl::Status status = NormalizeRows(matrix);
    EXPECT_THAT(status,
                test::StatusIs(absl::StatusCode::kInternal, testing::HasSubstr("inputs[1]")));
    EXPECT_TRUE(IsNotEmbeddable(status));
  }
}

TEST(NormalizeRowsTest, OtherErrorsAreOfNoSuchKind) {
  EXPECT_FALSE(IsNotEmbeddable(absl::OkStatus()));
  EXPECT_FALSE(IsNotEmbeddable(absl::InternalError("encode")));
}

}  // namespace
}  // namespace s2p
