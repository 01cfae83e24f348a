// s2p-trainer: makes data sets, trains models on them, measures and publishes the models.
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <new>
#include <string>

#include "base/standard_streams.h"
#include "base/status_macros.h"
#include "daemon/daemon_options.h"
#include "daemon/freed_memory.h"
#include "daemon/library_environment.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/shutdown.h"
#include "model/blas.h"
#include "rpc/grpc_host.h"
#include "trainer/evaluation/drawing_condition.h"
#include "trainer/program/commands.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

void AddSpec(Options& command, SpecOptions& spec) {
  command.Add("spec", &spec.file, "file with the training spec, textproto or JSON");
  command.Add("preset", &spec.preset, "what the spec leaves unset").OneOf(PresetNames());
  command.Add("set", &spec.set, "overrides one field of the spec, as step2.epochs=5; repeatable");
  command.Add("device", &spec.device, "auto, cpu or cuda:N; wins over the spec's");
}

void AddThreads(Options& command, int32_t& threads) {
  command.Add("threads", &threads, "threads on the CPU; 0: one per core").Range(0, 1024);
}

void AddRun(Options& options, RunOptions& run) {
  Options& command = options.AddCommand("run", "train a model in the foreground and publish it");
  AddSpec(command, run.spec);
  command.Add("checkpoint-root", &run.checkpoint_root, "folder that the model is published to");
  command.Add("state-dir", &run.state_dir, "folder that keeps what an interrupted run has reached");
  AddThreads(command, run.threads);
  command.Add("rank-host", &run.rank_host,
              "several processes: name or address under which the others reach this one; the "
              "machine's unless it is named");
  command.Add("rank-timeout", &run.rank_timeout,
              "several processes: most that one waits for the slowest");
}

void AddStart(Options& options, StartOptions& start) {
  Options& command = options.AddCommand(
      "start", "from a folder of photos to a first published model, without a single sketch");
  command.Add("photos", &start.photos, "folder of photos; folders in it count, too").Required();
  command.Add("sketches", &start.sketches,
              "folder of sketches that people have drawn, of whatever; they need no photos");
  command.Add("initial-weights", &start.initial_weights,
              "safetensors file with ImageNet's weights of a ResNet-18; without it the network "
              "starts from nothing and finds less");
  command.Add("checkpoint-root", &start.checkpoint_root, "folder that the model is published to")
      .Required();
  command.Add("work-dir", &start.work_dir,
              "folder of the data set and of an interrupted run; day-one in the checkpoint root "
              "unless it is named");
  command.Add("set", &start.set,
              "overrides one field of the spec, as pseudo.per_photo=8; repeatable");
  command.Add("device", &start.device, "auto, cpu or cuda:N");
  AddThreads(command, start.threads);
}

void AddServe(Options& options, ServeOptions& serve) {
  Options& command = options.AddCommand("serve", "the training daemon: takes jobs over gRPC");
  TrainerServerOptions& server = serve.server;
  command.Add("state-dir", &server.state_dir, "folder of the jobs; one daemon at a time")
      .Required();
  command.Add("checkpoint-root", &serve.runner.checkpoint_root, "folder that models go to")
      .Required();
  command.Add("data-root", &serve.runner.data_root, "folder that all paths of a spec lie in")
      .Required();
  AddPortFlags(command, "daemon", &server.host, &serve.daemon);
  command.Add("device", &serve.runner.device, "auto, cpu or cuda:N; wins over the spec's");
  AddThreads(command, serve.runner.threads);
  command.Add("max-running", &server.max_running, "jobs that run at one time").Range(1, 64);
  command
      .Add("keep-last", &serve.runner.keep_last,
           "versions that stay in the store after a publish; 0: all")
      .Range(0, 1e9);
  command.Add("retry-pause", &server.retry_pause, "wait of a job that a full disk has paused");
  command.Add("watch-interval", &server.watch_interval, "between two looks at watched data sets");
  command.Add("max-watchers", &server.max_watchers, "streams of progress at one time")
      .Range(1, 100000);
  command.AddBytes("max-message-bytes", &server.host.max_message_bytes, "of one gRPC message")
      .Range(1024, 1 << 30);
  AddDrainFlags(command, &serve.daemon);
  AddCredentialOptions(&command, &server.host.credentials);
  AddAccessOptions(&command, &server.host.access);
  AddLogOptions(&command, &serve.daemon.log);
}

