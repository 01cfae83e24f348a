#include "server/gallery/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CatalogueTest : public testing::Test {
 protected:
  CatalogueTest() { Reopen(); }

  void Reopen() {
    catalogue_.reset();
    auto opened = Catalogue::Open(path_);
    ASSERT_THAT(opened, IsOk());
    catalogue_ = *std::move(opened);
  }
  absl::Status OpenStatus() {
    catalogue_.reset();
    return Catalogue::Open(path_).status();
  }
  static GalleryItem Item(const std::string& photo_id) {
    GalleryItem item;
    item.photo_id = photo_id;
    item.sha256 = absl::StrCat("digest of ", photo_id);
    item.bytes = 10;
    item.content_type = "image/png";
    item.width = 3;
    item.height = 4;
    item.created_at = absl::FromUnixMicros(1'700'000'000'123'456);
    return item;
  }
  int64_t MustInsert(const std::string& photo_id) {
    const auto key = catalogue_->Insert(Item(photo_id));
    EXPECT_THAT(key, IsOk());
    return *key;
  }
  std::vector<std::string> Missing(int64_t version) const {
    return IdsOf(*catalogue_->ListWithoutEmbedding(version, "", 100));
  }
  static std::vector<std::string> IdsOf(const std::vector<CatalogueItem>& items) {
    std::vector<std::string> ids;
    for (const CatalogueItem& item : items) ids.push_back(item.item->photo_id);
    return ids;
  }
  // Executes SQL behind the catalogue's back.
  void Execute(const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  test::TempDir dir_;
  const std::string path_ = dir_.File("gallery.db");
  std::unique_ptr<Catalogue> catalogue_;
};

TEST_F(CatalogueTest, ItemComesBackAsItWasInserted) {
  GalleryItem item = Item("a");
  item.modality = v1::MODALITY_SKETCH;
  item.metadata = {{"k", "v"}, {"\xC3\xA4", ""}};
  ASSERT_THAT(catalogue_->Insert(item), IsOk());
  Reopen();
  const auto found = catalogue_->Find("a");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->item->modality, item.modality);
  EXPECT_EQ(found->item->metadata, item.metadata);
  EXPECT_EQ(found->item->sha256, item.sha256);
  EXPECT_EQ(found->item->bytes, item.bytes);
  EXPECT_EQ(found->item->content_type, item.content_type);
  EXPECT_EQ(found->item->width, item.width);
  EXPECT_EQ(found->item->height, item.height);
  EXPECT_EQ(found->item->created_at, item.created_at);
}

TEST_F(CatalogueTest, SecondItemOfOneIdAlreadyExists) {
  MustInsert("a");
  const absl::Status status = catalogue_->Insert(Item("a")).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("'a'")));
}

TEST_F(CatalogueTest, KeyIsNeverUsedAgain) {
  const int64_t first = MustInsert("a");
  ASSERT_TRUE(*catalogue_->Remove("a"));
  EXPECT_GT(MustInsert("a"), first);
}

TEST_F(CatalogueTest, RemovedItemTakesMetadataAndEmbeddingsWithIt) {
  const int64_t key = MustInsert("a");
  ASSERT_THAT(catalogue_->SetMetadata("a", {{"k", "v"}}), IsOk());
  ASSERT_THAT(catalogue_->PutEmbedding(key, 1, {{1, 2}, {3}}), IsOk());
  EXPECT_TRUE(*catalogue_->Remove("a"));
  EXPECT_FALSE(*catalogue_->Remove("a"));
  EXPECT_THAT(catalogue_->Find("a"), StatusIs(absl::StatusCode::kNotFound));
  int visited = 0;
  ASSERT_THAT(catalogue_->ForEachEmbedding(
                  1, [](int64_t) {},
                  [&](CatalogueItem, CatalogueEmbedding) {
                    ++visited;
                    return absl::OkStatus();
                  }),
              IsOk());
  EXPECT_EQ(visited, 0);
}

