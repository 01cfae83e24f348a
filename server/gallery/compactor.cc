#include "server/gallery/compactor.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/steady_time.h"
#include "daemon/thread_priority.h"

namespace s2p {
namespace {

// Written items that are applied to the new base while writes wait, in the first attempt.
constexpr size_t kLastItems = 256;

}  // namespace

Compactor::Compactor(ServingView* serving, GalleryWriter* writer, WriteLog* log,
                     const IndexBuilder* indexes, Report report)
    : serving_(*serving),
      writer_(*writer),
      log_(*log),
      indexes_(*indexes),
      report_(std::move(report)),
      thread_([this] { Run(); }) {}

Compactor::~Compactor() {
  serving_.Close();
  thread_.join();
}

void Compactor::Run() {
  LowerThreadPriority();
  int64_t min_pending = 0;
  while (serving_.AwaitCompactable(min_pending)) {
    const SteadyTime start = SteadyTime::Now();
    const absl::Status status = Compact();
    if (serving_.closed()) return;
    if (absl::IsAborted(status)) continue;
    // A failed compaction may fail again, so the next attempt waits for twice the gain.
    min_pending = status.ok() ? 0 : serving_.view()->pending() * 2;
    if (report_) report_(status, SteadyTime::Now() - start);
  }
}

absl::Status Compactor::Compact() {
  // Before the view, so that it misses nothing that the view lacks.
  WriteLog::Reader written(&log_);
  const std::shared_ptr<const IndexedGalleryView> start = serving_.view();
  S2P_ASSIGN_OR_RETURN(auto compacted, start->Compacted(indexes_));
  // Ends with the writes: each round applies those of the round before, and allows twice as many.
  for (size_t most = kLastItems;; most *= 2) {
    std::shared_ptr<const IndexedGalleryView> current;
    std::vector<std::string> ids;
    const absl::StatusOr<bool> published =
        writer_.Exclusively([&](Catalogue&) -> absl::StatusOr<bool> {
          current = serving_.view();
          if (current->base() != start->base()) {
            return absl::AbortedError("another version serves");
          }
          ids = written.Take();
          if (ids.size() > most) return false;
          S2P_ASSIGN_OR_RETURN(auto last, compacted->CaughtUpWith(*current, ids));
          serving_.Publish(std::move(last));
          return true;
        });
    if (!published.ok()) return published.status();
    if (*published) return absl::OkStatus();
    S2P_ASSIGN_OR_RETURN(compacted, compacted->CaughtUpWith(*current, ids));
  }
}

}  // namespace s2p
