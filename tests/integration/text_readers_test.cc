// All readers of text that people edit, and the variants of text that editors write: every reader
// accepts the same variants, and refuses the same ones with file and line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/message_text.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "client/labelled_set.h"
#include "client/web/operator_sessions.h"
#include "daemon/options.h"
#include "rpc/api_keys.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/data/csv.h"
#include "trainer/data/data_set.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;
using What = absl::StatusOr<std::string>;

constexpr char kAbout[] = "{\"format\": 1,\n \"name\": \"shoes\"}\n";
constexpr char kLines[] =
    R"({"path": "photo/1.jpg", "identity": "1", "modality": "photo", "split": "train"})"
    "\n"
    R"({"path": "photo/2.jpg", "identity": "2", "modality": "photo", "split": "train"})"
    "\n";
constexpr char kTextSpec[] = "# a job\npreset: \"shoes\"\nstep2 { epochs: 5 }\n";
constexpr char kJsonSpec[] = "{\"preset\": \"shoes\",\n \"step2\": {\"epochs\": 5}}\n";

// The test varies `file`, which contains `text`; `others` are other files in the folder. `read`
// describes a program's reading of the file at the path.
struct TextReader {
  std::string name;
  std::string file;
  std::string text;
  std::function<What(const std::string&)> read;
  std::map<std::string, std::string> others = {};
};

// For gtest, which would print bytes otherwise.
void PrintTo(const TextReader& reader, std::ostream* out) { *out << reader.name; }

std::string FolderOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

What ReadTrainerSpec(const std::string& path) {
  const auto spec = ReadSpec(path);
  return spec.ok() ? What(spec->ShortDebugString()) : What(spec.status());
}

What ReadClientSpec(const std::string& path) {
  v1::TrainingSpec spec;
  const absl::Status status = ReadMessageFile(path, spec);
  return status.ok() ? What(spec.ShortDebugString()) : What(status);
}

What ReadTrainerDataSet(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto set, DataSet::Open(FolderOf(path), ImageFiles::kMayBeMissing));
  return absl::StrCat(set.name(), " ",
                      absl::StrJoin(set.images(), " ", [](std::string* out, const auto& image) {
                        absl::StrAppend(out, image.path, "=", image.identity);
                      }));
}

What ReadClientDataSet(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto set, ReadLabelledSet(FolderOf(path), "train"));
  return absl::StrCat(set.name, " ",
                      absl::StrJoin(set.images, " ", [](std::string* out, const auto& image) {
                        absl::StrAppend(out, image.path, "=", image.identity);
                      }));
}

What ReadDaemonConfig(const std::string& path) {
  std::string device;
  uint32_t batch = 0;
  Options options("prog", "A program.", "1");
  options.Add("device", &device, "a device");
  options.Add("max-batch", &batch, "a number");
  std::ostringstream out, err;
  const char* const argv[] = {"prog", "--config", path.c_str()};
  if (options.Parse(3, argv, out, err)) return absl::InvalidArgumentError(err.str());
  return absl::StrCat(device, " ", batch);
}

// An unknown key in the file makes the program exit with 2.
What ReadClientConfig(const std::string& path) {
  const std::string command = absl::StrCat(S2P_PROGRAM " --config ", path, " completion bash 2>&1");
  FILE* const pipe = popen(command.c_str(), "r");
  std::string output;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) output.push_back(static_cast<char>(c));
  if (pclose(pipe) != 0) return absl::InvalidArgumentError(output);
  return "read";
}

What ReadKeys(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto keys, ApiKeys::Read(path));
  return absl::StrCat(keys.size(), " keys ", keys.Authorize("Bearer 0123456789abcdef").ok(),
                      keys.Authorize("Bearer fedcba9876543210").ok());
}

What ReadTable(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto reader, CsvReader::Open(path));
  std::vector<std::string> row;
  std::string all;
  for (auto more = reader.Next(&row); !more.ok() || *more; more = reader.Next(&row)) {
    if (!more.ok()) return more.status();
    absl::StrAppend(&all, absl::StrJoin(row, "|"), "/");
  }
  return all;
}

What ReadList(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto file, TextFile::Read(path));
  absl::string_view line;
  std::string all;
  while (file.NextFilled(&line)) absl::StrAppend(&all, line, "/");
  return all;
}

