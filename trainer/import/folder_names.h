// Who or what the images of a folder show, as far as their names say it (docs/datasets.md).
#ifndef S2P_TRAINER_IMPORT_FOLDER_NAMES_H_
#define S2P_TRAINER_IMPORT_FOLDER_NAMES_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// Whether the word is what a camera, a phone or a program puts before the numbers of its pictures:
// IMG, DSC, DSCN, PXL, P, Screenshot and so on, in any case. Thread-safe.
bool IsCameraPrefix(absl::string_view word);

// The names of the photos and sketches of a folder. Names with the same characters are the same
// name, however they are encoded (CanonicalName); their case counts. First all names are added,
// then Group is called once, then identities can be asked for. They do not depend on the order in
// which names were added, apart from the spelling of an identity: that of the first photo or folder
// added. Thread-compatible.
class FolderNames {
 public:
  // The part of a name, or the folder, that gave an identity.
  enum class Source {
    kFolder,       // The folder that the image is in.
    kOwnName,      // The image's whole name.
    kPrefix,       // Its name up to the first '_'.
    kNameOfPhoto,  // A photo, or a folder or group of photos, of the sketch's name.
    kStartOfName,  // A photo, folder or group whose name the sketch's begins with.
  };
  struct Identity {
    // Empty if the name has none: the rule is "prefix", and the name begins with '_'.
    std::string name;
    Source source = Source::kOwnName;
  };

  // `rule` is one of IdentityRules().
  explicit FolderNames(std::string rule) : rule_(std::move(rule)) {}

  // Photos and folders of photos whose identities are known already. To be added first.
  void FixPhoto(const std::string& stem, const std::string& identity);
  void FixFolder(const std::string& name, const std::string& identity);

  // A folder in photo/ or sketch/, whose images have one identity.
  void AddFolder(v1::Modality modality, const std::string& name);
  // A file directly in photo/ or sketch/: its name without the ending.
  void Add(v1::Modality modality, const std::string& stem);

  // Decides which photos that agree up to the first '_' show one thing.
  void Group();

  // The identities of folders and files that were added.
  Identity OfFolder(v1::Modality modality, const std::string& name) const;
  Identity Of(v1::Modality modality, const std::string& stem) const;

  // Sentences about photos that agree up to the first '_', where the rule is "auto".
  std::vector<std::string> Remarks() const;

 private:
  void Spell(const std::string& name);
  std::string Spelled(const std::string& name) const;
  Identity OfPhoto(const std::string& name) const;
  Identity OfSketch(const std::string& name) const;
  void LookAtSketches();
  bool IsOneIdentity(const std::string& prefix, const std::set<std::string>& stems) const;
  std::string PhotoNameIn(const std::string& sketch) const;
  std::string IdentityOfName(const std::string& name) const;

  // All names in the members are canonical, except spellings.
  const std::string rule_;
  // How a name is written.
  std::map<std::string, std::string> spelling_;
  // Identities by photo that are known.
  std::map<std::string, std::string> fixed_;
  // Identities by folder of photos.
  std::map<std::string, std::string> folders_;
  std::set<std::string> sketches_;
  std::set<std::string> sketch_folders_;
  // Names that a sketch may start with: of photos, of known identities and of groups.
  std::set<std::string> photo_names_;
  // Names of photos by what they have before the first '_'.
  std::map<std::string, std::set<std::string>> groups_;
  // Groups that a sketch is named after, and their photos that have sketches of their own.
  std::set<std::string> drawn_as_one_;
  std::map<std::string, std::set<std::string>> drawn_alone_;
  // The prefixes that are identities.
  std::set<std::string> together_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_FOLDER_NAMES_H_
