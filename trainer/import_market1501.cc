// Market-1501: bounding_box_train, bounding_box_test and query with images
// ID_cCAMERAsSEQUENCE_FRAME_BOX.jpg; -1 are junk detections and 0000 distractors, which are left
// out. Attributes belong to identities: market_attribute.mat (Lin et al.), a struct with `train`
// and `test`, each a struct of 1 x N fields, image_index being the ids.
#include <matio.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/file.h"
#include "trainer/colour_attributes.h"
#include "trainer/import_formats.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// The published file has 17 kB.
constexpr uint64_t kMaxMatBytes = uint64_t{4} << 20;
constexpr size_t kMaxIdentities = 100'000;

// Our name and the field. As in the code of IHDA, an attribute is 1 where the field is 1, and
// `no_bag` joins bag and handbag; age, which has four values, is not used.
struct Attribute {
  const char* name;
  const char* field;
  const char* second_field;
};
constexpr std::array<Attribute, 8> kAttributes = {{
    {"male", "gender", nullptr},
    {"short_hair", "hair", nullptr},
    {"long_sleeves", "up", nullptr},
    {"long_lower_clothing", "down", nullptr},
    {"dress", "clothes", nullptr},
    {"no_hat", "hat", nullptr},
    {"no_backpack", "backpack", nullptr},
    {"no_bag", "handbag", "bag"},
}};

using AttributesById = std::map<std::string, std::vector<float>>;

// One .mat file. Everything in it is checked before it is used: the library checks that the file is
// well formed, not that it is what we expect.
class MatReader {
 public:
  explicit MatReader(std::string path) : path_(std::move(path)) {}

  absl::StatusOr<std::map<std::string, AttributesById>> Read();

 private:
  absl::Status Wrong(absl::string_view what) const { return Offending(path_, what); }
  // A struct of one element that is a field of `parent`.
  absl::StatusOr<matvar_t*> Struct(matvar_t* parent, const char* name) const;
  absl::StatusOr<matvar_t*> Field(matvar_t* parent, const char* name) const;
  absl::StatusOr<AttributesById> ReadPart(matvar_t* part, const std::string& name) const;
  absl::StatusOr<std::vector<std::string>> ReadIds(matvar_t* part, const std::string& name) const;
  absl::StatusOr<std::vector<bool>> ReadOnes(matvar_t* part, const std::string& name,
                                             const char* field, size_t count) const;
  const std::string path_;
};

// The number of elements of a vector or a single element; 0 for anything else.
size_t Length(const matvar_t& variable) {
  if (variable.rank != 2 || variable.dims == nullptr || variable.data == nullptr) return 0;
  const size_t rows = variable.dims[0];
  const size_t columns = variable.dims[1];
  if (rows != 1 && columns != 1) return 0;
  const size_t length = std::max(rows, columns);
  return rows == 0 || columns == 0 || length > kMaxIdentities ? 0 : length;
}

// As Length, for real numbers or characters whose data really has that many of `data_size` bytes.
size_t DenseLength(const matvar_t& variable) {
  const size_t length = Length(variable);
  const bool fits = variable.isComplex == 0 && variable.data_size > 0 &&
                    variable.nbytes >= length * static_cast<size_t>(variable.data_size);
  return fits ? length : 0;
}

bool IsStruct(matvar_t& variable) {
  return variable.class_type == MAT_C_STRUCT && Length(variable) == 1 &&
         variable.nbytes >= Mat_VarGetNumberOfFields(&variable) * sizeof(matvar_t*);
}

template <typename T>
double At(const matvar_t& variable, size_t index) {
  return static_cast<double>(static_cast<const T*>(variable.data)[index]);
}

using Getter = double (*)(const matvar_t&, size_t);

