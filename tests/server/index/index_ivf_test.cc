#include "server/index/index_ivf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/random_units.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::ClusteredUnits;
using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

constexpr int kDimension = 32;

EmbeddingMatrix Vectors(int rows = 4000) { return ClusteredUnits(rows, kDimension, 40, 7); }

std::unique_ptr<const IvfIndex> Trained(const std::string& kind, double recall = 0.95) {
  auto index = IvfIndex::Train(Vectors(), {kind, recall, {}});
  EXPECT_THAT(index, IsOk());
  return *std::move(index);
}

int Common(const std::vector<IndexMatch>& a, const std::vector<IndexMatch>& b) {
  int common = 0;
  for (const IndexMatch& match : a) {
    for (const IndexMatch& other : b) common += match.row == other.row ? 1 : 0;
  }
  return common;
}

TEST(IvfIndexTest, FindsWhatAnExactIndexFinds) {
  const auto index = Trained("IVF64,Flat");
  EXPECT_GE(index->recall(), 0.95);
  const auto exact = Index::BuildExact(Vectors());
  const EmbeddingMatrix queries = ClusteredUnits(100, kDimension, 40, 7);
  const auto found = index->Search(queries, 10);
  const auto truth = exact->Search(queries, 10);
  int common = 0;
  for (size_t i = 0; i < 100; ++i) common += Common((*found)[i], (*truth)[i]);
  EXPECT_GE(common, 950);
}

TEST(IvfIndexTest, MoreEffortLooksInMoreLists) {
  // One list is enough for almost no recall.
  const auto index = Trained("IVF64,Flat", 0.01);
  EXPECT_EQ(index->training().probes(), 1u);
  const EmbeddingMatrix queries = test::RandomUnits(20, kDimension, 3);
  const auto truth = Index::BuildExact(Vectors())->Search(queries, 50);
  const auto little = index->Search(queries, 50);
  const auto all = index->Search(queries, 50, 64);
  int with_little = 0, with_all = 0;
  for (size_t i = 0; i < 20; ++i) {
    with_little += Common((*little)[i], (*truth)[i]);
    with_all += Common((*all)[i], (*truth)[i]);
  }
  EXPECT_LT(with_little, 1000);
  EXPECT_GE(with_all, 999);
}

TEST(IvfIndexTest, VectorsAreKeptBitForBit) {
  const EmbeddingMatrix vectors = Vectors();
  for (const char* kind : {"IVF16,Flat", "IVF16,SQ8", "IVF16,PQ8x4"}) {
    const auto index = Trained(kind);
    ASSERT_EQ(index->size(), 4000);
    for (int row : {0, 1, 1999, 3999}) EXPECT_EQ(index->vector(row), vectors.row(row)) << kind;
  }
}

TEST(IvfIndexTest, IsTheSameFromItsTrainingAndItsAssignment) {
  const auto index = Trained("IVF64,Flat");
  EmbeddingMatrix vectors = Vectors();
  const auto again = IvfIndex::Build(index->training(), std::move(vectors), index->assignment());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ((*again)->assignment(), index->assignment());
  EXPECT_EQ((*again)->recall(), index->recall());
  // Also without the list of each vector.
  vectors = Vectors();
  const auto assigned = IvfIndex::Build(index->training(), std::move(vectors), {});
  EXPECT_EQ((*assigned)->assignment(), index->assignment());
}

TEST(IvfIndexTest, HoldsOtherVectorsThanItWasTrainedOn) {
  const auto index = Trained("IVF64,Flat");
  EmbeddingMatrix vectors = ClusteredUnits(50, kDimension, 40, 99);
  const EmbeddingMatrix queries = vectors;
  const auto other = IvfIndex::Build(index->training(), std::move(vectors), index->assignment());
  ASSERT_EQ((*other)->size(), 50);
  const auto found = (*other)->Search(queries, 1, 64);
  for (size_t i = 0; i < 50; ++i) EXPECT_EQ((*found)[i].front().row, static_cast<int64_t>(i));
}

TEST(IvfIndexTest, AssignmentToAListThatIsNotThereIsFoundAgain) {
  const auto index = Trained("IVF64,Flat");
  IvfAssignment wrong = index->assignment();
  for (auto& [digest, list] : wrong) list = 64;
  EmbeddingMatrix vectors = Vectors();
  const auto built = IvfIndex::Build(index->training(), std::move(vectors), wrong);
  ASSERT_THAT(built, IsOk());
  EXPECT_EQ((*built)->assignment(), index->assignment());
}

TEST(IvfIndexTest, TruncatedTrainingIsDataLossAndLeavesTheVectors) {
  v1::IvfTraining training = Trained("IVF16,Flat")->training();
  const std::string whole = training.faiss_index();
  for (size_t size : {size_t{0}, size_t{3}, size_t{40}, whole.size() / 2, whole.size() - 1}) {
    training.set_faiss_index(whole.substr(0, size));
    EmbeddingMatrix vectors = Vectors();
    const auto built = IvfIndex::Build(training, std::move(vectors), {});
    EXPECT_THAT(built, StatusIs(absl::StatusCode::kDataLoss)) << size;
    EXPECT_EQ(vectors.rows(), 4000);
  }
}

TEST(IvfIndexTest, TrainingForAnotherDimensionIsDataLoss) {
  const auto index = Trained("IVF16,Flat");
  EmbeddingMatrix vectors = ClusteredUnits(100, kDimension + 1, 4, 1);
  const auto built = IvfIndex::Build(index->training(), std::move(vectors), {});
  EXPECT_THAT(built, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("32 values, not 33")));
}

TEST(IvfIndexTest, ProbesBeyondTheListsAreDataLoss) {
  v1::IvfTraining training = Trained("IVF16,Flat")->training();
  for (uint32_t probes : {0u, 17u, 4000000000u}) {
    training.set_probes(probes);
    EmbeddingMatrix vectors = Vectors();
    EXPECT_THAT(IvfIndex::Build(training, std::move(vectors), {}),
                StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(IvfIndexTest, InterruptedTrainingIsCancelled) {
  EXPECT_THAT(IvfIndex::Train(Vectors(), {"IVF64,Flat", 0.95, [] { return true; }}),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST(IvfKindTest, InvertedFilesWithSingleCodesAreTaken) {
  for (const char* kind : {"IVF64,Flat", "IVF1024,SQ8", "IVF100,PQ16", "IVF256_HNSW32,Flat"}) {
    EXPECT_THAT(CheckIvfKind(kind), IsOk()) << kind << ": " << CheckIvfKind(kind);
  }
  EXPECT_EQ(ListsOf("IVF1024,SQ8"), 1024);
}

TEST(IvfKindTest, OtherKindsAreRefusedByName) {
  for (const char* kind : {"Flat", "HNSW32", "IVF", "IVFx,Flat", "IVF64,PQ16x4fs",
                           "IVF64,PQ16,RFlat", "PCA64,IVF64,Flat", ""}) {
    const absl::Status status = CheckIvfKind(kind);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(kind))) << kind;
  }
}

}  // namespace
}  // namespace s2p
