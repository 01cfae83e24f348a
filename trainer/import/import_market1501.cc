// Market-1501: bounding_box_train, bounding_box_test and query with images
// ID_cCAMERAsSEQUENCE_FRAME_BOX.jpg; -1 are junk detections and 0000 distractors, which are left
// out. Attributes belong to identities: trainer/import/market_attributes.h.
#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "trainer/import/import_formats.h"
#include "trainer/import/market_attributes.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// The published attribute file is a download of its own, so it lies where one has put it.
absl::StatusOr<fs::path> FindAttributes(const fs::path& root) {
  std::error_code error;
  for (const char* folder : {"", "attribute", "Attribute", "Market-1501_Attribute"}) {
    fs::path path = root / folder / "market_attribute.mat";
    if (fs::exists(path, error)) return path;
  }
  return absl::NotFoundError(absl::StrCat(
      (root / "market_attribute.mat").string(),
      ": there is no such file, nor in attribute, Attribute or Market-1501_Attribute"));
}

bool IsNumber(absl::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// ID, "" if the name is not as published.
std::string IdentityOf(const fs::path& file) {
  const std::vector<std::string> parts = absl::StrSplit(file.stem().string(), '_');
  if (parts.size() != 4 || (parts[0] != "-1" && !IsNumber(parts[0], 4))) return "";
  const std::string& camera = parts[1];
  const bool good = camera.size() == 4 && camera[0] == 'c' && absl::ascii_isdigit(camera[1]) &&
                    camera[2] == 's' && absl::ascii_isdigit(camera[3]) && IsNumber(parts[2], 6) &&
                    IsNumber(parts[3], 2);
  return good ? parts[0] : "";
}

absl::Status AddFolder(const fs::path& root, const char* folder, const char* split,
                       const MarketAttributes::ById& attributes, Plan& plan) {
  S2P_ASSIGN_OR_RETURN(const auto files, List(root / folder, &plan.passed_over));
  for (const fs::path& file : files) {
    S2P_RETURN_IF_ERROR(CheckImage(file, {".jpg"}));
    const std::string identity = IdentityOf(file);
    if (identity.empty()) {
      return Offending(file, "expected a name ID_cCsS_FRAME_BOX.jpg, as 0002_c1s1_000451_03.jpg");
    }
    if (identity == "-1" || identity == "0000") {
      ++plan.left_out;
      continue;
    }
    const auto found = attributes.find(identity);
    if (found == attributes.end()) {
      return Offending(
          file, absl::StrCat("identity ", identity, " is not in market_attribute.mat's ", split));
    }
    plan.images.push_back(
        Planned(file, fs::path(folder) / file.filename(), identity, v1::MODALITY_PHOTO, split));
    plan.images.back().line.attributes = found->second;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Plan> PlanMarket1501(const fs::path& root, MarketAttributeSet set) {
  S2P_ASSIGN_OR_RETURN(const auto path, FindAttributes(root));
  S2P_ASSIGN_OR_RETURN(auto attributes, ReadMarketAttributes(path.string(), set));
  Plan plan;
  plan.description.name = "market-1501";
  plan.description.source =
      "Market-1501: L. Zheng, L. Shen, L. Tian, S. Wang, J. Wang, Q. Tian, \"Scalable Person "
      "Re-identification: A Benchmark\", ICCV 2015; attributes: Y. Lin et al., \"Improving Person "
      "Re-identification by Attribute and Identity Learning\", Pattern Recognition 2019";
  plan.description.licence = "research use; no right to redistribute was found";
  plan.description.attributes = std::move(attributes.names);
  plan.split_reason = "as its folders say";
  const std::tuple<const char*, const char*, const MarketAttributes::ById&> parts[] = {
      {"bounding_box_train", "train", attributes.train},
      {"bounding_box_test", "test", attributes.test},
      {"query", "test", attributes.test},
  };
  for (const auto& [folder, split, by_id] : parts) {
    S2P_RETURN_IF_ERROR(AddFolder(root, folder, split, by_id, plan));
  }
  if (plan.images.empty()) return Offending(root, "has no images of persons");
  S2P_RETURN_IF_ERROR(CheckIdentities(plan.images));
  return plan;
}

}  // namespace s2p
