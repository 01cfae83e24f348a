// How long the caller of a piece of work wants it.
#ifndef S2P_SERVER_DECODER_CALL_LIFE_H_
#define S2P_SERVER_DECODER_CALL_LIFE_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/steady_time.h"

namespace s2p {

// A cancellation reaches work that waits after at most this.
inline constexpr absl::Duration kCancelInterval = absl::Milliseconds(20);

// A value. `cancelled` is called on the thread that does the work.
struct CallLife {
  SteadyTime deadline = SteadyTime::InfiniteFuture();
  // Optional.
  std::function<bool()> cancelled;

  // OK while the work is wanted; else Cancelled, or DeadlineExceeded that says what was not done:
  // `what` is a clause such as "the image was decoded".
  absl::Status Check(absl::string_view what) const {
    if (cancelled && cancelled()) return absl::CancelledError("cancelled");
    if (SteadyTime::Now() < deadline) return absl::OkStatus();
    return absl::DeadlineExceededError(absl::StrCat("the deadline passed before ", what));
  }
};

}  // namespace s2p

#endif  // S2P_SERVER_DECODER_CALL_LIFE_H_
