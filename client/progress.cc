#include "client/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_format.h"

namespace s2p {
namespace {

constexpr int kBarWidth = 30;
constexpr absl::Duration kDrawEvery = absl::Milliseconds(100);

}  // namespace

Progress::Progress(std::string what, size_t total)
    : what_(std::move(what)),
      total_(total),
      visible_(isatty(STDERR_FILENO) == 1),
      start_(SteadyTime::Now()),
      next_draw_(start_) {}

Progress::~Progress() { Hide(); }

void Progress::Advance() {
  ++done_;
  const SteadyTime now = SteadyTime::Now();
  if (!visible_ || now < next_draw_) return;
  next_draw_ = now + kDrawEvery;
  const double seconds = std::max(1e-3, absl::ToDoubleSeconds(now - start_));
  const double rate = static_cast<double>(done_) / seconds;
  const int filled = static_cast<int>(kBarWidth * done_ / std::max<size_t>(1, total_));
  const double left = static_cast<double>(total_ - std::min(total_, done_)) / rate;
  absl::FPrintF(stderr, "\r%s [%s%s] %d/%d  %.1f/s  %.0f s left\033[K", what_,
                std::string(filled, '#'), std::string(kBarWidth - filled, '.'), done_, total_, rate,
                left);
  std::fflush(stderr);
}

void Progress::Hide() {
  if (!visible_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
}

}  // namespace s2p
