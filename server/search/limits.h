// Limits on a request. Most are flags of s2p-server (docs/flags.md).
#ifndef S2P_SERVER_SEARCH_LIMITS_H_
#define S2P_SERVER_SEARCH_LIMITS_H_

#include <cstdint>

#include "absl/time/time.h"
#include "image/image.h"
#include "image/strokes.h"

namespace s2p {

// A value.
struct Limits {
  ImageLimits image;
  StrokeLimits strokes;
  uint32_t max_top_k = 1000;
  uint32_t max_examples = 16;
  uint32_t max_page_size = 1000;
  // Metadata of one item.
  uint32_t max_metadata_pairs = 64;
  uint32_t max_metadata_key_bytes = 64;
  uint32_t max_metadata_value_bytes = 1024;
  uint32_t max_photo_id_bytes = 256;
  // Ids in one DeletePhotos, or in Filter.exclude_photo_ids.
  uint32_t max_ids = 1000;
  // Memory that the images of one search may take while they are decoded.
  int64_t max_decode_bytes = int64_t{512} << 20;
  // The deadline of a search whose client sets none.
  absl::Duration default_deadline = absl::Seconds(10);
};

}  // namespace s2p

#endif  // S2P_SERVER_SEARCH_LIMITS_H_
