#include "trainer/data/packed_images.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "image/preprocessor.h"
#include "model/file.h"
#include "trainer/data/data_set.h"
#include "trainer/data/data_set_digest.h"
#include "trainer/data/prepared_images.h"

namespace s2p {
namespace {

constexpr char kFormat[] = "format";
constexpr char kDescription[] = "dataset.json";
constexpr char kLines[] = "dataset.jsonl";
constexpr char kDigest[] = "images.sha256";
constexpr v1::Modality kModalities[] = {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH};
// Images in memory at one time while packing: enough for all threads.
constexpr size_t kBlock = 512;

const char* NameOf(v1::Modality modality) {
  return modality == v1::MODALITY_SKETCH ? "sketch" : "photo";
}

std::string PreprocessingOf(v1::Modality modality) {
  return absl::StrCat("preprocessing.", NameOf(modality));
}

// The oldest format that has all fields that are set.
int64_t FormatOf(const v1::Preprocessing& preprocessing) {
  if (preprocessing.resize_shorter() != 0 || preprocessing.filter() == v1::RESIZE_FILTER_BICUBIC) {
    return 3;
  }
  return preprocessing.work_size() != 0 || preprocessing.measured_ground() ? 2 : 1;
}

std::string Summary(const v1::Preprocessing& p) {
  return absl::StrCat(
      p.height(), " x ", p.width(), p.grey() ? ", grey" : "", p.edges() ? ", edges" : "",
      ", thicken ", p.thicken(), ", ", v1::ResizeFilter_Name(p.filter()),
      p.resize_first() ? ", resize first" : "", p.fit() ? ", fit" : "",
      p.work_size() > 0 ? absl::StrCat(", work_size ", p.work_size()) : "",
      p.measured_ground() ? ", measured_ground" : "",
      p.resize_shorter() > 0 ? absl::StrCat(", resize_shorter ", p.resize_shorter()) : "");
}

// Writes one file.
class Packer {
 public:
  Packer(const DataSet& data_set, int threads,
         const std::function<void(int64_t, int64_t)>& progress, const std::function<bool()>& stop)
      : data_set_(data_set), threads_(threads), progress_(progress), stop_(stop) {}

  // Everything but the pixels.
  absl::Status ReadTexts() {
    for (const char* name : {kDescription, kLines}) {
      S2P_ASSIGN_OR_RETURN(small_[name], ReadWholeFile(absl::StrCat(data_set_.folder(), "/", name),
                                                       uint64_t{1} << 32));
    }
    S2P_ASSIGN_OR_RETURN(small_[kDigest], ImagesDigest(data_set_, threads_, stop_));
    return absl::OkStatus();
  }

  absl::Status Add(v1::Modality modality, const v1::Preprocessing& preprocessing) {
    S2P_ASSIGN_OR_RETURN(auto preprocessor, Preprocessor::Create(preprocessing));
    format_ = std::max(format_, FormatOf(preprocessing));
    std::string& json = small_[PreprocessingOf(modality)];
    if (!google::protobuf::util::MessageToJsonString(preprocessing, &json).ok()) {
      return absl::InternalError("preprocessing cannot be written as JSON");
    }
    Part part{std::move(preprocessor), {}};
    for (const DataSetImage& image : data_set_.images()) {
      if (image.modality == modality) part.images.push_back(image);
    }
    if (!part.images.empty()) parts_.emplace(NameOf(modality), std::move(part));
    return absl::OkStatus();
  }

  absl::Status Write(const std::string& path) {
    small_[kFormat] = std::string(reinterpret_cast<const char*>(&format_), sizeof(format_));
    S2P_ASSIGN_OR_RETURN(auto writer, TensorFileWriter::Create(path, Entries()));
    for (const SafetensorsEntry& entry : writer.entries()) {
      const auto part = parts_.find(entry.name);
      S2P_RETURN_IF_ERROR(part == parts_.end() ? writer.Append(small_.at(entry.name))
                                               : AppendPixels(part->second, writer));
    }
    return writer.Finish();
  }

 private:
  struct Part {
    Preprocessor preprocessor;
    std::vector<DataSetImage> images;
  };