void AddCrossValidate(Options& options, CrossValidateOptions& validate) {
  Options& command = options.AddCommand(
      "cross-validate", "train on each of several splits; mean and standard deviation");
  AddSpec(command, validate.spec);
  command.Add("target", &validate.targets,
              "data set of one split, measured on its test; repeatable");
  command.Add("folds", &validate.folds, "or: this many folds of the spec's target").Range(2, 100);
  command.Add("state-dir", &validate.state_dir, "folder that keeps finished splits");
  command.Add("checkpoint-root", &validate.checkpoint_root,
              "where the spec's initial_version is looked up");
  AddThreads(command, validate.threads);
  command.Add("json", &validate.json, "print the result as JSON; fractions from 0 to 1");
}

void AddSelectAttributes(Options& options, SelectAttributesOptions& select) {
  Options& command = options.AddCommand(
      "select-attributes", "find the attributes that survive the way to the target and back");
  AddSpec(command, select.spec);
  command.Add("work-dir", &select.work_dir, "folder to make for the predicted attributes")
      .Required();
  command.Add("threshold", &select.threshold, "balanced accuracy from which one is kept")
      .Range(0, 1);
  command.Add("checkpoint-root", &select.checkpoint_root,
              "where the spec's initial_version is looked up");
  AddThreads(command, select.threads);
  command.Add("json", &select.json, "print the result as JSON; fractions from 0 to 1");
}

void AddPack(Options& options, PackOptions& pack) {
  Options& command = options.AddCommand(
      "pack", "decode a data set once: its images at input size, in one safetensors file");
  AddSpec(command, pack.spec);
  command.Add("dataset", &pack.dataset, "data set folder").Required();
  command.Add("out", &pack.out, "file to write; name it as source_dataset or target_dataset")
      .Required();
  AddThreads(command, pack.threads);
}

void AddVarySketches(Options& options, VarySketchesOptions& vary) {
  Options& command = options.AddCommand(
      "vary-sketches", "copy a data set with sketches as people draw and photograph them");
  command.Add("dataset", &vary.dataset, "data set folder").Required();
  command.Add("condition", &vary.condition, "what the sketches are drawn on, or with")
      .OneOf(DrawingConditionNames())
      .Required();
  command.Add("out", &vary.out, "folder to make").Required();
}

void AddEvaluate(Options& options, EvaluateOptions& evaluate) {
  Options& command =
      options.AddCommand("evaluate", "measure a checkpoint, or a baseline, on a data set");
  command.Add("checkpoint", &evaluate.checkpoint, "folder of one version, as checkpoints/7");
  command.Add("baseline", &evaluate.baseline, "instead of a checkpoint: no network at all")
      .OneOf({"edge-correlation"});
  command.Add("dataset", &evaluate.dataset, "data set folder").Required();
  command.Add("split", &evaluate.split, "which of its splits").OneOf({"train", "val", "test"});
  command.Add("direction", &evaluate.direction, "what is searched with what")
      .OneOf({"sketch-to-photo", "photo-to-sketch"});
  command.Add("device", &evaluate.device, "auto, cpu or cuda:N");
  AddThreads(command, evaluate.threads);
  command.Add("json", &evaluate.json, "print the result as JSON; fractions from 0 to 1");
  command.Add("details", &evaluate.details, "also mINP, each query's rank, each attribute");
  command.Add("picture", &evaluate.picture, "PNG to write: queries with their top ten");
  command.Add("picture-of", &evaluate.picture_of, "which queries").OneOf({"worst", "best"});
  command.Add("rows", &evaluate.rows, "queries in the picture").Range(1, 100);
}

void AddCompare(Options& options, CompareOptions& compare) {
  Options& command = options.AddCommand(
      "compare", "how much better one model is than another, query by query, with its error");
  command.Add("a", &compare.a,
              "checkpoint's folder, or file of evaluate --details --json or cross-validate --json; "
              "repeatable, one for each seed or fold");
  command.Add("b", &compare.b, "the same of the model that A is compared with");
  command.Add("dataset", &compare.dataset, "data set folder that checkpoints are measured on");
  command.Add("split", &compare.split, "which of its splits").OneOf({"train", "val", "test"});
  command.Add("across-data-sets", &compare.across_data_sets,
              "compare files of different images, too, such as sketches under two conditions");
  command.Add("device", &compare.device, "auto, cpu or cuda:N");
  AddThreads(command, compare.threads);
  command.Add("json", &compare.json, "print the result as JSON; fractions from 0 to 1");
}

