// The viewed sketches of the IIIT-D Sketch Database: photo/ and sketch/ with equal stems, directly
// or in the three parts of the database. The parts FG-NET and LFW come with photo/photo.txt, the
// names of photos that have to be fetched from those data sets and put next to it.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "trainer/data/csv.h"
#include "trainer/import/canonical_name.h"
#include "trainer/import/import_formats.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

constexpr const char* kParts[] = {"FG-NET", "IIIT-D student and staff", "LFW"};

struct Pair {
  fs::path photo;
  fs::path sketch;
};

// A name that people wrote, as identities are: in lower case, however it is encoded.
std::string Normal(absl::string_view name) {
  return absl::AsciiStrToLower(CanonicalName(absl::StripAsciiWhitespace(name)));
}

// The stem in lower case. In two of the parts a letter distinguishes photo (p1) and sketch (s1) of
// one person; it is removed. Names, in LFW, have no digit there.
std::string IdentityOf(const fs::path& file, char letter) {
  std::string stem = Normal(file.stem().string());
  if (stem.size() > 1 && stem[0] == letter && absl::ascii_isdigit(stem[1])) stem.erase(0, 1);
  return stem;
}

absl::Status ReadFolder(const fs::path& folder, char letter, fs::path Pair::*side,
                        std::map<std::string, Pair>& pairs, int64_t* passed_over) {
  S2P_ASSIGN_OR_RETURN(const auto files, List(folder, passed_over));
  for (const fs::path& file : files) {
    if (absl::EqualsIgnoreCase(file.filename().string(), "photo.txt")) continue;
    S2P_RETURN_IF_ERROR(CheckImage(file, ImageEndings()));
    const std::string identity = IdentityOf(file, letter);
    fs::path& slot = pairs[identity].*side;
    if (!slot.empty()) {
      return Offending(file, absl::StrCat("identity ", identity, " has also ", slot.string()));
    }
    slot = file;
  }
  return absl::OkStatus();
}

absl::Status ReadPart(const fs::path& folder, std::map<std::string, Pair>& pairs,
                      int64_t* passed_over) {
  S2P_RETURN_IF_ERROR(ReadFolder(folder / "photo", 'p', &Pair::photo, pairs, passed_over));
  return ReadFolder(folder / "sketch", 's', &Pair::sketch, pairs, passed_over);
}

absl::StatusOr<std::map<std::string, Pair>> ReadPairs(const fs::path& root, int64_t* passed_over) {
  std::map<std::string, Pair> pairs;
  bool has_parts = false;
  for (const char* part : kParts) {
    if (!IsFolder(root / part)) continue;
    has_parts = true;
    S2P_RETURN_IF_ERROR(ReadPart(root / part, pairs, passed_over));
  }
  if (!has_parts) {
    S2P_RETURN_IF_ERROR(ReadPart(root, pairs, passed_over));
  }
  for (const auto& [identity, pair] : pairs) {
    if (pair.sketch.empty()) {
      return Offending(pair.photo, absl::StrCat("identity ", identity, " has no sketch"));
    }
    if (pair.photo.empty()) {
      return Offending(pair.sketch, absl::StrCat("identity ", identity, " has no photo"));
    }
  }
  if (pairs.empty()) return Offending(root, "has no pairs");
  return pairs;
}

absl::StatusOr<std::map<std::string, std::string>> ReadSplits(
    const fs::path& path, const std::map<std::string, Pair>& pairs) {
  S2P_ASSIGN_OR_RETURN(auto reader, CsvReader::Open(path.string()));
  std::map<std::string, std::string> split_of;
  std::map<std::string, int64_t> line_of;
  std::vector<std::string> fields;
  bool is_first = true;
  while (true) {
    S2P_ASSIGN_OR_RETURN(const auto more, reader.Next(&fields));
    if (!more) break;
    if (fields.size() != 2) {
      return reader.Wrong(
          absl::StrCat("has ", fields.size(), " fields, expected IDENTITY,train|val|test"));
    }
    const std::string identity = Normal(fields[0]);
    const std::string split = Normal(fields[1]);
    const bool is_heading = is_first && identity == "identity" && split == "split";
    is_first = false;
    if (is_heading) continue;
    if (split != "train" && split != "val" && split != "test") {
      return reader.Wrong(absl::StrCat("split \"", split, "\" is not train, val or test"));
    }
    if (pairs.count(identity) == 0) {
      return reader.Wrong(absl::StrCat("identity ", identity, " has no images"));
    }
    const auto [first, is_new] = line_of.emplace(identity, reader.line());
    if (!is_new) {
      return reader.Wrong(
          absl::StrCat("identity ", identity, " is listed already in line ", first->second));
    }
    split_of.emplace(identity, split);
  }
  for (const auto& [identity, pair] : pairs) {
    if (split_of.count(identity) == 0) {
      return Offending(path, absl::StrCat("does not list identity ", identity, ", which has ",
                                          pair.photo.string()));
    }
  }
  return split_of;
}

}  // namespace

absl::StatusOr<Plan> PlanIiitd(const fs::path& root, const fs::path& split_file) {
  Plan plan;
  S2P_ASSIGN_OR_RETURN(const auto pairs, ReadPairs(root, &plan.passed_over));
  S2P_ASSIGN_OR_RETURN(const auto splits, ReadSplits(split_file, pairs));
  plan.description.name = "iiitd-viewed";
  plan.description.source =
      "IIIT-D Viewed Sketch Database: H. S. Bhatt, S. Bharadwaj, R. Singh, M. Vatsa, \"Memetically "
      "Optimized MCWLD for Matching Sketches With Digital Face Images\", IEEE Transactions on "
      "Information Forensics and Security 2012";
  plan.description.licence = "research use, by agreement with its authors; no redistribution";
  plan.split_reason = "as the split file says";
  for (const auto& [identity, pair] : pairs) {
    const std::string& split = splits.at(identity);
    for (const auto& [file, modality] :
         {std::pair{pair.photo, v1::MODALITY_PHOTO}, std::pair{pair.sketch, v1::MODALITY_SKETCH}}) {
      const std::string name = identity + absl::AsciiStrToLower(file.extension().string());
      plan.images.push_back(Planned(file, name, identity, modality, split));
    }
  }
  return plan;
}

}  // namespace s2p
