#include "client/report.h"

#include <gtest/gtest.h>

#include <sstream>

#include "s2p/v1/gallery.pb.h"
#include "s2p/v1/search.pb.h"

namespace s2p {
namespace {

TEST(ReportTest, JsonHasDefaultValues) {
  v1::GetGalleryStatsResponse stats;
  stats.set_photo_count(3);
  EXPECT_EQ(ToJson(stats, /*compact=*/true),
            "{\"photoCount\":\"3\",\"sketchCount\":\"0\",\"totalBytes\":\"0\","
            "\"modelVersion\":\"0\",\"dimension\":0,\"indexKind\":\"\",\"indexRecall\":0,"
            "\"uncoloredPhotoCount\":\"0\"}\n");
}

TEST(ReportTest, TableAlignsColumns) {
  std::ostringstream out;
  PrintTable({{">rank", "photo"}, {"1", "boot"}, {"12", "\xC3\xA9t\xC3\xA9"}}, out);
  EXPECT_EQ(out.str(), "rank  photo\n   1  boot\n  12  \xC3\xA9t\xC3\xA9\n");
}

TEST(ReportTest, StatesHaveColoursAndColumnsStayAligned) {
  std::ostringstream out;
  PrintTable({{"state", "id"}, {"FAILED", "failed"}, {"serving", "2"}, {"RETIRED", "3"}}, out,
             /*colours=*/true);
  EXPECT_EQ(out.str(),
            "state    id\n\033[31mFAILED\033[0m   failed\n\033[32mserving\033[0m  2\n"
            "RETIRED  3\n");
}

TEST(ReportTest, OutputThatIsNotATerminalHasNoColours) {
  std::ostringstream out;
  PrintTable({{"state"}, {"FAILED"}}, out);
  EXPECT_EQ(out.str(), "state\nFAILED\n");
}

TEST(ReportTest, MetadataIsSortedByKey) {
  v1::Photo photo;
  (*photo.mutable_metadata())["b"] = "2";
  (*photo.mutable_metadata())["a"] = "1";
  EXPECT_EQ(ToText(photo.metadata()), "a=1 b=2");
}

TEST(ReportTest, MetadataCannotSteerTheTerminal) {
  v1::Photo photo;
  (*photo.mutable_metadata())["a"] = "\033[2J";
  EXPECT_EQ(ToText(photo.metadata()), "a=\\x1b[2J");
}

}  // namespace
}  // namespace s2p
