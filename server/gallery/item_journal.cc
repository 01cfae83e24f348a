#include "server/gallery/item_journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/sha256.h"

namespace s2p {
namespace {

constexpr size_t kCheckDigits = 16;
constexpr int kFormat = 1;
constexpr absl::string_view kFirstKind = "s2p-items", kItemKind = "item", kVoidKind = "void";
// Fields of an item before its metadata, its kind included.
constexpr size_t kItemFields = 9;
constexpr size_t kChunkBytes = size_t{1} << 20;
// A small file is not worth writing anew.
constexpr uint64_t kMostVoidBytes = uint64_t{1} << 20;

std::string CheckOf(absl::string_view rest) { return Sha256(rest).substr(0, kCheckDigits); }

std::string LineOf(absl::string_view rest) { return absl::StrCat(CheckOf(rest), "\t", rest, "\n"); }

std::string FirstLine() { return LineOf(absl::StrCat(kFirstKind, "\t", kFormat)); }

std::string LineOf(const GalleryItem& item) {
  std::string rest =
      absl::StrCat(kItemKind, "\t", absl::Utf8SafeCEscape(item.photo_id), "\t",
                   static_cast<int>(item.modality), "\t", item.sha256, "\t", item.bytes, "\t",
                   absl::Utf8SafeCEscape(item.content_type), "\t", item.width, "\t", item.height);
  absl::StrAppend(&rest, "\t", absl::ToUnixMicros(item.created_at));
  for (const auto& [name, value] : item.metadata) {
    absl::StrAppend(&rest, "\t", absl::Utf8SafeCEscape(name), "\t", absl::Utf8SafeCEscape(value));
  }
  return LineOf(rest);
}

std::string TextOf(const JournalPosition& position) {
  return absl::StrCat(absl::Hex(position.history, absl::kZeroPad16), ":", position.write);
}

// False if the text is no position, as the offset of a line.
bool ParsePosition(absl::string_view text, JournalPosition& position) {
  constexpr size_t kDigits = 16;
  if (text.size() <= kDigits || text[kDigits] != ':') return false;
  JournalPosition found;
  if (!absl::SimpleHexAtoi(text.substr(0, kDigits), &found.history) ||
      !absl::SimpleAtoi(text.substr(kDigits + 1), &found.write)) {
    return false;
  }
  position = found;
  return true;
}

// The first 32 bits of a line's checksum.
uint32_t ShortCheck(absl::string_view line) {
  uint32_t check = 0;
  return absl::SimpleHexAtoi(line.substr(0, kCheckDigits / 2), &check) ? check : 0;
}

// The fields of a line without its newline, the checksum left out; empty if the line is damaged.
std::vector<absl::string_view> FieldsOf(absl::string_view line) {
  if (line.size() <= kCheckDigits || line[kCheckDigits] != '\t') return {};
  const absl::string_view rest = line.substr(kCheckDigits + 1);
  if (CheckOf(rest) != line.substr(0, kCheckDigits)) return {};
  return absl::StrSplit(rest, '\t');
}

bool IsErased(absl::string_view line) {
  return line.find_first_not_of(' ') == absl::string_view::npos;
}

bool IsDigest(absl::string_view text) {
  constexpr size_t kDigits = 64;
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

absl::StatusOr<GalleryItem> ParseItem(absl::Span<const absl::string_view> fields) {
  GalleryItem item;
  int modality = 0;
  int64_t created = 0;
  bool ok = fields.size() >= kItemFields && (fields.size() - kItemFields) % 2 == 0 &&
            fields[0] == kItemKind && absl::CUnescape(fields[1], &item.photo_id) &&
            absl::SimpleAtoi(fields[2], &modality) && absl::SimpleAtoi(fields[4], &item.bytes) &&
            absl::CUnescape(fields[5], &item.content_type) &&
            absl::SimpleAtoi(fields[6], &item.width) && absl::SimpleAtoi(fields[7], &item.height) &&
            absl::SimpleAtoi(fields[8], &created);
  for (size_t i = kItemFields; ok && i + 1 < fields.size(); i += 2) {
    std::string name, value;
    ok = absl::CUnescape(fields[i], &name) && absl::CUnescape(fields[i + 1], &value);
    item.metadata[std::move(name)] = std::move(value);
  }
  ok = ok && IsDigest(fields[3]);
  if (!ok) return absl::DataLossError("a line is no item");
  item.modality = static_cast<v1::Modality>(modality);
  item.sha256 = std::string(fields[3]);
  item.created_at = absl::FromUnixMicros(created);
  return item;
}

// As in BlobStore: a file size limit is a full disk.
absl::Status WriteError(int error_number, const std::string& path, absl::string_view what) {
  absl::Status status = FileError(error_number, path, what);
  if (error_number == EFBIG) return absl::ResourceExhaustedError(status.message());
  return status;
}

}  // namespace

// Reads the whole file once. One thread only.
class ItemJournal::Loader {
 public:
  explicit Loader(ItemJournal* journal) : journal_(*journal) {}

