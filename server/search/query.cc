#include "server/search/query.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/search/request_checks.h"

namespace s2p {
namespace {

// The raster that strokes are drawn on.
constexpr int64_t kStrokeBytes = int64_t{512} * 512 * Image::kChannels;

absl::Status WithField(const absl::Status& status, const std::string& field) {
  return absl::Status(status.code(), absl::StrCat(field, ": ", status.message()));
}

Strokes FromProto(const v1::Strokes& proto) {
  Strokes strokes;
  // Values beyond the range of int exceed every limit too.
  strokes.width = static_cast<int>(std::min<uint32_t>(proto.width(), 1u << 30));
  strokes.height = static_cast<int>(std::min<uint32_t>(proto.height(), 1u << 30));
  for (const v1::Stroke& stroke : proto.strokes()) {
    Stroke& to = strokes.strokes.emplace_back();
    to.width = stroke.width();
    for (const v1::Point& point : stroke.points()) {
      to.points.push_back({point.x(), point.y(), point.pressure()});
    }
  }
  return strokes;
}

absl::Status CheckStrokeCounts(const v1::Strokes& strokes, const Limits& limits,
                               const std::string& field) {
  size_t points = 0;
  for (const v1::Stroke& stroke : strokes.strokes()) {
    points += static_cast<size_t>(stroke.points_size());
  }
  if (static_cast<size_t>(strokes.strokes_size()) > limits.strokes.max_strokes ||
      points > limits.strokes.max_points) {
    return BadField(field, absl::StrCat("at most ", limits.strokes.max_strokes, " strokes with ",
                                        limits.strokes.max_points, " points are allowed"));
  }
  return absl::OkStatus();
}

// Adds an image that takes `decode_bytes` while it is decoded, after those before it, and then
// keeps `image_bytes`.
void AddCost(int64_t decode_bytes, int64_t image_bytes, Query& query) {
  query.decode_bytes = std::max(query.decode_bytes, query.image_bytes + decode_bytes);
  query.image_bytes += image_bytes;
}

absl::StatusOr<QueryExample> ParseExample(const v1::Example& example, const std::string& field,
                                          const Limits& limits, Query& query) {
  QueryExample parsed;
  if (example.has_weight()) parsed.weight = example.weight();
  if (!std::isfinite(parsed.weight)) return BadField(field + ".weight", "must be finite");
  v1::Modality fallback = v1::MODALITY_SKETCH;
  switch (example.content_case()) {
    case v1::Example::kImage: {
      const auto header = ReadImageHeader(example.image(), limits.image);
      if (!header.ok()) return WithField(header.status(), field + ".image");
      AddCost(header->decode_bytes, int64_t{header->width} * header->height * Image::kChannels,
              query);
      parsed.image = example.image();
      break;
    }
    case v1::Example::kStrokes: {
      S2P_ASSIGN_OR_RETURN(parsed.strokes,
                           ParseStrokes(example.strokes(), field + ".strokes", limits));
      AddCost(kStrokeBytes, kStrokeBytes, query);
      break;
    }
    case v1::Example::kPhotoId: {
      S2P_RETURN_IF_ERROR(CheckPhotoId(example.photo_id(), field + ".photo_id", limits));
      parsed.photo_id = example.photo_id();
      fallback = v1::MODALITY_UNSPECIFIED;
      break;
    }
    default:
      return BadField(field, "needs one of image, strokes and photo_id");
  }
  S2P_ASSIGN_OR_RETURN(parsed.modality,
                       ParseModality(example.modality(), field + ".modality", fallback));
  return parsed;
}

absl::StatusOr<ColourPreference> ParsePreference(const v1::ColorPreference& preference, int index) {
  const std::string field = absl::StrCat("color_preferences[", index, "]");
  ColourPreference parsed;
  S2P_ASSIGN_OR_RETURN(parsed.colour, ParseColour(preference.color(), field + ".color"));
  if (preference.has_weight()) parsed.weight = preference.weight();
  // Written like this so that NaN fails.
  if (!(parsed.weight >= 0 && parsed.weight <= 1)) {
    return BadField(field + ".weight", "must be 0 to 1");
  }
  return parsed;
}

}  // namespace

absl::StatusOr<Strokes> ParseStrokes(const v1::Strokes& strokes, const std::string& field,
                                     const Limits& limits) {
  S2P_RETURN_IF_ERROR(CheckStrokeCounts(strokes, limits, field));
  return FromProto(strokes);
}

absl::StatusOr<Query> ParseQuery(const v1::SearchRequest& request, const Limits& limits) {
  Query query;
  if (request.examples().empty()) return BadField("examples", "there is none");
  if (request.examples_size() > static_cast<int>(limits.max_examples)) {
    return BadField("examples", absl::StrCat(request.examples_size(), " examples; at most ",
                                             limits.max_examples, " are allowed"));
  }
  if (request.has_top_k()) {
    if (request.top_k() < 1 || request.top_k() > limits.max_top_k) {
      return BadField("top_k",
                      absl::StrCat("must be 1 to ", limits.max_top_k, ", not ", request.top_k()));
    }
    query.search.top_k = static_cast<int>(request.top_k());
  }
  if (request.has_min_score()) {
    // Written like this so that NaN fails.
    if (!(request.min_score() >= -1 && request.min_score() <= 1)) {
      return BadField("min_score", "must be -1 to 1");
    }
    query.search.min_score = request.min_score();
  }
  S2P_ASSIGN_OR_RETURN(query.search.filter, ParseFilter(request.filter(), limits));
  if (request.color_preferences_size() > kMostColours) {
    return BadField("color_preferences", absl::StrCat("at most ", kMostColours, " are allowed"));
  }
  for (int i = 0; i < request.color_preferences_size(); ++i) {
    S2P_ASSIGN_OR_RETURN(const auto preference, ParsePreference(request.color_preferences(i), i));
    query.search.colours.push_back(preference);
  }
  query.with_attributes = request.with_attributes();
  for (int i = 0; i < request.examples_size(); ++i) {
    S2P_ASSIGN_OR_RETURN(
        auto example,
        ParseExample(request.examples(i), absl::StrCat("examples[", i, "]"), limits, query));
    query.examples.push_back(std::move(example));
  }
  if (query.decode_bytes > limits.max_decode_bytes) {
    return BadField("examples", absl::StrCat("to decode their images takes ", query.decode_bytes,
                                             " bytes; at most ", limits.max_decode_bytes,
                                             " are allowed: send fewer or smaller images"));
  }
  return query;
}

absl::StatusOr<std::vector<Image>> DecodeExamples(const Query& query, const Limits& limits,
                                                  ImageDecoder& decoder, const CallLife& life) {
  std::vector<Image> images;
  // The drawings of a query may have as much ink together as a single one.
  StrokeLimits strokes = limits.strokes;
  const auto drawings =
      std::count_if(query.examples.begin(), query.examples.end(),
                    [](const QueryExample& example) { return example.strokes.has_value(); });
  strokes.max_touched_pixels /= static_cast<double>(std::max<int64_t>(drawings, 1));
  for (size_t i = 0; i < query.examples.size(); ++i) {
    const QueryExample& example = query.examples[i];
    if (!example.is_drawn()) continue;
    S2P_RETURN_IF_ERROR(life.Check("the image was decoded"));
    auto image = example.strokes ? RasterizeStrokes(*example.strokes, strokes)
                                 : decoder.Decode(example.image, limits.image, life);
    if (!image.ok()) {
      return WithField(image.status(),
                       absl::StrCat("examples[", i, "].", example.strokes ? "strokes" : "image"));
    }
    images.push_back(*std::move(image));
  }
  return images;
}

absl::StatusOr<EmbeddingMatrix> FuseExamples(const Query& query, const EmbeddingMatrix& drawn,
                                             const GalleryView& gallery) {
  std::vector<double> sum(static_cast<size_t>(gallery.dimension()), 0.0);
  int row = 0;
  for (size_t i = 0; i < query.examples.size(); ++i) {
    const QueryExample& example = query.examples[i];
    absl::Span<const float> embedding;
    if (example.is_drawn()) {
      embedding = drawn.row(row++);
    } else {
      const std::string field = absl::StrCat("examples[", i, "]");
      const auto stored = gallery.EmbeddingOf(example.photo_id);
      if (!stored.ok()) return WithField(stored.status(), field + ".photo_id");
      const auto item = gallery.Find(example.photo_id);
      if (item != nullptr && example.modality != v1::MODALITY_UNSPECIFIED &&
          example.modality != item->modality) {
        return BadField(field + ".modality", "is not that of the item with this photo_id");
      }
      embedding = *stored;
    }
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += double{example.weight} * embedding[k];
  }
  EmbeddingMatrix fused(1, gallery.dimension());
  double squared_norm = 0;
  for (const double value : sum) squared_norm += value * value;
  // Examples that cancel out leave about 1e-7 of rounding.
  if (!(std::sqrt(squared_norm) > 1e-5)) {
    return BadField("examples", "their weighted sum is zero: nothing is left to search for");
  }
  for (size_t k = 0; k < sum.size(); ++k) {
    fused.row(0)[k] = static_cast<float>(sum[k] / std::sqrt(squared_norm));
  }
  return fused;
}

}  // namespace s2p
