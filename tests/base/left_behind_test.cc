#include "base/left_behind.h"

#include <gtest/gtest.h>

namespace s2p {
namespace {

TEST(LeftBehindTest, FilesOfSystemsCamerasAndArchivesAre) {
  for (const char* name :
       {".DS_Store", "._IMG_2.jpeg", ".thumbnails", "Thumbs.db", "desktop.ini", "__MACOSX",
        "@eaDir", "Icon\r", "$RECYCLE.BIN", "#recycle", "System Volume Information"}) {
    EXPECT_TRUE(IsLeftBehind(name)) << name;
  }
}

TEST(LeftBehindTest, UnfinishedCopiesAre) {
  for (const char* name : {"a.jpg.part", "a.jpg.crdownload", "b.PARTIAL", "c.tmp"}) {
    EXPECT_TRUE(IsLeftBehind(name)) << name;
  }
}

TEST(LeftBehindTest, PicturesAreNot) {
  for (const char* name : {"a.jpg", "thumbs.db.jpg", "part.png", "_a.jpg", "~a.webp", ""}) {
    EXPECT_FALSE(IsLeftBehind(name)) << name;
  }
}

}  // namespace
}  // namespace s2p
