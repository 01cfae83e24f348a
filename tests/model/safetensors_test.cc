#include "model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/file.h"
#include "tests/testing/golden.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;

TensorBytes Tensor(TensorType type, std::vector<int64_t> shape, std::string bytes) {
  return TensorBytes{type, std::move(shape), std::move(bytes)};
}

bool operator==(const TensorBytes& a, const TensorBytes& b) {
  return a.type == b.type && a.shape == b.shape && a.bytes == b.bytes;
}

void ExpectSame(const TensorMap& got, const TensorMap& want) {
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [name, tensor] : want) {
    ASSERT_EQ(got.count(name), 1u) << name;
    EXPECT_TRUE(got.at(name) == tensor) << name;
  }
}

// A file with the given length, header and data, valid or not.
std::string File(const std::string& header, const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(uint64_t{header.size()} >> (8 * i));
  return bytes + header + data;
}

// The message of the error; "" if there is none. Fails unless the code is DataLoss.
std::string ErrorOf(const std::string& bytes, const SafetensorsLimits& limits = {}) {
  const absl::Status status = ParseSafetensors(bytes, limits).status();
  if (status.ok()) return "";
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
  return std::string(status.message());
}

TensorMap Example() {
  return {{"b.weight", Tensor(TensorType::kF32, {2, 1}, "abcdefgh")},
          {"a.mask", Tensor(TensorType::kBool, {3}, std::string("\1\0\1", 3))},
          {"c.count", Tensor(TensorType::kI64, {}, "12345678")}};
}

constexpr char kOneTensor[] = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

TEST(SafetensorsTest, RoundTripKeepsEveryType) {
  TensorMap tensors;
  for (TensorType type :
       {TensorType::kF64, TensorType::kF32, TensorType::kF16, TensorType::kBF16, TensorType::kI64,
        TensorType::kI32, TensorType::kI16, TensorType::kI8, TensorType::kU8, TensorType::kBool}) {
    tensors[absl::StrCat("of ", NameOf(type))] =
        Tensor(type, {1, 3}, std::string(3 * SizeOf(type), 'x'));
  }
  const auto read = ParseSafetensors(SerializeSafetensors(tensors));
  ASSERT_THAT(read, IsOk());
  ExpectSame(*read, tensors);
}

TEST(SafetensorsTest, RoundTripKeepsScalarsAndEmptyTensors) {
  const TensorMap tensors = {{"scalar", Tensor(TensorType::kF32, {}, "abcd")},
                             {"none", Tensor(TensorType::kF32, {0, 7}, "")},
                             {"neither", Tensor(TensorType::kF64, {7, 0}, "")}};
  const auto read = ParseSafetensors(SerializeSafetensors(tensors));
  ASSERT_THAT(read, IsOk());
  ExpectSame(*read, tensors);
}

TEST(SafetensorsTest, RoundTripKeepsNamesThatJsonMustEscape) {
  const TensorMap tensors = {{"a\"b\\c\n\xC3\xA9", Tensor(TensorType::kU8, {1}, "x")}};
  const auto read = ParseSafetensors(SerializeSafetensors(tensors));
  ASSERT_THAT(read, IsOk());
  ExpectSame(*read, tensors);
}

TEST(SafetensorsTest, RoundTripOfNothing) {
  const auto read = ParseSafetensors(SerializeSafetensors({}));
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->empty());
}

TEST(SafetensorsTest, BytesAreAsTheFormatSays) {
  const std::string header = R"({"c":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                             R"("a":{"dtype":"F16","shape":[1],"data_offsets":[8,10]}})";
  const size_t padding = (8 - header.size() % 8) % 8;
  EXPECT_EQ(SerializeSafetensors({{"a", Tensor(TensorType::kF16, {1}, "AA")},
                                  {"c", Tensor(TensorType::kI64, {}, "CCCCCCCC")}}),
            File(header + std::string(padding, ' '), "CCCCCCCCAA"));
}