  absl::Status Run() {
    std::string buffer;
    uint64_t read_to = 0;
    for (;;) {
      const size_t kept = buffer.size();
      buffer.resize(kept + kChunkBytes);
      const ssize_t got =
          pread(journal_.descriptor_, &buffer[kept], kChunkBytes, static_cast<off_t>(read_to));
      if (got < 0 && errno == EINTR) {
        buffer.resize(kept);
        continue;
      }
      if (got < 0) return FileError(errno, journal_.path_, "read");
      buffer.resize(kept + static_cast<size_t>(got));
      read_to += static_cast<uint64_t>(got);
      size_t begin = 0;
      for (size_t newline; (newline = buffer.find('\n', begin)) != std::string::npos;
           begin = newline + 1) {
        S2P_RETURN_IF_ERROR(Take(absl::string_view(buffer).substr(begin, newline - begin)));
      }
      buffer.erase(0, begin);
      if (got == 0) break;
    }
    Finish(read_to);
    return absl::OkStatus();
  }

 private:
  absl::Status Take(absl::string_view line) {
    const Place place = {next_, static_cast<uint32_t>(line.size() + 1), ShortCheck(line)};
    next_ += place.size;
    const std::vector<absl::string_view> fields = FieldsOf(line);
    if (place.offset == 0 && fields.empty() && next_ > 1 && line.find('\t') == line.npos) {
      return absl::FailedPreconditionError(
          absl::StrCat(journal_.path_, ": is not a journal of items; move it away"));
    }
    if (!fields.empty() && fields[0] == kFirstKind) {
      int format = 0;
      if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &format) || format > kFormat) {
        return absl::FailedPreconditionError(
            absl::StrCat(journal_.path_, ": format ", fields.size() < 2 ? "" : fields[1],
                         " is newer than this program, which reads ", kFormat));
      }
    } else if (!fields.empty() && fields[0] == kVoidKind) {
      Void(absl::MakeConstSpan(fields).subspan(1));
    } else if (const auto item = ParseItem(fields); item.ok()) {
      Put(KeyOf(item->photo_id), place);
    } else if (!IsErased(line)) {
      damaged_[place.offset] = next_;
      return absl::OkStatus();
    }
    sound_to_ = next_;
    return absl::OkStatus();
  }

  void Put(const Key& key, const Place& place) {
    journal_.Forget(key);
    journal_.places_[key] = place;
    journal_.live_ += place.size;
    keys_[place.offset] = key;
  }

  void Void(absl::Span<const absl::string_view> offsets) {
    for (const absl::string_view text : offsets) {
      if (ParsePosition(text, journal_.position_)) continue;
      uint64_t offset = 0;
      if (!absl::SimpleAtoi(text, &offset)) continue;
      // A crash may come while a void line is overwritten: the rest of it is overwritten again.
      if (const auto half = damaged_.find(offset); half != damaged_.end()) {
        journal_.voided_.push_back({offset, static_cast<uint32_t>(half->second - offset), 0});
        damaged_.erase(half);
      }
      const auto key = keys_.find(offset);
      if (key == keys_.end()) continue;
      const auto place = journal_.places_.find(key->second);
      if (place == journal_.places_.end() || place->second.offset != offset) continue;
      journal_.Forget(key->second);
    }
  }

  // Damaged lines at the very end are what a crash left of the last write.
  void Finish(uint64_t size) {
    damaged_.erase(damaged_.lower_bound(sound_to_), damaged_.end());
    for (const auto& [begin, end] : damaged_) {
      journal_.findings_.damaged.push_back(absl::StrCat("bytes ", begin, " to ", end));
    }
    journal_.findings_.torn_bytes = size - sound_to_;
    journal_.end_ = sound_to_;
    journal_.overhang_ = size > sound_to_;
  }

  ItemJournal& journal_;
  uint64_t next_ = 0;
  // The end of the last line that is not damaged.
  uint64_t sound_to_ = 0;
  absl::flat_hash_map<uint64_t, Key> keys_;
  // Begin and end.
  std::map<uint64_t, uint64_t> damaged_;
};

absl::StatusOr<std::unique_ptr<ItemJournal>> ItemJournal::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) return FileError(errno, path, "open");
  auto journal = absl::WrapUnique(new ItemJournal(path, descriptor));
  S2P_RETURN_IF_ERROR(journal->Load());
  S2P_RETURN_IF_ERROR(journal->CutOff());
  if (journal->end_ > 0) return journal;
  journal->findings_.created = true;
  const std::string first = FirstLine();
  S2P_RETURN_IF_ERROR(journal->WriteAt(0, first));
  journal->end_ = first.size();
  if (fdatasync(descriptor) != 0) return FileError(errno, path, "sync");
  const std::string folder = path.substr(0, path.rfind('/'));
  S2P_RETURN_IF_ERROR(SyncDirectory(folder == path ? "." : folder));
  return journal;
}

