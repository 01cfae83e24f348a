#include "rpc/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/reload_signal.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class AuditLogTest : public testing::Test {
 protected:
  AuditLogTest() { EXPECT_THAT(ConfigureLog(LogOptions(), &log_), IsOk()); }
  ~AuditLogTest() override { EXPECT_THAT(ConfigureLog(LogOptions()), IsOk()); }

  static AuditEntry Entry(const std::string& id) {
    AuditEntry entry;
    entry.when = absl::FromUnixMillis(1'000'000'000'123);
    entry.caller = {"web", "10.0.0.7"};
    entry.method = "DeletePhotos";
    entry.ids = {id};
    entry.count = 1;
    entry.code = "OK";
    entry.request_id = "r1";
    return entry;
  }
  static std::string Line(const std::string& id) {
    return R"({"time":"2001-09-09T01:46:40.123Z","key":"web","address":"10.0.0.7",)"
           R"("method":"DeletePhotos","ids":[")" +
           id + R"("],"count":1,"code":"OK","request_id":"r1"})" + "\n";
  }
  std::string Contents(const std::string& name = "audit") const {
    std::ostringstream text;
    text << std::ifstream(dir_.File(name)).rdbuf();
    return text.str();
  }
  void Open(const std::string& path) { audit_ = *AuditLog::Open(path, &metrics_); }
  void Open() { Open(dir_.File("audit")); }

  TempDir dir_;
  RpcMetrics metrics_{{}, {}};
  std::ostringstream log_;
  std::unique_ptr<AuditLog> audit_;
};

TEST_F(AuditLogTest, EntryIsALineOfJson) {
  Open();
  audit_->Write(Entry("a"));
  EXPECT_EQ(Contents(), Line("a"));
}

TEST_F(AuditLogTest, FormerEntriesStay) {
  for (const char* id : {"a", "b"}) {
    Open();
    audit_->Write(Entry(id));
  }
  EXPECT_EQ(Contents(), Line("a") + Line("b"));
}

TEST_F(AuditLogTest, LineStaysALineWhateverAnIdHolds) {
  Open();
  audit_->Write(Entry("a\n\"b"));
  EXPECT_EQ(Contents(), Line(R"(a\n\"b)"));
}

TEST_F(AuditLogTest, NotEveryIdOfManyIsListed) {
  AuditEntry entry = Entry("0");
  for (int i = 1; i < 1000; ++i) entry.ids.push_back(absl::StrCat(i));
  entry.count = 1000;
  Open();
  audit_->Write(entry);
  EXPECT_THAT(Contents(), HasSubstr(R"("99"],"count":1000)"));
}

TEST_F(AuditLogTest, OthersMayNotReadTheFile) {
  Open();
  struct stat attributes = {};
  ASSERT_EQ(stat(dir_.File("audit").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 07, 0U);
}

TEST_F(AuditLogTest, FileIsOpenedAnewAfterSighup) {
  ASSERT_THAT(CatchReloadSignal(), IsOk());
  Open();
  audit_->Write(Entry("a"));
  ASSERT_EQ(std::rename(dir_.File("audit").c_str(), dir_.File("audit.1").c_str()), 0);
  audit_->Write(Entry("b"));
  raise(SIGHUP);
  audit_->Write(Entry("c"));
  EXPECT_EQ(Contents("audit.1"), Line("a") + Line("b"));
  EXPECT_EQ(Contents(), Line("c"));
}

TEST_F(AuditLogTest, EntryThatCannotBeWrittenIsInTheLogAndCounted) {
  Open("/dev/full");
  audit_->Write(Entry("a"));
  EXPECT_THAT(log_.str(), HasSubstr("change that the audit log lacks"));
  EXPECT_THAT(log_.str(), HasSubstr("key=web"));
  EXPECT_THAT(log_.str(), HasSubstr("/dev/full"));
  EXPECT_THAT(metrics_.Text(), HasSubstr("s2p_audit_failures_total 1"));
}

TEST_F(AuditLogTest, LineAfterATornOneIsWhole) {
  Open();
  rlimit former = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &former), 0);
  const rlimit tight = {10, former.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  audit_->Write(Entry("a"));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &former), 0);
  audit_->Write(Entry("b"));
  EXPECT_THAT(Contents(), EndsWith("\n" + Line("b")));
  EXPECT_THAT(metrics_.Text(), HasSubstr("s2p_audit_failures_total 1"));
}

TEST_F(AuditLogTest, LineAfterOneThatACrashHasCutOffIsWhole) {
  std::ofstream(dir_.File("audit")) << R"({"time":"2001)";
  Open();
  for (const char* id : {"a", "b"}) audit_->Write(Entry(id));
  EXPECT_EQ(Contents(), "{\"time\":\"2001\n" + Line("a") + Line("b"));
}

TEST_F(AuditLogTest, FileThatCannotBeOpenedAnewIsTriedAgain) {
  ASSERT_THAT(CatchReloadSignal(), IsOk());
  Open();
  audit_->Write(Entry("a"));
  std::filesystem::rename(dir_.File("audit"), dir_.File("audit.1"));
  std::filesystem::create_directory(dir_.File("audit"));
  raise(SIGHUP);
  for (const char* id : {"b", "c"}) audit_->Write(Entry(id));
  EXPECT_THAT(metrics_.Text(), HasSubstr("s2p_audit_failures_total 2"));
  std::filesystem::remove(dir_.File("audit"));
  audit_->Write(Entry("d"));
  EXPECT_EQ(Contents("audit.1"), Line("a"));
  EXPECT_EQ(Contents(), Line("d"));
}

TEST_F(AuditLogTest, WithoutAFileTheLogHasTheEntries) {
  Open("");
  audit_->Write(Entry("a"));
  EXPECT_THAT(log_.str(), HasSubstr("change key=web address=10.0.0.7 method=DeletePhotos"));
}

TEST_F(AuditLogTest, WithoutAFilePartsAreNotShown) {
  Open("");
  AuditEntry entry = Entry("a");
  entry.is_part = true;
  audit_->Write(entry);
  EXPECT_THAT(log_.str(), Not(HasSubstr("change")));
}

}  // namespace
}  // namespace s2p::test
