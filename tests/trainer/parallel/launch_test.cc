#include "trainer/parallel/launch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using testing::AllOf;
using testing::HasSubstr;

using Variables = std::map<std::string, std::string>;

absl::StatusOr<Launch> LaunchWith(const Variables& variables) {
  return LaunchFromEnvironment([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string ErrorWith(const Variables& variables) {
  const auto launch = LaunchWith(variables);
  EXPECT_EQ(launch.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(launch.status().message());
}

TEST(LaunchTest, NothingSaysOneProcess) {
  const auto launch = LaunchWith({});
  ASSERT_THAT(launch, IsOk());
  EXPECT_EQ(launch->processes, 1);
}

TEST(LaunchTest, ReadsWhatTorchrunSets) {
  const auto launch = LaunchWith({{"RANK", "3"},
                                  {"WORLD_SIZE", "4"},
                                  {"LOCAL_RANK", "1"},
                                  {"MASTER_ADDR", "node0"},
                                  {"MASTER_PORT", "1234"},
                                  {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                  {"TORCHELASTIC_RESTART_COUNT", "2"}});
  ASSERT_THAT(launch, IsOk());
  EXPECT_EQ(launch->rank, 3);
  EXPECT_EQ(launch->processes, 4);
  EXPECT_EQ(launch->local_rank, 1);
  EXPECT_EQ(launch->master_host, "node0");
  EXPECT_EQ(launch->master_port, 1234);
  EXPECT_TRUE(launch->launcher_listens);
  EXPECT_EQ(launch->restarts, "2");
}

TEST(LaunchTest, ReadsWhatSlurmSetsWhereTheyAreToMeet) {
  const auto launch = LaunchWith({{"SLURM_PROCID", "1"},
                                  {"SLURM_NTASKS", "2"},
                                  {"SLURM_LOCALID", "1"},
                                  {"MASTER_ADDR", "node0"}});
  ASSERT_THAT(launch, IsOk());
  EXPECT_EQ(launch->rank, 1);
  EXPECT_EQ(launch->processes, 2);
  EXPECT_EQ(launch->local_rank, 1);
  EXPECT_EQ(launch->master_port, 29500);
  EXPECT_FALSE(launch->launcher_listens);
}

// A batch script that trains without srun has these variables, too.
TEST(LaunchTest, TasksOfSlurmWithoutAMeetingPlaceAreRunsOfTheirOwn) {
  const auto launch = LaunchWith({{"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}});
  ASSERT_THAT(launch, IsOk());
  EXPECT_EQ(launch->processes, 1);
}

TEST(LaunchTest, ReadsAnIndexedJob) {
  const auto launch =
      LaunchWith({{"JOB_COMPLETION_INDEX", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "train-0"}});
  ASSERT_THAT(launch, IsOk());
  EXPECT_EQ(launch->rank, 1);
  EXPECT_EQ(launch->processes, 2);
}

TEST(LaunchTest, RankWinsOverTheIndex) {
  const auto launch = LaunchWith({{"RANK", "0"},
                                  {"JOB_COMPLETION_INDEX", "1"},
                                  {"WORLD_SIZE", "2"},
                                  {"MASTER_ADDR", "train-0"}});
  ASSERT_THAT(launch, IsOk());
  EXPECT_EQ(launch->rank, 0);
}

TEST(LaunchTest, NamesTheVariableThatIsMissing) {
  EXPECT_THAT(ErrorWith({{"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}}),
              HasSubstr("variable RANK: is not set, but WORLD_SIZE is 2"));
  EXPECT_THAT(ErrorWith({{"WORLD_SIZE", "2"}, {"RANK", "0"}}),
              HasSubstr("variable MASTER_ADDR: is not set, but WORLD_SIZE is 2"));
}

TEST(LaunchTest, NamesTheVariableThatIsNoNumberInRange) {
  EXPECT_THAT(ErrorWith({{"WORLD_SIZE", "many"}}), HasSubstr("WORLD_SIZE: 'many'"));
  EXPECT_THAT(ErrorWith({{"WORLD_SIZE", "0"}}), HasSubstr("WORLD_SIZE: '0'"));
  EXPECT_THAT(ErrorWith({{"WORLD_SIZE", "2"}, {"RANK", "2"}, {"MASTER_ADDR", "a"}}),
              HasSubstr("RANK: '2' is not a number from 0 to 1"));
  EXPECT_THAT(
      ErrorWith(
          {{"WORLD_SIZE", "2"}, {"RANK", "1"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "70000"}}),
      HasSubstr("MASTER_PORT: '70000'"));
}

TEST(LaunchTest, BatchesThatAreNoMultipleAreRefusedByName) {
  v1::TrainingSpec spec;
  spec.set_source_dataset("source");
  spec.mutable_step1()->set_epochs(1);
  spec.mutable_step1()->set_batch_size(16);
  spec.mutable_step2()->set_epochs(1);
  spec.mutable_step2()->set_batch_size(24);
  Launch launch;
  launch.processes = 8;
  launch.size_variable = "SLURM_NTASKS";
  EXPECT_THAT(CheckBatchSizes(spec, launch), IsOk());
  launch.processes = 5;
  const absl::Status status = CheckBatchSizes(spec, launch);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("step1.batch_size: 16 is not a multiple of SLURM_NTASKS, 5"),
                    HasSubstr("step2.batch_size: 24 is not a multiple of SLURM_NTASKS, 5")));
}

}  // namespace
}  // namespace s2p