absl::StatusOr<std::unique_ptr<ItemJournal>> ItemJournal::OpenReader(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return FileError(errno, path, "open");
  auto journal = absl::WrapUnique(new ItemJournal(path, descriptor));
  S2P_RETURN_IF_ERROR(journal->Load());
  return journal;
}

ItemJournal::~ItemJournal() { close(descriptor_); }

ItemJournal::Key ItemJournal::KeyOf(absl::string_view photo_id) {
  constexpr size_t kDigits = 16;
  const std::string digest = Sha256(photo_id);
  Key key = {0, 0};
  for (size_t i = 0; i < key.size(); ++i) {
    if (!absl::SimpleHexAtoi(digest.substr(i * kDigits, kDigits), &key[i])) return {0, 0};
  }
  return key;
}

absl::Status ItemJournal::Load() {
  struct stat found {};
  if (fstat(descriptor_, &found) != 0) return FileError(errno, path_, "stat");
  if (!S_ISREG(found.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path_, ": is not a regular file"));
  }
  return Loader(this).Run();
}

absl::Status ItemJournal::CutOff() {
  if (!overhang_) return absl::OkStatus();
  if (ftruncate(descriptor_, static_cast<off_t>(end_)) != 0) {
    return FileError(errno, path_, "truncate");
  }
  // Else a power cut could bring back what was taken back.
  if (fdatasync(descriptor_) != 0) return WriteError(errno, path_, "sync");
  overhang_ = false;
  return absl::OkStatus();
}

absl::Status ItemJournal::WriteAt(uint64_t offset, absl::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return WriteError(errno, path_, "write");
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status ItemJournal::WriteAtEnd(absl::string_view lines) {
  absl::Status status = WriteAt(end_, lines);
  if (status.ok() && fdatasync(descriptor_) != 0) status = WriteError(errno, path_, "sync");
  end_ += lines.size();
  return status;
}

absl::StatusOr<std::string> ItemJournal::ReadLine(const Place& place) const {
  std::string line(place.size, '\0');
  size_t have = 0;
  while (have < line.size()) {
    const ssize_t got = pread(descriptor_, &line[have], line.size() - have,
                              static_cast<off_t>(place.offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, path_, "read");
    if (got == 0) return absl::DataLossError(absl::StrCat(path_, ": ends early"));
    have += static_cast<size_t>(got);
  }
  return line;
}

absl::StatusOr<GalleryItem> ItemJournal::ReadItem(const Place& place) const {
  S2P_ASSIGN_OR_RETURN(const std::string line, ReadLine(place));
  absl::StatusOr<GalleryItem> item =
      ParseItem(FieldsOf(absl::string_view(line).substr(0, line.size() - 1)));
  if (item.ok()) return item;
  return absl::DataLossError(
      absl::StrCat(path_, ": the line at byte ", place.offset, " has changed"));
}

std::vector<ItemJournal::Place> ItemJournal::InOrder() const {
  std::vector<Place> places;
  places.reserve(places_.size());
  for (const auto& [key, place] : places_) places.push_back(place);
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return a.offset < b.offset; });
  return places;
}

void ItemJournal::Forget(Key key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return;
  voided_.push_back(found->second);
  live_ -= found->second.size;
  places_.erase(found);
}

bool ItemJournal::Has(const GalleryItem& item) const {
  const auto found = places_.find(KeyOf(item.photo_id));
  if (found == places_.end()) return false;
  const std::string line = LineOf(item);
  return found->second.size == line.size() && found->second.check == ShortCheck(line);
}