TEST_F(CatalogueTest, EmbeddingOfAnItemThatIsGoneIsDropped) {
  const int64_t key = MustInsert("a");
  ASSERT_TRUE(*catalogue_->Remove("a"));
  MustInsert("a");
  EXPECT_THAT(catalogue_->PutEmbedding(key, 1, {{1}, {}}), IsOk());
  EXPECT_THAT(Missing(1), ElementsAre("a"));
}

TEST_F(CatalogueTest, EmbeddingComesBackAsItWasPut) {
  ASSERT_THAT(catalogue_->PutEmbedding(MustInsert("b"), 1, {{0.1f, -2.5f}, {0.25f}}), IsOk());
  ASSERT_THAT(catalogue_->PutEmbedding(MustInsert("a"), 1, {{1e-38f, 3}, {}}), IsOk());
  std::vector<std::string> ids;
  std::vector<CatalogueEmbedding> embeddings;
  ASSERT_THAT(catalogue_->ForEachEmbedding(
                  1, [](int64_t) {},
                  [&](CatalogueItem item, CatalogueEmbedding embedding) {
                    ids.push_back(item.item->photo_id);
                    embeddings.push_back(std::move(embedding));
                    return absl::OkStatus();
                  }),
              IsOk());
  EXPECT_THAT(ids, ElementsAre("a", "b"));
  EXPECT_THAT(embeddings[0].embedding, ElementsAre(1e-38f, 3));
  EXPECT_THAT(embeddings[0].attributes, IsEmpty());
  EXPECT_THAT(embeddings[1].embedding, ElementsAre(0.1f, -2.5f));
  EXPECT_THAT(embeddings[1].attributes, ElementsAre(0.25f));
}

TEST_F(CatalogueTest, ItemsWithoutAnEmbeddingArePerVersion) {
  ASSERT_THAT(catalogue_->PutEmbedding(MustInsert("a"), 1, {{1}, {}}), IsOk());
  MustInsert("b");
  EXPECT_THAT(Missing(1), ElementsAre("b"));
  EXPECT_THAT(Missing(2), ElementsAre("a", "b"));
  EXPECT_EQ(*catalogue_->CountWithoutEmbedding(2), 2);
}

TEST_F(CatalogueTest, ListPagesByByteOrderOfTheId) {
  for (const char* id : {"b", "a", "B", "\xC3\xA4", "ab"}) MustInsert(id);
  EXPECT_THAT(IdsOf(*catalogue_->List("", 3)), ElementsAre("B", "a", "ab"));
  EXPECT_THAT(IdsOf(*catalogue_->List("ab", 3)), ElementsAre("b", "\xC3\xA4"));
}

