#include "trainer/import/mat_sizes.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/http/gzip.h"

namespace s2p {
namespace {

constexpr size_t kHeaderBytes = 128;
constexpr size_t kTagBytes = 8;
constexpr size_t kMaxRank = 8;

// Types of elements. Names and numbers are those of MathWorks' description of the format.
constexpr uint32_t kMiInt32 = 5;
constexpr uint32_t kMiUint32 = 6;
constexpr uint32_t kMiMatrix = 14;
constexpr uint32_t kMiCompressed = 15;

// Classes of arrays.
constexpr uint32_t kCell = 1;
constexpr uint32_t kStruct = 2;
constexpr uint32_t kChar = 4;
constexpr uint32_t kDouble = 6;
constexpr uint32_t kUint64 = 15;
constexpr uint32_t kClassMask = 0xff;
constexpr uint32_t kComplexFlag = 0x800;

absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(what); }

// The bytes of one number; 0 for a type that holds no numbers.
size_t Width(uint32_t type) {
  switch (type) {
    case 1:
    case 2:
    case 16:
      return 1;
    case 3:
    case 4:
    case 17:
      return 2;
    case 5:
    case 6:
    case 7:
    case 18:
      return 4;
    case 9:
    case 12:
    case 13:
      return 8;
    default:
      return 0;
  }
}

// The largest number if the product is larger.
uint64_t Product(uint64_t a, uint64_t b) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  return b != 0 && a > kMost / b ? kMost : a * b;
}

struct Element {
  uint32_t type = 0;
  absl::string_view data;
};

// One pass over a file. One thread only.
class MatScan {
 public:
  MatScan(absl::string_view bytes, const MatLimits& limits) : bytes_(bytes), limits_(limits) {}

  absl::Status Run() {
    if (bytes_.size() < kHeaderBytes) return Wrong("is not a MATLAB 5.0 MAT-file");
    const absl::string_view kind = bytes_.substr(kHeaderBytes - 4, 4);
    is_big_endian_ = kind == absl::string_view("\1\0MI", 4);
    if (!is_big_endian_ && kind != absl::string_view("\0\1IM", 4)) {
      return Wrong("is not a MATLAB 5.0 MAT-file");
    }
    absl::string_view rest = bytes_.substr(kHeaderBytes);
    while (!rest.empty()) {
      S2P_ASSIGN_OR_RETURN(const Element variable, Next(rest, /*is_padded=*/false));
      S2P_RETURN_IF_ERROR(Variable(variable));
    }
    return absl::OkStatus();
  }

 private:
  uint32_t Number(absl::string_view bytes, size_t at) const {
    uint32_t number = 0;
    for (size_t i = 0; i < 4; ++i) {
      const auto byte = static_cast<unsigned char>(bytes[at + (is_big_endian_ ? i : 3 - i)]);
      number = number << 8 | byte;
    }
    return number;
  }

  // Takes the next element off `rest`.
  absl::StatusOr<Element> Next(absl::string_view& rest, bool is_padded) const {
    if (rest.size() < kTagBytes) return Wrong("ends within an element");
    const uint32_t first = Number(rest, 0);
    // Up to four bytes can stand in the tag itself.
    if (const uint32_t small = first >> 16; small != 0) {
      if (small > 4) return Wrong("has a damaged element");
      const Element element{first & 0xffff, rest.substr(4, small)};
      rest.remove_prefix(kTagBytes);
      return element;
    }
    const uint64_t size = Number(rest, 4);
    rest.remove_prefix(kTagBytes);
    if (size > rest.size()) {
      return Wrong(
          absl::StrCat("declares an element of ", size, " bytes, but ends after ", rest.size()));
    }
    const Element element{first, rest.substr(0, size)};
    const uint64_t padded = is_padded ? (size + 7) / 8 * 8 : size;
    rest.remove_prefix(std::min<uint64_t>(padded, rest.size()));
    return element;
  }

  absl::Status Variable(const Element& variable) {
    if (variable.type == kMiMatrix) return Array(variable.data, 1);
    if (variable.type != kMiCompressed) {
      return Wrong(absl::StrCat("has a variable of the unknown type ", variable.type));
    }
    const auto unpacked = Gunzip(variable.data, [this](size_t bytes) {
      return unpacked_bytes_ + bytes <= limits_.max_unpacked_bytes;
    });
    if (absl::IsOutOfRange(unpacked.status())) {
      return Wrong(absl::StrCat("unpacks to more than ", limits_.max_unpacked_bytes, " bytes"));
    }
    if (!unpacked.ok()) return Wrong("has a compressed variable that is damaged");
    unpacked_bytes_ += unpacked->size();
    absl::string_view rest = *unpacked;
    S2P_ASSIGN_OR_RETURN(const Element array, Next(rest, /*is_padded=*/true));
    if (array.type != kMiMatrix) return Wrong("has a compressed variable that is no array");
    return Array(array.data, 1);
  }