TEST(SafetensorsTest, MetadataIsSkipped) {
  const auto read = ParseSafetensors(
      File(R"({"__metadata__":{"format":"pt","w":"x"},"w":{"dtype":"F32","shape":[1],)"
           R"("data_offsets":[0,4]}})",
           "abcd"));
  ASSERT_THAT(read, IsOk());
  ExpectSame(*read, {{"w", Tensor(TensorType::kF32, {1}, "abcd")}});
}

TEST(SafetensorsTest, FieldsAndTensorsMayBeInAnyOrder) {
  const auto read = ParseSafetensors(File(R"({"z":{"data_offsets":[1,2],"shape":[1],"dtype":"U8"},)"
                                          R"("y":{"shape":[],"dtype":"U8","data_offsets":[0,1]}})",
                                          "yz"));
  ASSERT_THAT(read, IsOk());
  ExpectSame(*read,
             {{"y", Tensor(TensorType::kU8, {}, "y")}, {"z", Tensor(TensorType::kU8, {1}, "z")}});
}

TEST(SafetensorsTest, EveryTruncationIsDataLoss) {
  const std::string bytes = SerializeSafetensors(Example());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(ErrorOf(bytes.substr(0, size)), "") << "the first " << size << " bytes";
  }
}

TEST(SafetensorsTest, TruncationNamesThePartThatIsShort) {
  const std::string bytes = SerializeSafetensors(Example());
  EXPECT_THAT(ErrorOf(bytes.substr(0, 7)), HasSubstr("header length: the file has only 7 bytes"));
  EXPECT_THAT(ErrorOf(bytes.substr(0, 9)), HasSubstr("header length"));
  EXPECT_THAT(ErrorOf(bytes.substr(0, bytes.size() - 1)), HasSubstr("tensor 'a.mask': data ends"));
}

TEST(SafetensorsTest, SurplusBytesAreDataLoss) {
  EXPECT_THAT(ErrorOf(SerializeSafetensors(Example()) + "x"),
              HasSubstr("1 extra bytes after the last tensor"));
}

// A header with any one byte flipped parses into something else or not at all, but never reads
// outside the file (which the address sanitizer checks).
TEST(SafetensorsTest, FlippedHeaderBytesNeverPassUnnoticed) {
  const std::string bytes = SerializeSafetensors(Example());
  const size_t header_end = bytes.size() - 19;
  for (size_t i = 0; i < header_end; ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    const auto read = ParseSafetensors(damaged);
    if (!read.ok()) continue;
    EXPECT_NE(SerializeSafetensors(*read), bytes) << "byte " << i;
  }
}

TEST(SafetensorsTest, AHeaderLengthBeyondTheFileIsRefusedBeforeAnythingIsAllocated) {
  for (uint64_t length : {uint64_t{sizeof(kOneTensor)}, uint64_t{1} << 20, uint64_t{1} << 40,
                          std::numeric_limits<uint64_t>::max()}) {
    std::string bytes = File(kOneTensor, "");
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(length >> (8 * i));
    EXPECT_THAT(ErrorOf(bytes), HasSubstr(absl::StrCat("header length: ", length)));
  }
}

TEST(SafetensorsTest, LimitsHold) {
  SafetensorsLimits limits;
  limits.max_header_bytes = 20;
  EXPECT_THAT(ErrorOf(File(kOneTensor, "abcdefgh"), limits), HasSubstr("above the limit of 20"));
  limits = {};
  limits.max_file_bytes = 40;
  EXPECT_THAT(ErrorOf(File(kOneTensor, "abcdefgh"), limits), HasSubstr("above the limit of 40"));
}

TEST(SafetensorsTest, AbsurdShapesAreDataLoss) {
  // The sizes multiply to 2^66, which overflows to 4 in 64 bits.
  const std::string overflowing =
      absl::StrReplaceAll(kOneTensor, {{"[2]", "[4294967296,4294967296]"}, {"[0,8]", "[0,0]"}});
  EXPECT_THAT(ErrorOf(File(overflowing, "")), HasSubstr("tensor 'w': shape [4294967296, "));
  const std::string beyond_64_bits =
      absl::StrReplaceAll(kOneTensor, {{"[2]", "[18446744073709551616]"}});
  EXPECT_THAT(ErrorOf(File(beyond_64_bits, "abcdefgh")), HasSubstr("tensor 'w'"));
  const std::string many =
      absl::StrReplaceAll(kOneTensor, {{"[2]", "[2,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"}});
  EXPECT_THAT(ErrorOf(File(many, "abcdefgh")), HasSubstr("a list that is too long"));
}