// How to read an element; null for what is not a number of a known size.
Getter GetterOf(const matvar_t& variable) {
  switch (variable.class_type) {
    case MAT_C_DOUBLE:
      return variable.data_size == 8 ? &At<double> : nullptr;
    case MAT_C_SINGLE:
      return variable.data_size == 4 ? &At<float> : nullptr;
    case MAT_C_INT8:
      return variable.data_size == 1 ? &At<int8_t> : nullptr;
    case MAT_C_UINT8:
      return variable.data_size == 1 ? &At<uint8_t> : nullptr;
    case MAT_C_INT16:
      return variable.data_size == 2 ? &At<int16_t> : nullptr;
    case MAT_C_UINT16:
      return variable.data_size == 2 ? &At<uint16_t> : nullptr;
    case MAT_C_INT32:
      return variable.data_size == 4 ? &At<int32_t> : nullptr;
    case MAT_C_UINT32:
      return variable.data_size == 4 ? &At<uint32_t> : nullptr;
    case MAT_C_CHAR:
      return variable.data_size == 1   ? &At<uint8_t>
             : variable.data_size == 2 ? &At<uint16_t>
                                       : nullptr;
    default:
      return nullptr;
  }
}

absl::StatusOr<matvar_t*> MatReader::Field(matvar_t* parent, const char* name) const {
  matvar_t* field = Mat_VarGetStructFieldByName(parent, name, 0);
  if (field == nullptr) return Wrong(absl::StrCat("has no field ", name));
  return field;
}

absl::StatusOr<matvar_t*> MatReader::Struct(matvar_t* parent, const char* name) const {
  const auto field = Field(parent, name);
  if (!field.ok()) return field.status();
  if (!IsStruct(**field)) {
    return Wrong(absl::StrCat("field ", name, " is not a struct of one element"));
  }
  return *field;
}

absl::StatusOr<std::vector<std::string>> MatReader::ReadIds(matvar_t* part,
                                                            const std::string& name) const {
  const auto field = Field(part, "image_index");
  if (!field.ok()) return field.status();
  const size_t count = Length(**field);
  if ((*field)->class_type != MAT_C_CELL || count == 0 ||
      (*field)->nbytes < count * sizeof(matvar_t*)) {
    return Wrong(name + ".image_index is not a row of cells");
  }
  std::vector<std::string> ids;
  for (size_t i = 0; i < count; ++i) {
    const matvar_t* cell = Mat_VarGetCell(*field, static_cast<int>(i));
    const bool is_text = cell != nullptr && cell->class_type == MAT_C_CHAR &&
                         DenseLength(*cell) == 4 && GetterOf(*cell) != nullptr;
    std::string id;
    for (size_t c = 0; is_text && c < 4; ++c) {
      const double code = GetterOf(*cell)(*cell, c);
      if (code >= '0' && code <= '9') id.push_back(static_cast<char>(code));
    }
    if (id.size() != 4) {
      return Wrong(absl::StrCat(name, ".image_index{", i + 1, "} is not an id of four digits"));
    }
    ids.push_back(std::move(id));
  }
  return ids;
}

absl::StatusOr<std::vector<bool>> MatReader::ReadOnes(matvar_t* part, const std::string& name,
                                                      const char* field, size_t count) const {
  const auto variable = Field(part, field);
  if (!variable.ok()) return variable.status();
  const Getter get = GetterOf(**variable);
  if (get == nullptr || DenseLength(**variable) != count) {
    return Wrong(absl::StrCat(name, ".", field, " is not a row of ", count, " numbers"));
  }
  std::vector<bool> ones;
  for (size_t i = 0; i < count; ++i) {
    const double value = get(**variable, i);
    if (value != 1 && value != 2) {
      return Wrong(absl::StrCat(name, ".", field, "(", i + 1, ") is ", value, ", not 1 or 2"));
    }
    ones.push_back(value == 1);
  }
  return ones;
}

