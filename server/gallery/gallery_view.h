// The gallery as one version of the model sees it, at one moment.
#ifndef S2P_SERVER_GALLERY_GALLERY_VIEW_H_
#define S2P_SERVER_GALLERY_GALLERY_VIEW_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "image/colour.h"
#include "image/dominant_colours.h"
#include "model/embedding.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// The record of one photo or sketch, without its pixels and embeddings. Immutable once shared.
struct GalleryItem {
  std::string photo_id;
  v1::Modality modality = v1::MODALITY_PHOTO;
  std::map<std::string, std::string> metadata;
  // Sha256 of the original bytes; names the blob.
  std::string sha256;
  uint64_t bytes = 0;
  std::string content_type;
  // In pixels, upright.
  int width = 0;
  int height = 0;
  absl::Time created_at;
  // Found by kDominantColoursMethod; empty for a sketch, and while they are not known.
  std::vector<ColourShare> colours;
};

// Items of a gallery by kind, and the size of their original bytes.
struct GalleryTotals {
  uint64_t photos = 0;
  uint64_t sketches = 0;
  uint64_t bytes = 0;
};

// Bounds on one predicted attribute, both inclusive.
struct AttributeBounds {
  std::string name;
  float min = 0;
  float max = 1;
};

// Enough of one colour.
struct ColourBounds {
  Lab colour;
  // By CIEDE2000.
  float max_difference = 20;
  // In (0, 1]: an item whose colours are not known does not pass.
  float min_share = 0.1F;
};

// All conditions must hold; a default filter passes everything.
struct GalleryFilter {
  std::map<std::string, std::string> metadata;
  std::vector<AttributeBounds> attributes;
  v1::Modality modality = v1::MODALITY_UNSPECIFIED;
  std::set<std::string> exclude_photo_ids;
  std::vector<ColourBounds> colours;

  bool empty() const {
    return metadata.empty() && attributes.empty() && modality == v1::MODALITY_UNSPECIFIED &&
           exclude_photo_ids.empty() && colours.empty();
  }
};

// A colour that ranks items higher.
struct ColourPreference {
  Lab colour;
  // The gain of an item of this colour alone, in [0, 1]; others gain in proportion to
  // ColourAgreement.
  float weight = 0.3F;
};

struct GalleryMatch {
  std::shared_ptr<const GalleryItem> item;
  // CosineSimilarity(query, the item's embedding).
  float score = 0;
  // In the order of GalleryView::attributes(); valid as long as the view.
  absl::Span<const float> attributes;
  // Sum over the preferences of weight * ColourAgreement; 0 without preferences.
  float colour_score = 0;
};

struct GallerySearchOptions {
  int top_k = 10;
  // Matches below this score are left out; -1 or less means no limit.
  float min_score = -1;
  GalleryFilter filter;
  std::vector<ColourPreference> colours;
};

// Immutable: a search holds it by shared_ptr and never waits for a writer.
class GalleryView {
 public:
  virtual ~GalleryView() = default;

  // The version of the model that embedded every item in the view.
  virtual int64_t version() const = 0;
  virtual int dimension() const = 0;
  virtual const std::vector<std::string>& attributes() const = 0;
  virtual int64_t size() const = 0;
  // FAISS's factory string of the index.
  virtual std::string index_kind() const { return "Flat"; }
  // Measured share of the true 10 best items that a search finds; 1 for an exact index.
  virtual double index_recall() const { return 1; }

  // Best matches of each query row, by descending score + colour_score, ties by photo_id; `top_k`
  // of them if that many pass the filter. With colour preferences, the CandidatesOf
  // (best_matches.h) of highest score are ranked. `options` has one entry per row.
  // FailedPrecondition if a filter names an attribute that this version lacks; InvalidArgument if
  // the dimension is wrong.
  virtual absl::StatusOr<std::vector<std::vector<GalleryMatch>>> Search(
      const EmbeddingMatrix& queries, absl::Span<const GallerySearchOptions> options) const = 0;

  // FailedPrecondition as of Search, for one filter.
  virtual absl::Status CheckFilter(const GalleryFilter& filter) const = 0;

  // Null if there is no such item.
  virtual std::shared_ptr<const GalleryItem> Find(absl::string_view photo_id) const = 0;
  // The item's embedding, valid as long as the view; NotFound.
  virtual absl::StatusOr<absl::Span<const float>> EmbeddingOf(absl::string_view photo_id) const = 0;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_GALLERY_VIEW_H_
