// A search request, checked and in our own types.
#ifndef S2P_SERVER_SEARCH_QUERY_H_
#define S2P_SERVER_SEARCH_QUERY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "image/image.h"
#include "image/strokes.h"
#include "s2p/v1/search.pb.h"
#include "server/decoder/call_life.h"
#include "server/decoder/image_decoder.h"
#include "server/gallery/gallery_view.h"
#include "server/gallery/snapshot.h"
#include "server/search/limits.h"

namespace s2p {

struct QueryExample {
  // Exactly one of the three.
  absl::string_view image;
  std::optional<Strokes> strokes;
  std::string photo_id;
  // May be unspecified for photo_id: the item's own modality.
  v1::Modality modality = v1::MODALITY_SKETCH;
  float weight = 1;

  bool is_drawn() const { return photo_id.empty(); }
};

// A parsed SearchRequest, whose bytes it borrows. A value.
struct Query {
  std::vector<QueryExample> examples;
  GallerySearchOptions search;
  bool with_attributes = false;
  // Most memory that DecodeExamples takes at one time, and what its result takes.
  int64_t decode_bytes = 0;
  int64_t image_bytes = 0;
};

// Checks every field and reads the images' headers; decodes nothing. InvalidArgument naming the
// field.
absl::StatusOr<Query> ParseQuery(const v1::SearchRequest& request, const Limits& limits);

// The strokes of a message, whose lists are counted; the numbers are checked when they are drawn.
// InvalidArgument naming the field.
absl::StatusOr<Strokes> ParseStrokes(const v1::Strokes& strokes, const std::string& field,
                                     const Limits& limits);

// Decodes the images of the drawn examples, one after the other, in order. InvalidArgument naming
// the field; else as ImageDecoder::Decode.
absl::StatusOr<std::vector<Image>> DecodeExamples(const Query& query, const Limits& limits,
                                                  ImageDecoder& decoder, const CallLife& life);

// The weighted sum of the examples' embeddings, normalised to length 1. Drawn examples have the
// rows of `drawn`, in order; the others come from the gallery. NotFound for an unknown photo_id;
// InvalidArgument if its modality is not the item's, or if the sum is zero.
absl::StatusOr<EmbeddingMatrix> FuseExamples(const Query& query, const EmbeddingMatrix& drawn,
                                             const GalleryView& gallery);

}  // namespace s2p

#endif  // S2P_SERVER_SEARCH_QUERY_H_
