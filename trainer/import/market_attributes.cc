#include "trainer/import/market_attributes.h"

#include <matio.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "trainer/import/import_plan.h"
#include "trainer/import/mat_sizes.h"

namespace s2p {
namespace {

// The published file has some kB.
constexpr uint64_t kMaxMatBytes = uint64_t{4} << 20;
constexpr size_t kMaxIdentities = 100'000;

// An attribute made of fields whose values are whole numbers from 1 to `highest`: 1 where all of
// them are at most `low`, else 0; the other way round where `inverted`.
struct Attribute {
  const char* name;
  std::vector<const char*> fields;
  int highest = 2;
  int low = 1;
  bool inverted = false;
};

std::vector<Attribute> AttributesOf(MarketAttributeSet set) {
  std::vector<Attribute> attributes = {
      {"male", {"gender"}},     {"short_hair", {"hair"}},
      {"long_sleeves", {"up"}}, {"long_lower_clothing", {"down"}},
      {"dress", {"clothes"}},   {"no_hat", {"hat"}},
  };
  if (set == MarketAttributeSet::kRelease) {
    attributes.push_back({"no_backpack", {"backpack"}});
    attributes.push_back({"no_bag", {"handbag", "bag"}});
  } else {
    attributes.push_back({"adult", {"age"}, /*highest=*/4, /*low=*/2, /*inverted=*/true});
    attributes.push_back({"bag", {"backpack", "bag", "handbag"}, 2, 1, /*inverted=*/true});
  }
  return attributes;
}

using ById = MarketAttributes::ById;

// One .mat file. Everything in it is checked before it is used: the library checks that the file is
// well formed, not that it is what we expect.
class MatReader {
 public:
  MatReader(std::string path, MarketAttributeSet set)
      : path_(std::move(path)), attributes_(AttributesOf(set)) {}

  absl::StatusOr<MarketAttributes> Read() const;

