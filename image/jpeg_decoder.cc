#include <cstddef>
#include <cstdio>
// libjpeg's header needs size_t and FILE.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "image/image_decoders.h"

namespace s2p {
namespace {

constexpr char kTooManyScans[] = "has more than 100 scans";
// Encoders may pad a scan; damaged data leave far more bytes, relative to the file's size.
int MaxBytesAfterScan(size_t file_bytes) {
  return static_cast<int>(std::min<size_t>(4096, 64 + file_bytes / 16));
}
constexpr char kEndsEarly[] = "ends early: it was cut off or damaged";

// The values that longjmp returns from Decode.
constexpr int kFailed = 1;
constexpr int kOnlyTheTrailer = 2;

// The decoder and its reports. libjpeg calls back with a pointer to the first member of each.
struct Decoder {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf escape;
  // Set before the jump to `escape`.
  const char* problem;
  int max_bytes_after_scan;
  // The decoder's progress: whether it has reached the first scan, and the last row.
  bool in_scan;
  bool has_all_rows;
  bool out_of_memory;
};

Decoder& DecoderOf(j_common_ptr jpeg) { return *static_cast<Decoder*>(jpeg->client_data); }

[[noreturn]] void Fail(j_common_ptr jpeg, const char* problem) {
  Decoder& decoder = DecoderOf(jpeg);
  decoder.problem = problem;
  std::longjmp(decoder.escape, kFailed);
}

[[noreturn]] void OnError(j_common_ptr jpeg) {
  Decoder& decoder = DecoderOf(jpeg);
  // After a whole picture, some cameras write a trailer of their own instead of the end marker.
  if (decoder.has_all_rows) std::longjmp(decoder.escape, kOnlyTheTrailer);
  switch (jpeg->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
      decoder.out_of_memory = true;
      Fail(jpeg, "needs more memory to decode than is available");
    case JERR_BAD_PRECISION:
      Fail(jpeg, "does not have 8 bits per sample");
    default:
      Fail(jpeg, "is damaged");
  }
}

// Level -1 is a warning: libjpeg invents the data that it cannot read, and continues.
void OnMessage(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  const Decoder& decoder = DecoderOf(jpeg);
  switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
      // Stray bytes between segments lose no pixels.
      if (!decoder.in_scan || jpeg->err->msg_parm.i[0] <= decoder.max_bytes_after_scan) return;
      break;
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_NOT_SEQUENTIAL:
      return;
    case JWRN_JPEG_EOF:
      if (decoder.has_all_rows) return;  // Only the end marker is missing.
      Fail(jpeg, kEndsEarly);
    case JWRN_HIT_MARKER:
      Fail(jpeg, kEndsEarly);
    default:
      break;
  }
  Fail(jpeg, "is damaged");
}

void OnProgress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > kMaxJpegScans) {
    Fail(jpeg, kTooManyScans);
  }
}

void Silent(j_common_ptr) {}

// Converts CMYK as viewers do without a colour profile. Adobe's encoders, which write nearly all of
// these files, store the complement of each ink.
void CmykRowToRgb(const uint8_t* in, int width, uint8_t* out) {
  for (int x = 0; x < width; ++x, in += 4, out += Image::kChannels) {
    for (int c = 0; c < Image::kChannels; ++c) {
      out[c] = static_cast<uint8_t>((in[c] * in[3] + 127) / 255);
    }
  }
}

// Whether the file had every scan that the picture needs. A progressive picture, or one that stores
// its components separately, decodes without a warning when its last scans are missing.
bool HasAllScans(const jpeg_decompress_struct& jpeg) {
  for (int c = 0; c < jpeg.num_components; ++c) {
    // libjpeg fixes a component's quantization table at its first scan.
    if (jpeg.comp_info[c].quant_table == nullptr) return false;
    if (!jpeg.progressive_mode || jpeg.coef_bits == nullptr) continue;
    // The number of missing bits per coefficient; -1 if it was in no scan.
    const int* bits = jpeg.coef_bits[c];
    if (!std::all_of(bits, bits + DCTSIZE2, [](int missing) { return missing == 0; })) return false;
  }
  return true;
}

// Everything between setjmp and longjmp: no object with a destructor lives here.
bool Decode(Decoder& decoder, absl::string_view bytes, OrientedRows& rows, uint8_t* cmyk) {
  jpeg_decompress_struct& jpeg = decoder.jpeg;
  switch (setjmp(decoder.escape)) {
    case 0:
      break;
    case kOnlyTheTrailer:
      return true;
    default:
      return false;
  }
  jpeg_create_decompress(&jpeg);
  jpeg.progress = &decoder.progress;
  jpeg_mem_src(&jpeg, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  jpeg_read_header(&jpeg, TRUE);
  const auto common = reinterpret_cast<j_common_ptr>(&jpeg);
  if (static_cast<int>(jpeg.image_width) != rows.width() ||
      static_cast<int>(jpeg.image_height) != rows.height()) {
    Fail(common, "contradicts itself about its size");
  }
  if (jpeg.num_components == 2) Fail(common, "has two colour components");
  const bool is_cmyk = jpeg.num_components == 4;
  jpeg.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  decoder.in_scan = true;
  jpeg_start_decompress(&jpeg);
  while (jpeg.output_scanline < jpeg.output_height) {
    const int y = static_cast<int>(jpeg.output_scanline);
    uint8_t* out = rows.row(y);
    JSAMPROW row = is_cmyk ? cmyk : out;
    jpeg_read_scanlines(&jpeg, &row, 1);
    if (is_cmyk) CmykRowToRgb(cmyk, rows.width(), out);
    rows.Finish(y);
  }
  if (!HasAllScans(jpeg)) Fail(common, kEndsEarly);
  decoder.has_all_rows = true;
  jpeg_finish_decompress(&jpeg);
  return true;
}

}  // namespace

absl::Status DecodeJpeg(absl::string_view bytes, OrientedRows& rows) {
  std::vector<uint8_t> cmyk(static_cast<size_t>(rows.width()) * 4);
  auto decoder = std::make_unique<Decoder>();
  decoder->jpeg.err = jpeg_std_error(&decoder->errors);
  decoder->jpeg.client_data = decoder.get();
  decoder->errors.error_exit = OnError;
  decoder->errors.emit_message = OnMessage;
  decoder->errors.output_message = Silent;
  decoder->progress.progress_monitor = OnProgress;
  decoder->max_bytes_after_scan = MaxBytesAfterScan(bytes.size());
  const bool whole = Decode(*decoder, bytes, rows, cmyk.data());
  jpeg_destroy_decompress(&decoder->jpeg);
  if (whole) return absl::OkStatus();
  const std::string problem = absl::StrCat("the JPEG image ", decoder->problem);
  return decoder->out_of_memory ? absl::ResourceExhaustedError(problem)
                                : absl::InvalidArgumentError(problem);
}

}  // namespace s2p