void AddSynthesize(Options& options, SynthesizeOptions& synthesize) {
  Options& command = options.AddCommand(
      "synthesize", "make the procedural data set: shoes, drawn and photographed");
  command.Add("out", &synthesize.out, "folder to make; gets source/ and target/").Required();
  command.Add("identities", &synthesize.identities, "shoes of each of the two").Range(4, 1000000);
  command.Add("seed", &synthesize.seed, "fixes every pixel");
  command.Add("threads", &synthesize.threads, "0: one per core").Range(0, 1024);
}

void AddImport(Options& options, ImportOptions& import) {
  Options& command =
      options.AddCommand("import-dataset", "copy a published data set into our format");
  command.Add("format", &import.format, "whose layout it has; docs/datasets.md describes them")
      .OneOf(ImportFormats())
      .Required();
  command.Add("root", &import.root, "where it lies, as its authors lay it out").Required();
  command.Add("out", &import.out, "folder to make").Required();
  command.Add("add", &import.add, "add the images to the data set in --out, if there is one");
  command.Add("split-seed", &import.split_seed, "fixes the split of formats that have none");
  command.Add("test-fraction", &import.test_fraction,
              "folder, data-set: share of the identities to test on, 0 to below 1; 0 leaves all to "
              "train on; without it a quarter, or the share that there is");
  command.Add("split-file", &import.split_file, "iiitd: CSV with identity,train|val|test");
  command.Add("further-sketches", &import.further_sketches,
              "qmul-shoes: folder with pairs.csv, further sketches to train on");
  command.Add("unpaired-sketches", &import.unpaired_sketches,
              "photos: folder with sketches of none of the photos in particular");
  command
      .Add("identity-from", &import.identity_from,
           "folder: which part of a name is the identity; docs/datasets.md")
      .OneOf(IdentityRules());
}

void AddImportCheckpoint(Options& options, ImportCheckpointOptions& import) {
  Options& command =
      options.AddCommand("import-checkpoint", "publish a model that the authors of IHDA released");
  command.Add("preset", &import.preset, "what it was trained for: shoes, faces or persons")
      .Required();
  command.Add("in", &import.in, "the released file, as tools/convert_weights.py converts it")
      .Required();
  command.Add("checkpoint-root", &import.checkpoint_root, "folder that it is published to")
      .Required();
  command.Add("attribute", &import.attributes, "name of an attribute, in order; repeatable");
}

void AddPublish(Options& options, PublishOptions& publish) {
  Options& command = options.AddCommand(
      "publish", "publish a copy of a checkpoint as the next version of a store");
  command.Add("checkpoint", &publish.checkpoint, "folder of one version").Required();
  command.Add("checkpoint-root", &publish.checkpoint_root, "folder that it is published to")
      .Required();
}

// Commands that train can be stopped by a signal, and say where they can be resumed.
using Stop = std::function<bool()>;
absl::Status WithSignals(const std::function<absl::Status(const Stop&)>& command) {
  S2P_ASSIGN_OR_RETURN(auto shutdown, Shutdown::Install());
  return command([&shutdown] { return shutdown->requested(); });
}

int Report(const absl::Status& status) {
  if (status.ok()) return 0;
  std::cerr << "s2p-trainer: " << status.message() << " ("
            << absl::StatusCodeToString(status.code()) << ")\n";
  return 1;
}

// The daemon has started this process for one job: s2p-trainer job-process FLAG... FOLDER.
int MainOfAJob(int argc, char** argv) {
  Options options("s2p-trainer job-process", "runs a job of the daemon", S2P_VERSION);
  JobProcessOptions job;
  AddJobProcessFlags(&options, &job);
  // The daemon's own file has other flags.
  unsetenv("S2P_CONFIG");
  // Without the command and the folder.
  if (const auto exit_code = options.Parse(argc - 2, argv + 1, std::cout, std::cerr)) {
    return *exit_code;
  }
  return Report(RunJobProcess(job, argv[argc - 1]));
}

