#include "trainer/data/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Row = std::vector<std::string>;

class CsvTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<Row>> Parse(const std::string& text) {
    std::ofstream(dir_.File("t.csv"), std::ios::binary) << text;
    S2P_ASSIGN_OR_RETURN(auto reader, CsvReader::Open(dir_.File("t.csv")));
    std::vector<Row> rows;
    lines_.clear();
    Row row;
    while (true) {
      S2P_ASSIGN_OR_RETURN(const auto more, reader.Next(&row));
      if (!more) return rows;
      rows.push_back(row);
      lines_.push_back(reader.line());
    }
  }
  void ExpectWrong(const std::string& text, const std::string& words) {
    const absl::Status status = Parse(text).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("t.csv:" + words)));
  }

  TempDir dir_;
  std::vector<int64_t> lines_;
};

TEST_F(CsvTest, FieldsAreBetweenCommas) {
  EXPECT_THAT(*Parse("a, b ,c\n,,d\n"), ElementsAre(Row{"a", " b ", "c"}, Row{"", "", "d"}));
}

TEST_F(CsvTest, LastLineNeedsNoEnd) {
  EXPECT_THAT(*Parse("a\nb,c"), ElementsAre(Row{"a"}, Row{"b", "c"}));
}

TEST_F(CsvTest, LinesMayEndInCarriageReturnAndLineFeed) {
  EXPECT_THAT(*Parse("a,b\r\nc,\r\n"), ElementsAre(Row{"a", "b"}, Row{"c", ""}));
}

TEST_F(CsvTest, QuotedFieldMayHaveCommas) {
  EXPECT_THAT(*Parse("\"a,b\",\"\",c\n"), ElementsAre(Row{"a,b", "", "c"}));
}

TEST_F(CsvTest, QuoteWrittenTwiceIsAQuote) {
  EXPECT_THAT(*Parse("\"7\"\" heel\",\"\"\"\"\n"), ElementsAre(Row{"7\" heel", "\""}));
}

TEST_F(CsvTest, QuotedFieldMayGoOverLines) {
  EXPECT_THAT(*Parse("a,\"b\r\nc\"\nd\n"), ElementsAre(Row{"a", "b\nc"}, Row{"d"}));
  EXPECT_THAT(lines_, ElementsAre(1, 3));
}

TEST_F(CsvTest, EmptyLinesArePassedOver) {
  EXPECT_THAT(*Parse("a\n\n\r\nb\n\n"), ElementsAre(Row{"a"}, Row{"b"}));
  EXPECT_THAT(lines_, ElementsAre(1, 4));
}

TEST_F(CsvTest, BlanksAtTheEndOfALineAreDropped) {
  EXPECT_THAT(*Parse("a, b \t\n\"c \" \n,\"\"\t\n"),
              ElementsAre(Row{"a", " b"}, Row{"c "}, Row{"", ""}));
}

TEST_F(CsvTest, RowsOfCommasAndBlanksArePassedOver) {
  EXPECT_THAT(*Parse("a,b\n,\n ,\t\n   \nc,d\n,,,\n"), ElementsAre(Row{"a", "b"}, Row{"c", "d"}));
  EXPECT_THAT(lines_, ElementsAre(1, 5));
}

TEST_F(CsvTest, ByteOrderMarkIsNoText) {
  EXPECT_THAT(*Parse("\xef\xbb\xbf"
                     "a\n"),
              ElementsAre(Row{"a"}));
}

TEST_F(CsvTest, EmptyFileHasNoRows) { EXPECT_THAT(*Parse(""), IsEmpty()); }

TEST_F(CsvTest, QuoteInPlainFieldIsNamed) {
  ExpectWrong("a\nb,7\" heel\n", "2: field 2 has a quote but is not quoted");
}

TEST_F(CsvTest, TextAfterClosingQuoteIsNamed) {
  ExpectWrong("\"a\"b,c\n", "1: field 1 has text after its closing quote");
}

TEST_F(CsvTest, QuoteNeverClosedIsNamedWhereItsRowBegins) {
  ExpectWrong("a\nb,\"c\nd\n", "2: a quote is opened and never closed");
}

TEST_F(CsvTest, BinaryFileIsNoText) { ExpectWrong(std::string("a\nb\0c\n", 6), "2: is not text"); }

TEST_F(CsvTest, MissingFileIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(CsvReader::Open(dir_.File("none.csv")).status()));
}

}  // namespace
}  // namespace s2p::test
