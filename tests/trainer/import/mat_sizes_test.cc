#include "trainer/import/mat_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/http/gzip.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

constexpr uint32_t kCell = 1;
constexpr uint32_t kStruct = 2;
constexpr uint32_t kObject = 3;
constexpr uint32_t kDouble = 6;

std::string Number(uint32_t number) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(number >> (8 * i) & 0xff));
  return bytes;
}

std::string Element(uint32_t type, std::string data) {
  const auto size = static_cast<uint32_t>(data.size());
  // All but compressed elements end at a multiple of 8 bytes.
  if (type != 15) data.resize((data.size() + 7) / 8 * 8);
  return Number(type) + Number(size) + data;
}

// A matrix of `rows` and `columns`, whose values are `contents`.
std::string Array(uint32_t array_class, uint32_t rows, uint32_t columns,
                  const std::string& contents) {
  return Element(14, Element(6, Number(array_class) + Number(0)) +
                         Element(5, Number(rows) + Number(columns)) + Element(1, "") + contents);
}

std::string Doubles(int count) {
  return Element(9, std::string(static_cast<size_t>(count) * 8, 'x'));
}

std::string File(const std::string& variables) {
  return std::string(124, ' ') + "\0\1IM"s + variables;
}

void ExpectWrong(const std::string& bytes, const std::string& words) {
  EXPECT_THAT(CheckMatSizes(bytes), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
}

TEST(MatSizesTest, FileThatHoldsWhatItDeclaresIsGood) {
  const std::string row = Array(kDouble, 1, 3, Doubles(3));
  const std::string cells = Array(kCell, 2, 1, row + Element(14, ""));
  const std::string fields = Element(5, Number(2)) + Element(1, "a\0b\0"s);
  const std::string structure = Array(kStruct, 1, 1, fields + row + cells);
  EXPECT_THAT(CheckMatSizes(File(structure + Array(kDouble, 0, 0, ""))), IsOk());
}

TEST(MatSizesTest, FileOfTheOtherByteOrderIsRead) {
  std::string bytes = File(Array(kDouble, 1, 3, Doubles(2)));
  for (size_t at = 128; at < bytes.size(); at += 4) {
    std::swap(bytes[at], bytes[at + 3]);
    std::swap(bytes[at + 1], bytes[at + 2]);
  }
  bytes.replace(124, 4, "\1\0MI"s);
  ExpectWrong(bytes, "declares 3 numbers, but has 2 of them");
}

TEST(MatSizesTest, NumbersThatAreNotThereAreRefused) {
  ExpectWrong(File(Array(kDouble, 100'000, 100'000, Doubles(1))),
              "declares 10000000000 numbers, but has 1 of them");
}

TEST(MatSizesTest, DimensionsWhoseProductWrapsAroundAreRefused) {
  const std::string dimensions = Element(5, Number(1U << 31) + Number(1U << 31) + Number(4));
  ExpectWrong(File(Element(14, Element(6, Number(kDouble) + Number(0)) + dimensions +
                                   Element(1, "") + Doubles(1))),
              "declares 18446744073709551615 numbers");
}

TEST(MatSizesTest, CellsThatAreNotThereAreRefused) {
  ExpectWrong(File(Array(kCell, 1, 1U << 30, Element(14, ""))),
              "declares 1073741824 cells or fields, but has 8 bytes");
}

TEST(MatSizesTest, StructsThatAreNotThereAreRefused) {
  const std::string fields = Element(5, Number(1)) + Element(1, std::string(1000, 'f'));
  ExpectWrong(File(Array(kStruct, 1, 1000, fields)), "declares 1000000 cells or fields");
}

TEST(MatSizesTest, ElementBeyondTheEndIsRefused) {
  std::string bytes = File(Array(kDouble, 1, 1, Doubles(1)));
  ExpectWrong(bytes.substr(0, bytes.size() - 8), "ends after");
  ExpectWrong(bytes + "1234", "ends within an element");
}

TEST(MatSizesTest, CompressedVariableIsUnpackedUpToTheLimit) {
  ExpectWrong(File(Element(15, Gzip(std::string(20 << 20, '\0')))),
              "unpacks to more than 8388608 bytes");
}

TEST(MatSizesTest, CompressedVariablesShareTheLimit) {
  std::string variables;
  for (int i = 0; i < 3; ++i) {
    variables += Element(15, Gzip(Array(kDouble, 1, 500'000, Doubles(500'000))));
  }
  ExpectWrong(File(variables), "unpacks to more than");
}

TEST(MatSizesTest, CompressedVariableDeclaresNoMoreThanItHolds) {
  ExpectWrong(File(Element(15, Gzip(Array(kDouble, 1, 1U << 26, Doubles(1))))),
              "declares 67108864 numbers");
}

TEST(MatSizesTest, DeepNestingIsRefused) {
  std::string cell = Array(kDouble, 1, 1, Doubles(1));
  for (int i = 0; i < 8; ++i) cell = Array(kCell, 1, 1, cell);
  ExpectWrong(File(cell), "nested more than 8 deep");
}

TEST(MatSizesTest, TooManyArraysAreRefused) {
  std::string cells;
  for (int i = 0; i < 110'000; ++i) cells += Element(14, "");
  ExpectWrong(File(Array(kCell, 1, 110'000, cells)), "holds more than 110000 arrays");
}

TEST(MatSizesTest, ObjectIsRefused) {
  ExpectWrong(File(Array(kObject, 1, 1, "")), "has an array of class 3");
}

TEST(MatSizesTest, OtherVersionIsRefused) {
  ExpectWrong(std::string(124, ' ') + "\0\2IM"s, "is not a MATLAB 5.0 MAT-file");
  ExpectWrong("", "is not a MATLAB 5.0 MAT-file");
}

}  // namespace
}  // namespace s2p::test
