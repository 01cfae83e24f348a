// A data set that is written on this machine.
#ifndef S2P_CLIENT_NEW_DATA_SET_H_
#define S2P_CLIENT_NEW_DATA_SET_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "s2p/v1/gallery.pb.h"

namespace s2p {

// The name of a photo or sketch of a gallery in a data set: "photo/<stem>.jpg".
std::string GalleryImageName(const v1::Photo& photo, absl::string_view stem);
// Its line of dataset.jsonl, ending with a line break. Its identity is its metadata "identity", or
// its id where it has none.
std::string GalleryImageLine(const v1::Photo& photo, const std::string& name);

// Writes a new folder in the format of docs/datasets.md, all of it in the split "train". Nothing is
// made before the first image, and whatever was made is removed again unless Finish succeeds, so
// that a failed export can simply be repeated. dataset.jsonl comes last: a folder that a kill left
// half written does not open. Thread-compatible.
class NewDataSet {
 public:
  // FailedPrecondition if the folder has content.
  static absl::StatusOr<std::unique_ptr<NewDataSet>> Create(const std::string& folder);
  ~NewDataSet();

  // Writes an image to `name`, which is relative: "photo/000001.jpg". The system's error.
  absl::Status Write(const std::string& name, const std::string& bytes);
  // As Write, with the bytes of a file that exists, by a hard link to it. The system's error, such
  // as where the file system has no links.
  absl::Status Link(const std::string& name, const std::string& existing);
  // Add the line of an image that is written, or will be. `photo` is the name of the one that the
  // sketch was drawn for.
  void AddPhotoLine(const std::string& name, const std::string& identity);
  void AddSketchLine(const std::string& name, const std::string& identity,
                     const std::string& photo = "");
  void AddGalleryLine(const v1::Photo& photo, const std::string& name) {
    lines_ += GalleryImageLine(photo, name);
  }
  // Writes the description, with the data set's name and where it is from, and the lines. Requires
  // that an image was written.
  absl::Status Finish(const std::string& name, const std::string& source);

 private:
  explicit NewDataSet(std::string folder) : folder_(std::move(folder)) {}
  // Makes a folder, and those above it, that are missing.
  absl::Status MakeFolder(const std::string& path);

  const std::string folder_;
  // Paths that did not exist before, in the order in which they were made; empty once it is
  // finished.
  std::vector<std::string> made_;
  std::string lines_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_NEW_DATA_SET_H_
