#include "server/gallery/item_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/sha256.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class ItemJournalTest : public testing::Test {
 protected:
  ItemJournalTest() { Reopen(); }

  void Reopen() {
    journal_.reset();
    auto opened = ItemJournal::Open(path_);
    ASSERT_THAT(opened, IsOk());
    journal_ = *std::move(opened);
  }
  static GalleryItem Item(const std::string& photo_id, const std::string& note = "note") {
    GalleryItem item;
    item.photo_id = photo_id;
    item.modality = v1::MODALITY_SKETCH;
    item.metadata = {{"note", note}, {"empty", ""}};
    item.sha256 = Sha256(photo_id);
    item.bytes = 12345;
    item.content_type = "image/png";
    item.width = 3;
    item.height = 4;
    item.created_at = absl::FromUnixMicros(1'700'000'000'123'456);
    return item;
  }
  void Put(const GalleryItem& item) { ASSERT_THAT(journal_->Append({&item}, {}), IsOk()); }
  void Remove(const std::string& photo_id) {
    ASSERT_THAT(journal_->Append({}, {photo_id}), IsOk());
  }
  std::vector<GalleryItem> Items() const {
    std::vector<GalleryItem> items;
    EXPECT_THAT(journal_->ForEach([&](const GalleryItem& item) {
      items.push_back(item);
      return absl::OkStatus();
    }),
                IsOk());
    return items;
  }
  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (const GalleryItem& item : Items()) ids.push_back(item.photo_id);
    return ids;
  }
  std::string Bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void SetBytes(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

  TempDir dir_;
  const std::string path_ = dir_.File("items.journal");
  std::unique_ptr<ItemJournal> journal_;
};

TEST_F(ItemJournalTest, ItemComesBackWithAllThatIsKnownOfIt) {
  const GalleryItem item = Item("a\tb\n\\ é \x01", "line one\nline\ttwo \"quoted\" — 写真");
  Put(item);
  Reopen();
  const std::vector<GalleryItem> items = Items();
  ASSERT_THAT(items, SizeIs(1));
  EXPECT_EQ(items[0].photo_id, item.photo_id);
  EXPECT_EQ(items[0].modality, item.modality);
  EXPECT_EQ(items[0].metadata, item.metadata);
  EXPECT_EQ(items[0].sha256, item.sha256);
  EXPECT_EQ(items[0].bytes, item.bytes);
  EXPECT_EQ(items[0].content_type, item.content_type);
  EXPECT_EQ(items[0].width, item.width);
  EXPECT_EQ(items[0].height, item.height);
  EXPECT_EQ(items[0].created_at, item.created_at);
  EXPECT_TRUE(journal_->Has(item));
}

TEST_F(ItemJournalTest, NewFileIsFoundSo) {
  EXPECT_TRUE(journal_->findings().created);
  Reopen();
  EXPECT_FALSE(journal_->findings().created);
}

TEST_F(ItemJournalTest, LaterRecordOfAnIdIsTheTrueOne) {
  Put(Item("a", "first"));
  Put(Item("a", "second"));
  Reopen();
  ASSERT_THAT(Items(), SizeIs(1));
  EXPECT_EQ(Items()[0].metadata.at("note"), "second");
  EXPECT_FALSE(journal_->Has(Item("a", "first")));
}

TEST_F(ItemJournalTest, RemovedItemStaysRemoved) {
  Put(Item("a"));
  Put(Item("b"));
  Remove("a");
  EXPECT_THAT(Ids(), ElementsAre("b"));
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("b"));
}

TEST_F(ItemJournalTest, UnknownIdIsRemovedWithoutALine) {
  const std::string before = Bytes();
  Remove("nobody");
  EXPECT_EQ(Bytes(), before);
}

TEST_F(ItemJournalTest, NothingOfAnErasedItemIsInTheFile) {
  Put(Item("secret id", "secret note"));
  Put(Item("b"));
  Remove("secret id");
  ASSERT_THAT(Bytes(), HasSubstr("secret"));
  ASSERT_THAT(journal_->Erase(), IsOk());
  EXPECT_THAT(Bytes(), Not(HasSubstr("secret")));
  EXPECT_THAT(Bytes(), Not(HasSubstr(Sha256("secret id"))));
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("b"));
  EXPECT_THAT(journal_->findings().damaged, IsEmpty());
}

TEST_F(ItemJournalTest, FormerMetadataIsErasedToo) {
  Put(Item("a", "secret note"));
  Put(Item("a", "public note"));
  ASSERT_THAT(journal_->Erase(), IsOk());
  EXPECT_THAT(Bytes(), Not(HasSubstr("secret")));
}