TEST_F(CatalogueTest, TransactionThatDiesLeavesNothing) {
  {
    const auto transaction = catalogue_->Begin();
    ASSERT_THAT(transaction, IsOk());
    MustInsert("a");
  }
  EXPECT_THAT(catalogue_->Find("a"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CatalogueTest, ReaderSeesTheLastCommitAndDoesNotWait) {
  const auto reader = Catalogue::OpenReader(path_);
  ASSERT_THAT(reader, IsOk());
  const auto transaction = catalogue_->Begin();
  MustInsert("a");
  EXPECT_THAT(*(*reader)->List("", 10), IsEmpty());
  ASSERT_THAT((*transaction)->Commit(), IsOk());
  EXPECT_THAT(IdsOf(*(*reader)->List("", 10)), ElementsAre("a"));
}

TEST_F(CatalogueTest, MetadataIsReplacedAsAWhole) {
  MustInsert("a");
  ASSERT_THAT(catalogue_->SetMetadata("a", {{"x", "1"}, {"y", "2"}}), IsOk());
  ASSERT_THAT(catalogue_->SetMetadata("a", {{"y", "3"}}), IsOk());
  EXPECT_EQ(catalogue_->Find("a")->item->metadata,
            (std::map<std::string, std::string>{{"y", "3"}}));
  EXPECT_THAT(catalogue_->SetMetadata("b", {}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CatalogueTest, TotalsCountByModality) {
  MustInsert("a");
  GalleryItem sketch = Item("b");
  sketch.modality = v1::MODALITY_SKETCH;
  ASSERT_THAT(catalogue_->Insert(sketch), IsOk());
  const auto totals = catalogue_->Totals();
  EXPECT_EQ(totals->photos, 1u);
  EXPECT_EQ(totals->sketches, 1u);
  EXPECT_EQ(totals->bytes, 20u);
}

TEST_F(CatalogueTest, EmbeddingsOfTheVersionsThatServedLastAreKept) {
  const int64_t key = MustInsert("a");
  for (int64_t version : {1, 2, 3}) {
    ASSERT_THAT(catalogue_->PutEmbedding(key, version, {{1}, {}}), IsOk());
  }
  // 1 serves again after 2, as after a rollback.
  for (int64_t version : {1, 2, 1}) ASSERT_THAT(catalogue_->NoteServing(version, 2), IsOk());
  ASSERT_THAT(catalogue_->PutEmbedding(key, 3, {{1}, {}}), IsOk());
  ASSERT_THAT(catalogue_->NoteServing(3, 2), IsOk());
  ASSERT_EQ(*catalogue_->DropRetired(0, 100), 0);
  EXPECT_THAT(Missing(1), IsEmpty());
  EXPECT_THAT(Missing(2), ElementsAre("a"));
  EXPECT_THAT(Missing(3), IsEmpty());
}

TEST_F(CatalogueTest, RetiredEmbeddingsAreDroppedAFewAtATime) {
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_THAT(catalogue_->PutEmbedding(MustInsert(id), 1, {{1}, {}}), IsOk());
  }
  ASSERT_THAT(catalogue_->NoteServing(2, 1), IsOk());
  EXPECT_EQ(*catalogue_->DropRetired(0, 2), 2);
  EXPECT_THAT(Missing(1), ElementsAre("a", "b"));
  EXPECT_EQ(*catalogue_->DropRetired(2, 2), 0);
  EXPECT_THAT(Missing(1), ElementsAre("a", "b", "c"));
  EXPECT_EQ(*catalogue_->DropRetired(0, 2), 0);
}

TEST_F(CatalogueTest, NewerFormatIsRefused) {
  Execute("PRAGMA user_version = 99");
  const absl::Status status = OpenStatus();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr(path_ + ": format version 99 is newer")));
}

TEST_F(CatalogueTest, DatabaseOfAnotherProgramIsRefused) {
  Execute("PRAGMA application_id = 1");
  const absl::Status status = OpenStatus();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("is not a gallery's catalogue")));
}

// Whether connections that are opened from now on refuse to roll back.
bool refuse_rollback = false;

int Authorise(void*, int action, const char* what, const char*, const char*, const char*) {
  const bool rollback = action == SQLITE_TRANSACTION && std::string(what) == "ROLLBACK";
  return rollback && refuse_rollback ? SQLITE_DENY : SQLITE_OK;
}

int InstallAuthoriser(sqlite3* database, const char**, const struct sqlite3_api_routines*) {
  return sqlite3_set_authorizer(database, &Authorise, nullptr);
}

TEST_F(CatalogueTest, TransactionThatCannotBeRolledBackIsGoneAtTheNextWrite) {
  sqlite3_auto_extension(reinterpret_cast<void (*)()>(&InstallAuthoriser));
  Reopen();
  MustInsert("a");
  {
    auto transaction = catalogue_->Begin();
    ASSERT_THAT(transaction, IsOk());
    MustInsert("b");
    refuse_rollback = true;
  }
  const auto again = catalogue_->Begin();
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT(catalogue_->Find("b"), StatusIs(absl::StatusCode::kNotFound));
  MustInsert("c");
  EXPECT_THAT((*again)->Commit(), IsOk());
  refuse_rollback = false;
  sqlite3_reset_auto_extension();
  EXPECT_THAT(IdsOf(*catalogue_->List("", 100)), ElementsAre("a", "c"));
}

