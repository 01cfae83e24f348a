#include "trainer/memory/run_memory.h"

#include <gmock/gmock.h>

#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/memory/training_memory.h"
#include "trainer/program/commands.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class RunMemoryTest : public TinyRunTest {
 protected:
  static SpecOptions Demo() {
    SpecOptions spec;
    spec.preset = "demo";
    spec.set = {"source_dataset=" + Source(), "target_dataset=" + Target(), "device=cpu"};
    return spec;
  }
  static absl::StatusOr<MainMemory> NoneIsLeft() { return MainMemory{0, uint64_t{1} << 40}; }
  static auto IsRefusal() {
    return StatusIs(
        absl::StatusCode::kFailedPrecondition,
        AllOf(HasSubstr("the images alone take "), HasSubstr("0.00 GiB are available")));
  }

  static absl::Status Check(const std::function<absl::StatusOr<MainMemory>()>& measure,
                            const std::vector<std::string>& fields = {}) {
    S2P_ASSIGN_OR_RETURN(const auto resolved, ResolveSpec(With(Spec(), fields)));
    S2P_ASSIGN_OR_RETURN(const auto data_sets, OpenTrainingDataSets(resolved));
    return CheckRunFits(data_sets, resolved, measure);
  }

  // The least that suffices.
  static uint64_t BytesOf(const std::vector<std::string>& fields) {
    const auto resolved = ResolveSpec(With(Spec(), fields));
    EXPECT_THAT(resolved, IsOk());
    const auto data_sets = OpenTrainingDataSets(*resolved);
    EXPECT_THAT(data_sets, IsOk());
    const auto training = MeasureTrainingMemory(*data_sets, *resolved);
    EXPECT_THAT(training, IsOk());
    return ImageBytes(*data_sets, *resolved) + training->total_bytes();
  }

  std::ostringstream out_;
};

TEST_F(RunMemoryTest, CrossValidationRefusesImagesThatDoNotFit) {
  CrossValidateOptions options;
  options.spec = Demo();
  options.folds = 2;
  options.threads = 1;
  options.measure_memory = NoneIsLeft;
  EXPECT_THAT(RunCrossValidate(
                  options, [] { return false; }, /*terminal=*/false, out_),
              IsRefusal());
}

TEST_F(RunMemoryTest, SelectionOfAttributesRefusesImagesThatDoNotFit) {
  SelectAttributesOptions options;
  options.spec = Demo();
  options.work_dir = dir_.File("work");
  options.threads = 1;
  options.measure_memory = NoneIsLeft;
  EXPECT_THAT(RunSelectAttributes(
                  options, [] { return false; }, /*terminal=*/false, out_),
              IsRefusal());
}

TEST_F(RunMemoryTest, MemoryThatCannotBeMeasuredRefusesNothing) {
  EXPECT_THAT(Check([] { return absl::NotFoundError("/proc"); }), IsOk());
  EXPECT_THAT(Check(NoneIsLeft), IsRefusal());
}

TEST_F(RunMemoryTest, NetworksAndBatchCountToo) {
  const std::vector<std::string> large = {"photo.height=96", "photo.width=96", "sketch.height=96",
                                          "sketch.width=96", "step1.epochs=0"};
  const uint64_t needed = BytesOf(large);
  EXPECT_THAT(Check([needed] { return MainMemory{needed, needed}; }, large), IsOk());
  EXPECT_THAT(Check(
                  [needed] {
                    return MainMemory{needed - 1, needed};
                  },
                  large),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("the run takes about 0."),
                             HasSubstr("for networks, gradients and optimizer, and 0."),
                             HasSubstr("for a batch of 12 images"),
                             HasSubstr("lower batch_size and raise accumulate"))));
}

TEST_F(RunMemoryTest, SmallBatchLeavesTheStateToBeWritten) {
  const uint64_t needed = BytesOf({});
  EXPECT_THAT(Check([needed] {
                return MainMemory{needed - 1, needed};
              }),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("for writing its state")));
}

}  // namespace
}  // namespace s2p::test
