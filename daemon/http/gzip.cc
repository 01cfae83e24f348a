#include "daemon/http/gzip.h"

#include <zlib.h>

namespace s2p {
namespace {

constexpr int kWindowBits = 15;
// Added to the window, these make zlib write gzip's header, and recognise both kinds.
constexpr int kGzip = 16;
constexpr int kEither = 32;
constexpr int kMemoryLevel = 8;
constexpr size_t kStep = size_t{64} << 10;

Bytef* Input(absl::string_view bytes) {
  // zlib reads only.
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

}  // namespace

std::string Gzip(absl::string_view bytes) {
  z_stream stream = {};
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kWindowBits + kGzip, kMemoryLevel,
               Z_DEFAULT_STRATEGY);
  std::string result(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = Input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

absl::StatusOr<std::string> Gunzip(absl::string_view compressed,
                                   const std::function<bool(size_t)>& has_room) {
  z_stream stream = {};
  inflateInit2(&stream, kWindowBits + kEither);
  stream.next_in = Input(compressed);
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string result;
  int state = Z_OK;
  bool fits = true;
  while (state == Z_OK && (fits = has_room(result.size() + kStep))) {
    const size_t before = result.size();
    result.resize(before + kStep);
    stream.next_out = reinterpret_cast<Bytef*>(result.data() + before);
    stream.avail_out = static_cast<uInt>(kStep);
    state = inflate(&stream, Z_NO_FLUSH);
    result.resize(result.size() - stream.avail_out);
  }
  const bool whole = state == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (!fits) return absl::OutOfRangeError("the body is too large once it is decompressed");
  if (!whole) return absl::InvalidArgumentError("the compressed body is damaged");
  return result;
}

}  // namespace s2p
