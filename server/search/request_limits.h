// Limits on requests that hold before they are parsed, from the numbers of Limits.
#ifndef S2P_SERVER_SEARCH_REQUEST_LIMITS_H_
#define S2P_SERVER_SEARCH_REQUEST_LIMITS_H_

#include <cstdint>
#include <vector>

#include "base/message_limits.h"
#include "server/search/limits.h"

namespace s2p {

// The lists in a SearchRequest, a ListPhotosRequest, a DeletePhotosRequest, an
// UpdatePhotoMetadataRequest, a RecordFeedbackRequest, and both a ReviewFeedbackRequest and a
// DeleteFeedbackRequest.
std::vector<FieldLimit> SearchFields(const Limits& limits);
std::vector<FieldLimit> ListFields(const Limits& limits);
std::vector<FieldLimit> DeleteFields(const Limits& limits);
std::vector<FieldLimit> UpdateFields(const Limits& limits);
std::vector<FieldLimit> RecordFields(const Limits& limits);
std::vector<FieldLimit> FeedbackIdFields(const Limits& limits);

// The bytes of the largest message whose lists and texts are within the limits: a photo with its
// metadata; a list of ids; a filter.
uint64_t MostPhotoBytes(const Limits& limits);
uint64_t MostIdBytes(const Limits& limits);
uint64_t MostMetadataBytes(const Limits& limits);
uint64_t MostFilterBytes(const Limits& limits);

}  // namespace s2p

#endif  // S2P_SERVER_SEARCH_REQUEST_LIMITS_H_
