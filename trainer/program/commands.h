// The commands of `s2p-trainer`, one function each. Flags are declared in main.cc.
#ifndef S2P_TRAINER_PROGRAM_COMMANDS_H_
#define S2P_TRAINER_PROGRAM_COMMANDS_H_

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/daemon_options.h"
#include "daemon/log.h"
#include "daemon/main_memory.h"
#include "daemon/options.h"
#include "trainer/import/import_dataset.h"
#include "trainer/jobs/trainer_server.h"
#include "trainer/program/ihda_job_runner.h"

namespace s2p {

struct SpecOptions {
  // Spec file; empty: the preset alone.
  std::string file;
  // Overrides the file's.
  std::string preset;
  // FIELD=VALUE, in order.
  std::vector<std::string> set;
  // Overrides the spec's.
  std::string device;
};

struct RunOptions {
  SpecOptions spec;
  std::string checkpoint_root;
  // Keeps the state of an interrupted run; empty: nothing is kept.
  std::string state_dir;
  int32_t threads = 0;
  // Where a launcher has started several processes; as in ProcessGroupOptions.
  std::string rank_host{};
  absl::Duration rank_timeout = absl::Minutes(30);
};
// Trains, evaluates, publishes. Cancelled when `stop` ended it. Where a launcher has started
// several processes (trainer/parallel/launch.h) they train one model together; rank 0 alone prints,
// keeps the state, evaluates and publishes. Errors then also as LaunchFromEnvironment,
// CheckBatchSizes, ProcessGroup::Join and ProcessGroup::Leave.
absl::Status RunTraining(const RunOptions& options, const std::function<bool()>& stop,
                         bool terminal, std::ostream& out);

struct StartOptions {
  // Folder of photos, with folders of any depth in it.
  std::string photos;
  // Likewise of sketches that belong to none of them in particular; empty: there are none.
  std::string sketches;
  // Weights of a ResNet-18 (TrainingSpec.initial_weights); empty: the network starts from nothing.
  std::string initial_weights;
  std::string checkpoint_root;
  // Folder that gets the data set, and keeps the state of an interrupted run; empty: a folder
  // `day-one` in checkpoint_root.
  std::string work_dir;
  // As SpecOptions.
  std::vector<std::string> set;
  std::string device;
  int32_t threads = 0;
};
// From photos to a first published version, with pseudo-sketches where people's are to come. The
// same command adds what is new among the photos and publishes the next version; after an
// interruption it copies from the beginning, or trains on from the last whole epoch.
// InvalidArgument, before anything is copied, for a wrong field of the spec, or if the copies would
// lie among the photos or sketches. Cancelled when `stop` ended it.
absl::Status RunStart(const StartOptions& options, const std::function<bool()>& stop, bool terminal,
                      std::ostream& out);

struct ServeOptions {
  TrainerServerOptions server;
  IhdaJobRunnerOptions runner;
  DaemonOptions daemon;
};
// The daemon, until SIGINT or SIGTERM.
absl::Status RunServe(const ServeOptions& options);

// The first argument with which the daemon starts this program for a job; not for people.
inline constexpr char kJobCommand[] = "job-process";
struct JobProcessOptions {
  IhdaJobRunnerOptions runner;
  LogOptions log;
};
// Adds the flags that RunServe passes on.
void AddJobProcessFlags(Options* options, JobProcessOptions* job);
// Runs the job of the folder for the daemon that has started this process.
absl::Status RunJobProcess(const JobProcessOptions& options, const std::string& folder);

struct EvaluateOptions {
  // Folder of one version, as checkpoints/7. Or `baseline`.
  std::string checkpoint;
  // "edge-correlation".
  std::string baseline;
  std::string dataset;
  std::string split = "test";
  std::string direction = "sketch-to-photo";
  std::string device = "auto";
  int32_t threads = 0;
  bool json = false;
  // Also mINP, each query's rank and each attribute's accuracy.
  bool details = false;
  // PNG to write: `rows` queries with their top ten.
  std::string picture;
  // "worst" or "best".
  std::string picture_of = "worst";
  int32_t rows = 20;
};
absl::Status RunEvaluate(const EvaluateOptions& options, std::ostream& out);

struct CompareOptions {
  // Folders of checkpoints, or files that evaluate --details --json or cross-validate --json has
  // written. The first of A is compared with the first of B, and so on.
  std::vector<std::string> a;
  std::vector<std::string> b;
  // The data set that checkpoints are measured on.
  std::string dataset;
  std::string split = "test";
  // Compares measurements on different images, too, where paths and identities are the same.
  bool across_data_sets = false;
  std::string device = "auto";
  int32_t threads = 0;
  bool json = false;
};
// Prints the paired differences (trainer/program/comparison.h).
absl::Status RunCompare(const CompareOptions& options, std::ostream& out);

struct SynthesizeOptions {
  std::string out;
  int32_t identities = 800;
  uint64_t seed = 1;
  int32_t threads = 0;
};
absl::Status RunSynthesize(const SynthesizeOptions& options, bool terminal, std::ostream& out);

// Cancelled when `stop` ended it, as ImportDataset.
absl::Status RunImport(const ImportOptions& options, const std::function<bool()>& stop,
                       bool terminal, std::ostream& out);

struct ImportCheckpointOptions {
  std::string preset;
  // File that tools/convert_weights.py wrote.
  std::string in;
  std::string checkpoint_root;
  // Names of the attributes in the model's order.
  std::vector<std::string> attributes;
};
absl::Status RunImportCheckpoint(const ImportCheckpointOptions& options, std::ostream& out);

struct PublishOptions {
  // Folder of one version, as checkpoints/undecided/1.
  std::string checkpoint;
  std::string checkpoint_root;
};
// Publishes a copy of the checkpoint as the next version of the store.
absl::Status RunPublish(const PublishOptions& options, std::ostream& out);

struct CrossValidateOptions {
  SpecOptions spec;
  // Data sets, one for each split: trained on "train", measured on "test". Or none of them and
  // `folds`.
  std::vector<std::string> targets;
  // Number of folds that the spec's target identities are dealt into; each is held back once.
  int32_t folds = 0;
  // Keeps finished splits and the state of an interrupted one; empty: nothing is kept.
  std::string state_dir;
  // Where the spec's `initial_version` is looked up. Nothing is published.
  std::string checkpoint_root;
  int32_t threads = 0;
  bool json = false;
  // Tests replace it.
  std::function<absl::StatusOr<MainMemory>()> measure_memory = [] { return MeasureMainMemory(); };
};
// Cancelled when `stop` ended it. FailedPrecondition if a split takes more memory than is
// available; no image of it is read then.
absl::Status RunCrossValidate(const CrossValidateOptions& options,
                              const std::function<bool()>& stop, bool terminal, std::ostream& out);

struct SelectAttributesOptions {
  SpecOptions spec;
  // Folder for what is trained on; must be empty or not there.
  std::string work_dir;
  // An attribute is kept when its balanced accuracy back on the source is at least this.
  double threshold = 0.6;
  // As CrossValidateOptions::checkpoint_root.
  std::string checkpoint_root;
  int32_t threads = 0;
  bool json = false;
  // Tests replace it.
  std::function<absl::StatusOr<MainMemory>()> measure_memory = [] { return MeasureMainMemory(); };
};
// FailedPrecondition if it takes more memory than is available; else as SelectAttributes.
absl::Status RunSelectAttributes(const SelectAttributesOptions& options,
                                 const std::function<bool()>& stop, bool terminal,
                                 std::ostream& out);

struct VarySketchesOptions {
  std::string dataset;
  // One of DrawingConditionNames().
  std::string condition;
  std::string out;
};
// Writes a copy of a data set whose sketches are drawn under another condition.
absl::Status RunVarySketches(const VarySketchesOptions& options, std::ostream& out);

struct PackOptions {
  SpecOptions spec;
  std::string dataset;
  std::string out;
  int32_t threads = 0;
};
// Cancelled when `stop` ended it; then there is no file.
absl::Status RunPack(const PackOptions& options, const std::function<bool()>& stop, bool terminal,
                     std::ostream& out);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_COMMANDS_H_