 private:
  absl::Status Wrong(absl::string_view what) const { return Offending(path_, what); }
  absl::Status CheckSizes() const;
  // A struct of one element that is a field of `parent`.
  absl::StatusOr<matvar_t*> Struct(matvar_t* parent, const char* name) const;
  absl::StatusOr<matvar_t*> Field(matvar_t* parent, const char* name) const;
  absl::StatusOr<ById> ReadPart(matvar_t* part, const std::string& name) const;
  absl::StatusOr<std::vector<std::string>> ReadIds(matvar_t* part, const std::string& name) const;
  // For each of `count` identities, whether the field has at most `attribute.low`.
  absl::StatusOr<std::vector<bool>> ReadLow(matvar_t* part, const std::string& name,
                                            const char* field, const Attribute& attribute,
                                            size_t count) const;
  const std::string path_;
  const std::vector<Attribute> attributes_;
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

// The library's own search trusts that every field has a name, which a damaged file need not have.
absl::StatusOr<matvar_t*> MatReader::Field(matvar_t* parent, const char* name) const {
  const unsigned count = Mat_VarGetNumberOfFields(parent);
  char* const* const names = Mat_VarGetStructFieldnames(parent);
  for (unsigned i = 0; names != nullptr && i < count; ++i) {
    if (names[i] == nullptr || std::strcmp(names[i], name) != 0) continue;
    matvar_t* field = Mat_VarGetStructFieldByIndex(parent, i, 0);
    if (field != nullptr) return field;
  }
  return Wrong(absl::StrCat("has no field ", name));
}

absl::StatusOr<matvar_t*> MatReader::Struct(matvar_t* parent, const char* name) const {
  S2P_ASSIGN_OR_RETURN(const auto field, Field(parent, name));
  if (!IsStruct(*field)) {
    return Wrong(absl::StrCat("field ", name, " is not a struct of one element"));
  }
  return field;
}

absl::StatusOr<std::vector<std::string>> MatReader::ReadIds(matvar_t* part,
                                                            const std::string& name) const {
  S2P_ASSIGN_OR_RETURN(const auto field, Field(part, "image_index"));
  const size_t count = Length(*field);
  if (field->class_type != MAT_C_CELL || count == 0 || field->nbytes < count * sizeof(matvar_t*)) {
    return Wrong(name + ".image_index is not a row of cells");
  }
  std::vector<std::string> ids;
  for (size_t i = 0; i < count; ++i) {
    const matvar_t* cell = Mat_VarGetCell(field, static_cast<int>(i));
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

absl::StatusOr<std::vector<bool>> MatReader::ReadLow(matvar_t* part, const std::string& name,
                                                     const char* field, const Attribute& attribute,
                                                     size_t count) const {
  S2P_ASSIGN_OR_RETURN(const auto variable, Field(part, field));
  const Getter get = GetterOf(*variable);
  if (get == nullptr || DenseLength(*variable) != count) {
    return Wrong(absl::StrCat(name, ".", field, " is not a row of ", count, " numbers"));
  }
  std::vector<bool> low;
  for (size_t i = 0; i < count; ++i) {
    const double value = get(*variable, i);
    if (!(value >= 1 && value <= attribute.highest) || value != std::floor(value)) {
      const char* const choices = attribute.highest == 2 ? "1 or 2" : "1, 2, 3 or 4";
      return Wrong(absl::StrCat(name, ".", field, "(", i + 1, ") is ", value, ", not ", choices));
    }
    low.push_back(value <= attribute.low);
  }
  return low;
}

absl::StatusOr<ById> MatReader::ReadPart(matvar_t* part, const std::string& name) const {
  S2P_ASSIGN_OR_RETURN(const auto ids, ReadIds(part, name));
  ById attributes;
  for (const std::string& id : ids) {
    if (!attributes.emplace(id, std::vector<float>()).second) {
      return Wrong(absl::StrCat(name, ".image_index has ", id, " twice"));
    }
  }
  for (const Attribute& attribute : attributes_) {
    std::vector<bool> all_low(ids.size(), true);
    for (const char* field : attribute.fields) {
      S2P_ASSIGN_OR_RETURN(const auto low, ReadLow(part, name, field, attribute, ids.size()));
      for (size_t i = 0; i < ids.size(); ++i) all_low[i] = all_low[i] && low[i];
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      attributes[ids[i]].push_back(all_low[i] != attribute.inverted ? 1.0F : 0.0F);
    }
  }
  return attributes;
}

// Before the library reads the file: it allocates what the file declares.
absl::Status MatReader::CheckSizes() const {
  S2P_ASSIGN_OR_RETURN(auto file, InputFile::Open(path_));
  if (file.size_bytes() > kMaxMatBytes) {
    return Wrong(absl::StrCat("larger than ", kMaxMatBytes, " bytes"));
  }
  std::string bytes(file.size_bytes(), '\0');
  S2P_RETURN_IF_ERROR(file.Read(bytes.data(), bytes.size()));
  const absl::Status status = CheckMatSizes(bytes);
  return status.ok() ? status : Wrong(status.message());
}

absl::StatusOr<MarketAttributes> MatReader::Read() const {
  S2P_RETURN_IF_ERROR(CheckSizes());
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
  MarketAttributes attributes;
  for (const Attribute& attribute : attributes_) attributes.names.emplace_back(attribute.name);
  for (const auto& [name, by_id] :
       {std::pair{"train", &attributes.train}, std::pair{"test", &attributes.test}}) {
    S2P_ASSIGN_OR_RETURN(const auto part, Struct(root.get(), name));
    S2P_ASSIGN_OR_RETURN(auto values, ReadPart(part, name));
    *by_id = std::move(values);
  }
  return attributes;
}

}  // namespace

absl::StatusOr<MarketAttributes> ReadMarketAttributes(const std::string& path,
                                                      MarketAttributeSet set) {
  return MatReader(path, set).Read();
}

}  // namespace s2p
