#include "model/sha256.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::StatusIs;

TEST(Sha256Test, IsThatOfTheStandard) {
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256Test, PiecesAreHashedAsOne) { EXPECT_EQ(Sha256({"a", "", "bc"}), Sha256("abc")); }

TEST(Sha256Test, FileIsHashedWhole) {
  const test::TempDir dir;
  // More than one piece is read.
  const std::string bytes((size_t{1} << 20) + 3, 'x');
  ASSERT_THAT(WriteFileSynced(dir.File("a"), {bytes}), test::IsOk());
  const auto digest = Sha256OfFile(dir.File("a"));
  ASSERT_THAT(digest, test::IsOk());
  EXPECT_EQ(*digest, Sha256(bytes));
}

TEST(Sha256Test, MissingFileIsNotFound) {
  const test::TempDir dir;
  EXPECT_THAT(Sha256OfFile(dir.File("a")), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace s2p
