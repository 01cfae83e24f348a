#include "server/feedback/feedback_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/file.h"
#include "model/sha256.h"
#include "server/feedback/feedback_sql.h"
#include "tests/server/feedback/drawings.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr uint64_t kMuch = uint64_t{1} << 40;

// Bytes that no other number has.
std::string SketchOf(int number, size_t size = 3000) {
  std::string bytes;
  for (int i = 0; bytes.size() < size; ++i) bytes += Sha256(absl::StrCat(number, ":", i));
  return bytes.substr(0, size);
}

FeedbackRecord RecordOf(int number) {
  FeedbackRecord record;
  record.feedback_id = absl::StrCat("secret-id-", number);
  record.digest = Sha256(absl::StrCat("content ", number));
  record.photo_id = absl::StrCat("photo-", number);
  record.photo_sha256 = Sha256(record.photo_id);
  record.recorded_by = number % 2 == 0 ? "even" : "odd";
  record.recorded_at = absl::FromUnixMicros(1'700'000'000'000'000 + number);
  record.sketch_width = 30;
  record.sketch_height = 20;
  return record;
}

class FeedbackStoreTest : public testing::Test {
 protected:
  void Reopen() {
    store_.reset();
    auto opened = FeedbackStore::Open(path_);
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }
  void SetUp() override {
    fs::create_directory(dir_.File("data"));
    Reopen();
  }
  void MustInsert(int number, size_t size = 3000) {
    const auto inserted = store_->Insert(RecordOf(number), SketchOf(number, size), kMuch);
    ASSERT_THAT(inserted, IsOk());
    ASSERT_TRUE(inserted->is_new);
  }
  std::vector<std::string> Ids(const FeedbackFilter& filter = {}) const {
    std::vector<std::string> ids;
    const auto entries = store_->List(filter, 0, 1000);
    EXPECT_THAT(entries, IsOk());
    for (const StoredFeedback& entry : *entries) ids.push_back(entry.record.feedback_id);
    return ids;
  }
  static std::string Id(int number) { return RecordOf(number).feedback_id; }
  void Execute(const char* sql) const {
    sqlite3* file = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &file), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(file, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(file);
  }
  // The steps in which SQLite would run a statement.
  std::vector<std::string> PlanOf(const char* sql) const {
    std::vector<std::string> steps;
    sqlite3* file = nullptr;
    sqlite3_stmt* plan = nullptr;
    EXPECT_EQ(sqlite3_open(path_.c_str(), &file), SQLITE_OK);
    const std::string explain = absl::StrCat("EXPLAIN QUERY PLAN ", sql);
    EXPECT_EQ(sqlite3_prepare_v2(file, explain.c_str(), -1, &plan, nullptr), SQLITE_OK);
    while (sqlite3_step(plan) == SQLITE_ROW) {
      steps.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(plan, 3)));
    }
    sqlite3_finalize(plan);
    sqlite3_close(file);
    return steps;
  }
  void ExpectMatchesAreLookedUp() const {
    // A sort would be a step of its own.
    EXPECT_THAT(PlanOf(feedback_sql::kListMatches),
                ElementsAre(HasSubstr("INDEX feedback_matches (state=? AND verdict=? AND ")));
    EXPECT_THAT(
        PlanOf(feedback_sql::kHasMatchOf),
        ElementsAre(HasSubstr("INDEX feedback_matches (state=? AND verdict=? AND photo_id=?)")));
  }

  TempDir dir_;
  const std::string path_ = dir_.File("data/feedback.db");
  std::unique_ptr<FeedbackStore> store_;
};

