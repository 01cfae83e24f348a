// Fetches small pictures of gallery items.
#ifndef S2P_CLIENT_PHOTO_THUMBNAIL_H_
#define S2P_CLIENT_PHOTO_THUMBNAIL_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/connection/search_client.h"
#include "client/montage.h"
#include "s2p/v1/search.pb.h"

namespace s2p {

// The encoded thumbnail of an item. NotFound for an unknown id.
absl::StatusOr<std::string> FetchThumbnail(const SearchClient& client, const std::string& photo_id);

// The match's thumbnail with rank and score, then its id.
absl::StatusOr<MontageCell> MatchCell(const SearchClient& client, const v1::Match& match);

}  // namespace s2p

#endif  // S2P_CLIENT_PHOTO_THUMBNAIL_H_
