#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "base/key_file.h"
#include "client/commands/commands.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class KeysCommandTest : public testing::Test {
 protected:
  // Makes a key and returns what is printed.
  std::string New(const std::string& name, const std::string& roles) {
    options_.name = name;
    options_.roles = roles;
    std::ostringstream out;
    EXPECT_THAT(RunKeysNew(options_, out), IsOk());
    return out.str();
  }
  std::string List() const {
    std::ostringstream out;
    EXPECT_THAT(RunKeysList(options_, out), IsOk());
    return out.str();
  }

  TempDir dir_;
  KeyOptions options_{dir_.File("keys"), "", ""};
};

TEST_F(KeysCommandTest, NewPrintsTheKeyAlone) {
  const std::string printed = New("web", "search,write");
  const auto entries = *ReadKeyFile(options_.file);
  ASSERT_EQ(entries.size(), 1U);
  ASSERT_FALSE(printed.empty());
  EXPECT_EQ(printed.back(), '\n');
  EXPECT_EQ(DigestOfKey(entries[0].salt, printed.substr(0, printed.size() - 1)), entries[0].digest);
}

TEST_F(KeysCommandTest, UnknownRoleMakesNoKey) {
  options_.name = "web";
  options_.roles = "reader";
  std::ostringstream out;
  EXPECT_THAT(RunKeysNew(options_, out),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'reader' is no role")));
  EXPECT_EQ(out.str(), "");
  EXPECT_THAT(ReadKeyFile(options_.file), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(KeysCommandTest, ListShowsNamesAndRoles) {
  New("web", "write,search");
  New("operator", "admin");
  EXPECT_EQ(List(), "web\tsearch,write\noperator\tadmin\n");
}

TEST_F(KeysCommandTest, RevokedKeyIsNotListed) {
  New("web", "search");
  New("operator", "admin");
  options_.name = "web";
  std::ostringstream out;
  EXPECT_THAT(RunKeysRevoke(options_, out), IsOk());
  EXPECT_EQ(List(), "operator\tadmin\n");
}

}  // namespace
}  // namespace s2p::test
