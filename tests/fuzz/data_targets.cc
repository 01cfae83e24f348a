#include <string>
#include <vector>

#include "base/check.h"
#include "tests/fuzz/scratch_file.h"
#include "tests/fuzz/targets.h"
#include "trainer/data/csv.h"
#include "trainer/data/data_set.h"
#include "trainer/data/packed_images.h"
#include "trainer/import/market_attributes.h"

namespace s2p::fuzz {

void DataSet(absl::string_view bytes) {
  static const ScratchFolder folder;
  const size_t end = bytes.find('\n');
  folder.Write("dataset.json", bytes.substr(0, end));
  folder.Write("dataset.jsonl",
               end == absl::string_view::npos ? absl::string_view() : bytes.substr(end + 1));
  const auto set = s2p::DataSet::Open(folder.path(), ImageFiles::kMayBeMissing);
  if (!set.ok()) return;
  for (const DataSetImage& image : set->images()) {
    S2P_CHECK(!image.path.empty() && image.path[0] != '/');
    S2P_CHECK(image.attributes.empty() || image.attributes.size() == set->attributes().size());
  }
}

void PackedImages(absl::string_view bytes) {
  static const ScratchFolder folder;
  const std::string path = folder.Write("packed.safetensors", bytes);
  const auto set = s2p::DataSet::Open(path, ImageFiles::kMayBeMissing);
  if (!set.ok()) return;
  S2P_CHECK(set->packed() != nullptr && set->packed()->CheckCounts(set->images()).ok());
}

void Csv(absl::string_view bytes) {
  static const ScratchFolder folder;
  auto reader = CsvReader::Open(folder.Write("rows.csv", bytes));
  if (!reader.ok()) return;
  std::vector<std::string> fields;
  int64_t line = 0;
  for (auto more = reader->Next(&fields); more.ok() && *more; more = reader->Next(&fields)) {
    S2P_CHECK(reader->line() > line && !fields.empty());
    line = reader->line();
  }
}

void Mat(absl::string_view bytes) {
  static const ScratchFolder folder;
  const std::string path = folder.Write("market_attribute.mat", bytes);
  for (const auto set : {MarketAttributeSet::kRelease, MarketAttributeSet::kPaper}) {
    const auto attributes = ReadMarketAttributes(path, set);
    if (!attributes.ok()) continue;
    for (const auto& [id, values] : attributes->train) {
      S2P_CHECK(id.size() == 4 && values.size() == attributes->names.size());
    }
  }
}

}  // namespace s2p::fuzz