TEST_F(CatalogueTest, LogIsEmptyAfterItWasEmptied) {
  MustInsert("a");
  ASSERT_GT(std::filesystem::file_size(path_ + "-wal"), 0u);
  EXPECT_TRUE(*catalogue_->EmptyLog());
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0u);
  EXPECT_THAT(catalogue_->Find("a"), IsOk());
}

TEST_F(CatalogueTest, LogThatSomebodyReadsIsNotWaitedFor) {
  const int64_t key = MustInsert("a");
  ASSERT_THAT(catalogue_->PutEmbedding(key, 1, {{1}, {}}), IsOk());
  const auto reader = *Catalogue::OpenReader(path_);
  ASSERT_THAT(reader->ForEachEmbedding(
                  1, [](int64_t) {},
                  [&](CatalogueItem, CatalogueEmbedding) {
                    MustInsert("b");
                    EXPECT_FALSE(*catalogue_->EmptyLog());
                    return absl::OkStatus();
                  }),
              IsOk());
  EXPECT_TRUE(*catalogue_->EmptyLog());
}

TEST_F(CatalogueTest, FileThatIsNoDatabaseIsDataLoss) {
  catalogue_.reset();
  std::ofstream(path_, std::ios::trunc) << std::string(8192, 'x');
  const absl::Status status = OpenStatus();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path_)));
}

TEST_F(CatalogueTest, DatabaseOfAnotherProgramIsNotTurnedIntoOneWithALog) {
  catalogue_.reset();
  std::filesystem::remove(path_);
  Execute("CREATE TABLE theirs (a)");
  std::ifstream before(path_, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(before), {}};
  EXPECT_FALSE(OpenStatus().ok());
  std::ifstream after(path_, std::ios::binary);
  EXPECT_EQ(bytes, (std::string{std::istreambuf_iterator<char>(after), {}}));
}

