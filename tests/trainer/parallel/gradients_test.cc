#include <gtest/gtest.h>
#include <torch/nn/functional.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/message_text.h"
#include "tests/testing/status_matchers.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/trained_model.h"
#include "trainer/parallel/ranks.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

using torch::Tensor;

// Where two threads exchange tensors, as two processes would.
class Meeting {
 public:
  // Returns what both bring to this round, by rank.
  std::array<Tensor, 2> Exchange(int rank, const Tensor& mine) {
    absl::MutexLock lock(&mutex_);
    const int round = round_;
    coming_[rank] = mine.detach().clone();
    if (++came_ == 2) {
      // Stays until both come again, so that the other one can still read it.
      both_ = coming_;
      came_ = 0;
      ++round_;
    }
    const auto is_over = [this, round]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return round_ != round; };
    mutex_.Await(absl::Condition(&is_over));
    return both_;
  }

 private:
  absl::Mutex mutex_;
  std::array<Tensor, 2> coming_ ABSL_GUARDED_BY(mutex_);
  std::array<Tensor, 2> both_ ABSL_GUARDED_BY(mutex_);
  int came_ ABSL_GUARDED_BY(mutex_) = 0;
  int round_ ABSL_GUARDED_BY(mutex_) = 0;
};

class OneOfTwoRanks : public Ranks {
 public:
  OneOfTwoRanks(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}
  int rank() const override { return rank_; }
  int count() const override { return 2; }
  int local_rank() const override { return rank_; }
  absl::Status status() const override { return absl::OkStatus(); }
  void Sum(Tensor tensor) override {
    const auto both = meeting_.Exchange(rank_, tensor);
    tensor.copy_(both[0] + both[1]);
  }
  void Broadcast(Tensor tensor) override { tensor.copy_(meeting_.Exchange(rank_, tensor)[0]); }
  Tensor Gather(const Tensor& mine) override {
    const auto both = meeting_.Exchange(rank_, mine);
    return torch::stack({both[0], both[1]});
  }

 private:
  Meeting& meeting_;
  const int rank_;
};

// A batch of pairs: [n, 3, 32, 32] each.
struct Pairs {
  Tensor photos, sketches;
};

std::unique_ptr<IhdaNetworks> Networks(const std::vector<std::string>& fields, Ranks* ranks) {
  v1::TrainingSpec spec;
  spec.set_preset("demo");
  std::vector<std::string> all = {"source_dataset=s", "target_dataset=t", "device=cpu",
                                  "photo.height=32",  "photo.width=32",   "sketch.height=32",
                                  "sketch.width=32",  "embedding.grid=1", "embedding.dimension=16",
                                  "loss.identity=1"};
  all.insert(all.end(), fields.begin(), fields.end());
  for (const std::string& field : all) EXPECT_THAT(SetMessageField(field, spec), IsOk()) << field;
  const auto resolved = ResolveSpec(spec);
  EXPECT_THAT(resolved, IsOk());
  auto networks =
      IhdaNetworks::Create(*resolved, *ManifestOf(*resolved, {"heel", "lace"}), torch::kCPU, ranks);
  EXPECT_THAT(networks, IsOk());
  (*networks)->BeginStep(/*ihda_step=*/2, /*identities=*/6);
  return *std::move(networks);
}

// Leaves the gradients of these batches, whose loss looks at all rows together through all heads.
void AddGradients(const std::vector<Pairs>& batches, IhdaNetworks& networks) {
  networks.SetTraining();
  for (const Pairs& pairs : batches) {
    const int64_t rows = pairs.photos.size(0);
    const Ranks* ranks = networks.ranks();
    const RowRange own = ranks == nullptr ? RowRange{0, rows} : ranks->RowsOf(rows);
    const auto backward = [&] {
      const auto out = networks.Forward(
          {pairs.photos.slice(0, own.begin, own.end), pairs.sketches.slice(0, own.begin, own.end)},
          {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH}, {rows, rows});
      const Tensor all = torch::cat({out[0].embedding, out[1].embedding});
      const Tensor labels = torch::arange(rows).repeat({2});
      namespace F = torch::nn::functional;
      Tensor loss =
          F::cross_entropy(torch::mm(out[1].embedding, out[0].embedding.t()), torch::arange(rows));
      loss = loss + F::cross_entropy(networks.IdentityLogits(all), labels);
      loss = loss + networks.encoder().AttributeLogits(all).pow(2).mean();
      loss = loss + networks.DomainLogits(all, /*coefficient=*/0.5).pow(2).mean();
      loss.backward();
      return absl::OkStatus();
    };
    EXPECT_THAT(networks.AddGradients(backward), IsOk());
  }
}

void ExpectTheGradientsOfOneProcess(const std::vector<std::string>& fields,
                                    const std::vector<int64_t>& rows_of_batches) {
  torch::manual_seed(7);
  std::vector<Pairs> batches;
  for (const int64_t rows : rows_of_batches) {
    batches.push_back({torch::randn({rows, 3, 32, 32}), torch::randn({rows, 3, 32, 32})});
  }
  Meeting meeting;
  OneOfTwoRanks first(meeting, 0), second(meeting, 1);
  const auto one = Networks(fields, nullptr);
  const auto a = Networks(fields, &first), b = Networks(fields, &second);
  ASSERT_THAT(a->Load(one->Save()), IsOk());
  ASSERT_THAT(b->Load(one->Save()), IsOk());
  AddGradients(batches, *one);
  std::thread other([&] { AddGradients(batches, *b); });
  AddGradients(batches, *a);
  other.join();
  const auto of_a = a->encoder().named_parameters(), of_b = b->encoder().named_parameters();
  int compared = 0;
  for (const auto& parameter : one->encoder().named_parameters()) {
    const Tensor want = parameter.value().grad(), got = of_a[parameter.key()].grad();
    ASSERT_EQ(want.defined(), got.defined()) << parameter.key();
    if (!want.defined()) continue;
    ++compared;
    const double size = want.abs().max().item<double>();
    EXPECT_LT((got - want).abs().max().item<double>(), 1e-3 * size + 1e-6) << parameter.key();
    EXPECT_TRUE(torch::equal(got, of_b[parameter.key()].grad())) << parameter.key();
  }
  // Backbone, projection and the head of attributes.
  EXPECT_GT(compared, 30);
}

TEST(GradientsOfRanksTest, AreThoseOfOneProcess) { ExpectTheGradientsOfOneProcess({}, {6}); }

TEST(GradientsOfRanksTest, OfUnequalPartsAreThoseOfOneProcess) {
  ExpectTheGradientsOfOneProcess({}, {5});
}

TEST(GradientsOfRanksTest, OfSeveralBatchesAreTheirSum) {
  ExpectTheGradientsOfOneProcess({}, {6, 4, 5});
}

TEST(GradientsOfRanksTest, WithFrozenStatisticsAreThoseOfOneProcess) {
  ExpectTheGradientsOfOneProcess({"backbone.frozen_statistics=true"}, {6, 5});
}

}  // namespace
}  // namespace s2p::test
