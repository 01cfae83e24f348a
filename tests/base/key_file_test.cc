#include "base/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

constexpr char kBare[] = "0123456789abcdef";
constexpr char kSalt[] = "000102030405060708090a0b0c0d0e0f";
// SHA-256 of the salt and "s2p.web.x", by Python's hashlib.
constexpr char kDigest[] = "1e469b5331ec9d683cc07290c4adacb9cd139289925904a3561c302805d889a4";

class KeyFileTest : public testing::Test {
 protected:
  std::string Contents() const {
    std::ifstream file(path_);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void Write(const std::string& contents, mode_t mode = 0600) {
    std::ofstream(path_) << contents;
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }
  mode_t Mode() const {
    struct stat attributes = {};
    EXPECT_EQ(stat(path_.c_str(), &attributes), 0);
    return attributes.st_mode & 07777;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    const auto entries = ReadKeyFile(path_);
    EXPECT_THAT(entries, IsOk());
    for (const KeyEntry& entry : *entries) names.push_back(entry.name);
    return names;
  }

  TempDir dir_;
  const std::string path_ = dir_.File("keys");
};

TEST_F(KeyFileTest, NewKeyIsInTheFileAsAHashOnly) {
  const auto key = AddKey(path_, "web", {Role::kSearch, Role::kWrite});
  ASSERT_THAT(key, IsOk());
  EXPECT_THAT(*key, StartsWith("s2p.web."));
  EXPECT_THAT(*key, SizeIs(8 + 64));
  EXPECT_THAT(Contents(), StartsWith("web search,write sha256:"));
  EXPECT_THAT(Contents(), Not(HasSubstr(key->substr(8))));
}

TEST_F(KeyFileTest, EntryHasTheDigestOfItsKey) {
  const std::string key = *AddKey(path_, "web", {Role::kTrain});
  const auto entries = *ReadKeyFile(path_);
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].digest, DigestOfKey(entries[0].salt, key));
  EXPECT_EQ(entries[0].roles.ToString(), "train");
  EXPECT_EQ(NameInKey(key), "web");
}

TEST_F(KeyFileTest, DigestIsThatOfSaltAndKey) {
  Write(absl::StrCat("web search sha256:", kSalt, ":", kDigest, "\n"));
  const auto entries = ReadKeyFile(path_);
  ASSERT_THAT(entries, IsOk());
  EXPECT_EQ(entries->front().digest, DigestOfKey(entries->front().salt, "s2p.web.x"));
}

TEST_F(KeyFileTest, NewFileIsForItsOwnerOnly) {
  ASSERT_THAT(AddKey(path_, "web", {Role::kSearch}), IsOk());
  EXPECT_EQ(Mode(), 0600U);
}

TEST_F(KeyFileTest, ChangeKeepsModeCommentsAndOtherKeys) {
  Write(absl::StrCat("# ours\n", kBare), 0640);
  ASSERT_THAT(AddKey(path_, "web", {Role::kSearch}), IsOk());
  EXPECT_EQ(Mode(), 0640U);
  EXPECT_THAT(Contents(), StartsWith(absl::StrCat("# ours\n", kBare, "\nweb search sha256:")));
}

TEST_F(KeyFileTest, LinkToTheFileStaysALink) {
  Write(absl::StrCat(kBare, "\n"));
  const std::string link = dir_.File("link");
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  ASSERT_THAT(AddKey(link, "web", {Role::kSearch}), IsOk());
  EXPECT_THAT(Names(), ElementsAre("line:1", "web"));
}

TEST_F(KeyFileTest, LeftoverOfACrashIsReplaced) {
  std::ofstream(path_ + ".tmp") << "half";
  ASSERT_THAT(AddKey(path_, "web", {Role::kSearch}), IsOk());
  EXPECT_THAT(Names(), ElementsAre("web"));
}

TEST_F(KeyFileTest, KeysMadeAtOneTimeAreAllKept) {
  std::vector<std::thread> makers;
  for (int i = 0; i < 8; ++i) {
    makers.emplace_back(
        [&, i] { EXPECT_THAT(AddKey(path_, absl::StrCat("k", i), {Role::kSearch}), IsOk()); });
  }
  for (std::thread& maker : makers) maker.join();
  EXPECT_THAT(Names(), SizeIs(8));
}

TEST_F(KeyFileTest, NameIsGivenOnce) {
  ASSERT_THAT(AddKey(path_, "web", {Role::kSearch}), IsOk());
  EXPECT_THAT(AddKey(path_, "web", {Role::kAdmin}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("has a key web already")));
}