TEST_F(FeedbackStoreTest, EntryComesBackAfterARestart) {
  MustInsert(1);
  Reopen();
  const auto found = store_->Find(Id(1));
  ASSERT_THAT(found, IsOk());
  const FeedbackRecord record = RecordOf(1);
  EXPECT_EQ(found->digest, record.digest);
  EXPECT_EQ(found->photo_id, record.photo_id);
  EXPECT_EQ(found->photo_sha256, record.photo_sha256);
  EXPECT_EQ(found->verdict, Verdict::kMatch);
  EXPECT_EQ(found->state, FeedbackState::kPending);
  EXPECT_EQ(found->recorded_by, "odd");
  EXPECT_EQ(found->recorded_at, record.recorded_at);
  EXPECT_EQ(found->reviewed_at, absl::InfinitePast());
  EXPECT_EQ(found->sketch_bytes, 3000u);
  EXPECT_EQ(*store_->ReadSketch(Id(1)), SketchOf(1));
  EXPECT_EQ(store_->Totals().pending, 1u);
  EXPECT_EQ(store_->Totals().bytes, 3000 + kEntryBytes);
}

TEST_F(FeedbackStoreTest, SameContentIsTheEarlierEntryUnderWhateverId) {
  MustInsert(1);
  FeedbackRecord again = RecordOf(1);
  again.feedback_id = "another";
  const auto inserted = store_->Insert(again, SketchOf(1), kMuch);
  ASSERT_THAT(inserted, IsOk());
  EXPECT_FALSE(inserted->is_new);
  EXPECT_EQ(inserted->record.feedback_id, Id(1));
  EXPECT_THAT(Ids(), ElementsAre(Id(1)));
}

TEST_F(FeedbackStoreTest, OppositeReplacesAPendingEntryOfTheSameKeyAloneAndCountsItsRoom) {
  MustInsert(1);
  MustInsert(2);
  MustInsert(3);
  ASSERT_THAT(store_->SetState({Id(3)}, FeedbackState::kRejected, absl::Now()), IsOk());
  const auto insert = [this](int number, const std::string& by, int opposite) {
    FeedbackRecord record = RecordOf(number);
    record.recorded_by = by;
    const auto inserted = store_->Insert(record, SketchOf(number), 5 * (3000 + kEntryBytes),
                                         RecordOf(opposite).digest);
    EXPECT_THAT(inserted, IsOk());
    return inserted->replaced;
  };
  EXPECT_FALSE(insert(11, "another", 1));
  EXPECT_FALSE(insert(13, "odd", 3));
  // There is no room for one more, but there is for one instead of another.
  EXPECT_TRUE(insert(12, "even", 2));
  EXPECT_THAT(Ids(), ElementsAre(Id(1), Id(3), Id(11), Id(13), Id(12)));
  EXPECT_EQ(store_->Totals().bytes, 5 * (3000 + kEntryBytes));
  EXPECT_EQ(store_->Totals().pending, 4u);
  EXPECT_THAT(FilesBelowWith(dir_.path(), SketchOf(2, 60)), IsEmpty());
}

TEST_F(FeedbackStoreTest, IdOfOtherContentAlreadyExists) {
  MustInsert(1);
  FeedbackRecord other = RecordOf(2);
  other.feedback_id = Id(1);
  EXPECT_THAT(store_->Insert(other, SketchOf(2), kMuch),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(Id(1))));
  EXPECT_EQ(*store_->ReadSketch(Id(1)), SketchOf(1));
}

TEST_F(FeedbackStoreTest, DrawingsBeyondTheMostBytesAreOutOfRangeUntilSomeAreRemoved) {
  ASSERT_THAT(store_->Insert(RecordOf(1), SketchOf(1), 6000), IsOk());
  EXPECT_THAT(store_->Insert(RecordOf(2), SketchOf(2), 6000),
              StatusIs(absl::StatusCode::kOutOfRange));
  // The same again takes no room.
  EXPECT_THAT(store_->Insert(RecordOf(1), SketchOf(1), 6000), IsOk());
  ASSERT_THAT(store_->Remove({Id(1)}), IsOk());
  EXPECT_THAT(store_->Insert(RecordOf(2), SketchOf(2), 6000), IsOk());
}

TEST_F(FeedbackStoreTest, TinyDrawingsCountWithTheRoomThatTheirEntriesTake) {
  constexpr uint64_t kMost = 100 * kEntryBytes;
  int entries = 0;
  while (store_->Insert(RecordOf(entries), "tiny", kMost).ok()) ++entries;
  EXPECT_EQ(entries, 99);
  EXPECT_EQ(store_->Totals().bytes, 99 * (4 + kEntryBytes));
  Reopen();
  EXPECT_EQ(store_->Totals().bytes, 99 * (4 + kEntryBytes));
  store_.reset();
  EXPECT_LT(fs::file_size(path_), kMost + 65536);
}

