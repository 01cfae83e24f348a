// One process of a training by several, for the test that starts them: what s2p-trainer run does,
// without publishing, and with what only a test wants.
//   train_rank WEIGHTS [--state FILE] [--stop-after EPOCHS] [--local-statistics] FIELD=VALUE...
// Trains on the spec of the fields over the preset demo. Rank 0 writes the weights to the file.
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/message_text.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/safetensors.h"
#include "trainer/ihda/ihda_trainer.h"
#include "trainer/parallel/launch.h"
#include "trainer/parallel/process_group.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

// Ranks whose batch norms see their own rows alone: the fault that synchronised ones repair.
class WithLocalStatistics : public Ranks {
 public:
  explicit WithLocalStatistics(Ranks& ranks) : ranks_(ranks) {}
  int rank() const override { return ranks_.rank(); }
  int count() const override { return ranks_.count(); }
  int local_rank() const override { return ranks_.local_rank(); }
  absl::Status status() const override { return ranks_.status(); }
  void Sum(torch::Tensor tensor) override { ranks_.Sum(tensor); }
  void Broadcast(torch::Tensor tensor) override { ranks_.Broadcast(tensor); }
  torch::Tensor Gather(const torch::Tensor& mine) override { return ranks_.Gather(mine); }
  torch::Tensor SumStatistics(const torch::Tensor& mine) override { return mine.clone(); }

 private:
  Ranks& ranks_;
};

struct Arguments {
  std::string weights, state;
  // Negative: never.
  int stop_after = -1;
  bool local_statistics = false;
  v1::TrainingSpec spec;
};

absl::StatusOr<Arguments> Parse(const std::vector<std::string>& words) {
  Arguments arguments;
  arguments.spec.set_preset("demo");
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (i == 0) {
      arguments.weights = word;
    } else if (word == "--state") {
      arguments.state = words.at(++i);
    } else if (word == "--stop-after") {
      if (!absl::SimpleAtoi(words.at(++i), &arguments.stop_after)) {
        return absl::InvalidArgumentError("--stop-after");
      }
    } else if (word == "--local-statistics") {
      arguments.local_statistics = true;
    } else {
      S2P_RETURN_IF_ERROR(SetMessageField(word, arguments.spec));
    }
  }
  return arguments;
}

absl::Status Train(const Arguments& arguments, Ranks* ranks) {
  S2P_ASSIGN_OR_RETURN(const auto resolved, ResolveSpec(arguments.spec));
  S2P_ASSIGN_OR_RETURN(auto plan, PlanRun(resolved, /*checkpoint_root=*/""));
  const bool first = ranks == nullptr || ranks->first();
  int epochs = 0;
  IhdaTrainerOptions options;
  options.threads = 1;
  options.ranks = ranks;
  // Only rank 0 is told to stop, as by a signal to one process.
  if (first) {
    options.state_file = arguments.state;
    options.observer.on_epoch = [&](const auto&, const auto&) { ++epochs; };
    options.observer.stop = [&] { return epochs == arguments.stop_after; };
  }
  S2P_ASSIGN_OR_RETURN(const auto trainer, IhdaTrainer::Create(std::move(plan), options));
  if (first) std::cout << (trainer->resumed() ? "resumed\n" : "began\n") << std::flush;
  S2P_RETURN_IF_ERROR(trainer->Run());
  if (!first) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(const auto model, trainer->Model({}, "job"));
  return WriteFileSynced(arguments.weights, {SerializeSafetensors(model.weights)});
}

absl::Status Run(const Arguments& arguments) {
  S2P_ASSIGN_OR_RETURN(const Launch launch, LaunchFromEnvironment());
  if (launch.processes == 1) return Train(arguments, nullptr);
  S2P_ASSIGN_OR_RETURN(const auto group,
                       ProcessGroup::Join(launch, {"127.0.0.1", absl::Minutes(5)}));
  if (!arguments.local_statistics) return group->Leave(Train(arguments, group.get()));
  WithLocalStatistics local(*group);
  return group->Leave(Train(arguments, &local));
}

int Main(int argc, char** argv) {
  const auto arguments = Parse({argv + 1, argv + argc});
  const absl::Status status = arguments.ok() ? Run(*arguments) : arguments.status();
  if (status.ok()) return 0;
  std::cerr << "train_rank: " << status << '\n';
  return 1;
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) { return s2p::Main(argc, argv); }