TEST(SafetensorsTest, NumbersThatAreNotSizesAreDataLoss) {
  for (const char* shape : {"[-2]", "[2.0]", "[2e0]", "[null]", "[true]", "[\"2\"]", "[[2]]", "2",
                            "{}", "\"2\"", "null"}) {
    const std::string header = absl::StrReplaceAll(kOneTensor, {{"[2]", shape}});
    EXPECT_THAT(ErrorOf(File(header, "abcdefgh")), HasSubstr("at tensor 'w'")) << shape;
  }
}

TEST(SafetensorsTest, OffsetsThatDoNotFitTheShapeAreDataLoss) {
  for (const char* offsets : {"[0,7]", "[0,9]", "[8,0]", "[0,18446744073709551615]"}) {
    const std::string header = absl::StrReplaceAll(kOneTensor, {{"[0,8]", offsets}});
    EXPECT_THAT(ErrorOf(File(header, "abcdefgh")), HasSubstr("tensor 'w': data_offsets"))
        << offsets;
  }
  for (const char* offsets : {"[0]", "[]", "[0,4,8]"}) {
    const std::string header = absl::StrReplaceAll(kOneTensor, {{"[0,8]", offsets}});
    EXPECT_THAT(ErrorOf(File(header, "abcdefgh")), HasSubstr("data_offsets: not two numbers"));
  }
}

std::string TwoTensors(const std::string& first, const std::string& second) {
  return absl::StrCat(R"({"v":{"dtype":"U8","shape":[4],"data_offsets":)", first,
                      R"(},"w":{"dtype":"U8","shape":[4],"data_offsets":)", second, "}}");
}

TEST(SafetensorsTest, OverlappingRangesAreDataLoss) {
  EXPECT_THAT(ErrorOf(File(TwoTensors("[0,4]", "[3,7]"), "abcdefg")),
              HasSubstr("tensor 'w': data_offsets begin at 3, inside the tensor before it"));
  EXPECT_THAT(ErrorOf(File(TwoTensors("[0,4]", "[0,4]"), "abcd")), HasSubstr("inside the tensor"));
}

TEST(SafetensorsTest, GapsAreDataLoss) {
  EXPECT_THAT(ErrorOf(File(TwoTensors("[0,4]", "[5,9]"), "abcdefghi")),
              HasSubstr("tensor 'w': data_offsets begin at 5, with a gap"));
  EXPECT_THAT(ErrorOf(File(TwoTensors("[1,5]", "[5,9]"), "abcdefghi")),
              HasSubstr("tensor 'v': data_offsets begin at 1, with a gap"));
}

TEST(SafetensorsTest, DataBeyondTheFileIsDataLoss) {
  EXPECT_THAT(ErrorOf(File(TwoTensors("[0,4]", "[4,8]"), "abcdefg")),
              HasSubstr("tensor 'w': data ends at 8, but the file has 7 bytes"));
}

TEST(SafetensorsTest, DuplicateNamesAreDataLoss) {
  const std::string header = R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})";
  EXPECT_THAT(ErrorOf(File(header, "ab")), HasSubstr("tensor 'w' appears twice"));
  const std::string field = R"({"w":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})";
  EXPECT_THAT(ErrorOf(File(field, "a")), HasSubstr("at tensor 'w': field dtype twice"));
}

TEST(SafetensorsTest, UnknownTypesAndFieldsAreDataLoss) {
  for (const char* type : {"F8_E4M3", "f32", ""}) {
    const std::string header = absl::StrReplaceAll(kOneTensor, {{"F32", type}});
    EXPECT_THAT(ErrorOf(File(header, "abcdefgh")),
                HasSubstr(absl::StrCat("tensor 'w': unknown dtype '", type, "'")));
  }
  const std::string field = absl::StrReplaceAll(kOneTensor, {{"\"shape\"", "\"form\""}});
  EXPECT_THAT(ErrorOf(File(field, "abcdefgh")), HasSubstr("at tensor 'w': unknown field 'form'"));
}

