#include "server/faults/faults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "daemon/log.h"
#include "server/faults/storage_fault.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class FaultsTest : public testing::Test {
 protected:
  FaultsTest() { EXPECT_THAT(ConfigureLog(LogOptions(), &log_), IsOk()); }
  ~FaultsTest() override { EXPECT_THAT(ConfigureLog(LogOptions()), IsOk()); }

  Faults::Options Options() {
    Faults::Options options;
    options.on_report = [this](FaultKind kind) { reported_.push_back(kind); };
    options.on_change = [this] { ++changes_; };
    options.now = [this] { return now_; };
    return options;
  }
  int LinesOf(const std::string& words) const {
    int count = 0;
    const std::string log = log_.str();
    for (size_t at = log.find(words); at != std::string::npos; at = log.find(words, at + 1)) {
      ++count;
    }
    return count;
  }

  std::ostringstream log_;
  std::vector<FaultKind> reported_;
  int changes_ = 0;
  absl::Time now_ = absl::FromUnixSeconds(1000);
  Faults faults_{Options()};
};

TEST_F(FaultsTest, NothingIsBrokenAtFirst) { EXPECT_THAT(faults_.Current(), IsEmpty()); }

TEST_F(FaultsTest, RepeatedFaultIsCountedWithItsTimesAndLastMessage) {
  faults_.Report(FaultKind::kDiskFull, "", "first", absl::ResourceExhaustedError("/x: full"));
  now_ += absl::Seconds(5);
  faults_.Report(FaultKind::kDiskFull, "", "second", absl::ResourceExhaustedError("/y: full"));
  const std::vector<Fault> current = faults_.Current();
  ASSERT_THAT(current, SizeIs(1));
  EXPECT_EQ(current[0].kind, FaultKind::kDiskFull);
  EXPECT_EQ(current[0].count, 2u);
  EXPECT_EQ(current[0].first_seen_at, absl::FromUnixSeconds(1000));
  EXPECT_EQ(current[0].last_seen_at, absl::FromUnixSeconds(1005));
  EXPECT_EQ(current[0].message, "second");
  EXPECT_THAT(reported_, SizeIs(2));
}

TEST_F(FaultsTest, SubjectIsLoggedOnceWithItsPath) {
  for (int i = 0; i < 3; ++i) {
    faults_.Report(FaultKind::kPhotoMissing, "a", "gone", absl::NotFoundError("/data/a: open"));
  }
  faults_.Report(FaultKind::kPhotoMissing, "b", "gone", absl::NotFoundError("/data/b: open"));
  EXPECT_EQ(LinesOf("/data/a"), 1);
  EXPECT_EQ(LinesOf("/data/b"), 1);
  EXPECT_EQ(LinesOf("kind=photo_missing"), 2);
}

TEST_F(FaultsTest, FaultIsOverWhenItsLastSubjectIsWhole) {
  faults_.Report(FaultKind::kPhotoMissing, "a", "gone", absl::NotFoundError("a"));
  faults_.Report(FaultKind::kPhotoMissing, "b", "gone", absl::NotFoundError("b"));
  faults_.Resolve(FaultKind::kPhotoMissing, "a");
  EXPECT_THAT(faults_.Current(), SizeIs(1));
  faults_.Resolve(FaultKind::kPhotoMissing, "b");
  EXPECT_THAT(faults_.Current(), IsEmpty());
  EXPECT_EQ(changes_, 4);
}

TEST_F(FaultsTest, FaultThatComesBackIsLoggedAgainAndItsCountContinues) {
  faults_.Report(FaultKind::kDiskFull, "", "full", absl::ResourceExhaustedError("full"));
  faults_.Resolve(FaultKind::kDiskFull);
  faults_.Report(FaultKind::kDiskFull, "", "full", absl::ResourceExhaustedError("full"));
  EXPECT_EQ(LinesOf("kind=disk_full reason"), 2);
  EXPECT_EQ(faults_.Current()[0].count, 2u);
}

TEST_F(FaultsTest, WholeSubjectChangesNothing) {
  faults_.Resolve(FaultKind::kPhotoDamaged, "a");
  EXPECT_EQ(changes_, 0);
}