  std::vector<SafetensorsEntry> Entries() const {
    std::vector<SafetensorsEntry> entries;
    for (const auto& [name, bytes] : small_) {
      if (name == kFormat) {
        entries.push_back({name, TensorType::kI64, {}});
      } else {
        entries.push_back({name, TensorType::kU8, {static_cast<int64_t>(bytes.size())}});
      }
    }
    for (const auto& [name, part] : parts_) {
      entries.push_back(
          {name,
           TensorType::kU8,
           {static_cast<int64_t>(part.images.size()), part.preprocessor.height(),
            part.preprocessor.width(), PreparedImages::ChannelsOf(part.preprocessor.spec())}});
    }
    return entries;
  }

  absl::Status AppendPixels(const Part& part, TensorFileWriter& writer) {
    const auto total = static_cast<int64_t>(data_set_.images().size());
    for (size_t begin = 0; begin < part.images.size(); begin += kBlock) {
      const size_t end = std::min(begin + kBlock, part.images.size());
      const std::vector<DataSetImage> block(part.images.begin() + static_cast<ptrdiff_t>(begin),
                                            part.images.begin() + static_cast<ptrdiff_t>(end));
      S2P_ASSIGN_OR_RETURN(const auto prepared, PreparedImages::Load(
                                                    data_set_, block, part.preprocessor, threads_,
                                                    [&](int64_t done, int64_t) {
                                                      if (progress_)
                                                        progress_(done_before_ + done, total);
                                                    },
                                                    /*unreadable=*/nullptr, stop_));
      S2P_RETURN_IF_ERROR(writer.Append(prepared->bytes()));
      done_before_ += static_cast<int64_t>(block.size());
    }
    return absl::OkStatus();
  }

