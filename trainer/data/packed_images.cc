#include "trainer/data/packed_images.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/check.h"
#include "model/file.h"
#include "model/preprocessor.h"
#include "trainer/data/batch_loader.h"
#include "trainer/data/data_set.h"

namespace s2p {
namespace {

constexpr char kFormat[] = "format";
constexpr char kDescription[] = "dataset.json";
constexpr char kLines[] = "dataset.jsonl";

const char* NameOf(v1::Modality modality) {
  return modality == v1::MODALITY_SKETCH ? "sketch" : "photo";
}

TensorBytes Text(const std::string& text) {
  return {TensorType::kU8, {static_cast<int64_t>(text.size())}, text};
}

absl::StatusOr<std::string> ReadText(const TensorMap& tensors, const std::string& name,
                                     const std::string& path) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.type != TensorType::kU8 ||
      found->second.shape.size() != 1) {
    return absl::DataLossError(absl::StrCat(path, ": tensor '", name, "': missing, or not bytes"));
  }
  return found->second.bytes;
}

absl::Status CheckFormat(const TensorMap& tensors, const std::string& path) {
  const auto found = tensors.find(kFormat);
  if (found == tensors.end() || found->second.type != TensorType::kI64 ||
      found->second.bytes.size() != sizeof(int64_t)) {
    return absl::DataLossError(absl::StrCat(path, ": not a packed data set: no 'format'"));
  }
  int64_t format = 0;
  std::memcpy(&format, found->second.bytes.data(), sizeof(format));
  if (format > kPackedImagesFormat) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": format ", format,
                                                      " is newer than this program, which reads ",
                                                      kPackedImagesFormat));
  }
  if (format < 1) return absl::DataLossError(absl::StrCat(path, ": 'format' is below 1"));
  return absl::OkStatus();
}

std::string Summary(const v1::Preprocessing& p) {
  return absl::StrCat(p.height(), " x ", p.width(), p.grey() ? ", grey" : "",
                      p.edges() ? ", edges" : "", ", thicken ", p.thicken(), ", ",
                      v1::ResizeFilter_Name(p.filter()), p.resize_first() ? ", resize first" : "",
                      p.fit() ? ", fit" : "");
}

// [n, height, width, channels] of prepared images.
TensorBytes Pixels(const PreparedImages& images, const v1::Preprocessing& preprocessing) {
  const int64_t channels = preprocessing.grey() ? 1 : Image::kChannels;
  TensorBytes tensor{TensorType::kU8,
                     {images.size(), preprocessing.height(), preprocessing.width(), channels},
                     {}};
  for (int i = 0; i < images.size(); ++i) {
    const auto& pixels = images.image(i).pixels();
    for (size_t at = 0; at < pixels.size(); at += Image::kChannels) {
      tensor.bytes.append(reinterpret_cast<const char*>(&pixels[at]),
                          static_cast<size_t>(channels));
    }
  }
  return tensor;
}

}  // namespace

absl::StatusOr<std::shared_ptr<PackedImages>> PackedImages::Read(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto tensors, ReadSafetensors(path));
  S2P_RETURN_IF_ERROR(CheckFormat(tensors, path));
  std::shared_ptr<PackedImages> packed(new PackedImages());
  packed->path_ = path;
  for (const auto& [name, text] :
       {std::pair(kDescription, &packed->description_), std::pair(kLines, &packed->lines_)}) {
    S2P_ASSIGN_OR_RETURN(auto read, ReadText(tensors, name, path));
    *text = std::move(read);
  }
  for (const auto& [modality, part] : {std::pair(v1::MODALITY_PHOTO, &packed->photo_),
                                       std::pair(v1::MODALITY_SKETCH, &packed->sketch_)}) {
    const std::string name = absl::StrCat("preprocessing.", NameOf(modality));
    S2P_ASSIGN_OR_RETURN(const auto text, ReadText(tensors, name, path));
    if (!google::protobuf::util::JsonStringToMessage(text, &part->preprocessing).ok() ||
        !Preprocessor::Create(part->preprocessing).ok()) {
      return absl::DataLossError(absl::StrCat(path, ": tensor '", name, "': makes no sense"));
    }
    const auto pixels = tensors.find(NameOf(modality));
    const v1::Preprocessing& p = part->preprocessing;
    if (pixels == tensors.end()) {
      part->pixels.shape = {0, p.height(), p.width(), p.grey() ? 1 : Image::kChannels};
      continue;
    }
    const std::vector<int64_t>& shape = pixels->second.shape;
    if (pixels->second.type != TensorType::kU8 || shape.size() != 4 || shape[1] != p.height() ||
        shape[2] != p.width() || shape[3] != (p.grey() ? 1 : Image::kChannels)) {
      return absl::DataLossError(absl::StrCat(path, ": tensor '", NameOf(modality),
                                              "': is not [n, height, width, channels]"));
    }
    part->pixels = std::move(pixels->second);
  }
  return packed;
}