  absl::Status Array(absl::string_view rest, int depth) {
    if (++arrays_ > limits_.max_arrays) {
      return Wrong(absl::StrCat("holds more than ", limits_.max_arrays, " arrays"));
    }
    if (depth > limits_.max_depth) {
      return Wrong(absl::StrCat("is nested more than ", limits_.max_depth, " deep"));
    }
    // An empty cell may have nothing at all.
    if (rest.empty()) return absl::OkStatus();
    S2P_ASSIGN_OR_RETURN(const Element flags, Next(rest, /*is_padded=*/true));
    if (flags.type != kMiUint32 || flags.data.size() != 8)
      return Wrong("has an array without flags");
    S2P_ASSIGN_OR_RETURN(const Element dimensions, Next(rest, /*is_padded=*/true));
    S2P_ASSIGN_OR_RETURN(const uint64_t count, Count(dimensions));
    // The name.
    S2P_RETURN_IF_ERROR(Next(rest, /*is_padded=*/true).status());
    const uint32_t kind = Number(flags.data, 0);
    switch (const uint32_t array_class = kind & kClassMask) {
      case kCell:
        return Children(count, rest, depth);
      case kStruct:
        return Struct(count, rest, depth);
      default:
        if (array_class != kChar && (array_class < kDouble || array_class > kUint64)) {
          return Wrong(absl::StrCat("has an array of class ", array_class,
                                    "; only cells, structs, numbers and text are read"));
        }
        S2P_RETURN_IF_ERROR(Numbers(count, rest));
        return (kind & kComplexFlag) != 0 ? Numbers(count, rest) : absl::OkStatus();
    }
  }

  // The number of elements that the dimensions declare.
  absl::StatusOr<uint64_t> Count(const Element& dimensions) const {
    const size_t rank = dimensions.data.size() / 4;
    if (dimensions.type != kMiInt32 || rank == 0 || rank > kMaxRank) {
      return Wrong("has an array whose dimensions cannot be read");
    }
    uint64_t count = 1;
    for (size_t i = 0; i < rank; ++i) count = Product(count, Number(dimensions.data, i * 4));
    return count;
  }

  absl::Status Numbers(uint64_t count, absl::string_view& rest) const {
    if (count == 0 && rest.empty()) return absl::OkStatus();
    S2P_ASSIGN_OR_RETURN(const Element numbers, Next(rest, /*is_padded=*/true));
    const size_t width = Width(numbers.type);
    if (width == 0) return Wrong(absl::StrCat("has numbers of the unknown type ", numbers.type));
    if (count > numbers.data.size() / width) {
      return Wrong(absl::StrCat("declares ", count, " numbers, but has ",
                                numbers.data.size() / width, " of them"));
    }
    return absl::OkStatus();
  }

  absl::Status Struct(uint64_t count, absl::string_view rest, int depth) {
    S2P_ASSIGN_OR_RETURN(const Element length, Next(rest, /*is_padded=*/true));
    if (length.type != kMiInt32 || length.data.size() != 4 || Number(length.data, 0) == 0) {
      return Wrong("has a struct whose fields have no names");
    }
    S2P_ASSIGN_OR_RETURN(const Element names, Next(rest, /*is_padded=*/true));
    return Children(Product(count, names.data.size() / Number(length.data, 0)), rest, depth);
  }

  absl::Status Children(uint64_t count, absl::string_view rest, int depth) {
    if (count > rest.size() / kTagBytes) {
      return Wrong(absl::StrCat("declares ", count, " cells or fields, but has ", rest.size(),
                                " bytes for them"));
    }
    for (uint64_t i = 0; i < count; ++i) {
      S2P_ASSIGN_OR_RETURN(const Element child, Next(rest, /*is_padded=*/true));
      if (child.type != kMiMatrix) return Wrong("has a cell or field that is no array");
      S2P_RETURN_IF_ERROR(Array(child.data, depth + 1));
    }
    return absl::OkStatus();
  }

  const absl::string_view bytes_;
  const MatLimits limits_;
  bool is_big_endian_ = false;
  size_t unpacked_bytes_ = 0;
  size_t arrays_ = 0;
};

}  // namespace

absl::Status CheckMatSizes(absl::string_view bytes, const MatLimits& limits) {
  return MatScan(bytes, limits).Run();
}

}  // namespace s2p