TEST(SafetensorsTest, MissingFieldsAreDataLoss) {
  EXPECT_THAT(ErrorOf(File(R"({"w":{"shape":[1],"data_offsets":[0,1]}})", "a")),
              HasSubstr("at tensor 'w': no field dtype"));
  EXPECT_THAT(ErrorOf(File(R"({"w":{"dtype":"U8","data_offsets":[0,1]}})", "a")),
              HasSubstr("at tensor 'w': no field shape"));
  EXPECT_THAT(ErrorOf(File(R"({"w":{"dtype":"U8","shape":[1]}})", "a")),
              HasSubstr("at tensor 'w': no field data_offsets"));
}

TEST(SafetensorsTest, HeadersThatAreNotObjectsAreDataLoss) {
  for (const char* header : {"", "[]", " {}", "null", "\"\"", "5"}) {
    EXPECT_THAT(ErrorOf(File(header, "")), HasSubstr("header: does not begin with '{'")) << header;
  }
  EXPECT_THAT(ErrorOf(File("{}{}", "")), HasSubstr("header: not JSON at byte"));
  EXPECT_THAT(ErrorOf(File("{\"\xFF\":{}}", "")), HasSubstr("header: not JSON at byte"));
  EXPECT_THAT(ErrorOf(File(R"({"__metadata__":"pt"})", "")), HasSubstr("header: "));
  EXPECT_THAT(ErrorOf(File(R"({"__metadata__":{"a":{}}})", "")), HasSubstr("__metadata__"));
}

TEST(SafetensorsTest, DeepNestingIsRefusedAtItsFirstLevel) {
  const std::string deep = "{\"w\":" + std::string(1 << 20, '[');
  EXPECT_THAT(ErrorOf(File(deep, "")), HasSubstr("unexpected list"));
}

TEST(SafetensorsTest, ControlCharactersOfANameDoNotReachTheMessage) {
  const std::string header = R"({"w\u001b[31m":{"dtype":"X","shape":[],"data_offsets":[0,0]}})";
  const std::string message = ErrorOf(File(header, ""));
  EXPECT_THAT(message, HasSubstr("unknown dtype"));
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

class SafetensorsFileTest : public testing::Test {
 protected:
  absl::Status ReadBytes(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return ReadSafetensors(path_).status();
  }
  test::TempDir dir_;
  const std::string path_ = dir_.File("w.safetensors");
};

TEST_F(SafetensorsFileTest, RoundTrip) {
  ASSERT_THAT(WriteSafetensors(path_, Example()), IsOk());
  EXPECT_EQ(ReadWholeFile(path_, 1 << 20).value(), SerializeSafetensors(Example()));
  const auto read = ReadSafetensors(path_);
  ASSERT_THAT(read, IsOk());
  ExpectSame(*read, Example());
}

TEST_F(SafetensorsFileTest, EveryTruncationIsDataLossThatNamesTheFile) {
  const std::string bytes = SerializeSafetensors(Example());
  for (size_t size = 0; size < bytes.size(); size += 5) {
    const absl::Status status = ReadBytes(bytes.substr(0, size));
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path_))) << size;
  }
}

TEST_F(SafetensorsFileTest, MissingFileIsNotFound) {
  EXPECT_THAT(ReadSafetensors(path_), StatusIs(absl::StatusCode::kNotFound));
}

TEST(SafetensorsGoldenTest, ReadsAFileOfAnotherProgram) {
  S2P_GOLDEN_OR_SKIP(path, "trajectory.safetensors");
  const auto read = ReadSafetensors(path);
  ASSERT_THAT(read, IsOk());
  ASSERT_EQ(read->count("y"), 1u);
  EXPECT_EQ(read->at("y").type, TensorType::kI64);
  EXPECT_THAT(read->at("y").shape, ElementsAre(12));
  EXPECT_THAT(read->at("const/grad/fc1.weight").shape, ElementsAre(5, 16, 8));
}

}  // namespace
}  // namespace s2p
