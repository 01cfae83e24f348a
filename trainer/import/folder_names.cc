#include "trainer/import/folder_names.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/utf8.h"
#include "trainer/import/canonical_name.h"

namespace s2p {
namespace {

constexpr size_t kCounterDigits = 3;

// Up to the first '_'; empty if the name begins with it.
std::string PrefixOf(const std::string& name) { return name.substr(0, name.find('_')); }

// Whether what follows the prefix begins with a number of three digits or more, as cameras name
// their pictures: IMG_0001, DSC_0042-edited, 20260131_101530, PXL_20260131_101530.
bool HasCounter(const std::string& name) {
  const size_t begin = PrefixOf(name).size() + 1;
  size_t end = begin;
  while (end < name.size() && absl::ascii_isdigit(static_cast<unsigned char>(name[end]))) ++end;
  return end >= begin + kCounterDigits;
}

// Whether a sketch is named as all photos of a prefix together: PREFIX or PREFIX_7.
bool IsNamedAfter(const std::string& prefix, const std::string& sketch) {
  const absl::string_view rest = absl::string_view(sketch).substr(prefix.size());
  return rest.size() <= kCounterDigits &&
         std::all_of(rest.begin() + (rest.empty() ? 0 : 1), rest.end(), absl::ascii_isdigit);
}

}  // namespace

bool IsCameraPrefix(absl::string_view word) {
  static constexpr absl::string_view kWords[] = {
      "bild",   "burst",    "capture",  "cimg",    "dcim",     "dji",  "dsc",
      "dscf",   "dscn",     "fb",       "file",    "foto",     "gopr", "image",
      "imag",   "img",      "imgp",     "kimg",    "mvimg",    "p",    "photo",
      "photos", "pic",      "pict",     "picture", "pxl",      "scan", "screenshot",
      "signal", "snapchat", "snapshot", "vid",     "whatsapp", "wp"};
  const std::string lower = absl::AsciiStrToLower(word);
  return std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords);
}

void FolderNames::Spell(const std::string& name) { spelling_.emplace(CanonicalName(name), name); }

std::string FolderNames::Spelled(const std::string& name) const {
  const auto found = spelling_.find(name);
  return found == spelling_.end() ? name : found->second;
}

void FolderNames::FixPhoto(const std::string& stem, const std::string& identity) {
  Spell(identity);
  const std::string name = CanonicalName(stem);
  const std::string known = CanonicalName(identity);
  fixed_[name] = known;
  // Whatever is named as the identity belongs to it.
  fixed_.emplace(known, known);
  photo_names_.insert({name, known});
  groups_[PrefixOf(name)].insert(name);
}

void FolderNames::FixFolder(const std::string& name, const std::string& identity) {
  Spell(identity);
  folders_.emplace(CanonicalName(name), CanonicalName(identity));
}

void FolderNames::AddFolder(v1::Modality modality, const std::string& name) {
  const std::string canonical = CanonicalName(name);
  if (modality == v1::MODALITY_SKETCH) {
    sketch_folders_.insert(canonical);
    return;
  }
  Spell(name);
  folders_.emplace(canonical, canonical);
}

void FolderNames::Add(v1::Modality modality, const std::string& stem) {
  const std::string name = CanonicalName(stem);
  if (modality == v1::MODALITY_SKETCH) {
    sketches_.insert(name);
    return;
  }
  Spell(stem);
  Spell(PrefixOf(stem));
  photo_names_.insert(name);
  groups_[PrefixOf(name)].insert(name);
}

void FolderNames::Group() {
  LookAtSketches();
  for (const auto& [prefix, names] : groups_) {
    if (IsOneIdentity(prefix, names)) together_.insert(prefix);
  }
  photo_names_.insert(together_.begin(), together_.end());
}

void FolderNames::LookAtSketches() {
  for (const auto* sketches : {&sketches_, &sketch_folders_}) {
    for (const std::string& sketch : *sketches) {
      const std::string name = PhotoNameIn(sketch);
      const bool is_of_photo =
          photo_names_.count(name) > 0 && (sketches == &sketches_ || name == sketch);
      const std::string prefix = PrefixOf(sketch);
      if (is_of_photo) {
        drawn_alone_[PrefixOf(name)].insert(name);
      } else if (name.empty() && IsNamedAfter(prefix, sketch)) {
        drawn_as_one_.insert(prefix);
      }
    }
  }
}

