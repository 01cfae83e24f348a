#include "trainer/program/image_memory.h"

#include <gmock/gmock.h>

#include <sstream>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/program/commands.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ImageMemoryTest : public TinyRunTest {
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

  std::ostringstream out_;
};

TEST_F(ImageMemoryTest, CrossValidationRefusesImagesThatDoNotFit) {
  CrossValidateOptions options;
  options.spec = Demo();
  options.folds = 2;
  options.threads = 1;
  options.measure_memory = NoneIsLeft;
  EXPECT_THAT(RunCrossValidate(
                  options, [] { return false; }, /*terminal=*/false, out_),
              IsRefusal());
}

TEST_F(ImageMemoryTest, SelectionOfAttributesRefusesImagesThatDoNotFit) {
  SelectAttributesOptions options;
  options.spec = Demo();
  options.work_dir = dir_.File("work");
  options.threads = 1;
  options.measure_memory = NoneIsLeft;
  EXPECT_THAT(RunSelectAttributes(
                  options, [] { return false; }, /*terminal=*/false, out_),
              IsRefusal());
}

TEST_F(ImageMemoryTest, MemoryThatCannotBeMeasuredRefusesNothing) {
  const auto resolved = ResolveSpec(Spec());
  ASSERT_THAT(resolved, IsOk());
  const auto data_sets = OpenTrainingDataSets(*resolved);
  ASSERT_THAT(data_sets, IsOk());
  EXPECT_THAT(CheckImagesFit(*data_sets, *resolved, [] { return absl::NotFoundError("/proc"); }),
              IsOk());
  EXPECT_THAT(CheckImagesFit(*data_sets, *resolved, NoneIsLeft), IsRefusal());
}

}  // namespace
}  // namespace s2p::test
