#include "trainer/optimization/loss_sum.h"

#include <gmock/gmock.h>
#include <torch/types.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using Values = std::vector<std::pair<std::string, double>>;

TEST(LossSumTest, TermsAreReadBeforeTheirWeightsAndTheTotalAfter) {
  LossSum sum;
  sum.Add("identity", 2, torch::tensor(3.0));
  sum.Add("triplet", 0.5, torch::tensor(4.0));
  Values values;
  ASSERT_THAT(sum.Read(values), IsOk());
  EXPECT_THAT(values, ElementsAre(Pair("identity", 3), Pair("triplet", 4), Pair("total", 8)));
  EXPECT_EQ(sum.Total().item<double>(), 8);
}

TEST(LossSumTest, TotalOfTwoSumsIsThatOfBoth) {
  LossSum main, meta;
  main.Add("identity", 2, torch::tensor(3.0));
  meta.Add("photo_neighbours", 10, torch::tensor(0.5));
  Values values;
  ASSERT_THAT(main.Read(values), IsOk());
  ASSERT_THAT(meta.Read(values), IsOk());
  EXPECT_THAT(values,
              ElementsAre(Pair("identity", 3), Pair("photo_neighbours", 0.5), Pair("total", 11)));
}

TEST(LossSumTest, TermThatIsNotFiniteIsNamed) {
  LossSum sum;
  sum.Add("triplet", 1, torch::tensor(std::numeric_limits<double>::quiet_NaN()));
  Values values;
  EXPECT_THAT(sum.Read(values),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"triplet\"")));
}

}  // namespace
}  // namespace s2p::test
