#include "trainer/program/measured_images.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/sha256.h"
#include "trainer/data/parallel_for.h"

namespace s2p {
namespace {

constexpr size_t kHexDigits = 64;

}  // namespace

MeasuredImages MeasuredImagesOf(const DataSet& data_set, const std::vector<DataSetImage>& images,
                                int threads) {
  MeasuredImages measured{data_set.name(), ""};
  if (data_set.packed() != nullptr) return measured;
  std::vector<const DataSetImage*> sorted;
  for (const DataSetImage& image : images) sorted.push_back(&image);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->path < b->path; });
  std::vector<std::string> digests(sorted.size());
  const absl::Status status =
      ParallelFor(static_cast<int64_t>(sorted.size()), threads, [&](int64_t i) {
        const auto index = static_cast<size_t>(i);
        const auto sha256 = Sha256OfFile(data_set.PathOf(*sorted[index]));
        digests[index] = sha256.ok() ? *sha256 : std::string(kHexDigits, '-');
        return absl::OkStatus();
      });
  if (status.ok()) measured.sha256 = Sha256(absl::StrCat(absl::StrJoin(digests, "\n"), "\n"));
  return measured;
}

}  // namespace s2p
