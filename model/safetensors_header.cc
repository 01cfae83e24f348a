#include "model/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

constexpr size_t kMaxDimensions = 16;
constexpr size_t kMaxNameBytes = 1024;
constexpr char kMetadata[] = "__metadata__";

struct TypeRow {
  TensorType type;
  absl::string_view name;
  size_t bytes;
};
constexpr std::array<TypeRow, 10> kTypes = {{{TensorType::kF64, "F64", 8},
                                             {TensorType::kF32, "F32", 4},
                                             {TensorType::kF16, "F16", 2},
                                             {TensorType::kBF16, "BF16", 2},
                                             {TensorType::kI64, "I64", 8},
                                             {TensorType::kI32, "I32", 4},
                                             {TensorType::kI16, "I16", 2},
                                             {TensorType::kI8, "I8", 1},
                                             {TensorType::kU8, "U8", 1},
                                             {TensorType::kBool, "BOOL", 1}}};

const TypeRow& RowOf(TensorType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row;
  }
  S2P_CHECK(false);
  return kTypes[0];
}

// Formats a name for messages: printable and at most one line long.
std::string Quoted(absl::string_view name) {
  const std::string escaped = absl::Utf8SafeCEscape(name.substr(0, 200));
  return absl::StrCat("tensor '", escaped, name.size() > 200 ? "...'" : "'");
}

// One tensor as the header's JSON describes it.
struct Entry {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> offsets;
  TensorType type = TensorType::kF32;

  uint64_t begin() const { return offsets[0]; }
  uint64_t end() const { return offsets[1]; }
};

// Reads the header event by event, so that nothing outside the grammar is ever stored, however deep
// or long.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  const std::string& error() const { return error_; }
  std::vector<Entry>& entries() { return entries_; }

  bool null() override { return Fail("unexpected null"); }
  bool boolean(bool) override { return Fail("unexpected boolean"); }
  bool number_integer(number_integer_t) override { return Fail("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return Fail("a fraction"); }
  bool binary(binary_t&) override { return Fail("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (numbers_ == nullptr) return Fail("unexpected number");
    if (numbers_->size() >= kMaxDimensions) return Fail("a list that is too long");
    numbers_->push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (in_metadata_ && depth_ == 2) return true;
    if (in_metadata_ || depth_ != 2 || numbers_ != nullptr || field_ != "dtype") {
      return Fail("unexpected string");
    }
    entries_.back().dtype = value.substr(0, 16);
    return true;
  }

  bool start_object(size_t) override {
    if (depth_ >= 2 || numbers_ != nullptr) return Fail("unexpected object");
    ++depth_;
    return true;
  }

  bool key(string_t& name) override {
    if (depth_ == 1) return StartEntry(name);
    if (in_metadata_) return true;
    if (name != "dtype" && name != "shape" && name != "data_offsets") {
      return Fail(absl::StrCat("unknown field '", absl::Utf8SafeCEscape(name.substr(0, 64)), "'"));
    }
    if (!fields_.insert(name).second) return Fail(absl::StrCat("field ", name, " twice"));
    field_ = name;
    return true;
  }

  bool end_object() override {
    --depth_;
    if (depth_ != 1) return true;
    if (in_metadata_) {
      in_metadata_ = false;
      return true;
    }
    for (const char* field : {"dtype", "shape", "data_offsets"}) {
      if (fields_.count(field) == 0) return Fail(absl::StrCat("no field ", field));
    }
    if (entries_.back().offsets.size() != 2) return Fail("data_offsets: not two numbers");
    return true;
  }

  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || numbers_ != nullptr || field_ == "dtype") {
      return Fail("unexpected list");
    }
    numbers_ = field_ == "shape" ? &entries_.back().shape : &entries_.back().offsets;
    return true;
  }

  bool end_array() override {
    numbers_ = nullptr;
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    if (error_.empty()) error_ = absl::StrCat("header: not JSON at byte ", position);
    return false;
  }

 private:
  bool StartEntry(const std::string& name) {
    if (!names_.insert(name).second) return Fail(absl::StrCat(Quoted(name), " appears twice"));
    in_metadata_ = name == kMetadata;
    if (in_metadata_) return true;
    if (name.empty() || name.size() > kMaxNameBytes) {
      return Fail(absl::StrCat("a tensor's name of ", name.size(), " bytes"));
    }
    entries_.emplace_back();
    entries_.back().name = name;
    fields_.clear();
    field_.clear();
    return true;
  }

  bool Fail(const std::string& what) {
    if (depth_ == 2 && in_metadata_) {
      error_ = absl::StrCat("header: ", kMetadata, ": ", what);
    } else if (depth_ >= 1 && !entries_.empty()) {
      error_ = absl::StrCat("header: at ", Quoted(entries_.back().name), ": ", what);
    } else {
      error_ = absl::StrCat("header: ", what);
    }
    return false;
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  std::string field_;
  std::set<std::string> fields_;
  std::set<std::string> names_;
  std::vector<uint64_t>* numbers_ = nullptr;
  std::vector<Entry> entries_;
  std::string error_;
};

// Sets the entry's type and checks that type, shape and range agree.
absl::Status CheckEntry(Entry& entry) {
  const auto row = std::find_if(kTypes.begin(), kTypes.end(),
                                [&](const TypeRow& r) { return r.name == entry.dtype; });
  if (row == kTypes.end()) {
    return absl::DataLossError(absl::StrCat(Quoted(entry.name), ": unknown dtype '",
                                            absl::Utf8SafeCEscape(entry.dtype), "'"));
  }
  entry.type = row->type;
  uint64_t bytes = row->bytes;
  for (uint64_t size : entry.shape) {
    if (size > uint64_t{std::numeric_limits<int64_t>::max()} ||
        __builtin_mul_overflow(bytes, size, &bytes)) {
      return absl::DataLossError(absl::StrCat(Quoted(entry.name), ": shape [",
                                              absl::StrJoin(entry.shape, ", "), "] is absurd"));
    }
  }
  if (entry.begin() > entry.end() || entry.end() - entry.begin() != bytes) {
    return absl::DataLossError(absl::StrCat(
        Quoted(entry.name), ": data_offsets [", entry.begin(), ", ", entry.end(), "], but shape [",
        absl::StrJoin(entry.shape, ", "), "] of ", entry.dtype, " takes ", bytes, " bytes"));
  }
  return absl::OkStatus();
}

// Sorts by range and checks that the ranges are exactly the file's data.
absl::Status CheckRanges(std::vector<Entry>& entries, uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::make_pair(a.begin(), a.end()) < std::make_pair(b.begin(), b.end());
  });
  uint64_t expected = 0;
  for (const Entry& entry : entries) {
    if (entry.begin() != expected) {
      return absl::DataLossError(absl::StrCat(
          Quoted(entry.name), ": data_offsets begin at ", entry.begin(),
          entry.begin() < expected ? ", inside the tensor before it, which ends at "
                                   : ", with a gap after the tensor before it, which ends at ",
          expected));
    }
    expected = entry.end();
  }
  if (expected == data_bytes) return absl::OkStatus();
  if (expected < data_bytes) {
    return absl::DataLossError(
        absl::StrCat(data_bytes - expected, " extra bytes after the last tensor"));
  }
  return absl::DataLossError(absl::StrCat(Quoted(entries.back().name), ": data ends at ", expected,
                                          ", but the file has ", data_bytes, " bytes of data"));
}

