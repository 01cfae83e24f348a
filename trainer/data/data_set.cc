#include "trainer/data/data_set.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "base/utf8.h"
#include "model/file.h"
#include "model/sha256.h"
#include "trainer/data/data_set_addition.h"
#include "trainer/data/random.h"

namespace s2p {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr char kDescriptionFileName[] = "dataset.json";
constexpr char kLinesFileName[] = "dataset.jsonl";
constexpr uint64_t kMaxDescriptionBytes = uint64_t{1} << 20;
constexpr uint64_t kMaxLinesBytes = uint64_t{1} << 32;
constexpr size_t kMaxLineBytes = size_t{1} << 20;
// Number of the random stream, of those of a name's hash, that pair_fraction draws from.
constexpr uint64_t kPairFractionStream = 1;

std::string Join(const std::string& folder, absl::string_view name) {
  return (fs::path(folder) / std::string(name)).string();
}

// A file beyond the limit is the user's mistake here, not damage.
absl::StatusOr<std::string> ReadLimited(const std::string& path, uint64_t max_bytes) {
  absl::StatusOr<std::string> bytes = ReadWholeFile(path, max_bytes);
  if (!bytes.ok() &&
      (absl::IsDataLoss(bytes.status()) || absl::IsFailedPrecondition(bytes.status()))) {
    return absl::InvalidArgumentError(bytes.status().message());
  }
  return bytes;
}

// Says in our own words why a JSON parser stopped after reading `taken` bytes of `text`, which is
// UTF-8.
std::string JsonMistake(absl::string_view text, size_t taken) {
  constexpr size_t kShownBefore = 20, kShown = 40;
  const size_t position = std::min(taken == 0 ? 0 : taken - 1, text.size());
  const absl::string_view before = text.substr(0, position);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_start = line == 1 ? 0 : before.rfind('\n') + 1;
  const std::string where = absl::StrCat(line == 1 ? "" : absl::StrCat(" in line ", line),
                                         " at byte ", position - line_start + 1);
  if (absl::StripAsciiWhitespace(text.substr(position)).empty()) {
    return absl::StrCat("not valid JSON", where, ": it ends too early");
  }
  size_t start = std::max(line_start, position - std::min(position, kShownBefore));
  while ((static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) ++start;
  absl::string_view near = text.substr(start, kShown);
  near = near.substr(0, std::min(near.find('\n', position - start), ValidUtf8Length(near)));
  return absl::StrCat("not valid JSON", where, ", near: ", Printable(near));
}

// `where` begins every message: a file, or a file and a line.
class Reader {
 public:
  explicit Reader(std::string where) : where_(std::move(where)) {}

  template <typename... Parts>
  absl::Status Wrong(const Parts&... parts) const {
    return absl::InvalidArgumentError(absl::StrCat(where_, ": ", parts...));
  }

  absl::StatusOr<Json> Parse(absl::string_view text) const {
    try {
      Json json = Json::parse(text.begin(), text.end());
      if (!json.is_object()) return Wrong("not a JSON object");
      return json;
    } catch (const Json::parse_error& error) {
      return Wrong(JsonMistake(text, error.byte));
    } catch (const Json::exception&) {
      return Wrong("not valid JSON: a number is out of range");
    }
  }

  absl::StatusOr<std::string> String(const Json& object, const char* field) const {
    const auto found = object.find(field);
    if (found == object.end()) return Wrong("\"", field, "\" is missing");
    if (!found->is_string()) return Wrong("\"", field, "\" is not a string");
    auto value = found->get<std::string>();
    if (value.empty()) return Wrong("\"", field, "\" is empty");
    return value;
  }

 private:
  std::string where_;
};

struct Header {
  std::string name;
  std::vector<std::string> attributes;
};

absl::Status CheckFormat(const Reader& reader, const std::string& path, const Json& json) {
  const auto format = json.find("format");
  if (format == json.end()) return reader.Wrong("\"format\" is missing");
  if (!format->is_number_integer() || format->get<int64_t>() < 1) {
    return reader.Wrong("\"format\" is not a positive whole number");
  }
  if (format->get<int64_t>() > kDataSetFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": format ", format->get<int64_t>(),
                     " is newer than this program, which reads up to ", kDataSetFormat));
  }
  return absl::OkStatus();
}