TEST_F(FeedbackStoreTest, ReviewIsDurableAndSaysWhichIdsAreKnown) {
  MustInsert(1);
  MustInsert(2);
  const auto found =
      store_->SetState({Id(1), "none"}, FeedbackState::kAccepted, absl::FromUnixMicros(5));
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->found, ElementsAre(true, false));
  EXPECT_TRUE(found->matches_changed);
  Reopen();
  EXPECT_EQ(store_->Find(Id(1))->state, FeedbackState::kAccepted);
  EXPECT_EQ(store_->Find(Id(1))->reviewed_at, absl::FromUnixMicros(5));
  EXPECT_EQ(store_->Find(Id(2))->state, FeedbackState::kPending);
  EXPECT_EQ(store_->Totals().accepted, 1u);
  EXPECT_EQ(store_->Totals().pending, 1u);
}

TEST_F(FeedbackStoreTest, ReviewSaysWhetherAcceptedMatchesChange) {
  MustInsert(1);
  FeedbackRecord no_match = RecordOf(2);
  no_match.verdict = Verdict::kNoMatch;
  ASSERT_THAT(store_->Insert(no_match, SketchOf(2), kMuch), IsOk());
  const auto changes = [this](int number, FeedbackState state) {
    const auto reviewed = store_->SetState({Id(number)}, state, absl::Now());
    EXPECT_THAT(reviewed, IsOk());
    return reviewed->matches_changed;
  };
  EXPECT_FALSE(changes(1, FeedbackState::kRejected));
  EXPECT_FALSE(changes(1, FeedbackState::kPending));
  EXPECT_TRUE(changes(1, FeedbackState::kAccepted));
  EXPECT_FALSE(changes(1, FeedbackState::kAccepted));
  EXPECT_TRUE(changes(1, FeedbackState::kRejected));
  EXPECT_FALSE(changes(2, FeedbackState::kAccepted));
  EXPECT_EQ(store_->Totals().accepted, 1u);
  EXPECT_EQ(store_->Totals().rejected, 1u);
  EXPECT_FALSE(*store_->HasMatchAmong({Id(1), Id(2), "none"}));
  ASSERT_TRUE(changes(1, FeedbackState::kAccepted));
  EXPECT_TRUE(*store_->HasMatchAmong({"none", Id(1)}));
  EXPECT_TRUE(*store_->HasMatchOf({"none", "photo-1"}));
  EXPECT_FALSE(*store_->HasMatchOf({"photo-2"}));
}

TEST_F(FeedbackStoreTest, ListShowsPagesOfWhatPasses) {
  for (int i = 0; i < 6; ++i) MustInsert(i);
  ASSERT_THAT(store_->SetState({Id(1), Id(2)}, FeedbackState::kRejected, absl::Now()), IsOk());
  FeedbackFilter odd, rejected;
  odd.recorded_by = "odd";
  rejected.state = FeedbackState::kRejected;
  EXPECT_THAT(Ids(odd), ElementsAre(Id(1), Id(3), Id(5)));
  EXPECT_THAT(Ids(rejected), ElementsAre(Id(1), Id(2)));
  const auto page = store_->List({}, 0, 4);
  ASSERT_THAT(*page, SizeIs(4));
  const auto rest = store_->List({}, page->back().place, 4);
  ASSERT_THAT(*rest, SizeIs(2));
  EXPECT_EQ(rest->front().record.feedback_id, Id(4));
}

