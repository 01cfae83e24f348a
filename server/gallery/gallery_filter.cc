#include "server/gallery/gallery_filter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

// Shares that add up to all of a photo may miss 1 by this.
constexpr float kRounding = 1e-6F;

bool ShowsEnough(const GalleryItem& item, const ColourBounds& bounds) {
  const float share = ShareWithin(item.colours, bounds.colour, bounds.max_difference);
  return share > 0 && share >= bounds.min_share - kRounding;
}

}  // namespace

bool ItemPasses(const GalleryItem& item, const GalleryFilter& filter) {
  if (filter.modality != v1::MODALITY_UNSPECIFIED && item.modality != filter.modality) return false;
  for (const auto& [name, value] : filter.metadata) {
    const auto it = item.metadata.find(name);
    if (it == item.metadata.end() || it->second != value) return false;
  }
  if (filter.exclude_photo_ids.count(item.photo_id) != 0) return false;
  return std::all_of(filter.colours.begin(), filter.colours.end(),
                     [&item](const ColourBounds& bounds) { return ShowsEnough(item, bounds); });
}

absl::StatusOr<GalleryPredicate> GalleryPredicate::Create(const GalleryViewModel& model,
                                                          const GalleryFilter& filter) {
  GalleryPredicate predicate(filter);
  for (const AttributeBounds& bounds : filter.attributes) {
    const auto it = std::find(model.attributes.begin(), model.attributes.end(), bounds.name);
    if (it == model.attributes.end()) {
      return absl::FailedPreconditionError(absl::StrCat("filter.attributes: version ",
                                                        model.version, " of the model has no '",
                                                        bounds.name, "'"));
    }
    predicate.columns_.push_back(
        {static_cast<size_t>(it - model.attributes.begin()), bounds.min, bounds.max});
  }
  return predicate;
}

bool GalleryPredicate::Passes(const GalleryItem& item, absl::Span<const float> attributes) const {
  for (const Column& column : columns_) {
    const float value = attributes[column.index];
    if (!(value >= column.min && value <= column.max)) return false;
  }
  return ItemPasses(item, *filter_);
}

MetadataIndex::MetadataIndex(absl::Span<const std::shared_ptr<const GalleryItem>> items)
    : items_(items) {
  for (size_t row = 0; row < items.size(); ++row) {
    for (const auto& [name, value] : items[row]->metadata) {
      by_name_[name].push_back(static_cast<int32_t>(row));
    }
  }
  for (auto& [name, rows] : by_name_) {
    // Sorts pairs, so that each value is looked up only once.
    std::vector<std::pair<const std::string*, int32_t>> values;
    values.reserve(rows.size());
    for (int32_t row : rows) {
      values.emplace_back(&items[static_cast<size_t>(row)]->metadata.find(name)->second, row);
    }
    std::sort(values.begin(), values.end(), [](const auto& a, const auto& b) {
      const int order = a.first->compare(*b.first);
      return order != 0 ? order < 0 : a.second < b.second;
    });
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = values[i].second;
    rows.shrink_to_fit();
  }
}

absl::Span<const int32_t> MetadataIndex::RowsOf(const std::string& name,
                                                const std::string& value) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return {};
  const std::vector<int32_t>& rows = found->second;
  const auto value_of = [&](int32_t row) -> const std::string& {
    return items_[static_cast<size_t>(row)]->metadata.find(name)->second;
  };
  const auto begin = std::lower_bound(
      rows.begin(), rows.end(), value,
      [&](int32_t row, const std::string& wanted) { return value_of(row) < wanted; });
  const auto end = std::upper_bound(
      begin, rows.end(), value,
      [&](const std::string& wanted, int32_t row) { return wanted < value_of(row); });
  return absl::MakeConstSpan(rows).subspan(static_cast<size_t>(begin - rows.begin()),
                                           static_cast<size_t>(end - begin));
}

std::optional<absl::Span<const int32_t>> MetadataIndex::FewestRows(
    const std::map<std::string, std::string>& metadata) const {
  std::optional<absl::Span<const int32_t>> fewest;
  for (const auto& [name, value] : metadata) {
    const absl::Span<const int32_t> rows = RowsOf(name, value);
    if (!fewest || rows.size() < fewest->size()) fewest = rows;
  }
  return fewest;
}

}  // namespace s2p
