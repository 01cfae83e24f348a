#include "base/text_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

#define BOM "\xef\xbb\xbf"

std::string Plain(const std::string& bytes) {
  const auto text = PlainText(bytes, "f");
  return text.ok() ? *text : std::string(text.status().message());
}

// The message with which `bytes` are refused.
std::string Refusal(const std::string& bytes) {
  const absl::Status status = PlainText(bytes, "f.txt").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  return std::string(status.message());
}

// `text`, which is ASCII, in an encoding with `width` bytes per character.
std::string Wide(const std::string& text, size_t width, bool little_endian) {
  std::string bytes;
  for (const char c : text) {
    std::string unit(width, '\0');
    unit[little_endian ? 0 : width - 1] = c;
    bytes += unit;
  }
  return bytes;
}

TEST(PlainTextTest, EveryLineEndBecomesALineFeed) {
  EXPECT_EQ(Plain("a\r\nb\rc\n\r\r\n"), "a\nb\nc\n\n\n");
}

TEST(PlainTextTest, CarriageReturnAtTheEndIsALineEnd) { EXPECT_EQ(Plain("a\r"), "a\n"); }

TEST(PlainTextTest, ByteOrderMarkIsDropped) { EXPECT_EQ(Plain(BOM "a"), "a"); }

TEST(PlainTextTest, ByteOrderMarksOfJoinedFilesAreDropped) {
  EXPECT_EQ(Plain(BOM BOM "a\r\n" BOM "b\r" BOM "c"), "a\nb\nc");
}

TEST(PlainTextTest, ByteOrderMarkWithinALineStays) { EXPECT_EQ(Plain("a" BOM), "a" BOM); }

TEST(PlainTextTest, EmptyFileAndMarkAloneAreEmpty) {
  EXPECT_EQ(Plain(""), "");
  EXPECT_EQ(Plain(BOM), "");
}

TEST(PlainTextTest, CharactersOfEveryLengthAreKept) {
  const std::string text = "\x7f\xc2\x80\xe0\xa0\x80\xed\x9f\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";
  EXPECT_EQ(Plain(text), text);
}

TEST(PlainTextTest, Utf16IsNamedInEitherOrderWithAndWithoutMark) {
  for (const bool little : {true, false}) {
    const std::string text = Wide("preset", 2, little);
    EXPECT_THAT(Refusal((little ? "\xff\xfe" : "\xfe\xff") + text),
                HasSubstr("f.txt:1: the text is UTF-16, not UTF-8"));
    EXPECT_THAT(Refusal(text), HasSubstr("UTF-16"));
  }
}

TEST(PlainTextTest, Utf32IsNamedInEitherOrder) {
  EXPECT_THAT(Refusal(std::string("\xff\xfe\0\0", 4) + Wide("a", 4, true)), HasSubstr("UTF-32"));
  EXPECT_THAT(Refusal(std::string("\0\0\xfe\xff", 4) + Wide("a", 4, false)), HasSubstr("UTF-32"));
}

TEST(PlainTextTest, NulIsNamedWithItsLine) {
  EXPECT_THAT(Refusal(std::string("a\r\nb\rcd\0", 8)),
              HasSubstr("f.txt:3: is not text but has a NUL at byte 3 of the line"));
}

TEST(PlainTextTest, InvalidUtf8IsNamedWithLineAndRemedy) {
  EXPECT_THAT(Refusal("name = a\nname = caf\xe9\n"),
              HasSubstr("f.txt:2: is not UTF-8 at byte 11 of the line: save the file as UTF-8"));
}

TEST(PlainTextTest, RefusalNeverRepeatsTheText) {
  EXPECT_THAT(Refusal("correct horse\xe9"), Not(HasSubstr("correct")));
}

TEST(PlainTextTest, OverlongSurrogateCutAndTooLargeCharactersAreRefused) {
  for (const char* bytes : {"\xc0\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80", "\xe2\x82", "\xff"}) {
    EXPECT_THAT(Refusal(bytes), HasSubstr("is not UTF-8 at byte 1 of the line"));
  }
}

class TextFileTest : public testing::Test {
 protected:
  std::string Write(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return path_;
  }

  TempDir dir_;
  const std::string path_ = dir_.File("t.txt");
};

TEST_F(TextFileTest, LinesAreNumberedAndLastNeedsNoEnd) {
  auto file = TextFile::Read(Write("a \r\n\r\n b"));
  ASSERT_THAT(file, IsOk());
  absl::string_view line;
  std::vector<std::string> lines;
  while (file->Next(&line)) lines.emplace_back(line);
  EXPECT_THAT(lines, ElementsAre("a ", "", " b"));
  EXPECT_EQ(file->line(), 3);
}

TEST_F(TextFileTest, FilledLinesAreStrippedAndKeepTheirNumbers) {
  auto file = TextFile::Read(Write("\n \t\n\r\n  a b \t\n\n"));
  ASSERT_THAT(file, IsOk());
  absl::string_view line;
  ASSERT_TRUE(file->NextFilled(&line));
  EXPECT_EQ(line, "a b");
  EXPECT_EQ(file->Wrong("is short").message(), path_ + ":4: is short");
  EXPECT_FALSE(file->NextFilled(&line));
}

TEST_F(TextFileTest, MissingFileIsNotFound) {
  const absl::Status status = ReadTextFile(dir_.File("none")).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("/none: open")));
}

TEST_F(TextFileTest, FolderIsNotATextFile) {
  const absl::Status status = ReadTextFile(dir_.path()).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a folder, not a file")));
}

TEST_F(TextFileTest, LimitIsTheLargestAcceptedSize) {
  EXPECT_EQ(*ReadTextFile(Write("12345"), 5), "12345");
  const absl::Status status = ReadTextFile(path_, 4).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("t.txt: has more than 4 bytes")));
}

TEST_F(TextFileTest, PipeIsReadToItsEnd) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], BOM "key\r\n", 8), 8);
  close(ends[1]);
  EXPECT_EQ(*ReadTextFile("/dev/fd/" + std::to_string(ends[0])), "key\n");
  close(ends[0]);
}

constexpr char kPem[] = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

TEST_F(TextFileTest, PemIsReadWithoutByteOrderMarkAndCarriageReturns) {
  EXPECT_EQ(*ReadPemFile(Write(BOM "-----BEGIN CERTIFICATE-----\r\nAA==\r\n"
                                   "-----END CERTIFICATE-----\r\n")),
            kPem);
}

TEST_F(TextFileTest, BytesOutsidePemMayBeAnything) {
  const std::string bundle = std::string("# Autoridad de Certificaci\xf3n\n") + kPem;
  EXPECT_EQ(*ReadPemFile(Write(bundle)), bundle);
}

TEST_F(TextFileTest, ErrorForAFileWithoutPemSaysWhatItIs) {
  const std::pair<std::string, const char*> wrong[] = {
      {"", "t.txt: holds no certificate or key in PEM form"},
      {"hello\n", "t.txt: holds no certificate or key in PEM form"},
      {std::string("\x30\x82\x01\x00\x00", 5),
       "t.txt: is in DER form; convert it to PEM with openssl x509"},
      {Wide(kPem, 2, true), "t.txt:1: the text is UTF-16"}};
  for (const auto& [bytes, words] : wrong) {
    const absl::Status status = ReadPemFile(Write(bytes)).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
  }
}

}  // namespace
}  // namespace s2p::test