TEST_F(FeedbackStoreTest, MatchesAreOrderedByPhoto) {
  for (const int number : {3, 1, 2}) MustInsert(number);
  FeedbackRecord second = RecordOf(9);
  second.photo_id = RecordOf(1).photo_id;
  FeedbackRecord other = RecordOf(4);
  other.verdict = Verdict::kNoMatch;
  ASSERT_THAT(store_->Insert(second, "x", kMuch), IsOk());
  ASSERT_THAT(store_->Insert(other, "y", kMuch), IsOk());
  MustInsert(5);
  ASSERT_THAT(
      store_->SetState({Id(1), Id(2), Id(3), Id(4), Id(9)}, FeedbackState::kAccepted, absl::Now()),
      IsOk());
  std::vector<std::string> ids;
  std::string photo;
  int64_t place = 0;
  for (;;) {
    const auto next = store_->ListMatches(photo, place, 1);
    ASSERT_THAT(next, IsOk());
    if (next->empty()) break;
    ids.push_back(next->front().record.feedback_id);
    photo = next->front().record.photo_id;
    place = next->front().place;
  }
  EXPECT_THAT(ids, ElementsAre(Id(1), Id(9), Id(2), Id(3)));
}

TEST_F(FeedbackStoreTest, MatchesOfAPhotoAndTheNextPageAreLookedUpAndNotScanned) {
  MustInsert(1);
  ExpectMatchesAreLookedUp();
}

TEST_F(FeedbackStoreTest, StoreOfAnOlderProgramGetsTheIndexOfMatches) {
  MustInsert(1);
  ASSERT_THAT(store_->SetState({Id(1)}, FeedbackState::kAccepted, absl::Now()), IsOk());
  store_.reset();
  Execute(
      "DROP INDEX feedback_matches; "
      "CREATE INDEX feedback_by_photo ON feedback (photo_id, place)");
  ASSERT_THAT(PlanOf(feedback_sql::kListMatches), Not(SizeIs(1)));
  Reopen();
  ExpectMatchesAreLookedUp();
  EXPECT_TRUE(*store_->HasMatchOf({"photo-1"}));
  EXPECT_THAT(*store_->ListMatches("", 0, 10), SizeIs(1));
}