int Main(int argc, char** argv) {
  if (argc > 2 && argv[1] == std::string(kJobCommand)) return MainOfAJob(argc, argv);
  Options options("s2p-trainer", "trains the models of sketch2photo", S2P_VERSION);
  RunOptions run;
  StartOptions start;
  EvaluateOptions evaluate;
  CompareOptions compare;
  SynthesizeOptions synthesize;
  ImportOptions import;
  ImportCheckpointOptions import_checkpoint;
  ServeOptions serve;
  CrossValidateOptions validate;
  SelectAttributesOptions select;
  PackOptions pack;
  VarySketchesOptions vary;
  PublishOptions publish;
  AddRun(options, run);
  AddEvaluate(options, evaluate);
  AddCompare(options, compare);
  AddSynthesize(options, synthesize);
  AddImport(options, import);
  AddImportCheckpoint(options, import_checkpoint);
  serve.server.version = S2P_VERSION;
  AddStart(options, start);
  AddServe(options, serve);
  AddCrossValidate(options, validate);
  AddSelectAttributes(options, select);
  AddPack(options, pack);
  AddVarySketches(options, vary);
  AddPublish(options, publish);
  if (const auto exit_code = options.Parse(argc, argv, std::cout, std::cerr)) return *exit_code;

  const bool terminal = isatty(STDOUT_FILENO) == 1;
  const std::map<std::string, std::function<absl::Status()>> commands = {
      {"run",
       [&] {
         return WithSignals(
             [&](const Stop& stop) { return RunTraining(run, stop, terminal, std::cout); });
       }},
      {"start",
       [&] {
         return WithSignals(
             [&](const Stop& stop) { return RunStart(start, stop, terminal, std::cout); });
       }},
      {"serve", [&] { return RunServe(serve); }},
      {"cross-validate",
       [&] {
         return WithSignals([&](const Stop& stop) {
           return RunCrossValidate(validate, stop, terminal, std::cout);
         });
       }},
      {"select-attributes",
       [&] {
         return WithSignals([&](const Stop& stop) {
           return RunSelectAttributes(select, stop, terminal, std::cout);
         });
       }},
      {"pack",
       [&] {
         return WithSignals(
             [&](const Stop& stop) { return RunPack(pack, stop, terminal, std::cout); });
       }},
      {"vary-sketches", [&] { return RunVarySketches(vary, std::cout); }},
      {"publish", [&] { return RunPublish(publish, std::cout); }},
      {"evaluate", [&] { return RunEvaluate(evaluate, std::cout); }},
      {"compare", [&] { return RunCompare(compare, std::cout); }},
      {"synthesize", [&] { return RunSynthesize(synthesize, terminal, std::cout); }},
      {"import-dataset", [&] { return RunImport(import, /*stop=*/{}, terminal, std::cout); }},
      {"import-checkpoint", [&] { return RunImportCheckpoint(import_checkpoint, std::cout); }}};
  if (std::string blas; UsesReferenceBlas(&blas)) {
    LogWarning(
        "the reference BLAS makes networks a hundred times slower: install libopenblas0-openmp",
        {{"file", blas}});
  }
  absl::Status status = commands.at(options.command())();
  if (!std::cout.flush() && status.ok()) {
    status = absl::DataLossError("standard output is closed or full");
  }
  return Report(status);
}

// No command lets an exception out; if one escapes anyway, the user gets a sentence.
int MainWithoutExceptions(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::bad_alloc&) {
    std::cerr << "s2p-trainer: there is not enough memory for this (RESOURCE_EXHAUSTED)\n";
  } catch (const std::exception& error) {
    LogDebug("an exception was not caught", {{"what", error.what()}});
    std::cerr << "s2p-trainer: stopped by a fault of the program rather than of your files; please "
                 "report it with this command line (INTERNAL)\n";
  }
  return 1;
}

}  // namespace
}  // namespace s2p

// The loader calls it before it starts the shared libraries.
using StartFunction = void (*)(int, char**, char**);
__attribute__((section(".preinit_array"), used)) const StartFunction prepare_for_training =
    s2p::PrepareForTraining;

int main(int argc, char** argv) {
  s2p::OpenStandardStreams();
  s2p::KeepFreedMemory();
  return s2p::MainWithoutExceptions(argc, argv);
}