absl::Status ItemJournal::ForEach(
    const std::function<absl::Status(const GalleryItem&)>& visit) const {
  for (const Place& place : InOrder()) {
    S2P_ASSIGN_OR_RETURN(const GalleryItem item, ReadItem(place));
    S2P_RETURN_IF_ERROR(visit(item));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<GalleryItem>> ItemJournal::Unerased() const {
  std::vector<GalleryItem> items;
  for (const Place& place : voided_) {
    absl::StatusOr<GalleryItem> item = ReadItem(place);
    // Half overwritten, and its photo was removed before that.
    if (absl::IsDataLoss(item.status())) continue;
    if (!item.ok()) return item.status();
    items.push_back(*std::move(item));
  }
  return items;
}

absl::Status ItemJournal::Append(absl::Span<const GalleryItem* const> put,
                                 absl::Span<const std::string> removed) {
  S2P_RETURN_IF_ERROR(CutOff());
  std::string lines;
  std::vector<std::pair<Key, Place>> added;
  for (const GalleryItem* item : put) {
    const std::string line = LineOf(*item);
    added.push_back({KeyOf(item->photo_id),
                     {end_ + lines.size(), static_cast<uint32_t>(line.size()), ShortCheck(line)}});
    lines += line;
  }
  before_ = Now();
  // The last of several records of one id is true.
  for (const auto& [key, place] : added) {
    const auto old = places_.find(key);
    if (old != places_.end() && old->second.offset < end_) before_.places.push_back(*old);
    Forget(key);
    places_[key] = place;
    live_ += place.size;
    before_.added.push_back(key);
  }
  for (const std::string& photo_id : removed) {
    const Key key = KeyOf(photo_id);
    const auto old = places_.find(key);
    if (old != places_.end() && old->second.offset < end_) before_.places.push_back(*old);
    Forget(key);
  }
  if (voided_.size() > before_.voided || numbering_) {
    std::string rest(kVoidKind);
    for (size_t i = before_.voided; i < voided_.size(); ++i) {
      absl::StrAppend(&rest, "\t", voided_[i].offset);
    }
    if (numbering_) {
      ++position_.write;
      absl::StrAppend(&rest, "\t", TextOf(position_));
    }
    lines += LineOf(rest);
  }
  if (lines.empty()) return absl::OkStatus();
  absl::Status status = WriteAtEnd(lines);
  if (!status.ok()) TakeBack();
  return status;
}

std::optional<JournalPosition> ItemJournal::NextPosition() const {
  if (!numbering_) return std::nullopt;
  return JournalPosition{position_.history, position_.write + 1};
}

absl::Status ItemJournal::StartNumbering(const JournalPosition& last) {
  if (!(position_ == last)) {
    S2P_RETURN_IF_ERROR(CutOff());
    before_ = Now();
    position_ = last;
    absl::Status status = WriteAtEnd(LineOf(absl::StrCat(kVoidKind, "\t", TextOf(last))));
    if (!status.ok()) {
      TakeBack();
      return status;
    }
  }
  numbering_ = true;
  return absl::OkStatus();
}

void ItemJournal::TakeBack() {
  for (const Key& key : before_.added) places_.erase(key);
  for (const auto& [key, place] : before_.places) places_[key] = place;
  voided_.resize(before_.voided);
  live_ = before_.live;
  position_ = before_.position;
  overhang_ = end_ > before_.end;
  end_ = before_.end;
  before_ = Now();
  // Else the next Append tries again.
  CutOff().IgnoreError();
}

absl::Status ItemJournal::Erase() {
  absl::Status status;
  while (!voided_.empty() && status.ok()) {
    const Place& place = voided_.back();
    status = WriteAt(place.offset, std::string(place.size - 1, ' '));
    if (status.ok()) voided_.pop_back();
  }
  before_ = Now();
  if (!status.ok() || end_ - live_ <= std::max(live_, kMostVoidBytes)) return status;
  return Rewrite();
}

absl::Status ItemJournal::Rewrite() {
  const std::string temporary = path_ + ".tmp";
  const int descriptor = open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return FileError(errno, temporary, "create");
  ItemJournal copy(temporary, descriptor);
  std::string buffer = FirstLine();
  absl::flat_hash_map<uint64_t, uint64_t> moved;
  absl::Status status;
  for (const Place& place : InOrder()) {
    absl::StatusOr<std::string> line = ReadLine(place);
    if (!line.ok()) return line.status();
    moved[place.offset] = copy.end_ + buffer.size();
    buffer += *line;
    if (buffer.size() < kChunkBytes) continue;
    status = copy.WriteAt(copy.end_, buffer);
    if (!status.ok()) break;
    copy.end_ += buffer.size();
    buffer.clear();
  }
  if (position_.history != 0) buffer += LineOf(absl::StrCat(kVoidKind, "\t", TextOf(position_)));
  if (status.ok()) status = copy.WriteAt(copy.end_, buffer);
  copy.end_ += buffer.size();
  if (status.ok() && fsync(copy.descriptor_) != 0) status = WriteError(errno, temporary, "sync");
  if (status.ok() && std::rename(temporary.c_str(), path_.c_str()) != 0) {
    status = FileError(errno, path_, "rename");
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  std::swap(descriptor_, copy.descriptor_);
  for (auto& [key, place] : places_) place.offset = moved[place.offset];
  voided_.clear();
  end_ = copy.end_;
  overhang_ = false;
  before_ = Now();
  const std::string folder = path_.substr(0, path_.rfind('/'));
  return SyncDirectory(folder == path_ ? "." : folder);
}

}  // namespace s2p
