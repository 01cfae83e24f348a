#include "client/photo_thumbnail.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace s2p {

absl::StatusOr<std::string> FetchThumbnail(const SearchClient& client,
                                           const std::string& photo_id) {
  v1::GetPhotoRequest request;
  request.set_photo_id(photo_id);
  request.set_rendition(v1::RENDITION_THUMBNAIL);
  std::string bytes;
  S2P_RETURN_IF_ERROR(client.GetPhoto(request, [&bytes](const v1::GetPhotoResponse& response) {
    bytes += response.chunk();
    return absl::OkStatus();
  }));
  return bytes;
}

absl::StatusOr<MontageCell> MatchCell(const SearchClient& client, const v1::Match& match) {
  S2P_ASSIGN_OR_RETURN(auto thumbnail, FetchThumbnail(client, match.photo_id()));
  MontageCell cell;
  cell.image = std::move(thumbnail);
  cell.first_line = absl::StrFormat("%d    %.3f", match.rank(), match.score());
  cell.second_line = match.photo_id();
  return cell;
}

}  // namespace s2p