TEST_F(ItemJournalTest, ErasureThatACrashPreventedIsDoneAtTheNextOpening) {
  Put(Item("secret id"));
  Remove("secret id");
  Reopen();
  ASSERT_THAT(*journal_->Unerased(), SizeIs(1));
  EXPECT_EQ(journal_->Unerased()->front().sha256, Sha256("secret id"));
  ASSERT_THAT(journal_->Erase(), IsOk());
  EXPECT_THAT(*journal_->Unerased(), IsEmpty());
  EXPECT_THAT(Bytes(), Not(HasSubstr("secret")));
}

TEST_F(ItemJournalTest, ErasureThatACrashInterruptedIsCompleted) {
  Put(Item("secret id"));
  const uint64_t begin = std::filesystem::file_size(path_);
  Put(Item("secret id", "new"));
  // The first record, half overwritten.
  std::string bytes = Bytes();
  const size_t line = bytes.find('\n') + 1;
  for (size_t i = line; i < line + 20; ++i) bytes[i] = ' ';
  ASSERT_LT(line + 20, begin);
  SetBytes(bytes);
  Reopen();
  EXPECT_THAT(journal_->findings().damaged, IsEmpty());
  ASSERT_THAT(journal_->Erase(), IsOk());
  EXPECT_EQ(Bytes().substr(line, begin - line - 1), std::string(begin - line - 1, ' '));
  EXPECT_THAT(Ids(), ElementsAre("secret id"));
}

TEST_F(ItemJournalTest, TruncationAnywhereKeepsTheLinesBeforeIt) {
  Put(Item("a"));
  const size_t one = Bytes().size();
  Put(Item("b"));
  const std::string whole = Bytes();
  for (size_t size = one; size < whole.size(); ++size) {
    SetBytes(whole.substr(0, size));
    Reopen();
    ASSERT_THAT(Ids(), ElementsAre("a")) << size;
    ASSERT_THAT(journal_->findings().damaged, IsEmpty()) << size;
    ASSERT_EQ(journal_->findings().torn_bytes, size - one) << size;
    ASSERT_EQ(Bytes().size(), one) << size;
  }
}

