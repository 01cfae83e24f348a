// A verdict on a photo that a drawing was to find, as it is kept.
#ifndef S2P_SERVER_FEEDBACK_FEEDBACK_RECORD_H_
#define S2P_SERVER_FEEDBACK_FEEDBACK_RECORD_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace s2p {

// The numbers are in files: they never change.
enum class Verdict { kMatch = 1, kNoMatch = 2 };
enum class FeedbackState { kPending = 1, kAccepted = 2, kRejected = 3 };

// An entry without its drawing. A plain value.
struct FeedbackRecord {
  std::string feedback_id;
  // Identifies the content, as ContentDigest: 64 lower-case hex digits.
  std::string digest;
  std::string photo_id;
  // The digest of the photo that the verdict is about: the id may have another photo now.
  std::string photo_sha256;
  Verdict verdict = Verdict::kMatch;
  FeedbackState state = FeedbackState::kPending;
  // The name of the key that recorded it.
  std::string recorded_by;
  absl::Time recorded_at;
  // InfinitePast while it is pending.
  absl::Time reviewed_at = absl::InfinitePast();
  // The drawing, in pixels, and the size of its PNG.
  int sketch_width = 0;
  int sketch_height = 0;
  uint64_t sketch_bytes = 0;
};

inline bool IsAcceptedMatch(const FeedbackRecord& record) {
  return record.state == FeedbackState::kAccepted && record.verdict == Verdict::kMatch;
}

// The room that an entry takes apart from its drawing, in bytes, as it is counted: ids, digests,
// names, their indexes, and the unused rest of pages.
inline constexpr uint64_t kEntryBytes = 1024;

// Entries by state, and the room that they take.
struct FeedbackTotals {
  uint64_t pending = 0;
  uint64_t accepted = 0;
  uint64_t rejected = 0;
  // The sizes of the drawings, and kEntryBytes for each entry.
  uint64_t bytes = 0;
};

}  // namespace s2p

#endif  // S2P_SERVER_FEEDBACK_FEEDBACK_RECORD_H_