std::vector<TextReader> Readers() {
  return {
      {"TrainerSpecAsText", "job", kTextSpec, ReadTrainerSpec},
      {"TrainerSpecAsJson", "job", kJsonSpec, ReadTrainerSpec},
      {"ClientSpecAsText", "job", kTextSpec, ReadClientSpec},
      {"ClientSpecAsJson", "job", kJsonSpec, ReadClientSpec},
      {"TrainerDataSet", "dataset.jsonl", kLines, ReadTrainerDataSet, {{"dataset.json", kAbout}}},
      {"TrainerDataSetDescription",
       "dataset.json",
       kAbout,
       ReadTrainerDataSet,
       {{"dataset.jsonl", kLines}}},
      {"ClientDataSet", "dataset.jsonl", kLines, ReadClientDataSet, {{"dataset.json", kAbout}}},
      {"ClientDataSetDescription",
       "dataset.json",
       kAbout,
       ReadClientDataSet,
       {{"dataset.jsonl", kLines}}},
      {"DaemonConfig", "prog.toml", "device = \"cpu\"\nmax-batch = 7\n", ReadDaemonConfig},
      {"ClientConfig", "s2p.toml", "server = \"127.0.0.1:1\"\ntimeout = 7\n", ReadClientConfig},
      {"ApiKeys", "keys", "# old, new\n0123456789abcdef\nfedcba9876543210\n", ReadKeys},
      {"Password", "password", "open sesame\nof the shop\n", ReadPasswordFile},
      {"Table", "t.csv", "id,sketch\n1,\"a, b\"\n", ReadTable},
      {"List", "list.txt", "000001.jpg 5\n000002.jpg 6\n", ReadList},
  };
}

// Two bytes per character, the lower one first.
std::string Utf16(const std::string& text) {
  std::string wide;
  for (const char c : text) wide += {c, '\0'};
  return wide;
}

class TextReadersTest : public testing::TestWithParam<TextReader> {
 protected:
  What Read(const std::string& bytes) {
    for (const auto& [name, text] : GetParam().others) Write(name, text);
    Write(GetParam().file, bytes);
    return GetParam().read(dir_.File(GetParam().file));
  }
  void ExpectRefusal(const std::string& bytes, const std::string& words) {
    const What what = Read(bytes);
    EXPECT_THAT(what, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr(absl::StrCat(dir_.File(GetParam().file), words))));
  }
  const std::string& text() const { return GetParam().text; }

 private:
  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(dir_.File(name), std::ios::binary | std::ios::trunc) << bytes;
    EXPECT_EQ(chmod(dir_.File(name).c_str(), 0600), 0);
  }
  TempDir dir_;
};

TEST_P(TextReadersTest, WhatEditorsLeaveBehindChangesNothing) {
  const What plain = Read(text());
  ASSERT_THAT(plain, IsOk());
  const auto with_ends = [&](const char* end) {
    return absl::StrReplaceAll(text(), {{"\n", end}});
  };
  const std::pair<const char*, std::string> variants[] = {
      {"byte order mark", "\xef\xbb\xbf" + text()},
      {"CRLF", with_ends("\r\n")},
      {"byte order mark and CRLF", "\xef\xbb\xbf" + with_ends("\r\n")},
      {"CR", with_ends("\r")},
      {"CRCRLF", with_ends("\r\r\n")},
      {"trailing spaces", with_ends(" \t\n")},
      {"trailing spaces and CRLF", with_ends("  \r\n")},
      {"empty last lines", text() + "\n\n"},
      {"empty last lines of blanks", text() + "\r\n \t\r\n   "},
      {"no last line end", text().substr(0, text().size() - 1)},
  };
  for (const auto& [name, bytes] : variants) {
    const What what = Read(bytes);
    EXPECT_THAT(what, IsOk()) << name << ": " << what.status();
    if (what.ok()) {
      EXPECT_EQ(*what, *plain) << name;
    }
  }
}

TEST_P(TextReadersTest, Utf16IsNamed) {
  ExpectRefusal("\xff\xfe" + Utf16(text()), ":1: the text is UTF-16, not UTF-8");
  ExpectRefusal(Utf16(text()), ":1: the text is UTF-16, not UTF-8");
}

TEST_P(TextReadersTest, LineThatIsNotUtf8IsNamed) {
  const auto lines = std::count(text().begin(), text().end(), '\n');
  ExpectRefusal(text() + "caf\xe9\n", absl::StrCat(":", lines + 1, ": is not UTF-8 at byte 4"));
}

TEST_P(TextReadersTest, LineWithANulIsNamed) {
  const auto lines = std::count(text().begin(), text().end(), '\n');
  ExpectRefusal(text() + "\n" + std::string("ab\0c\n", 5),
                absl::StrCat(":", lines + 2, ": is not text but has a NUL at byte 3"));
}

INSTANTIATE_TEST_SUITE_P(All, TextReadersTest, testing::ValuesIn(Readers()),
                         [](const auto& reader) { return reader.param.name; });

}  // namespace
}  // namespace s2p::test