absl::StatusOr<Header> ParseHeader(absl::string_view text, const std::string& path) {
  const Reader reader(path);
  S2P_ASSIGN_OR_RETURN(const auto plain, PlainText(text, path));
  S2P_ASSIGN_OR_RETURN(const auto json, reader.Parse(plain));
  S2P_RETURN_IF_ERROR(CheckFormat(reader, path, json));
  S2P_ASSIGN_OR_RETURN(auto name, reader.String(json, "name"));
  Header header{std::move(name), {}};
  const auto attributes = json.find("attributes");
  if (attributes == json.end()) return header;
  if (!attributes->is_array()) return reader.Wrong("\"attributes\" is not an array");
  for (const Json& attribute : *attributes) {
    if (!attribute.is_string() || attribute.get_ref<const std::string&>().empty()) {
      return reader.Wrong("\"attributes\" has an item that is not a name");
    }
    for (const std::string& other : header.attributes) {
      if (other == attribute.get_ref<const std::string&>()) {
        return reader.Wrong("\"attributes\" names \"", other, "\" twice");
      }
    }
    header.attributes.push_back(attribute.get<std::string>());
  }
  return header;
}

absl::Status CheckPath(const Reader& reader, const std::string& path) {
  if (path.front() == '/') return reader.Wrong("\"path\" is absolute: ", path);
  for (const unsigned char c : path) {
    if (c < 0x20) return reader.Wrong("\"path\" has a control character");
  }
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part == "..") return reader.Wrong("\"path\" leaves the folder: ", path);
    if (part.empty() || part == ".") {
      return reader.Wrong("\"path\" has an empty or \".\" part: ", path);
    }
  }
  return absl::OkStatus();
}

// Reads the lines of one dataset.jsonl.
class LineReader {
 public:
  LineReader(const std::string& folder, const std::vector<std::string>& attributes,
             ImageFiles files)
      : folder_(folder), lines_path_(Join(folder, kLinesFileName)), files_(files) {
    for (size_t i = 0; i < attributes.size(); ++i) attribute_index_[attributes[i]] = i;
  }