TEST_F(FeedbackStoreTest, CheckOfAnOlderProgramsFileChangesNothing) {
  MustInsert(1);
  store_.reset();
  Execute("DROP INDEX feedback_matches");
  const auto before = ReadWholeFile(path_, 1 << 24);
  const auto totals = CheckFeedbackFile(path_);
  ASSERT_THAT(totals, IsOk());
  EXPECT_EQ(totals->pending, 1);
  EXPECT_EQ(*ReadWholeFile(path_, 1 << 24), *before);
  EXPECT_THAT(CheckFeedbackFile(dir_.File("none")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(FeedbackStoreTest, StoreThatCannotGetTheIndexOfMatchesFindsThemWithoutIt) {
  MustInsert(1);
  ASSERT_THAT(store_->SetState({Id(1)}, FeedbackState::kAccepted, absl::Now()), IsOk());
  store_.reset();
  // The name is taken.
  Execute("DROP INDEX feedback_matches; CREATE TABLE feedback_matches (x)");
  Reopen();
  ASSERT_THAT(PlanOf(feedback_sql::kListMatches), Not(SizeIs(1)));
  EXPECT_TRUE(*store_->HasMatchOf({"photo-1"}));
  EXPECT_THAT(*store_->ListMatches("", 0, 10), SizeIs(1));
}

TEST_F(FeedbackStoreTest, DataSetIsRememberedAcrossRestartsAndCanBeReadAlone) {
  EXPECT_EQ(store_->data_set(), "");
  ASSERT_THAT(store_->SetDataSet("/data/pairs"), IsOk());
  Reopen();
  EXPECT_EQ(store_->data_set(), "/data/pairs");
  store_.reset();
  EXPECT_EQ(*FeedbackDataSetOf(path_), "/data/pairs");
  std::ofstream(dir_.File("other")) << std::string(10000, 'x');
  EXPECT_FALSE(FeedbackDataSetOf(dir_.File("other")).ok());
  EXPECT_FALSE(FeedbackDataSetOf(dir_.File("none")).ok());
}

TEST_F(FeedbackStoreTest, RemovedEntryIsNotFound) {
  MustInsert(1);
  ASSERT_THAT(store_->Remove({Id(1)}), IsOk());
  EXPECT_THAT(store_->Find(Id(1)), StatusIs(absl::StatusCode::kNotFound, HasSubstr(Id(1))));
  EXPECT_THAT(store_->ReadSketch(Id(1)), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(store_->Totals().bytes, 0u);
  EXPECT_EQ(store_->Totals().pending, 0u);
}

TEST_F(FeedbackStoreTest, NothingOfARemovedDrawingIsInAnyFile) {
  // They have several sizes, so that some have pages of their own, and enough for several levels.
  for (int i = 0; i < 200; ++i) MustInsert(i, static_cast<size_t>(200 + 97 * i));
  ASSERT_THAT(FilesBelowWith(dir_.path(), SketchOf(8, 60)), Not(IsEmpty()));
  std::vector<std::string> removed;
  for (int i = 0; i < 200; i += 2) removed.push_back(Id(i));
  ASSERT_THAT(store_->Remove(removed), IsOk());
  for (int i = 0; i < 200; i += 20) {
    const std::string sketch = SketchOf(i, static_cast<size_t>(200 + 97 * i));
    ASSERT_THAT(FilesBelowWith(dir_.path(), sketch.substr(0, 60)), IsEmpty()) << i;
    ASSERT_THAT(FilesBelowWith(dir_.path(), sketch.substr(sketch.size() - 60)), IsEmpty()) << i;
    ASSERT_THAT(FilesBelowWith(dir_.path(), RecordOf(i).digest), IsEmpty()) << i;
  }
  EXPECT_THAT(Ids(), SizeIs(100));
}

TEST_F(FeedbackStoreTest, NothingOfADrawingRemovedBeforeAKillIsThereAfterTheNextStart) {
  MustInsert(1);
  MustInsert(2);
  // A reader in another process, such as a backup, keeps the log from being emptied.
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT COUNT(*) FROM feedback", nullptr, nullptr, nullptr),
            SQLITE_OK);
  ASSERT_THAT(store_->Remove({Id(1)}), IsOk());
  fs::copy(dir_.File("data"), dir_.File("killed"), fs::copy_options::recursive);
  sqlite3_close(reader);
  ASSERT_THAT(FilesBelowWith(dir_.File("killed"), SketchOf(1, 60)), Not(IsEmpty()));
  ASSERT_THAT(FeedbackStore::Open(dir_.File("killed/feedback.db")), IsOk());
  EXPECT_THAT(FilesBelowWith(dir_.File("killed"), SketchOf(1, 60)), IsEmpty());
}

TEST_F(FeedbackStoreTest, LogThatAReaderKeptAtTheStartIsEmptiedByTheNextWrite) {
  MustInsert(1);
  MustInsert(2);
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &reader), SQLITE_OK);
  const char* const kRead = "BEGIN; SELECT COUNT(*) FROM feedback";
  ASSERT_EQ(sqlite3_exec(reader, kRead, nullptr, nullptr, nullptr), SQLITE_OK);
  ASSERT_THAT(store_->Remove({Id(1)}), IsOk());
  fs::copy(dir_.File("data"), dir_.File("killed"), fs::copy_options::recursive);
  sqlite3_close(reader);
  const std::string killed = dir_.File("killed/feedback.db");
  ASSERT_EQ(sqlite3_open(killed.c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, kRead, nullptr, nullptr, nullptr), SQLITE_OK);
  const auto opened = FeedbackStore::Open(killed);
  ASSERT_THAT(opened, IsOk());
  ASSERT_THAT(FilesBelowWith(dir_.File("killed"), SketchOf(1, 60)), Not(IsEmpty()));
  sqlite3_close(reader);
  ASSERT_THAT((*opened)->Insert(RecordOf(3), SketchOf(3), kMuch), IsOk());
  EXPECT_THAT(FilesBelowWith(dir_.File("killed"), SketchOf(1, 60)), IsEmpty());
}

TEST_F(FeedbackStoreTest, LogThatAReaderKeptIsEmptiedByTheNextWrite) {
  MustInsert(1);
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT COUNT(*) FROM feedback", nullptr, nullptr, nullptr),
            SQLITE_OK);
  ASSERT_THAT(store_->Remove({Id(1)}), IsOk());
  sqlite3_close(reader);
  MustInsert(2);
  EXPECT_THAT(FilesBelowWith(dir_.path(), SketchOf(1, 60)), IsEmpty());
}

