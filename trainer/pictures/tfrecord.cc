#include "trainer/pictures/tfrecord.h"

#include <isa-l/crc.h>

#include <limits>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace s2p {
namespace {

constexpr size_t kLengthBytes = 8, kCrcBytes = 4;

std::string LittleEndian(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xFF);
  return text;
}

uint64_t FromLittleEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
  }
  return value;
}

// Takes `data` and the checksum that follows it off `bytes`; false if it is not theirs.
bool TakeChecked(absl::string_view& bytes, size_t size, absl::string_view& data) {
  if (bytes.size() < kCrcBytes || size > bytes.size() - kCrcBytes) return false;
  data = bytes.substr(0, size);
  if (FromLittleEndian(bytes.substr(size, kCrcBytes)) != MaskedCrc32c(data)) return false;
  bytes.remove_prefix(size + kCrcBytes);
  return true;
}

}  // namespace

uint32_t MaskedCrc32c(absl::string_view data) {
  S2P_CHECK(data.size() <= static_cast<size_t>(std::numeric_limits<int>::max()));
  // It reads the buffer, and takes and returns the inverted checksum.
  auto* bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(data.data()));
  const uint32_t crc = ~crc32_iscsi(bytes, static_cast<int>(data.size()), 0xFFFFFFFFU);
  return (crc >> 15 | crc << 17) + 0xA282EAD8U;
}

std::string TfRecord(absl::string_view data) {
  const std::string length = LittleEndian(data.size(), kLengthBytes);
  return absl::StrCat(length, LittleEndian(MaskedCrc32c(length), kCrcBytes), data,
                      LittleEndian(MaskedCrc32c(data), kCrcBytes));
}

std::optional<absl::string_view> TakeTfRecord(absl::string_view& bytes) {
  absl::string_view rest = bytes, length, data;
  if (!TakeChecked(rest, kLengthBytes, length)) return std::nullopt;
  if (!TakeChecked(rest, FromLittleEndian(length), data)) return std::nullopt;
  bytes = rest;
  return data;
}

}  // namespace s2p