  absl::StatusOr<std::vector<DataSetImage>> Read(absl::string_view text) {
    S2P_ASSIGN_OR_RETURN(auto file, TextFile::Parse(text, lines_path_));
    std::vector<DataSetImage> images;
    absl::string_view line;
    while (file.NextFilled(&line)) {
      const Reader reader(absl::StrCat(lines_path_, ":", file.line()));
      if (line.size() > kMaxLineBytes) return reader.Wrong("longer than ", kMaxLineBytes, " bytes");
      S2P_ASSIGN_OR_RETURN(auto image, ReadLine(reader, line));
      const auto [first, is_new] = line_of_path_.emplace(image.path, file.line());
      if (!is_new) {
        return reader.Wrong("\"path\" ", image.path, " is listed already in line ", first->second);
      }
      images.push_back(std::move(image));
    }
    if (images.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(lines_path_, ": lists no image"));
    }
    return images;
  }

 private:
  absl::StatusOr<DataSetImage> ReadLine(const Reader& reader, absl::string_view line) {
    S2P_ASSIGN_OR_RETURN(const auto json, reader.Parse(line));
    for (const auto& item : json.items()) {
      if (item.key() != "path" && item.key() != "identity" && item.key() != "modality" &&
          item.key() != "split" && item.key() != "attributes" && item.key() != "photo") {
        return reader.Wrong("unknown field \"", item.key(), "\"");
      }
    }
    DataSetImage image;
    for (const auto& [field, target] :
         {std::pair{"path", &image.path}, std::pair{"identity", &image.identity},
          std::pair{"split", &image.split}}) {
      S2P_ASSIGN_OR_RETURN(auto value, reader.String(json, field));
      *target = std::move(value);
    }
    S2P_ASSIGN_OR_RETURN(auto modality, reader.String(json, "modality"));
    if (modality != "photo" && modality != "sketch") {
      return reader.Wrong("\"modality\" is \"", modality, "\", not photo or sketch");
    }
    image.modality = modality == "photo" ? v1::MODALITY_PHOTO : v1::MODALITY_SKETCH;
    if (image.split != "train" && image.split != "val" && image.split != "test") {
      return reader.Wrong("\"split\" is \"", image.split, "\", not train, val or test");
    }
    if (json.contains("photo")) {
      if (image.modality == v1::MODALITY_PHOTO) return reader.Wrong("\"photo\" of a photo");
      S2P_ASSIGN_OR_RETURN(image.photo, reader.String(json, "photo"));
    }
    S2P_RETURN_IF_ERROR(ReadAttributes(reader, json, image));
    S2P_RETURN_IF_ERROR(CheckPath(reader, image.path));
    std::error_code error;
    if (files_ == ImageFiles::kMustExist &&
        !fs::is_regular_file(fs::path(folder_) / image.path, error)) {
      return reader.Wrong("\"path\": there is no file ", image.path);
    }
    return image;
  }

  absl::Status ReadAttributes(const Reader& reader, const Json& json, DataSetImage& image) {
    image.attributes.assign(attribute_index_.size(), std::numeric_limits<float>::quiet_NaN());
    const auto attributes = json.find("attributes");
    if (attributes == json.end()) return absl::OkStatus();
    if (!attributes->is_object()) return reader.Wrong("\"attributes\" is not an object");
    for (const auto& item : attributes->items()) {
      const auto found = attribute_index_.find(item.key());
      if (found == attribute_index_.end()) {
        return reader.Wrong("\"attributes\": \"", item.key(), "\" is not in dataset.json");
      }
      if (!item.value().is_number()) {
        return reader.Wrong("\"attributes\": \"", item.key(), "\" is not a number");
      }
      const auto value = item.value().get<double>();
      if (!(value >= 0 && value <= 1)) {
        return reader.Wrong("\"attributes\": \"", item.key(), "\" is ", value, ", outside [0, 1]");
      }
      image.attributes[found->second] = static_cast<float>(value);
    }
    return absl::OkStatus();
  }

  const std::string folder_;
  const std::string lines_path_;
  const ImageFiles files_;
  std::map<std::string, size_t> attribute_index_;
  std::unordered_map<std::string, int64_t> line_of_path_;
};

Json LineOf(const DataSetImage& image, const std::vector<std::string>& attributes) {
  Json line;
  line["path"] = image.path;
  line["identity"] = image.identity;
  line["modality"] = image.modality == v1::MODALITY_PHOTO ? "photo" : "sketch";
  line["split"] = image.split;
  for (size_t i = 0; i < image.attributes.size(); ++i) {
    const float value = image.attributes[i];
    if (std::isnan(value)) continue;
    if (value == 0 || value == 1) {
      line["attributes"][attributes[i]] = static_cast<int>(value);
    } else {
      line["attributes"][attributes[i]] = value;
    }
  }
  return line;
}

// Names the first text that JSON cannot hold; empty if there is none.
std::string NotUtf8(const DataSetDescription& description,
                    const std::vector<DataSetImage>& images) {
  const auto is_wrong = [](const std::string& text) { return !IsUtf8(text); };
  for (const std::string* text : {&description.name, &description.source, &description.licence}) {
    if (is_wrong(*text)) return absl::CHexEscape(*text);
  }
  for (const std::string& attribute : description.attributes) {
    if (is_wrong(attribute)) return absl::CHexEscape(attribute);
  }
  for (const DataSetImage& image : images) {
    if (is_wrong(image.path) || is_wrong(image.identity)) return absl::CHexEscape(image.path);
  }
  return "";
}