TEST_F(FeedbackStoreTest, DrawingThatAFullDiskKeepsInTheFileIsToldUntilItIsOverwritten) {
  for (int i = 0; i < 20; ++i) MustInsert(i, 100'000);
  Reopen();
  {
    // The log, which is empty, has room for the removal; the end of the file cannot be overwritten.
    const FileSizeLimit limit(1 << 20);
    ASSERT_THAT(store_->Remove({Id(19)}), IsOk());
  }
  EXPECT_THAT(store_->CheckErased(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("feedback.db")));
  EXPECT_THAT(FilesBelowWith(dir_.path(), SketchOf(19, 60)), Not(IsEmpty()));
  EXPECT_THAT(*store_->Remove({Id(19)}), ElementsAre(false));
  EXPECT_THAT(store_->CheckErased(), IsOk());
  EXPECT_THAT(FilesBelowWith(dir_.path(), SketchOf(19, 60)), IsEmpty());
}

TEST_F(FeedbackStoreTest, StoreWhoseLogAFullDiskKeepsAfterAKillOpensAndSaysSo) {
  for (int i = 0; i < 20; ++i) MustInsert(i, 100'000);
  Reopen();
  {
    const FileSizeLimit limit(1 << 20);
    ASSERT_THAT(store_->Remove({Id(19)}), IsOk());
  }
  fs::copy(dir_.File("data"), dir_.File("killed"), fs::copy_options::recursive);
  const std::string killed = dir_.File("killed/feedback.db");
  std::unique_ptr<FeedbackStore> store;
  {
    const FileSizeLimit limit(1 << 20);
    auto opened = FeedbackStore::Open(killed);
    ASSERT_THAT(opened, IsOk());
    store = *std::move(opened);
  }
  EXPECT_THAT(store->CheckErased(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(*store->ReadSketch(Id(18)), SketchOf(18, 100'000));
  ASSERT_THAT(store->SetState({Id(18)}, FeedbackState::kRejected, absl::Now()), IsOk());
  EXPECT_THAT(store->CheckErased(), IsOk());
  EXPECT_THAT(FilesBelowWith(dir_.File("killed"), SketchOf(19, 60)), IsEmpty());
}

TEST_F(FeedbackStoreTest, ReaderThatKeepsTheLogIsNoError) {
  MustInsert(1);
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT COUNT(*) FROM feedback", nullptr, nullptr, nullptr),
            SQLITE_OK);
  ASSERT_THAT(store_->Remove({Id(1)}), IsOk());
  EXPECT_THAT(store_->CheckErased(), IsOk());
  sqlite3_close(reader);
}

// A kill leaves the file and a log that ends anywhere in what was written last.
TEST_F(FeedbackStoreTest, LogThatEndsAnywhereInTheLastEntryLosesThatEntryAlone) {
  MustInsert(1);
  const std::string log = path_ + "-wal";
  const uintmax_t before = fs::file_size(log);
  MustInsert(2);
  const std::string whole = FileBytes(log);
  ASSERT_GT(whole.size(), before);
  int lost = 0;
  for (uintmax_t size = before; size <= whole.size(); ++size) {
    // Each byte at the ends, and every 211th between them.
    const bool at_an_end = size < before + 30 || size + 30 > whole.size();
    if (!at_an_end && size % 211 != 0) continue;
    const TempDir killed;
    fs::copy_file(path_, killed.File("feedback.db"));
    std::ofstream(killed.File("feedback.db-wal"), std::ios::binary) << whole.substr(0, size);
    const auto opened = FeedbackStore::Open(killed.File("feedback.db"));
    ASSERT_THAT(opened, IsOk()) << size;
    ASSERT_EQ(*(*opened)->ReadSketch(Id(1)), SketchOf(1)) << size;
    const auto second = (*opened)->ReadSketch(Id(2));
    ASSERT_TRUE(second.ok() || size < whole.size());
    if (second.ok()) {
      ASSERT_EQ(*second, SketchOf(2)) << size;
    } else {
      ASSERT_THAT(second, StatusIs(absl::StatusCode::kNotFound)) << size;
      ++lost;
    }
    ASSERT_THAT((*opened)->Insert(RecordOf(3), SketchOf(3), kMuch), IsOk()) << size;
  }
  EXPECT_GT(lost, 10);
}

TEST_F(FeedbackStoreTest, DamagedFileIsDataLossWithItsName) {
  for (int i = 0; i < 40; ++i) MustInsert(i);
  store_.reset();
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8192);
    file << std::string(40960, '\x5a');
  }
  EXPECT_THAT(FeedbackStore::Open(path_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("feedback.db")));
}

TEST_F(FeedbackStoreTest, NewerFormatIsRefused) {
  store_.reset();
  sqlite3* file = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &file), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(file, "PRAGMA user_version = 2", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(file);
  EXPECT_THAT(FeedbackStore::Open(path_), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                   HasSubstr("format version 2 is newer")));
}

TEST_F(FeedbackStoreTest, FileOfAnotherProgramIsRefused) {
  const std::string other = dir_.File("data/other.db");
  sqlite3* file = nullptr;
  ASSERT_EQ(sqlite3_open(other.c_str(), &file), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(file, "CREATE TABLE mine (x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(file);
  EXPECT_THAT(FeedbackStore::Open(other), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                   HasSubstr("is not a store of feedback")));
}

TEST_F(FeedbackStoreTest, LogWithoutItsFileIsRefusedAndStays) {
  MustInsert(1);
  const TempDir lost;
  fs::copy_file(path_ + "-wal", lost.File("feedback.db-wal"));
  EXPECT_THAT(FeedbackStore::Open(lost.File("feedback.db")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("feedback.db-wal")));
  EXPECT_TRUE(fs::exists(lost.File("feedback.db-wal")));
}

TEST_F(FeedbackStoreTest, StoresDifferAndTheirCopiesDoNot) {
  MustInsert(1);
  const TempDir other;
  EXPECT_NE(FeedbackStore::Open(other.File("feedback.db")).value()->id(), store_->id());
  ASSERT_THAT(CopyFeedback(path_, other.File("copy.db")), IsOk());
  const auto copy = FeedbackStore::Open(other.File("copy.db"));
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ((*copy)->id(), store_->id());
  EXPECT_EQ(*(*copy)->ReadSketch(Id(1)), SketchOf(1));
}

// Writes entries in another process, which is killed once `most` were answered. Returns how many
// were.
int WriteUntilKilled(const std::string& path, int first, int most) {
  int answers[2];
  EXPECT_EQ(pipe(answers), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(answers[0]);
    auto store = FeedbackStore::Open(path);
    for (int number = first; store.ok(); ++number) {
      if (!(*store)->Insert(RecordOf(number), SketchOf(number), kMuch).ok()) break;
      if (write(answers[1], "x", 1) != 1) break;
    }
    _exit(1);
  }
  close(answers[1]);
  int answered = 0;
  char answer;
  while (answered < most && read(answers[0], &answer, 1) == 1) ++answered;
  kill(child, SIGKILL);
  while (read(answers[0], &answer, 1) == 1) ++answered;
  close(answers[0]);
  waitpid(child, nullptr, 0);
  return answered;
}

TEST(FeedbackCrashTest, AnsweredEntriesSurviveKills) {
  const TempDir dir;
  int written = 0;
  for (int round = 0; round < 6; ++round) {
    // The next numbers after one that may have been written without an answer.
    const int first = 1000 * round;
    const int answered = WriteUntilKilled(dir.File("feedback.db"), first, 5 + 7 * round);
    const auto store = FeedbackStore::Open(dir.File("feedback.db"));
    ASSERT_THAT(store, IsOk());
    for (int number = first; number < first + answered; ++number) {
      ASSERT_EQ((*store)->ReadSketch(RecordOf(number).feedback_id).value_or(""), SketchOf(number));
    }
    written += answered;
    ASSERT_GE((*store)->Totals().pending, static_cast<uint64_t>(written));
  }
}

}  // namespace
}  // namespace s2p::test