TEST_F(CatalogueTest, MissingAndEmptyFilesAreNotFoundWhereNoneIsToBeCreated) {
  catalogue_.reset();
  std::ofstream(path_, std::ios::trunc) << "";
  const auto open = [this] { return Catalogue::Open(path_, Catalogue::IfMissing::kFail).status(); };
  EXPECT_EQ(open(), absl::NotFoundError(path_ + ": is empty"));
  std::filesystem::remove(path_);
  EXPECT_EQ(open(), absl::NotFoundError(path_ + ": is missing"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(CatalogueTest, BlobsAreCountedOnceEach) {
  MustInsert("a");
  MustInsert("b");
  GalleryItem same = Item("c");
  same.sha256 = Item("a").sha256;
  ASSERT_THAT(catalogue_->Insert(same), IsOk());
  EXPECT_EQ(*catalogue_->CountBlobs(), 2);
}

TEST_F(CatalogueTest, OverwrittenPagesAreDataLoss) {
  for (int i = 0; i < 500; ++i) MustInsert(absl::StrCat("photo ", i));
  catalogue_.reset();
  const auto size = std::filesystem::file_size(path_);
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(size - 4096, '\xEE');
  file.close();
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(CatalogueTest, TruncatedFileIsDataLoss) {
  for (int i = 0; i < 500; ++i) MustInsert(absl::StrCat("photo ", i));
  catalogue_.reset();
  std::filesystem::resize_file(path_, 4096);
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(CatalogueTest, OneEmbeddingIsFoundByKeyAndVersion) {
  const int64_t key = MustInsert("a");
  ASSERT_THAT(catalogue_->PutEmbedding(key, 1, {{0.5f, -1}, {0.25f}}), IsOk());
  const auto found = catalogue_->FindEmbedding(key, 1);
  ASSERT_TRUE(found.ok() && found->has_value()) << found.status();
  EXPECT_THAT((*found)->embedding, ElementsAre(0.5f, -1));
  EXPECT_THAT((*found)->attributes, ElementsAre(0.25f));
  EXPECT_FALSE(catalogue_->FindEmbedding(key, 2)->has_value());
  EXPECT_FALSE(catalogue_->FindEmbedding(key + 1, 1)->has_value());
}

TEST_F(CatalogueTest, EmbeddingsAreCountedBeforeTheyAreVisited) {
  ASSERT_THAT(catalogue_->PutEmbedding(MustInsert("a"), 1, {{1}, {}}), IsOk());
  ASSERT_THAT(catalogue_->PutEmbedding(MustInsert("b"), 1, {{1}, {}}), IsOk());
  ASSERT_THAT(catalogue_->PutEmbedding(MustInsert("c"), 2, {{1}, {}}), IsOk());
  int64_t counted = -1, visited = 0;
  ASSERT_THAT(catalogue_->ForEachEmbedding(
                  1, [&](int64_t count) { counted = count; },
                  [&](CatalogueItem, CatalogueEmbedding) {
                    EXPECT_EQ(counted, 2);
                    ++visited;
                    return absl::OkStatus();
                  }),
              IsOk());
  EXPECT_EQ(visited, 2);
}

// The file that a program before colours wrote.
class CatalogueWithoutColoursTest : public CatalogueTest {
 protected:
  CatalogueWithoutColoursTest() {
    MustInsert("a");
    catalogue_.reset();
    Execute("DROP TABLE colours");
  }
};

std::vector<ColourShare> TwoColours() { return {{{50, 1.5F, -2}, 0.75F}, {{20, 0, 8}, 0.25F}}; }

void ExpectTwoColours(const std::vector<ColourShare>& colours) {
  ASSERT_EQ(colours.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(colours[i].colour.l, TwoColours()[i].colour.l);
    EXPECT_EQ(colours[i].colour.a, TwoColours()[i].colour.a);
    EXPECT_EQ(colours[i].colour.b, TwoColours()[i].colour.b);
    EXPECT_EQ(colours[i].share, TwoColours()[i].share);
  }
}

TEST_F(CatalogueTest, ColoursComeBackAsTheyWereInserted) {
  GalleryItem item = Item("a");
  item.colours = TwoColours();
  ASSERT_THAT(catalogue_->Insert(item), IsOk());
  Reopen();
  ExpectTwoColours(catalogue_->Find("a")->item->colours);
  EXPECT_EQ(*catalogue_->CountWithoutColours(), 0);
}

TEST_F(CatalogueTest, PhotosWithoutColoursAreListedUntilTheyHaveSome) {
  GalleryItem sketch = Item("sketch");
  sketch.modality = v1::MODALITY_SKETCH;
  ASSERT_THAT(catalogue_->Insert(sketch), IsOk());
  const int64_t a = MustInsert("a");
  MustInsert("b");
  EXPECT_THAT(IdsOf(*catalogue_->ListWithoutColours("", 100)), ElementsAre("a", "b"));
  ASSERT_THAT(catalogue_->PutColours(a, TwoColours()), IsOk());
  EXPECT_THAT(IdsOf(*catalogue_->ListWithoutColours("", 100)), ElementsAre("b"));
  EXPECT_EQ(*catalogue_->CountWithoutColours(), 1);
  ExpectTwoColours(catalogue_->Find("a")->item->colours);
}

TEST_F(CatalogueTest, ColoursOfAnotherMethodAreNotKnown) {
  ASSERT_THAT(catalogue_->PutColours(MustInsert("a"), TwoColours()), IsOk());
  Execute("UPDATE colours SET method = method + 1");
  EXPECT_THAT(catalogue_->Find("a")->item->colours, IsEmpty());
  EXPECT_THAT(IdsOf(*catalogue_->ListWithoutColours("", 100)), ElementsAre("a"));
  ASSERT_THAT(catalogue_->PutColours(catalogue_->Find("a")->key, TwoColours()), IsOk());
  ExpectTwoColours(catalogue_->Find("a")->item->colours);
}

TEST_F(CatalogueTest, ColoursAreNotStoredForAnItemThatIsGone) {
  const int64_t key = MustInsert("a");
  ASSERT_TRUE(*catalogue_->Remove("a"));
  ASSERT_THAT(catalogue_->PutColours(key, TwoColours()), IsOk());
  MustInsert("a");
  EXPECT_THAT(catalogue_->Find("a")->item->colours, IsEmpty());
}

TEST_F(CatalogueTest, MetadataChangesKeepTheColours) {
  ASSERT_THAT(catalogue_->PutColours(MustInsert("a"), TwoColours()), IsOk());
  ASSERT_THAT(catalogue_->SetMetadata("a", {{"k", "v"}}), IsOk());
  ExpectTwoColours(catalogue_->Find("a")->item->colours);
}

TEST_F(CatalogueTest, HalfAColourIsDataLoss) {
  ASSERT_THAT(catalogue_->PutColours(MustInsert("a"), TwoColours()), IsOk());
  Execute("UPDATE colours SET colours = x'0000000000000000'");
  EXPECT_THAT(catalogue_->Find("a"), StatusIs(absl::StatusCode::kDataLoss,
                                              HasSubstr("the colours of item 1 are damaged")));
}

TEST_F(CatalogueWithoutColoursTest, OldCatalogueOpensAndTakesColours) {
  Reopen();
  EXPECT_THAT(IdsOf(*catalogue_->ListWithoutColours("", 100)), ElementsAre("a"));
  ASSERT_THAT(catalogue_->PutColours(catalogue_->Find("a")->key, TwoColours()), IsOk());
  Reopen();
  ExpectTwoColours(catalogue_->Find("a")->item->colours);
}

// As a backup of an old data folder is read.
TEST_F(CatalogueWithoutColoursTest, OldCatalogueIsReadWithoutHavingBeenOpened) {
  const auto reader = Catalogue::OpenReader(path_);
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT(IdsOf(*(*reader)->List("", 100)), ElementsAre("a"));
}

TEST_F(CatalogueTest, VersionsThatServedLastAreTold) {
  for (int64_t version : {1, 2, 1, 3}) ASSERT_THAT(catalogue_->NoteServing(version, 2), IsOk());
  EXPECT_EQ(*catalogue_->ServedVersions(), (std::set<int64_t>{1, 3}));
}

TEST_F(CatalogueTest, JournalPositionComesBackAsItWasSet) {
  EXPECT_FALSE(catalogue_->FindJournalPosition()->has_value());
  for (const JournalPosition& position :
       {JournalPosition{0xfedcba9876543210, 3}, JournalPosition{1, 4}}) {
    ASSERT_THAT(catalogue_->SetJournalPosition(position), IsOk());
    EXPECT_TRUE(**catalogue_->FindJournalPosition() == position);
  }
}

TEST_F(CatalogueTest, VectorOfAnOddLengthIsDataLoss) {
  ASSERT_THAT(catalogue_->PutEmbedding(MustInsert("a"), 1, {{1}, {}}), IsOk());
  Execute("UPDATE embeddings SET embedding = x'010203'");
  const absl::Status status = catalogue_->ForEachEmbedding(
      1, [](int64_t) {}, [](CatalogueItem, CatalogueEmbedding) { return absl::OkStatus(); });
  EXPECT_THAT(catalogue_->FindEmbedding(catalogue_->Find("a")->key, 1),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("a vector of 3 bytes")));
}

}  // namespace
}  // namespace s2p