absl::Status WriteWhole(const std::string& folder, const char* name, const std::string& text) {
  const std::string path = Join(folder, name);
  const std::string temporary = path + ".tmp";
  if (absl::Status status = WriteFileSynced(temporary, {absl::string_view(text)}); !status.ok()) {
    return status;
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return FileError(errno, path, "rename");
  return SyncDirectory(folder);
}

}  // namespace

absl::StatusOr<DataSet> DataSet::Open(const std::string& folder, ImageFiles files) {
  std::error_code error;
  if (fs::is_regular_file(folder, error)) return OpenPacked(folder);
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat(folder, ": there is no such folder"));
  }
  const std::string header_path = Join(folder, kDescriptionFileName);
  S2P_ASSIGN_OR_RETURN(const auto text, ReadLimited(header_path, kMaxDescriptionBytes));
  S2P_ASSIGN_OR_RETURN(const auto lines, ReadLimited(Join(folder, kLinesFileName), kMaxLinesBytes));
  return Parse(folder, text, lines, files);
}

absl::StatusOr<DataSet> DataSet::OpenPacked(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto packed, PackedImages::Open(path));
  S2P_ASSIGN_OR_RETURN(const auto description, packed->Description());
  S2P_ASSIGN_OR_RETURN(const auto lines, packed->Lines());
  S2P_ASSIGN_OR_RETURN(auto data_set, Parse(path, description, lines, ImageFiles::kMayBeMissing));
  S2P_RETURN_IF_ERROR(packed->CheckCounts(data_set.images_));
  data_set.packed_ = packed;
  return data_set;
}

absl::StatusOr<DataSet> DataSet::Parse(const std::string& folder, const std::string& description,
                                       const std::string& lines, ImageFiles files) {
  S2P_ASSIGN_OR_RETURN(auto header, ParseHeader(description, Join(folder, kDescriptionFileName)));
  S2P_ASSIGN_OR_RETURN(auto images, LineReader(folder, header.attributes, files).Read(lines));
  DataSet data_set;
  data_set.folder_ = folder;
  data_set.name_ = std::move(header.name);
  data_set.attributes_ = std::move(header.attributes);
  data_set.images_ = std::move(images);
  data_set.NumberRows();
  data_set.sha256_ = Sha256(lines);
  return data_set;
}

void DataSet::NumberRows() {
  int64_t photos = 0, sketches = 0;
  for (DataSetImage& image : images_) {
    image.row = (image.modality == v1::MODALITY_SKETCH ? sketches : photos)++;
  }
}

DataSet DataSet::With(const DataSet& other, std::vector<DataSetImage> images) const {
  S2P_CHECK(packed_ == nullptr && other.packed_ == nullptr);
  DataSet both = *this;
  for (DataSetImage& image : images) {
    image.folder = other.folder_;
    image.attributes.assign(attributes_.size(), std::numeric_limits<float>::quiet_NaN());
    both.images_.push_back(std::move(image));
  }
  both.NumberRows();
  both.sha256_ = JoinedSha256(sha256_, other.sha256_);
  return both;
}

std::string JoinedSha256(const std::string& first, const std::string& second) {
  return Sha256(absl::StrCat(first, " ", second));
}

std::string DataSet::PathOf(const DataSetImage& image) const {
  return Join(image.folder.empty() ? folder_ : image.folder, image.path);
}

absl::StatusOr<Image> DataSet::Read(const DataSetImage& image) const {
  if (packed_ != nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder_, ": is packed and has no originals; name the folder instead"));
  }
  const std::string path = PathOf(image);
  const ImageLimits limits;
  S2P_ASSIGN_OR_RETURN(const auto bytes, ReadLimited(path, limits.max_bytes));
  auto decoded = DecodeImage(bytes, limits);
  if (!decoded.ok()) {
    return absl::Status(decoded.status().code(),
                        absl::StrCat(path, ": ", decoded.status().message()));
  }
  return decoded;
}