  const DataSet& data_set_;
  const int threads_;
  const std::function<void(int64_t, int64_t)>& progress_;
  const std::function<bool()>& stop_;
  // By name of the tensor.
  std::map<std::string, std::string> small_;
  std::map<std::string, Part> parts_;
  int64_t format_ = 1;
  int64_t done_before_ = 0;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const PackedImages>> PackedImages::Open(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto file, TensorFile::Open(path));
  std::shared_ptr<PackedImages> packed(new PackedImages(std::move(file)));
  S2P_RETURN_IF_ERROR(packed->CheckFormat());
  S2P_RETURN_IF_ERROR(packed->ReadPart(v1::MODALITY_PHOTO, packed->photo_));
  S2P_RETURN_IF_ERROR(packed->ReadPart(v1::MODALITY_SKETCH, packed->sketch_));
  if (packed->file_.tensors().count(kDigest) > 0) {
    S2P_ASSIGN_OR_RETURN(packed->images_sha256_, packed->ReadText(kDigest));
  }
  // The images of a batch lie anywhere.
  packed->file_.ExpectRandomReads();
  return packed;
}

absl::Status PackedImages::CheckFormat() const {
  const auto found = file_.tensors().find(kFormat);
  if (found == file_.tensors().end() || found->second.type != TensorType::kI64 ||
      found->second.end - found->second.begin != sizeof(int64_t)) {
    return absl::DataLossError(absl::StrCat(file_.path(), ": not a packed data set: no 'format'"));
  }
  S2P_ASSIGN_OR_RETURN(const auto bytes, file_.Read(found->second));
  int64_t format = 0;
  std::memcpy(&format, bytes.data(), sizeof(format));
  if (format > kPackedImagesFormat) {
    return absl::FailedPreconditionError(absl::StrCat(file_.path(), ": format ", format,
                                                      " is newer than this program, which reads ",
                                                      kPackedImagesFormat));
  }
  if (format < 1) return absl::DataLossError(absl::StrCat(file_.path(), ": 'format' is below 1"));
  return absl::OkStatus();
}

absl::StatusOr<std::string> PackedImages::ReadText(const std::string& name) const {
  const auto found = file_.tensors().find(name);
  if (found == file_.tensors().end() || found->second.type != TensorType::kU8 ||
      found->second.shape.size() != 1) {
    return absl::DataLossError(
        absl::StrCat(file_.path(), ": tensor '", name, "': missing, or not bytes"));
  }
  return file_.Read(found->second);
}

absl::Status PackedImages::ReadPart(v1::Modality modality, Part& part) const {
  S2P_ASSIGN_OR_RETURN(const auto text, ReadText(PreprocessingOf(modality)));
  v1::Preprocessing& p = part.preprocessing;
  if (!google::protobuf::util::JsonStringToMessage(text, &p).ok() ||
      !Preprocessor::Create(p).ok()) {
    return absl::DataLossError(
        absl::StrCat(file_.path(), ": tensor '", PreprocessingOf(modality), "': makes no sense"));
  }
  const int64_t channels = PreparedImages::ChannelsOf(p);
  part.image_bytes = static_cast<uint64_t>(channels) * p.height() * p.width();
  const auto pixels = file_.tensors().find(NameOf(modality));
  if (pixels == file_.tensors().end()) return absl::OkStatus();
  const std::vector<int64_t>& shape = pixels->second.shape;
  if (pixels->second.type != TensorType::kU8 || shape.size() != 4 || shape[1] != p.height() ||
      shape[2] != p.width() || shape[3] != channels) {
    return absl::DataLossError(absl::StrCat(file_.path(), ": tensor '", NameOf(modality),
                                            "': is not [n, height, width, channels]"));
  }
  part.images = shape[0];
  part.begin = pixels->second.begin;
  return absl::OkStatus();
}

absl::StatusOr<std::string> PackedImages::Description() const { return ReadText(kDescription); }

absl::StatusOr<std::string> PackedImages::Lines() const { return ReadText(kLines); }

absl::Status PackedImages::CheckCounts(const std::vector<DataSetImage>& images) const {
  for (const v1::Modality modality : kModalities) {
    const auto lines = std::count_if(images.begin(), images.end(), [&](const DataSetImage& image) {
      return image.modality == modality;
    });
    if (PartOf(modality).images != lines) {
      return absl::DataLossError(absl::StrCat(file_.path(), ": tensor '", NameOf(modality),
                                              "': has ", PartOf(modality).images, " images for ",
                                              lines, " lines"));
    }
  }
  return absl::OkStatus();
}

const PackedImages::Part& PackedImages::PartOf(v1::Modality modality) const {
  return modality == v1::MODALITY_SKETCH ? sketch_ : photo_;
}

absl::Status PackedImages::CheckPreprocessing(v1::Modality modality,
                                              const v1::Preprocessing& wanted) const {
  // Normalisation comes after what is packed.
  v1::Preprocessing packed = PartOf(modality).preprocessing;
  *packed.mutable_mean() = wanted.mean();
  *packed.mutable_std() = wanted.std();
  if (google::protobuf::util::MessageDifferencer::Equals(packed, wanted)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(file_.path(), ": each ", NameOf(modality), " is packed as ", Summary(packed),
                   ", but ", Summary(wanted), " is needed: pack the data set again"));
}

absl::Status PackedImages::ReadPixels(v1::Modality modality, int64_t row,
                                      absl::Span<uint8_t> out) const {
  const Part& part = PartOf(modality);
  S2P_CHECK(row >= 0 && row < part.images && out.size() == part.image_bytes);
  return file_.ReadAt(part.begin + static_cast<uint64_t>(row) * part.image_bytes,
                      reinterpret_cast<char*>(out.data()), out.size());
}

absl::Status PackDataSet(const DataSet& data_set, const v1::Preprocessing& photo,
                         const v1::Preprocessing& sketch, int threads, const std::string& path,
                         const std::function<void(int64_t, int64_t)>& progress,
                         const std::function<bool()>& stop) {
  if (data_set.packed() != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(data_set.folder(), ": is packed already"));
  }
  Packer packer(data_set, threads, progress, stop);
  S2P_RETURN_IF_ERROR(packer.ReadTexts());
  S2P_RETURN_IF_ERROR(packer.Add(v1::MODALITY_PHOTO, photo));
  S2P_RETURN_IF_ERROR(packer.Add(v1::MODALITY_SKETCH, sketch));
  const std::string temporary = path + ".tmp";
  absl::Status status = packer.Write(temporary);
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError(errno, path, "rename");
  }
  if (!status.ok()) std::remove(temporary.c_str());
  return status;
}

}  // namespace s2p