TEST_F(FaultsTest, MoreSubjectsThanAreKeptAreCountedAndNotLogged) {
  for (int i = 0; i < 1001; ++i) {
    faults_.Report(FaultKind::kPhotoMissing, std::to_string(i), "gone", absl::NotFoundError("x"));
  }
  EXPECT_EQ(faults_.Current()[0].count, 1001u);
  EXPECT_EQ(LinesOf("kind=photo_missing"), 1000);
}

struct StorageCase {
  absl::Status raw;
  absl::StatusCode code;
  FaultKind kind;
};

class StorageFaultTest : public testing::TestWithParam<StorageCase> {};
INSTANTIATE_TEST_SUITE_P(
    Codes, StorageFaultTest,
    testing::Values(StorageCase{absl::ResourceExhaustedError("/data/x: write: No space"),
                                absl::StatusCode::kResourceExhausted, FaultKind::kDiskFull},
                    StorageCase{absl::PermissionDeniedError("/data/x: create: Read-only"),
                                absl::StatusCode::kInternal, FaultKind::kDataReadOnly},
                    StorageCase{absl::DataLossError("/data/x: damaged"),
                                absl::StatusCode::kDataLoss, FaultKind::kCatalogueFailed},
                    StorageCase{absl::InternalError("/data/x: disk I/O error"),
                                absl::StatusCode::kInternal, FaultKind::kCatalogueFailed},
                    StorageCase{absl::UnknownError("/data/x: Input/output error"),
                                absl::StatusCode::kInternal, FaultKind::kCatalogueFailed}));

TEST_P(StorageFaultTest, ErrorHasItsCodeAndItsKindAndNoPath) {
  Faults faults;
  const absl::Status told = StorageFault(faults, GetParam().raw);
  EXPECT_THAT(told, StatusIs(GetParam().code, Not(HasSubstr("/data"))));
  ASSERT_THAT(faults.Current(), SizeIs(1));
  EXPECT_EQ(faults.Current()[0].kind, GetParam().kind);
  EXPECT_THAT(faults.Current()[0].message, Not(HasSubstr("/data")));
}

TEST_F(FaultsTest, ErrorOfTheCallerIsNoFault) {
  const absl::Status status = absl::NotFoundError("photo_id 'a'");
  EXPECT_EQ(StorageFault(faults_, status), status);
  EXPECT_THAT(faults_.Current(), IsEmpty());
}

TEST_F(FaultsTest, ErrorOfAFileIsNeverTheCallers) {
  const absl::Status status = AsStorageError(absl::NotFoundError("/data/x: open"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, HasSubstr("/data/x: open")));
}

TEST_F(FaultsTest, WriteThatSucceedsEndsTheFaultsOfTheFolder) {
  StorageFault(faults_, absl::ResourceExhaustedError("full")).IgnoreError();
  StorageFault(faults_, absl::PermissionDeniedError("read-only")).IgnoreError();
  StorageFault(faults_, absl::InternalError("I/O")).IgnoreError();
  ASSERT_THAT(faults_.Current(), SizeIs(3));
  StorageWorks(faults_, /*has_room=*/true);
  EXPECT_THAT(faults_.Current(), IsEmpty());
}

TEST_F(FaultsTest, DiskBelowItsReserveStaysFullThoughADeletionSucceeds) {
  StorageFault(faults_, absl::ResourceExhaustedError("full")).IgnoreError();
  StorageWorks(faults_, /*has_room=*/false);
  EXPECT_THAT(faults_.Current(), SizeIs(1));
}

TEST_F(FaultsTest, PhotoIsNamedByItsIdAndLoggedWithItsPath) {
  const absl::Status told =
      PhotoFault(faults_, "a", "digest", absl::NotFoundError("/data/photos/di/digest: open"));
  EXPECT_THAT(told, StatusIs(absl::StatusCode::kDataLoss, "photo_id 'a': its file is missing"));
  EXPECT_THAT(log_.str(), AllOf(HasSubstr("/data/photos/di/digest"), HasSubstr("'a'")));
  PhotoWorks(faults_, "digest");
  EXPECT_THAT(faults_.Current(), IsEmpty());
}

}  // namespace
}  // namespace s2p::test
