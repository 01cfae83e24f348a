#include "server/gallery/write_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace s2p {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(WriteLogTest, ReaderLearnsWhatIsWrittenDuringItsLife) {
  WriteLog log;
  log.Record("before");
  WriteLog::Reader reader(&log);
  log.Record("b");
  log.Record("a");
  log.Record("b");
  EXPECT_THAT(reader.Take(), ElementsAre("a", "b"));
}

TEST(WriteLogTest, TakenIdsAreTakenOnce) {
  WriteLog log;
  WriteLog::Reader reader(&log);
  log.Record("a");
  reader.Take();
  EXPECT_THAT(reader.Take(), IsEmpty());
  log.Record("a");
  EXPECT_THAT(reader.Take(), ElementsAre("a"));
}

TEST(WriteLogTest, ReadersDoNotTakeFromOneAnother) {
  WriteLog log;
  WriteLog::Reader first(&log);
  log.Record("a");
  WriteLog::Reader second(&log);
  log.Record("b");
  EXPECT_THAT(first.Take(), ElementsAre("a", "b"));
  EXPECT_THAT(second.Take(), ElementsAre("b"));
}

TEST(WriteLogTest, ReaderThatDiesLeavesTheOthersAlone) {
  WriteLog log;
  auto first = std::make_unique<WriteLog::Reader>(&log);
  WriteLog::Reader second(&log);
  first.reset();
  log.Record("a");
  EXPECT_THAT(second.Take(), ElementsAre("a"));
}

}  // namespace
}  // namespace s2p
