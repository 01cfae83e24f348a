// PKU-Sketch Re-ID, version 1. Its ReadMe.txt gives the layout: sketch/ID.jpg, two photos
// photo/ID_CAMERA_FRAME.jpg of each person, and styleAnnotation/STYLE_COUNT.txt, one for each of
// the five painters, with the ids of the persons that one drew, a line each.
#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "trainer/data/random.h"
#include "trainer/import/import_formats.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// Persons to train on from each style, the styles sorted by name (Pang et al., 2018).
constexpr std::array<size_t, 5> kTrainOfStyle = {34, 15, 60, 25, 16};
constexpr size_t kTrain = 150;
constexpr size_t kTest = 50;
constexpr size_t kPhotosOfPerson = 2;

struct Style {
  std::string name;
  fs::path file;
  std::vector<int> ids;
};

struct Person {
  fs::path sketch;
  std::vector<fs::path> photos;
};

// A positive number without leading zeros.
bool ParseId(absl::string_view text, int* id) {
  return !text.empty() && text.front() != '0' &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit) && absl::SimpleAtoi(text, id);
}

absl::StatusOr<Style> ReadStyle(const fs::path& path) {
  const std::vector<std::string> parts = absl::StrSplit(path.stem().string(), '_');
  int count = 0;
  if (!absl::EqualsIgnoreCase(path.extension().string(), ".txt") || parts.size() != 2 ||
      parts[0].empty() || !std::all_of(parts[0].begin(), parts[0].end(), absl::ascii_isalnum) ||
      !ParseId(parts[1], &count)) {
    return Offending(path, "expected a name STYLE_COUNT.txt, as a_46.txt");
  }
  S2P_ASSIGN_OR_RETURN(auto file, TextFile::Read(path.string()));
  Style style{parts[0], path, {}};
  absl::string_view line;
  while (file.NextFilled(&line)) {
    int id = 0;
    if (!ParseId(line, &id)) return file.Wrong("expected a line with the id of one person");
    style.ids.push_back(id);
  }
  if (style.ids.size() != static_cast<size_t>(count)) {
    return Offending(
        path, absl::StrCat("lists ", style.ids.size(), " persons, but its name says ", count));
  }
  // The order of the lines must not matter for the split.
  std::sort(style.ids.begin(), style.ids.end());
  return style;
}

absl::StatusOr<std::vector<Style>> ReadStyles(const fs::path& folder, int64_t* passed_over) {
  S2P_ASSIGN_OR_RETURN(const auto files, List(folder, passed_over));
  std::vector<Style> styles;
  std::map<int, fs::path> style_of;
  size_t persons = 0;
  for (const fs::path& path : files) {
    S2P_ASSIGN_OR_RETURN(auto style, ReadStyle(path));
    for (const int id : style.ids) {
      const auto [found, is_new] = style_of.emplace(id, path);
      if (!is_new) {
        return Offending(path, absl::StrCat("person ", id, " is listed already in ",
                                            found->second.filename().string()));
      }
    }
    persons += style.ids.size();
    styles.push_back(std::move(style));
  }
  // Copies of the data set differ in the case of names, and their order decides the split.
  std::stable_sort(styles.begin(), styles.end(), [](const Style& a, const Style& b) {
    return absl::AsciiStrToLower(a.name) < absl::AsciiStrToLower(b.name);
  });
  if (styles.size() != kTrainOfStyle.size()) {
    return Offending(folder, absl::StrCat("has ", styles.size(), " style files, expected ",
                                          kTrainOfStyle.size()));
  }
  if (persons != kTrain + kTest) {
    return Offending(
        folder, absl::StrCat("the styles list ", persons, " persons, expected ", kTrain + kTest,
                             ": ", kTrain, " to train on and ", kTest, " to test on"));
  }
  for (size_t i = 0; i < styles.size(); ++i) {
    if (styles[i].ids.size() < kTrainOfStyle[i]) {
      return Offending(styles[i].file,
                       absl::StrCat("lists ", styles[i].ids.size(), " persons, but ",
                                    kTrainOfStyle[i], " of this style are to train on"));
    }
  }
  return styles;
}

absl::Status ReadSketches(const fs::path& folder, std::map<int, Person>& persons,
                          int64_t* passed_over) {
  S2P_ASSIGN_OR_RETURN(const auto files, List(folder, passed_over));
  for (const fs::path& file : files) {
    S2P_RETURN_IF_ERROR(CheckImage(file, {".jpg"}));
    int id = 0;
    if (!ParseId(file.stem().string(), &id)) {
      return Offending(file, "expected a name ID.jpg, as 1.jpg");
    }
    if (!persons[id].sketch.empty()) return Offending(file, "this person has another sketch");
    persons[id].sketch = file;
  }
  return absl::OkStatus();
}