absl::Status CreateDataSetFolder(const std::string& folder) {
  if (folder.empty()) return absl::InvalidArgumentError("the output folder has no name");
  std::error_code error;
  if (fs::exists(folder, error)) {
    if (!fs::is_directory(folder, error)) {
      return absl::FailedPreconditionError(absl::StrCat(folder, ": is not a folder"));
    }
    const fs::directory_iterator first(folder, error);
    if (error) return FileError(error.value(), folder, "open");
    if (first != fs::directory_iterator()) {
      return absl::FailedPreconditionError(absl::StrCat(
          folder,
          ": is not empty; name another folder, or remove this one if it was left by a run "
          "that was cut short"));
    }
    return absl::OkStatus();
  }
  fs::create_directories(folder, error);
  if (error) return FileError(error.value(), folder, "create");
  return absl::OkStatus();
}

absl::Status WriteDataSet(const std::string& folder, const DataSetDescription& description,
                          const std::vector<DataSetImage>& images) {
  Json header;
  header["format"] = kDataSetFormat;
  header["name"] = description.name;
  header["attributes"] = description.attributes;
  header["source"] = description.source;
  header["licence"] = description.licence;
  if (const std::string wrong = NotUtf8(description, images); !wrong.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(folder, ": \"", wrong, "\" is not UTF-8"));
  }
  const std::string header_text = header.dump(2) + "\n";
  std::string lines;
  for (const DataSetImage& image : images) {
    S2P_CHECK(image.attributes.empty() || image.attributes.size() == description.attributes.size());
    lines += LineOf(image, description.attributes).dump() + "\n";
  }
  if (std::remove(Join(folder, kLinesFileName).c_str()) != 0 && errno != ENOENT) {
    return FileError(errno, Join(folder, kLinesFileName), "remove");
  }
  if (absl::Status status = WriteWhole(folder, kDescriptionFileName, header_text); !status.ok()) {
    return status;
  }
  return WriteWhole(folder, kLinesFileName, lines);
}

absl::Status AddToDataSet(const DataSet& data_set, const std::vector<DataSetImage>& images) {
  const std::string& folder = data_set.folder();
  const std::string path = Join(folder, kLinesFileName);
  DataSetDescription description;
  description.attributes = data_set.attributes();
  if (const std::string wrong = NotUtf8(description, images); !wrong.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(folder, ": \"", wrong, "\" is not UTF-8"));
  }
  S2P_ASSIGN_OR_RETURN(auto lines, ReadLimited(path, kMaxLinesBytes));
  if (Sha256(lines) != data_set.sha256()) {
    return absl::AbortedError(
        absl::StrCat(path, ": was changed by another program meanwhile; run the import again"));
  }
  if (lines.back() != '\n') lines += '\n';
  for (const DataSetImage& image : images) {
    S2P_CHECK(image.attributes.empty() || image.attributes.size() == description.attributes.size());
    lines += LineOf(image, description.attributes).dump() + "\n";
  }
  return WriteWhole(folder, kLinesFileName, lines);
}

bool IsValidationIdentity(const std::string& identity, double fraction) {
  return Random(HashOf(identity)).Uniform() < fraction;
}

bool IsInPairFraction(const std::string& identity, double fraction) {
  return Random(SeedOf(HashOf(identity), kPairFractionStream)).Uniform() < fraction;
}

bool HasPair(const std::vector<DataSetImage>& images) {
  std::set<std::string> photos;
  for (const DataSetImage& image : images) {
    if (image.modality == v1::MODALITY_PHOTO) photos.insert(image.identity);
  }
  return std::any_of(images.begin(), images.end(), [&](const DataSetImage& image) {
    return image.modality == v1::MODALITY_SKETCH && photos.count(image.identity) > 0;
  });
}

bool IsHeldBackIdentity(const std::string& identity, const HeldBack& held_back) {
  if (held_back.folds == 0) return IsValidationIdentity(identity, held_back.fraction);
  const double folds = held_back.folds;
  return static_cast<uint32_t>(Random(HashOf(identity)).Uniform() * folds) == held_back.fold;
}

bool IsHeldBack(const DataSetImage& image, const HeldBack& held_back) {
  if (image.split != "train") return image.split == "val";
  return IsHeldBackIdentity(image.identity, held_back);
}

}  // namespace s2p
