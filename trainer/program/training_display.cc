#include "trainer/program/training_display.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace s2p {
namespace {

constexpr absl::Duration kDrawEvery = absl::Milliseconds(200);
constexpr int kBarWidth = 20;

std::string Bar(int64_t done, int64_t total) {
  const auto filled = static_cast<int>(kBarWidth * done / std::max<int64_t>(1, total));
  return absl::StrCat("[", std::string(filled, '#'), std::string(kBarWidth - filled, '.'), "]");
}

std::string Position(const v1::TrainingProgress& progress) {
  return absl::StrFormat("step %d, epoch %d/%d", progress.ihda_step(), progress.epoch(),
                         progress.epochs());
}

std::string Losses(const v1::TrainingProgress& progress) {
  std::string losses;
  for (const v1::LossTerm& term : progress.losses()) {
    absl::StrAppendFormat(&losses, "  %s %.3f", term.name(), term.value());
  }
  return losses;
}

std::string TimeLeft(const v1::TrainingProgress& progress) {
  return absl::FormatDuration(absl::Seconds(progress.eta().seconds()));
}

std::string NameOf(const v1::Evaluation& evaluation) {
  return absl::StrCat(evaluation.split(), ", ", evaluation.direction());
}

}  // namespace

TrainingDisplay::TrainingDisplay(std::ostream* out, bool moving)
    : out_(out), moving_(moving), next_draw_(SteadyTime::InfinitePast()) {}

TrainingDisplay::~TrainingDisplay() { Erase(); }

void TrainingDisplay::Draw(const std::string& line) {
  const SteadyTime now = SteadyTime::Now();
  if (!moving_ || now < next_draw_) return;
  next_draw_ = now + kDrawEvery;
  *out_ << "\r" << line << "\033[K" << std::flush;
  drawn_ = true;
}

void TrainingDisplay::Erase() {
  if (drawn_) *out_ << "\r\033[K" << std::flush;
  drawn_ = false;
}

void TrainingDisplay::Loading(const std::string& what, int64_t done, int64_t total) {
  Draw(absl::StrFormat("reading %s %s %d/%d", what, Bar(done, total), done, total));
  if (done == total) Erase();
}

void TrainingDisplay::Update(const v1::TrainingProgress& progress) {
  means_.Add(progress);
  Draw(absl::StrFormat("%s %s %d/%d%s  %.0f images/s  %s left", Position(progress),
                       Bar(progress.step(), progress.steps()), progress.step(), progress.steps(),
                       Losses(progress), progress.images_per_second(), TimeLeft(progress)));
}

void TrainingDisplay::Epoch(const v1::TrainingProgress& progress) {
  Erase();
  v1::TrainingProgress means;
  means_.TakeInto(means);
  *out_ << Position(progress) << ":" << Losses(means);
  if (progress.has_rank1()) {
    *out_ << absl::StrFormat("  validation rank-1 %.1f %%", 100 * progress.rank1());
  }
  *out_ << absl::StrFormat("  %.0f images/s, %s left\n", progress.images_per_second(),
                           TimeLeft(progress))
        << std::flush;
}

TrainingObserver ObserverOf(TrainingDisplay& display, const std::function<bool()>& stop) {
  TrainingObserver observer;
  observer.on_loading = [&display](const std::string& what, int64_t done, int64_t total) {
    display.Loading(what, done, total);
  };
  observer.on_progress = [&display](const v1::TrainingProgress& p) { display.Update(p); };
  observer.stop = stop;
  return observer;
}

std::string EvaluationTable(const std::vector<v1::Evaluation>& evaluations) {
  // Wide enough for the longest split.
  const int width = std::accumulate(
      evaluations.begin(), evaluations.end(), 34, [](int widest, const v1::Evaluation& evaluation) {
        return std::max(widest, static_cast<int>(NameOf(evaluation).size()));
      });
  std::string table =
      absl::StrFormat("%-*s %7s %7s %7s %7s %7s %7s %7s %7s\n", width, "", "queries", "gallery",
                      "rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP");
  for (const v1::Evaluation& evaluation : evaluations) {
    absl::StrAppendFormat(&table, "%-*s %7d %7d %6.1f%% %6.1f%% %6.1f%% %6.1f%% %6.1f%% %6.1f%%\n",
                          width, NameOf(evaluation), evaluation.queries(), evaluation.gallery(),
                          100 * evaluation.rank1(), 100 * evaluation.rank5(),
                          100 * evaluation.rank10(), 100 * evaluation.rank20(),
                          100 * evaluation.mean_average_precision(),
                          100 * evaluation.mean_inverse_negative_penalty());
  }
  return table;
}

}  // namespace s2p