absl::Status ReadPhotos(const fs::path& folder, std::map<int, Person>& persons,
                        int64_t* passed_over) {
  S2P_ASSIGN_OR_RETURN(const auto files, List(folder, passed_over));
  for (const fs::path& file : files) {
    S2P_RETURN_IF_ERROR(CheckImage(file, {".jpg"}));
    const std::vector<std::string> parts = absl::StrSplit(file.stem().string(), '_');
    int id = 0;
    const auto is_number = [](const std::string& part) {
      return !part.empty() && std::all_of(part.begin(), part.end(), absl::ascii_isdigit);
    };
    if (parts.size() != 3 || !ParseId(parts[0], &id) || !is_number(parts[1]) ||
        !is_number(parts[2])) {
      return Offending(file, "expected a name ID_CAMERA_FRAME.jpg, as 1_05_356.jpg");
    }
    persons[id].photos.push_back(file);
  }
  return absl::OkStatus();
}

absl::Status CheckPerson(const fs::path& root, int id, const Person& person) {
  if (person.sketch.empty()) {
    if (person.photos.empty()) {
      return Offending(root / "sketch", absl::StrCat("has no ", id, ".jpg, but a style lists it"));
    }
    return Offending(person.photos[0], absl::StrCat("has no sketch ", id, ".jpg"));
  }
  if (person.photos.size() != kPhotosOfPerson) {
    return Offending(person.sketch, absl::StrCat("has ", person.photos.size(), " photos ", id,
                                                 "_CAMERA_FRAME.jpg, expected ", kPhotosOfPerson));
  }
  return absl::OkStatus();
}

// The ids are numbers and the names letters and digits, so nothing needs escaping.
std::string SplitNote(uint64_t seed, const std::vector<std::string>& styles) {
  return absl::StrCat("{\n  \"format\": 1,\n  \"data_set\": \"pku-sketch\",\n  \"seed\": \"", seed,
                      "\",\n  \"styles\": {\n", absl::StrJoin(styles, ",\n"), "\n  }\n}\n");
}

void AddPerson(int id, const Person& person, const std::string& split, Plan& plan) {
  const std::string identity = absl::StrCat(id);
  for (const fs::path& photo : person.photos) {
    plan.images.push_back(Planned(photo, photo.filename(), identity, v1::MODALITY_PHOTO, split));
  }
  plan.images.push_back(
      Planned(person.sketch, person.sketch.filename(), identity, v1::MODALITY_SKETCH, split));
}

}  // namespace

absl::StatusOr<Plan> PlanPkuSketch(const fs::path& root, uint64_t split_seed) {
  Plan plan;
  S2P_ASSIGN_OR_RETURN(auto styles, ReadStyles(root / "styleAnnotation", &plan.passed_over));
  std::map<int, Person> persons;
  S2P_RETURN_IF_ERROR(ReadSketches(root / "sketch", persons, &plan.passed_over));
  S2P_RETURN_IF_ERROR(ReadPhotos(root / "photo", persons, &plan.passed_over));
  // Persons left in here have no style.
  std::map<int, Person> unknown = persons;

  plan.description.name = "pku-sketch";
  plan.description.source =
      "PKU-Sketch Re-ID: L. Pang, Y. Wang, Y.-Z. Song, T. Huang, Y. Tian, \"Cross-Domain "
      "Adversarial "
      "Feature Learning for Sketch Re-identification\", ACM Multimedia 2018";
  plan.description.licence = "research use, by agreement with its authors; no redistribution";
  plan.split_reason = absl::StrCat(kTrain, " of the ", kTrain + kTest,
                                   " persons, drawn from each style by --split-seed, are to train "
                                   "on; split.json has them");
  std::vector<std::string> noted;
  for (size_t i = 0; i < styles.size(); ++i) {
    Style& style = styles[i];
    Random(SeedOf(split_seed, i)).Shuffle(style.ids);
    const auto first_test = style.ids.begin() + static_cast<int64_t>(kTrainOfStyle[i]);
    std::sort(style.ids.begin(), first_test);
    std::sort(first_test, style.ids.end());
    for (auto id = style.ids.begin(); id != style.ids.end(); ++id) {
      const Person& person = persons[*id];
      S2P_RETURN_IF_ERROR(CheckPerson(root, *id, person));
      AddPerson(*id, person, id < first_test ? "train" : "test", plan);
      unknown.erase(*id);
    }
    noted.push_back(absl::StrCat("    \"", style.name, "\": {\n      \"train\": [",
                                 absl::StrJoin(style.ids.begin(), first_test, ", "),
                                 "],\n      \"test\": [",
                                 absl::StrJoin(first_test, style.ids.end(), ", "), "]\n    }"));
  }
  if (!unknown.empty()) {
    const Person& person = unknown.begin()->second;
    return Offending(person.sketch.empty() ? person.photos[0] : person.sketch,
                     absl::StrCat("person ", unknown.begin()->first, " is in no style file"));
  }
  plan.notes.emplace_back("split.json", SplitNote(split_seed, noted));
  return plan;
}

}  // namespace s2p
