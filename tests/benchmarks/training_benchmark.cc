// Measures the overhead of a training step beyond its networks: step 2 of a preset on the
// procedural data set, with images decoded and augmented by worker threads, with the same batches
// in memory, and the bare forward, backward and optimizer of the same networks.
//
//   training_benchmark [--preset NAME] [--benchmark_min_time=SECONDS]
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/nn/functional/loss.h>
#include <torch/types.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/hardware_threads.h"
#include "model/torch_version.h"
#include "trainer/evaluation/image_batch.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/ihda_steps.h"
#include "trainer/ihda/training_data.h"
#include "trainer/shoes/synthetic_shoes.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

template <typename T>
T Value(absl::StatusOr<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "training_benchmark: %s\n",
                 std::string(result.status().message()).c_str());
    std::exit(1);
  }
  return *std::move(result);
}

// Holds everything that a step needs, created once.
class Bench {
 public:
  explicit Bench(const std::string& preset)
      : folder_(std::filesystem::temp_directory_path() /
                absl::StrCat("s2p_training_benchmark_", getpid())) {
    SyntheticShoesOptions shoes;
    shoes.out = folder_.string();
    shoes.identities = 300;
    if (!Synthesize(shoes).ok()) std::exit(1);
    v1::TrainingSpec spec;
    spec.set_preset(preset);
    spec.set_source_dataset((folder_ / "source").string());
    spec.set_target_dataset((folder_ / "target").string());
    // Workers and kernels share the cores.
    spec.set_workers(static_cast<uint32_t>(HardwareThreads()));
    spec_ = Value(ResolveSpec(spec));
    at::set_num_threads(HardwareThreads());
    UseFullFloat32();
    const auto data_sets = Value(OpenTrainingDataSets(spec_));
    const auto manifest = Value(ManifestOf(spec_, data_sets.attributes()));
    data_ = Value(LoadTrainingData(data_sets, spec_, manifest, 2));
    networks_ = Value(IhdaNetworks::Create(spec_, manifest, torch::kCPU));
    step_ = Value(MakeStep2(spec_, data_));
    networks_->encoder().CopyPhotoEncoderToSketchEncoder();
    networks_->BeginStep(2, step_->identities());
    networks_->SetTraining();
    NextEpoch();
    std::vector<LoadedBatch> first = Value(loader_->Next());
    for (LoadedBatch& part : first) in_memory_.push_back(ToTensor(part, torch::kCPU).clone());
    indices_ = plan_.indices[0];
    labels_ = torch::zeros({in_memory_[0].size(0)}, torch::kLong);
    place_ = 1;
  }
  ~Bench() { std::filesystem::remove_all(folder_); }

  int64_t images() const {
    int64_t n = 0;
    for (const auto& part : in_memory_) n += part.size(0);
    return n;
  }

  void WithLoading() {
    if (place_ == plan_.indices.size()) NextEpoch();
    std::vector<LoadedBatch> parts = Value(loader_->Next());
    std::vector<torch::Tensor> images;
    for (LoadedBatch& part : parts) images.push_back(ToTensor(part, torch::kCPU));
    Step(images, plan_.indices[place_++]);
  }
  void InMemory() { Step(in_memory_, indices_); }
  // Runs the same passes through encoder and classifier, without losses between images.
  void Bare() {
    std::vector<v1::Modality> modalities = {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH,
                                            v1::MODALITY_PHOTO};
    modalities.resize(in_memory_.size());
    const auto outputs = networks_->encoder().ForwardParts(in_memory_, modalities);
    torch::Tensor loss = torch::nn::functional::cross_entropy(
        networks_->IdentityLogits(outputs[0].embedding), labels_);
    for (size_t i = 1; i < outputs.size(); ++i) loss = loss + outputs[i].embedding.pow(2).mean();
    loss.backward();
    networks_->Update(1e-6);
    benchmark::DoNotOptimize(loss.item<float>());
  }

 private:
  void NextEpoch() {
    loader_.reset();
    plan_ = step_->Plan(epoch_++);
    loader_ = std::make_unique<BatchLoader>(spec_.augmentation(), plan_.batches,
                                            static_cast<int>(spec_.workers()));
    place_ = 0;
  }
  void Step(const std::vector<torch::Tensor>& images,
            const std::vector<std::vector<int>>& indices) {
    TrainingPlace place;
    place.ihda_step = 2;
    place.update = ++updates_;
    const LossSum sum = step_->Losses(images, indices, place, *networks_);
    std::vector<std::pair<std::string, double>> values;
    S2P_CHECK(sum.Read(values).ok());
    sum.Total().backward();
    networks_->Update(1e-6);
  }

  const std::filesystem::path folder_;
  v1::TrainingSpec spec_;
  TrainingData data_;
  std::unique_ptr<IhdaNetworks> networks_;
  std::unique_ptr<IhdaStep> step_;
  EpochPlan plan_;
  std::unique_ptr<BatchLoader> loader_;
  std::vector<torch::Tensor> in_memory_;
  std::vector<std::vector<int>> indices_;
  torch::Tensor labels_;
  size_t place_ = 0;
  int epoch_ = 0;
  int64_t updates_ = 0;
};

// Prints as usual and keeps the medians.
class RatioReporter : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.run_type == Run::RT_Aggregate && run.aggregate_name == "median") {
        medians_[run.run_name.function_name] = run.GetAdjustedRealTime();
      }
    }
  }
  void PrintRatio(const char* what, const char* above, const char* below, double goal) const {
    if (medians_.count(above) == 0 || medians_.count(below) == 0) return;
    std::printf("%s: %.3f (goal: at most %.2f)\n", what, medians_.at(above) / medians_.at(below),
                goal);
  }

 private:
  std::map<std::string, double> medians_;
};

int Main(int argc, char** argv) {
  std::string preset = "demo";
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--preset") != 0) continue;
    preset = argv[i + 1];
    std::copy(argv + i + 2, argv + argc, argv + i);
    argc -= 2;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  Bench bench(preset);
  const auto add = [&](const char* name, void (Bench::*step)()) {
    benchmark::RegisterBenchmark(name,
                                 [&bench, step](benchmark::State& state) {
                                   for (auto iteration : state) {
                                     static_cast<void>(iteration);
                                     (bench.*step)();
                                   }
                                   state.counters["images/s"] = benchmark::Counter(
                                       static_cast<double>(bench.images()),
                                       benchmark::Counter::kIsIterationInvariantRate);
                                 })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime()
        ->Repetitions(9);
  };
  add("with_loading", &Bench::WithLoading);
  add("in_memory", &Bench::InMemory);
  add("bare", &Bench::Bare);
  RatioReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  reporter.PrintRatio("real loading / in memory", "with_loading", "in_memory", 1.10);
  reporter.PrintRatio("real loading / bare networks", "with_loading", "bare", 1.15);
  return 0;
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) { return s2p::Main(argc, argv); }