SafetensorsEntry Placed(const Entry& entry) {
  SafetensorsEntry placed{entry.name, entry.type, {}, entry.begin(), entry.end()};
  placed.shape.assign(entry.shape.begin(), entry.shape.end());
  return placed;
}

}  // namespace

size_t SizeOf(TensorType type) { return RowOf(type).bytes; }

absl::string_view NameOf(TensorType type) { return RowOf(type).name; }

absl::StatusOr<uint64_t> SafetensorsHeaderLength(absl::string_view first_bytes, uint64_t file_bytes,
                                                 const SafetensorsLimits& limits) {
  if (file_bytes > limits.max_file_bytes) {
    return absl::DataLossError(
        absl::StrCat(file_bytes, " bytes, which is above the limit of ", limits.max_file_bytes));
  }
  if (file_bytes < kSafetensorsLengthBytes) {
    return absl::DataLossError(
        absl::StrCat("header length: the file has only ", file_bytes, " bytes"));
  }
  uint64_t length = 0;
  for (size_t i = kSafetensorsLengthBytes; i-- > 0;) {
    length = length << 8 | static_cast<unsigned char>(first_bytes[i]);
  }
  if (length > limits.max_header_bytes) {
    return absl::DataLossError(absl::StrCat(
        "header length: ", length, ", which is above the limit of ", limits.max_header_bytes));
  }
  if (length > file_bytes - kSafetensorsLengthBytes) {
    return absl::DataLossError(
        absl::StrCat("header length: ", length, ", but the file has only ", file_bytes, " bytes"));
  }
  return length;
}

absl::StatusOr<std::vector<SafetensorsEntry>> ParseSafetensorsHeader(absl::string_view json,
                                                                     uint64_t data_bytes) {
  if (json.empty() || json[0] != '{') {
    return absl::DataLossError("header: does not begin with '{'");
  }
  HeaderReader reader;
  // Errors come through parse_error; nothing is thrown.
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) {
    return absl::DataLossError(reader.error());
  }
  for (Entry& entry : reader.entries()) {
    S2P_RETURN_IF_ERROR(CheckEntry(entry));
  }
  S2P_RETURN_IF_ERROR(CheckRanges(reader.entries(), data_bytes));
  std::vector<SafetensorsEntry> placed;
  for (const Entry& entry : reader.entries()) placed.push_back(Placed(entry));
  return placed;
}

void PlaceTensors(std::vector<SafetensorsEntry>& entries) {
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    if (SizeOf(a.type) != SizeOf(b.type)) return SizeOf(a.type) > SizeOf(b.type);
    return a.name < b.name;
  });
  uint64_t begin = 0;
  for (SafetensorsEntry& entry : entries) {
    uint64_t bytes = SizeOf(entry.type);
    for (const int64_t size : entry.shape) bytes *= static_cast<uint64_t>(size);
    entry.begin = begin;
    entry.end = begin += bytes;
  }
}

std::string SerializeSafetensorsHeader(absl::Span<const SafetensorsEntry> entries) {
  std::string json = "{";
  for (const SafetensorsEntry& entry : entries) {
    absl::StrAppend(
        &json, json.size() > 1 ? "," : "",
        nlohmann::json(entry.name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
        ":{\"dtype\":\"", NameOf(entry.type), "\",\"shape\":[", absl::StrJoin(entry.shape, ","),
        "],\"data_offsets\":[", entry.begin, ",", entry.end, "]}");
  }
  json += '}';
  json.append(
      (kSafetensorsLengthBytes - json.size() % kSafetensorsLengthBytes) % kSafetensorsLengthBytes,
      ' ');
  std::string header(kSafetensorsLengthBytes, '\0');
  for (size_t i = 0; i < kSafetensorsLengthBytes; ++i) {
    header[i] = static_cast<char>(static_cast<uint64_t>(json.size()) >> (8 * i));
  }
  return header + json;
}

}  // namespace s2p