TEST_F(KeyFileTest, NameOfOtherCharactersIsRefused) {
  const std::string names[] = {"", "a b", "a.b", "line:1", "anonymous", std::string(65, 'a')};
  for (const std::string& name : names) {
    EXPECT_THAT(AddKey(path_, name, {Role::kSearch}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no name of a key")))
        << name;
  }
}

TEST_F(KeyFileTest, KeyNeedsARole) {
  EXPECT_THAT(AddKey(path_, "web", {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("search,write,train,admin")));
}

TEST_F(KeyFileTest, FileThatEveryoneReadsIsNotChanged) {
  Write(absl::StrCat(kBare, "\n"), 0644);
  EXPECT_THAT(AddKey(path_, "web", {Role::kSearch}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("chmod 600")));
}

TEST_F(KeyFileTest, RevokedKeyIsGoneAndOthersStay) {
  ASSERT_THAT(AddKey(path_, "web", {Role::kSearch}), IsOk());
  ASSERT_THAT(AddKey(path_, "shop", {Role::kWrite}), IsOk());
  ASSERT_THAT(RevokeKey(path_, "web"), IsOk());
  EXPECT_THAT(Names(), ElementsAre("shop"));
  EXPECT_THAT(RevokeKey(path_, "web"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("web")));
}

TEST_F(KeyFileTest, BareKeyIsRevokedByItsLine) {
  Write(absl::StrCat("# old\n", kBare, "\n"));
  ASSERT_THAT(AddKey(path_, "web", {Role::kSearch}), IsOk());
  ASSERT_THAT(RevokeKey(path_, "line:2"), IsOk());
  EXPECT_THAT(Names(), ElementsAre("web"));
}

TEST_F(KeyFileTest, OnlyKeyIsNotRevoked) {
  ASSERT_THAT(AddKey(path_, "web", {Role::kSearch}), IsOk());
  EXPECT_THAT(RevokeKey(path_, "web"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("make another key first")));
  EXPECT_THAT(Names(), ElementsAre("web"));
}

TEST_F(KeyFileTest, BareKeyHasAllRoles) {
  const auto entries = *ParseKeyFile(kBare, "keys");
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_TRUE(entries[0].is_bare());
  EXPECT_EQ(entries[0].roles.ToString(), "search,write,train,admin");
}

TEST_F(KeyFileTest, BadLineIsNamedByNumberAndNotRepeated) {
  const std::string hash = absl::StrCat("sha256:", kSalt, ":", std::string(64, '0'));
  const std::pair<std::string, std::string> cases[] = {
      {"secret-words here", "expected NAME ROLE"},
      {"secret.words search " + hash, "the first word"},
      {"web secretwords " + hash, "the second word"},
      {"web search, " + hash, "the second word"},
      {"web search secretwords", "the hash"},
      {"web search md5:" + hash.substr(7), "the hash"},
      {"web search " + hash.substr(0, hash.size() - 1), "the hash"},
      {"web search " + hash + ":0", "the hash"},
      {"web search sha256:" + std::string(32, 'g') + ":" + std::string(64, '0'), "the hash"},
      {"web search " + hash + " more", "expected NAME ROLE"},
      {"web search " + hash + "\nweb train " + hash, "used twice"},
  };
  for (const auto& [line, words] : cases) {
    const auto entries = ParseKeyFile("# first\n" + line + "\n", "keys");
    EXPECT_THAT(entries, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words))) << line;
    EXPECT_THAT(std::string(entries.status().message()), StartsWith("keys:")) << line;
    EXPECT_THAT(std::string(entries.status().message()), Not(HasSubstr("secret"))) << line;
  }
}

TEST_F(KeyFileTest, TooManyKeysAreRefused) {
  std::string text;
  for (int i = 0; i < 1001; ++i) absl::StrAppend(&text, kBare, i, "\n");
  EXPECT_THAT(ParseKeyFile(text, "keys"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("keys:1001: is more than")));
}

TEST_F(KeyFileTest, UnknownRoleIsNamedWithTheKnownOnes) {
  EXPECT_THAT(Roles::Parse("search,root"), StatusIs(absl::StatusCode::kInvalidArgument,
                                                    HasSubstr("'root' is no role: expected some "
                                                              "of search,write,train,admin")));
}

TEST_F(KeyFileTest, AdminStandsForEachRole) {
  EXPECT_TRUE(Roles({Role::kAdmin}).IncludeOneOf({Role::kTrain}));
  EXPECT_TRUE(Roles({Role::kSearch}).IncludeOneOf({Role::kSearch, Role::kWrite}));
  EXPECT_FALSE(Roles({Role::kSearch}).IncludeOneOf({Role::kAdmin}));
  EXPECT_FALSE(Roles().IncludeOneOf({Role::kSearch}));
}

TEST_F(KeyFileTest, ClientKeyIsTheFirstLine) {
  Write("  s2p.web.00 \r\nnote\n");
  EXPECT_EQ(*ReadClientKey(path_), "s2p.web.00");
  Write("\nkey\n");
  EXPECT_THAT(ReadClientKey(path_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("holds no key")));
  Write("s2p.web.00\n", 0644);
  EXPECT_THAT(ReadClientKey(path_), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(KeyFileTest, OtherTextHasNoName) {
  EXPECT_EQ(NameInKey("s2p.web"), "");
  EXPECT_EQ(NameInKey("web.00"), "");
  EXPECT_EQ(NameInKey(""), "");
}

}  // namespace
}  // namespace s2p::test