absl::StatusOr<AttributesById> MatReader::ReadPart(matvar_t* part, const std::string& name) const {
  const auto ids = ReadIds(part, name);
  if (!ids.ok()) return ids.status();
  AttributesById attributes;
  for (const std::string& id : *ids) {
    if (!attributes.emplace(id, std::vector<float>()).second) {
      return Wrong(absl::StrCat(name, ".image_index has ", id, " twice"));
    }
  }
  for (const Attribute& attribute : kAttributes) {
    if (IsColourAttribute("market-1501", attribute.field)) continue;
    auto ones = ReadOnes(part, name, attribute.field, ids->size());
    if (!ones.ok()) return ones.status();
    if (attribute.second_field != nullptr) {
      const auto second = ReadOnes(part, name, attribute.second_field, ids->size());
      if (!second.ok()) return second.status();
      for (size_t i = 0; i < ids->size(); ++i) (*ones)[i] = (*ones)[i] && (*second)[i];
    }
    for (size_t i = 0; i < ids->size(); ++i) {
      attributes[(*ids)[i]].push_back((*ones)[i] ? 1.0f : 0.0f);
    }
  }
  return attributes;
}

absl::StatusOr<std::map<std::string, AttributesById>> MatReader::Read() {
  auto opened = InputFile::Open(path_);
  if (!opened.ok()) return opened.status();
  if (opened->size_bytes() > kMaxMatBytes) {
    return Wrong(absl::StrCat("larger than ", kMaxMatBytes, " bytes"));
  }
  const std::unique_ptr<mat_t, int (*)(mat_t*)> file(Mat_Open(path_.c_str(), MAT_ACC_RDONLY),
                                                     &Mat_Close);
  if (file == nullptr || Mat_GetVersion(file.get()) != MAT_FT_MAT5) {
    return Wrong("is not a MATLAB 5.0 MAT-file");
  }
  const std::unique_ptr<matvar_t, void (*)(matvar_t*)> root(
      Mat_VarRead(file.get(), "market_attribute"), &Mat_VarFree);
  if (root == nullptr) return Wrong("has no readable variable market_attribute");
  if (!IsStruct(*root)) {
    return Wrong("market_attribute is not a struct of one element");
  }
  std::map<std::string, AttributesById> parts;
  for (const char* name : {"train", "test"}) {
    const auto part = Struct(root.get(), name);
    if (!part.ok()) return part.status();
    auto attributes = ReadPart(*part, name);
    if (!attributes.ok()) return attributes.status();
    parts.emplace(name, *std::move(attributes));
  }
  return parts;
}

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
                       const AttributesById& attributes, Plan& plan) {
  const auto files = List(root / folder);
  if (!files.ok()) return files.status();
  for (const fs::path& file : *files) {
    if (absl::Status status = CheckImage(file, {".jpg"}); !status.ok()) return status;
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

absl::StatusOr<Plan> PlanMarket1501(const fs::path& root) {
  const auto path = FindAttributes(root);
  if (!path.ok()) return path.status();
  const auto parts = MatReader(path->string()).Read();
  if (!parts.ok()) return parts.status();
  Plan plan;
  plan.description.name = "market-1501";
  plan.description.source =
      "Market-1501: L. Zheng, L. Shen, L. Tian, S. Wang, J. Wang, Q. Tian, \"Scalable Person "
      "Re-identification: A Benchmark\", ICCV 2015; attributes: Y. Lin et al., \"Improving Person "
      "Re-identification by Attribute and Identity Learning\", Pattern Recognition 2019";
  plan.description.licence = "research use; no right to redistribute was found";
  for (const Attribute& attribute : kAttributes) {
    if (IsColourAttribute("market-1501", attribute.field)) continue;
    plan.description.attributes.emplace_back(attribute.name);
  }
  for (const auto& [folder, split] :
       {std::pair{"bounding_box_train", "train"}, std::pair{"bounding_box_test", "test"},
        std::pair{"query", "test"}}) {
    absl::Status status = AddFolder(root, folder, split, parts->at(split), plan);
    if (!status.ok()) return status;
  }
  if (plan.images.empty()) return Offending(root, "has no images of persons");
  if (absl::Status status = CheckIdentities(plan); !status.ok()) return status;
  return plan;
}

}  // namespace s2p
