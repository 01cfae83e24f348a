// A gallery item as the API shows it.
#ifndef S2P_SERVER_RPC_PHOTO_PROTO_H_
#define S2P_SERVER_RPC_PHOTO_PROTO_H_

#include "s2p/v1/gallery.pb.h"
#include "server/gallery/gallery_view.h"

namespace s2p {

v1::Photo ToProto(const GalleryItem& item);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_PHOTO_PROTO_H_
