#include "server/rpc/photo_proto.h"

namespace s2p {

v1::Photo ToProto(const GalleryItem& item) {
  v1::Photo photo;
  photo.set_photo_id(item.photo_id);
  photo.set_modality(item.modality);
  photo.mutable_metadata()->insert(item.metadata.begin(), item.metadata.end());
  photo.set_sha256(item.sha256);
  photo.set_bytes(item.bytes);
  photo.set_content_type(item.content_type);
  photo.set_width(static_cast<uint32_t>(item.width));
  photo.set_height(static_cast<uint32_t>(item.height));
  const int64_t nanoseconds = absl::ToUnixNanos(item.created_at);
  photo.mutable_created_at()->set_seconds(nanoseconds / 1'000'000'000);
  photo.mutable_created_at()->set_nanos(static_cast<int32_t>(nanoseconds % 1'000'000'000));
  return photo;
}

}  // namespace s2p
