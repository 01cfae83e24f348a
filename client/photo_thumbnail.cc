#include "client/photo_thumbnail.h"

#include <utility>

#include "absl/strings/str_format.h"

namespace s2p {

absl::StatusOr<std::string> FetchThumbnail(const SearchClient& client,
                                           const std::string& photo_id) {
  v1::GetPhotoRequest request;
  request.set_photo_id(photo_id);
  request.set_rendition(v1::RENDITION_THUMBNAIL);
  std::string bytes;
  absl::Status status = client.GetPhoto(request, [&bytes](const v1::GetPhotoResponse& response) {
    bytes += response.chunk();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return bytes;
}

absl::StatusOr<MontageCell> MatchCell(const SearchClient& client, const v1::Match& match) {
  auto thumbnail = FetchThumbnail(client, match.photo_id());
  if (!thumbnail.ok()) return thumbnail.status();
  MontageCell cell;
  cell.image = *std::move(thumbnail);
  cell.first_line = absl::StrFormat("%d    %.3f", match.rank(), match.score());
  cell.second_line = match.photo_id();
  return cell;
}

}  // namespace s2p
