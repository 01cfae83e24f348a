// The attributes of Market-1501's identities: market_attribute.mat, published with Y. Lin et al.,
// "Improving Person Re-identification by Attribute and Identity Learning", 2019.
#ifndef S2P_TRAINER_IMPORT_MARKET_ATTRIBUTES_H_
#define S2P_TRAINER_IMPORT_MARKET_ATTRIBUTES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace s2p {

// Whose attributes are made of the file's fields. Six are the same: male, short_hair, long_sleeves,
// long_lower_clothing, dress and no_hat are 1 where the field is 1 and 0 where it is 2. Colours are
// left out.
enum class MarketAttributeSet {
  // The eight of the authors' release: the six, no_backpack, and no_bag, which is 1 where both bag
  // and handbag have a 1. In the release's order, without age.
  kRelease,
  // The eight of the paper (Yang et al., IEEE TMM 2020, section IV-A): the six, adult, and bag,
  // which is 1 where backpack, bag or handbag has a 2. The paper makes every attribute binary and
  // does not say where it cuts age; here adult is 1 for adults and old people (3, 4) and 0 for the
  // young and teenagers (1, 2).
  kPaper,
};

struct MarketAttributes {
  // Values by id, "0002"; each as many as `names`, 0 or 1.
  using ById = std::map<std::string, std::vector<float>>;

  std::vector<std::string> names;
  ById train;
  ById test;
};

// Reads the struct market_attribute with the structs `train` and `test`; each of their fields is a
// row with one number for each identity, and image_index a row of cells with the ids. NotFound if
// there is no such file. InvalidArgument, naming the file and the field, if it is not a MATLAB 5.0
// file, is larger than 4 MiB (the published one has some kB), declares more than it holds
// (trainer/import/mat_sizes.h), lacks a field that is needed, or has one of another class, shape or
// range.
absl::StatusOr<MarketAttributes> ReadMarketAttributes(const std::string& path,
                                                      MarketAttributeSet set);

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_MARKET_ATTRIBUTES_H_