TEST_F(ItemJournalTest, HalfOfTheFirstLineIsANewJournal) {
  SetBytes(Bytes().substr(0, 10));
  Reopen();
  EXPECT_TRUE(journal_->findings().created);
  Put(Item("a"));
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

TEST_F(ItemJournalTest, FlippedByteInTheMiddleIsNamedAndOnlyThatItemIsLost) {
  Put(Item("a"));
  const size_t begin = Bytes().size();
  Put(Item("b"));
  const size_t end = Bytes().size();
  Put(Item("c"));
  const std::string whole = Bytes();
  // Not the newline: without it two lines are one.
  for (size_t at = begin; at + 1 < end; ++at) {
    std::string bytes = whole;
    bytes[at] ^= 0x04;
    if (bytes[at] == '\n') continue;
    SetBytes(bytes);
    Reopen();
    ASSERT_THAT(Ids(), ElementsAre("a", "c")) << at;
    ASSERT_THAT(journal_->findings().damaged,
                ElementsAre(absl::StrCat("bytes ", begin, " to ", end)))
        << at;
  }
}

TEST_F(ItemJournalTest, RewritingLeavesDamageOut) {
  Put(Item("a"));
  const size_t begin = Bytes().size();
  Put(Item("b"));
  Put(Item("c"));
  std::string bytes = Bytes();
  bytes[begin + 20] ^= 0x04;
  SetBytes(bytes);
  Reopen();
  ASSERT_THAT(journal_->Rewrite(), IsOk());
  Put(Item("d"));
  Reopen();
  EXPECT_THAT(journal_->findings().damaged, IsEmpty());
  EXPECT_THAT(Ids(), ElementsAre("a", "c", "d"));
}

TEST_F(ItemJournalTest, MostlyVoidFileIsWrittenAnew) {
  const std::string text(2000, 'x');
  for (int i = 0; i < 600; ++i) {
    Put(Item("a", absl::StrCat(i, text)));
    ASSERT_THAT(journal_->Erase(), IsOk());
  }
  EXPECT_LT(Bytes().size(), size_t{1} << 20);
  Reopen();
  EXPECT_EQ(Items().at(0).metadata.at("note"), "599" + text);
}

TEST_F(ItemJournalTest, AppendThatIsTakenBackChangesNothing) {
  Put(Item("a", "first"));
  const std::string before = Bytes();
  const GalleryItem a = Item("a", "second"), b = Item("b");
  ASSERT_THAT(journal_->Append({&a, &b}, {}), IsOk());
  journal_->TakeBack();
  EXPECT_EQ(Bytes(), before);
  EXPECT_THAT(Ids(), ElementsAre("a"));
  EXPECT_TRUE(journal_->Has(Item("a", "first")));
  ASSERT_THAT(journal_->Erase(), IsOk());
  EXPECT_EQ(Bytes(), before);
}

TEST_F(ItemJournalTest, RemovalThatIsTakenBackChangesNothing) {
  Put(Item("a"));
  Remove("a");
  journal_->TakeBack();
  EXPECT_THAT(Ids(), ElementsAre("a"));
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

TEST_F(ItemJournalTest, IdTwiceInOneAppendCanBeTakenBack) {
  Put(Item("a", "first"));
  const GalleryItem second = Item("a", "second"), third = Item("a", "third");
  ASSERT_THAT(journal_->Append({&second, &third}, {}), IsOk());
  EXPECT_TRUE(journal_->Has(third));
  journal_->TakeBack();
  EXPECT_TRUE(journal_->Has(Item("a", "first")));
  EXPECT_EQ(journal_->size(), 1u);
}

TEST_F(ItemJournalTest, WritesHaveNoNumberUntilTheyAreGivenOne) {
  Put(Item("a"));
  EXPECT_EQ(journal_->position().history, 0u);
  EXPECT_FALSE(journal_->NextPosition().has_value());
}

TEST_F(ItemJournalTest, NumberOfTheLastWriteComesBack) {
  Put(Item("a"));
  ASSERT_THAT(journal_->StartNumbering({0x123456789abcdef0, 7}), IsOk());
  ASSERT_TRUE(*journal_->NextPosition() == (JournalPosition{0x123456789abcdef0, 8}));
  Put(Item("b"));
  Remove("a");
  EXPECT_EQ(journal_->position().write, 9);
  Reopen();
  EXPECT_TRUE(journal_->position() == (JournalPosition{0x123456789abcdef0, 9}));
  EXPECT_THAT(Ids(), ElementsAre("b"));
  EXPECT_THAT(journal_->findings().damaged, IsEmpty());
}

TEST_F(ItemJournalTest, NumberOutlivesRewriting) {
  Put(Item("a"));
  ASSERT_THAT(journal_->StartNumbering({5, 7}), IsOk());
  Remove("a");
  ASSERT_THAT(journal_->Rewrite(), IsOk());
  Put(Item("b"));
  Reopen();
  EXPECT_TRUE(journal_->position() == (JournalPosition{5, 9}));
}

TEST_F(ItemJournalTest, NumberIsTakenBackWithItsWrite) {
  ASSERT_THAT(journal_->StartNumbering({5, 7}), IsOk());
  Put(Item("a"));
  journal_->TakeBack();
  EXPECT_EQ(journal_->position().write, 7);
  Reopen();
  EXPECT_EQ(journal_->position().write, 7);
}

TEST_F(ItemJournalTest, WriteWhoseEndIsTornHasNoNumber) {
  ASSERT_THAT(journal_->StartNumbering({5, 7}), IsOk());
  Put(Item("a"));
  const size_t one = Bytes().size();
  Put(Item("b"));
  const std::string whole = Bytes();
  for (size_t size = one; size < whole.size(); ++size) {
    SetBytes(whole.substr(0, size));
    Reopen();
    ASSERT_EQ(journal_->position().write, 8) << size;
  }
}

TEST_F(ItemJournalTest, FullDiskRefusesTheAppendAndChangesNothing) {
  Put(Item("a"));
  const std::string before = Bytes();
  struct rlimit old {};
  getrlimit(RLIMIT_FSIZE, &old);
  void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
  const struct rlimit limit = {before.size() + 10, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  const GalleryItem b = Item("b");
  const absl::Status status = journal_->Append({&b}, {"a"});
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, handler);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(path_)));
  EXPECT_EQ(Bytes(), before);
  EXPECT_THAT(Ids(), ElementsAre("a"));
  Put(b);
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
}

TEST_F(ItemJournalTest, NewerFormatIsRefused) {
  const std::string rest = "s2p-items\t2";
  SetBytes(absl::StrCat(Sha256(rest).substr(0, 16), "\t", rest, "\n"));
  EXPECT_THAT(ItemJournal::Open(path_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("format 2 is newer")));
}

TEST_F(ItemJournalTest, OtherFileIsRefusedAndKept) {
  SetBytes("my shopping list\nmilk\n");
  EXPECT_THAT(ItemJournal::Open(path_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is not a journal")));
  EXPECT_EQ(Bytes(), "my shopping list\nmilk\n");
}

TEST_F(ItemJournalTest, ReaderChangesNothing) {
  Put(Item("a"));
  SetBytes(Bytes() + "half");
  const std::string before = Bytes();
  const auto reader = ItemJournal::OpenReader(path_);
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ((*reader)->size(), 1u);
  EXPECT_EQ((*reader)->findings().torn_bytes, 4u);
  EXPECT_EQ(Bytes(), before);
}

TEST_F(ItemJournalTest, ReaderOfAMissingFileIsNotFoundAndCreatesNone) {
  std::filesystem::remove(path_);
  EXPECT_THAT(ItemJournal::OpenReader(path_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace s2p::test
