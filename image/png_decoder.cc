#include <png.h>

#include <csetjmp>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "image/image_decoders.h"
#include "image/on_white.h"

namespace s2p {
namespace {

using absl::string_view;

// The remaining bytes, and the problems that libpng reported.
struct Source {
  string_view rest;
  bool ends_early = false;
  bool damaged = false;
};

void Read(png_structp png, png_bytep out, size_t size) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (size > source->rest.size()) {
    source->ends_early = true;
    png_error(png, "");
  }
  std::memcpy(out, source->rest.data(), size);
  source->rest.remove_prefix(size);
}

[[noreturn]] void OnError(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  if (string_view(message) == "Not enough image data") source->ends_early = true;
  png_longjmp(png, 1);
}

// libpng's warnings, like its error "Not enough image data", differ only in their text; tests pin
// all three. These two mean changed pixels. The others concern metadata or unneeded bytes.
void OnWarning(png_structp png, png_const_charp message) {
  const string_view text = message;
  if (text == "IDAT: incorrect data check" || text == "tRNS: CRC error") {
    static_cast<Source*>(png_get_error_ptr(png))->damaged = true;
  }
}

// Metadata does not change the decoded picture, so it must not use memory or make a good picture
// fail.
void SkipMetadata(png_structp png) {
  static constexpr char kChunks[] =
      "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0"
      "tEXt\0tIME\0zTXt";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER,
                              reinterpret_cast<png_const_bytep>(kChunks), sizeof(kChunks) / 5);
}

// Asks for 8-bit RGB, or RGBA where the file has alpha or a transparent colour. The transparent
// colour is compared at the depth of the file, before samples become 8 bits.
void AskForRgb(png_structp png) {
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_gray_to_rgb(png);
}

// Rows of an interlaced picture are complete only after its last pass.
void ReadInterlaced(png_structp png, int passes, int channels, OrientedRows& rows) {
  uint8_t* whole = rows.Whole(channels);
  const size_t row_bytes = static_cast<size_t>(rows.width()) * channels;
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < rows.height(); ++y) png_read_row(png, whole + y * row_bytes, nullptr);
  }
  rows.FinishWhole(channels);
}

// `rgba` has room for one row.
void ReadRows(png_structp png, bool has_alpha, OrientedRows& rows, uint8_t* rgba) {
  for (int y = 0; y < rows.height(); ++y) {
    uint8_t* out = rows.row(y);
    png_read_row(png, has_alpha ? rgba : out, nullptr);
    if (has_alpha) RgbaOnWhite(rgba, static_cast<size_t>(rows.width()), out);
    rows.Finish(y);
  }
}

// Everything between setjmp and longjmp: no object with a destructor lives here.
bool Decode(png_structp png, png_infop info, OrientedRows& rows, uint8_t* rgba) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  SkipMetadata(png);
  // Some encoders declare a smaller window than they use.
  png_set_option(png, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON);
  png_read_info(png, info);
  if (static_cast<int>(png_get_image_width(png, info)) != rows.width() ||
      static_cast<int>(png_get_image_height(png, info)) != rows.height()) {
    png_error(png, "");
  }
  AskForRgb(png);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const int channels = png_get_channels(png, info);
  if (passes > 1) {
    ReadInterlaced(png, passes, channels, rows);
  } else {
    ReadRows(png, channels == 4, rows, rgba);
  }
  png_read_end(png, nullptr);
  return true;
}

}  // namespace

absl::Status DecodePng(string_view bytes, OrientedRows& rows) {
  Source source{bytes};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, OnError, OnWarning);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  bool whole = false;
  std::vector<uint8_t> rgba(static_cast<size_t>(rows.width()) * 4);
  if (info != nullptr) {
    png_set_read_fn(png, &source, Read);
    whole = Decode(png, info, rows, rgba.data());
  }
  png_destroy_read_struct(&png, &info, nullptr);
  if (source.ends_early) {
    return absl::InvalidArgumentError("the PNG image ends early: it was cut off or damaged");
  }
  if (!whole || source.damaged) return absl::InvalidArgumentError("the PNG image is damaged");
  return absl::OkStatus();
}

}  // namespace s2p
