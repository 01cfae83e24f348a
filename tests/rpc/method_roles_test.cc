#include "rpc/method_roles.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;
using testing::StrEq;

// The paths of all methods in proto/.
std::set<std::string> MethodsOfProtos() {
  const TempDir dir;
  const std::string proto = S2P_SOURCE_DIR "/proto";
  const std::string command = absl::StrCat("find ", proto, " -name '*.proto' | xargs ", S2P_PROTOC,
                                           " -I ", proto, " -o ", dir.File("descriptors"));
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  google::protobuf::FileDescriptorSet files;
  std::ifstream descriptors(dir.File("descriptors"), std::ios::binary);
  EXPECT_TRUE(files.ParseFromIstream(&descriptors));
  std::set<std::string> methods;
  for (const auto& file : files.file()) {
    for (const auto& service : file.service()) {
      for (const auto& method : service.method()) {
        methods.insert(absl::StrCat("/", file.package(), ".", service.name(), "/", method.name()));
      }
    }
  }
  return methods;
}

TEST(MethodRolesTest, TableHasTheMethodsOfTheProtos) {
  std::set<std::string> methods;
  for (const MethodRule& rule : MethodRules()) methods.emplace(rule.path);
  EXPECT_EQ(methods, MethodsOfProtos());
}

TEST(MethodRolesTest, NamesTellMethodsApart) {
  std::set<std::string> names;
  for (const MethodRule& rule : MethodRules()) {
    EXPECT_TRUE(names.emplace(rule.name()).second) << rule.name();
    EXPECT_EQ(RuleOf(rule.name()).path, rule.path);
    EXPECT_EQ(RuleOf(rule.path).path, rule.path);
    EXPECT_FALSE(rule.roles.empty()) << rule.path;
  }
}

TEST(MethodRolesTest, MethodThatTheTableLacksNeedsAdmin) {
  const Roles others = {Role::kSearch, Role::kWrite, Role::kTrain};
  for (const char* method : {"/s2p.v1.SearchService/New", "", "Search2"}) {
    EXPECT_THAT(CheckRoles(method, others),
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("the role admin")));
    EXPECT_THAT(CheckRoles(method, {Role::kAdmin}), IsOk());
  }
}

TEST(MethodRolesTest, MissingRoleIsNamed) {
  EXPECT_THAT(CheckRoles("/s2p.v1.GalleryService/DeletePhotos", {Role::kSearch}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       StrEq("DeletePhotos needs a key with the role write")));
  EXPECT_THAT(CheckRoles("GetPhoto", {Role::kTrain}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       StrEq("GetPhoto needs a key with one of the roles search, write")));
}

TEST(MethodRolesTest, SearchingChangesNothing) {
  for (const MethodRule& rule : MethodRules()) {
    if (!Roles({Role::kSearch}).IncludeOneOf(rule.roles)) continue;
    EXPECT_FALSE(rule.is_change) << rule.path;
  }
}

}  // namespace
}  // namespace s2p::test
