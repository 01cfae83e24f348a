#include "rpc/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using testing::HasSubstr;
using testing::Not;

constexpr char kKey[] = "0123456789abcdef";
constexpr char kOtherKey[] = "fedcba9876543210";

class ApiKeysTest : public testing::Test {
 protected:
  std::string Write(const std::string& contents, mode_t mode = 0600) {
    const std::string path = dir_.File("keys");
    std::ofstream(path) << contents;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }

  absl::Status Authorize(const std::string& contents, const std::string& header) {
    absl::StatusOr<ApiKeys> keys = ApiKeys::Parse(contents, "keys");
    return keys.ok() ? keys->Authorize(header).status() : keys.status();
  }

  static void ExpectError(const absl::Status& status, absl::StatusCode code,
                          const std::string& words) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  }

  test::TempDir dir_;
};

TEST_F(ApiKeysTest, ReadKeyIsAccepted) {
  absl::StatusOr<ApiKeys> keys = ApiKeys::Read(Write(std::string(kKey) + "\n"));
  ASSERT_THAT(keys, IsOk());
  EXPECT_THAT(keys->Authorize(std::string("Bearer ") + kKey), IsOk());
}

TEST_F(ApiKeysTest, EveryKeyOfTheFileIsAccepted) {
  const std::string contents = std::string("# rotation\n\n") + kKey + "\r\n  " + kOtherKey + "  \n";
  EXPECT_THAT(Authorize(contents, std::string("Bearer ") + kKey), IsOk());
  EXPECT_THAT(Authorize(contents, std::string("bearer ") + kOtherKey), IsOk());
  EXPECT_EQ(ApiKeys::Parse(contents, "keys")->size(), 2U);
}

TEST_F(ApiKeysTest, KeyIsKnownByNameAndRoles) {
  const std::string path = dir_.File("keys");
  AddKey(path, "shop", {Role::kWrite}).value();
  const std::string key = AddKey(path, "web", {Role::kSearch}).value();
  const auto holder = ApiKeys::Read(path)->Authorize("Bearer " + key);
  ASSERT_THAT(holder, IsOk());
  EXPECT_EQ(holder->name, "web");
  EXPECT_EQ(holder->roles.ToString(), "search");
}

TEST_F(ApiKeysTest, BareKeyIsKnownByItsLineAndHasAllRoles) {
  const std::string path = Write(std::string("# old\n") + kKey + "\n");
  AddKey(path, "web", {Role::kSearch}).value();
  const auto holder = ApiKeys::Read(path)->Authorize(std::string("Bearer ") + kKey);
  ASSERT_THAT(holder, IsOk());
  EXPECT_EQ(holder->name, "line:2");
  EXPECT_TRUE(holder->roles.IncludeOneOf({Role::kAdmin}));
}

TEST_F(ApiKeysTest, NameWithAnotherSecretIsUnauthenticated) {
  const std::string path = dir_.File("keys");
  std::string key = AddKey(path, "web", {Role::kSearch}).value();
  const std::string other = AddKey(path, "shop", {Role::kSearch}).value();
  const auto keys = ApiKeys::Read(path);
  ExpectError(keys->Authorize("Bearer s2p.web." + other.substr(9)).status(),
              absl::StatusCode::kUnauthenticated, "not known");
  ExpectError(keys->Authorize("Bearer s2p.none." + key.substr(8)).status(),
              absl::StatusCode::kUnauthenticated, "not known");
  key.back() = key.back() == '0' ? '1' : '0';
  ExpectError(keys->Authorize("Bearer " + key).status(), absl::StatusCode::kUnauthenticated,
              "not known");
}

TEST_F(ApiKeysTest, HashIsNoKey) {
  const std::string path = dir_.File("keys");
  AddKey(path, "web", {Role::kSearch}).value();
  std::string word;
  std::ifstream file(path);
  while (file >> word) {
    EXPECT_FALSE(ApiKeys::Read(path)->Authorize("Bearer " + word).ok()) << word;
  }
}

TEST_F(ApiKeysTest, MissingHeaderIsUnauthenticated) {
  ExpectError(Authorize(kKey, ""), absl::StatusCode::kUnauthenticated, "authorization: Bearer");
}

TEST_F(ApiKeysTest, OtherSchemeIsUnauthenticated) {
  ExpectError(Authorize(kKey, std::string("Basic ") + kKey), absl::StatusCode::kUnauthenticated,
              "Bearer KEY");
}

TEST_F(ApiKeysTest, PrefixOfAKeyIsUnauthenticated) {
  ExpectError(Authorize(kKey, "Bearer 0123456789abcde"), absl::StatusCode::kUnauthenticated,
              "not known");
}

TEST_F(ApiKeysTest, ErrorDoesNotRepeatTheKey) {
  absl::Status status = Authorize(kKey, std::string("Bearer ") + kOtherKey);
  ExpectError(status, absl::StatusCode::kUnauthenticated, "not known");
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr(kOtherKey)));
}

TEST_F(ApiKeysTest, MissingFileIsNotFound) {
  ExpectError(ApiKeys::Read(dir_.File("none")).status(), absl::StatusCode::kNotFound,
              dir_.File("none"));
}

TEST_F(ApiKeysTest, FolderIsNoFileOfKeys) {
  ExpectError(ApiKeys::Read(dir_.path()).status(), absl::StatusCode::kInvalidArgument,
              dir_.path() + ": is a folder");
}

TEST_F(ApiKeysTest, FileThatEveryoneReadsIsPermissionDenied) {
  ExpectError(ApiKeys::Read(Write(kKey, 0604)).status(), absl::StatusCode::kPermissionDenied,
              "chmod 600");
}

TEST_F(ApiKeysTest, FileThatTheGroupReadsIsFine) {
  EXPECT_THAT(ApiKeys::Read(Write(kKey, 0640)), IsOk());
}

TEST_F(ApiKeysTest, EmptyFileIsNotEveryone) {
  ExpectError(ApiKeys::Read(Write("")).status(), absl::StatusCode::kInvalidArgument,
              "contains no API key");
  ExpectError(ApiKeys::Read(Write("# none\n\n")).status(), absl::StatusCode::kInvalidArgument,
              "contains no API key");
}

TEST_F(ApiKeysTest, ShortKeyIsRefusedWithItsLine) {
  ExpectError(ApiKeys::Parse("#\n0123456789abcde\n", "keys").status(),
              absl::StatusCode::kInvalidArgument, "keys:2:");
}

TEST_F(ApiKeysTest, TextAfterAKeyIsRefusedWithItsLine) {
  ExpectError(ApiKeys::Parse("0123456789abcdef admin\n", "keys").status(),
              absl::StatusCode::kInvalidArgument, "keys:1:");
}

}  // namespace
}  // namespace s2p