bool FolderNames::IsOneIdentity(const std::string& prefix,
                                const std::set<std::string>& names) const {
  if (rule_ != "auto") return rule_ == "prefix";
  // The data set that is added to has decided already.
  for (const std::string& name : names) {
    const auto known = fixed_.find(name);
    if (known == fixed_.end() || name == prefix) continue;
    if (known->second == prefix) return true;
    // With an ending where the file's name is the identity.
    if (known->second == name || absl::StartsWith(known->second, name + ".")) return false;
  }
  if (prefix.empty() || names.size() < 2 || IsCameraPrefix(prefix)) return false;
  if (drawn_as_one_.count(prefix) > 0) return true;
  const auto alone = drawn_alone_.find(prefix);
  if (alone != drawn_alone_.end() && alone->second.size() >= 2) return false;
  const bool are_counted = std::all_of(names.begin(), names.end(), HasCounter);
  const bool are_all = groups_.size() == 1 && folders_.empty();
  return !are_counted && !are_all;
}

// The longest name of a photo, a folder or a group that `sketch` is, or begins with before a '_',
// '-', '.', '(' or blank. Empty if there is none.
std::string FolderNames::PhotoNameIn(const std::string& sketch) const {
  for (size_t length = sketch.size(); length > 0; --length) {
    if (length < sketch.size() && !absl::StrContains("_-. (", sketch.substr(length, 1))) continue;
    const std::string name = sketch.substr(0, length);
    if (photo_names_.count(name) > 0 || folders_.count(name) > 0) return name;
  }
  return "";
}

// The identity of a photo, a folder or a group.
std::string FolderNames::IdentityOfName(const std::string& name) const {
  if (const auto folder = folders_.find(name); folder != folders_.end()) return folder->second;
  if (const auto known = fixed_.find(name); known != fixed_.end()) return known->second;
  const std::string prefix = PrefixOf(name);
  return together_.count(prefix) > 0 ? prefix : name;
}

FolderNames::Identity FolderNames::OfFolder(v1::Modality modality, const std::string& name) const {
  const std::string canonical = CanonicalName(name);
  const bool has_photos = folders_.count(canonical) > 0 || photo_names_.count(canonical) > 0;
  const bool is_photo = modality == v1::MODALITY_PHOTO;
  return {Spelled(is_photo || has_photos ? IdentityOfName(canonical) : canonical), Source::kFolder};
}

FolderNames::Identity FolderNames::Of(v1::Modality modality, const std::string& stem) const {
  const std::string name = CanonicalName(stem);
  return modality == v1::MODALITY_PHOTO ? OfPhoto(name) : OfSketch(name);
}

FolderNames::Identity FolderNames::OfPhoto(const std::string& name) const {
  if (const auto known = fixed_.find(name); known != fixed_.end()) {
    return {Spelled(known->second), Source::kOwnName};
  }
  const std::string prefix = PrefixOf(name);
  if (prefix == name || together_.count(prefix) == 0) return {Spelled(name), Source::kOwnName};
  return {prefix.empty() ? "" : Spelled(prefix), Source::kPrefix};
}

FolderNames::Identity FolderNames::OfSketch(const std::string& name) const {
  if (rule_ == "prefix") {
    const std::string prefix = PrefixOf(name);
    return {prefix.empty() ? "" : Spelled(prefix),
            prefix == name ? Source::kNameOfPhoto : Source::kPrefix};
  }
  const std::string photo = PhotoNameIn(name);
  if (photo.empty()) return {Spelled(name), Source::kOwnName};
  return {Spelled(IdentityOfName(photo)),
          photo == name ? Source::kNameOfPhoto : Source::kStartOfName};
}

std::vector<std::string> FolderNames::Remarks() const {
  std::vector<std::string> remarks;
  if (rule_ != "auto") return remarks;
  for (const bool one : {true, false}) {
    size_t photos = 0, groups = 0;
    const std::set<std::string>* example = nullptr;
    for (const auto& [prefix, names] : groups_) {
      if (names.size() < 2 || (together_.count(prefix) > 0) != one) continue;
      if (example == nullptr) example = &names;
      photos += names.size();
      ++groups;
    }
    if (example == nullptr) continue;
    const std::string names =
        absl::StrCat(photos, " photos whose names agree up to the first _, as ",
                     Printable(Spelled(*example->begin())), " and ",
                     Printable(Spelled(*example->rbegin())), ", are of ");
    remarks.push_back(one ? absl::StrCat(names, groups, groups == 1 ? " identity" : " identities",
                                         "; --identity-from stem keeps them apart")
                          : absl::StrCat(names, photos,
                                         " identities; --identity-from prefix puts them together"));
  }
  return remarks;
}

}  // namespace s2p
