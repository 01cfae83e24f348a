#include "client/watch_display.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/utf8.h"
#include "client/connection/training_client.h"

namespace s2p {
namespace {

constexpr absl::Duration kDrawEvery = absl::Milliseconds(100);
constexpr uint32_t kBarWidth = 20;

bool IsSameEpoch(const v1::TrainingProgress& a, const v1::TrainingProgress& b) {
  return a.ihda_step() == b.ihda_step() && a.epoch() == b.epoch();
}

std::string Bar(uint32_t done, uint32_t total) {
  const auto filled = static_cast<size_t>(uint64_t{kBarWidth} * std::min(done, total) /
                                          std::max<uint32_t>(1, total));
  return absl::StrCat("[", std::string(filled, '#'), std::string(kBarWidth - filled, '.'), "]");
}

std::string LossText(const v1::TrainingProgress& progress) {
  std::string text;
  for (const v1::LossTerm& term : progress.losses()) {
    absl::StrAppendFormat(&text, "  %s %.3g", Printable(term.name()), term.value());
  }
  return text;
}

std::string RankText(const v1::TrainingProgress& progress) {
  std::string text;
  if (progress.has_rank1()) {
    absl::StrAppendFormat(&text, "  rank-1 %.1f %%", 100 * progress.rank1());
  }
  if (progress.has_mean_average_precision()) {
    absl::StrAppendFormat(&text, "  mAP %.1f %%", 100 * progress.mean_average_precision());
  }
  return text;
}

std::string SpeedText(const v1::TrainingProgress& progress) {
  std::string text;
  if (progress.images_per_second() > 0) {
    absl::StrAppendFormat(&text, "  %.0f images/s", progress.images_per_second());
  }
  if (progress.eta().seconds() > 0) {
    absl::StrAppend(&text, "  ", absl::FormatDuration(absl::Seconds(progress.eta().seconds())),
                    " left");
  }
  return text;
}

}  // namespace

std::string JobStateText(v1::Job::State state) {
  constexpr size_t kPrefix = 6;  // "STATE_"
  const std::string& name = v1::Job::State_Name(state);
  // A state from a later version has no name.
  if (name.size() <= kPrefix) return absl::StrCat("state ", static_cast<int>(state));
  return absl::AsciiStrToLower(name.substr(kPrefix));
}

std::string EpochText(const v1::TrainingProgress& progress) {
  if (progress.epoch() == 0) return "";
  return absl::StrFormat("step %d epoch %d/%d", progress.ihda_step(), progress.epoch(),
                         progress.epochs());
}

WatchDisplay::WatchDisplay(std::ostream* out, WatchDisplayOptions options)
    : out_(out), options_(std::move(options)) {}

WatchDisplay::~WatchDisplay() { Erase(); }

void WatchDisplay::Show(const v1::WatchJobResponse& event) {
  const bool changed = event.state() != state_;
  state_ = event.state();
  // The caller reports how the job ended.
  const bool silent = JobHasEnded(state_);
  if (changed && !silent) {
    const std::string state = JobStateText(state_);
    const bool bare = event.message().empty() || event.message() == state;
    WriteLine(bare ? state : absl::StrCat(state, ": ", event.message()));
  }
  // Events with a state change or a message repeat the last known progress.
  if (event.message().empty() && state_ == v1::Job::STATE_RUNNING) ShowProgress(event.progress());
  if (!changed && !silent && !event.message().empty()) WriteLine(event.message());
}

void WatchDisplay::Note(absl::string_view sentence) {
  Erase();
  *out_ << Printable(sentence) << std::endl;
}

void WatchDisplay::Finish() {
  WriteEpoch();
  Erase();
}

void WatchDisplay::WriteLine(absl::string_view sentence) {
  // A message after the last update of an epoch goes below that epoch's line.
  if (epoch_.step() == epoch_.steps()) WriteEpoch();
  Note(sentence);
}

void WatchDisplay::ShowProgress(const v1::TrainingProgress& progress) {
  if (progress.epoch() == 0) return;
  if (!IsSameEpoch(progress, epoch_)) WriteEpoch();
  epoch_ = progress;
  Draw(progress);
}

void WatchDisplay::Draw(const v1::TrainingProgress& progress) {
  if (!options_.live) return;
  const SteadyTime now = options_.now();
  if (now < next_draw_) return;
  next_draw_ = now + kDrawEvery;
  std::string line = absl::StrCat(EpochText(progress), " ", Bar(progress.step(), progress.steps()),
                                  " ", progress.step(), "/", progress.steps(), SpeedText(progress),
                                  RankText(progress), LossText(progress));
  // A line that wraps cannot be redrawn, and some terminals wrap at their last column.
  line.resize(std::min(line.size(), static_cast<size_t>(std::max(1, options_.columns - 1))));
  *out_ << '\r' << line << "\033[K" << std::flush;
  drawn_ = true;
}

void WatchDisplay::WriteEpoch() {
  const v1::TrainingProgress epoch = std::exchange(epoch_, v1::TrainingProgress());
  if (options_.live || epoch.epoch() == 0) return;
  *out_ << EpochText(epoch);
  // The run ended within this epoch.
  if (epoch.step() < epoch.steps()) *out_ << ", update " << epoch.step() << '/' << epoch.steps();
  *out_ << LossText(epoch) << RankText(epoch) << SpeedText(epoch) << std::endl;
}

void WatchDisplay::Erase() {
  if (drawn_) *out_ << "\r\033[K" << std::flush;
  drawn_ = false;
}

}  // namespace s2p