absl::Status PackedImages::IndexLines(const std::vector<DataSetImage>& images) {
  int64_t photos = 0, sketches = 0;
  for (const DataSetImage& image : images) {
    row_of_path_[image.path] = (image.modality == v1::MODALITY_SKETCH ? sketches : photos)++;
  }
  for (const auto& [name, lines, part] :
       {std::tuple("photo", photos, &photo_), std::tuple("sketch", sketches, &sketch_)}) {
    if (part->pixels.shape[0] != lines) {
      return absl::DataLossError(absl::StrCat(path_, ": tensor '", name, "': has ",
                                              part->pixels.shape[0], " images for ", lines,
                                              " lines"));
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
      absl::StrCat(path_, ": each ", NameOf(modality), " is packed as ", Summary(packed), ", but ",
                   Summary(wanted), " is needed: pack the data set again"));
}

Image PackedImages::Prepared(const DataSetImage& image) const {
  const TensorBytes& pixels = PartOf(image.modality).pixels;
  const auto row = row_of_path_.find(image.path);
  S2P_CHECK(row != row_of_path_.end());
  Image result(static_cast<int>(pixels.shape[2]), static_cast<int>(pixels.shape[1]));
  const auto channels = static_cast<size_t>(pixels.shape[3]);
  const size_t places = static_cast<size_t>(result.width()) * result.height();
  const char* in = pixels.bytes.data() + static_cast<size_t>(row->second) * places * channels;
  for (int y = 0; y < result.height(); ++y) {
    uint8_t* out = result.row(y);
    for (int x = 0; x < result.width(); ++x, in += channels) {
      for (int c = 0; c < Image::kChannels; ++c) {
        *out++ = static_cast<uint8_t>(in[channels == 1 ? 0 : c]);
      }
    }
  }
  return result;
}

absl::Status PackDataSet(const DataSet& data_set, const v1::Preprocessing& photo,
                         const v1::Preprocessing& sketch, int threads, const std::string& path,
                         const std::function<void(int64_t, int64_t)>& progress) {
  if (data_set.packed() != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(data_set.folder(), ": is packed already"));
  }
  TensorMap tensors;
  const int64_t format = kPackedImagesFormat;
  tensors[kFormat] = {
      TensorType::kI64, {}, std::string(reinterpret_cast<const char*>(&format), sizeof(format))};
  for (const char* name : {kDescription, kLines}) {
    S2P_ASSIGN_OR_RETURN(const auto text, ReadWholeFile(absl::StrCat(data_set.folder(), "/", name),
                                                        uint64_t{1} << 32));
    tensors[name] = Text(text);
  }
  int64_t done_before = 0;
  for (const auto& [modality, preprocessing] :
       {std::pair(v1::MODALITY_PHOTO, &photo), std::pair(v1::MODALITY_SKETCH, &sketch)}) {
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(*preprocessing, &json).ok()) {
      return absl::InternalError("preprocessing cannot be written as JSON");
    }
    tensors[absl::StrCat("preprocessing.", NameOf(modality))] = Text(json);
    std::vector<DataSetImage> images;
    for (const DataSetImage& image : data_set.images()) {
      if (image.modality == modality) images.push_back(image);
    }
    if (images.empty()) continue;
    S2P_ASSIGN_OR_RETURN(const auto preprocessor, Preprocessor::Create(*preprocessing));
    const auto total = static_cast<int64_t>(data_set.images().size());
    S2P_ASSIGN_OR_RETURN(
        const auto prepared,
        PreparedImages::Load(data_set, images, preprocessor, threads, [&](int64_t done, int64_t) {
          if (progress) progress(done_before + done, total);
        }));
    done_before += static_cast<int64_t>(images.size());
    tensors[NameOf(modality)] = Pixels(*prepared, *preprocessing);
  }
  const std::string temporary = path + ".tmp";
  absl::Status status = WriteSafetensors(temporary, tensors);
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError(errno, path, "rename");
  }
  if (!status.ok()) std::remove(temporary.c_str());
  return status;
}

}  // namespace s2p
