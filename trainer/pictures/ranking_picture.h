// A picture of what a model finds: each query next to its best matches.
#ifndef S2P_TRAINER_PICTURES_RANKING_PICTURE_H_
#define S2P_TRAINER_PICTURES_RANKING_PICTURE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "image/image.h"
#include "trainer/pictures/canvas.h"

namespace s2p {

// Gallery images shown for a query.
inline constexpr int kRankingPictureMatches = 10;
inline constexpr Color kHitColor = {34, 150, 62};
inline constexpr Color kMissColor = {200, 200, 200};

struct RankedQuery {
  Image query;
  // Best first; the first ten are drawn.
  std::vector<Image> top;
  // Whether top[i] has the query's identity.
  std::vector<bool> hit;
  // Rank of the first true match in the whole gallery, from 1; 0 if the gallery has none.
  int true_rank = 0;
  // Below the query, as its identity; cut where it is too long.
  std::string caption;
};

enum class RowOrder {
  // The largest true rank first; queries without a true match, which no model could find, last.
  kWorstFirst,
  // The largest margin first; queries without a true match last.
  kBestFirst,
};

// The places in `true_ranks` and `margins` (as RetrievalResult::margin, as long) of the queries to
// draw, at most `max_rows` of them: so that only their images need to be read. Equals keep their
// order.
std::vector<size_t> ChooseRows(const std::vector<int>& true_ranks,
                               const std::vector<float>& margins, size_t max_rows, RowOrder order);

// One row for each query, in the order given. Hits have a thick green frame, other images a thin
// grey one. Where no hit is among the ten, the true match's rank is shown at the left, and `title`
// above. InvalidArgument naming the query if its `hit` is not as long as its `top`, or if there are
// too many rows for a picture (100; of tall images 60). Without any query the picture says so.
absl::StatusOr<Image> DrawRankingPicture(const std::vector<RankedQuery>& queries,
                                         const std::string& title);

// Draws and writes the PNG, as WritePicture.
absl::Status WriteRankingPicture(const std::vector<RankedQuery>& queries, const std::string& title,
                                 const std::string& path);

}  // namespace s2p

#endif  // S2P_TRAINER_PICTURES_RANKING_PICTURE_H_
