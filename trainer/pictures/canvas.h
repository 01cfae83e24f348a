// A white sheet to draw charts and pictures on.
#ifndef S2P_TRAINER_PICTURES_CANVAS_H_
#define S2P_TRAINER_PICTURES_CANVAS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "image/image.h"

namespace s2p {

struct Color {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
};

inline bool operator==(const Color& a, const Color& b) {
  return a.red == b.red && a.green == b.green && a.blue == b.blue;
}

// In pixels of the finished picture; the centre of the pixel in the upper left corner is (0.5,
// 0.5).
struct CanvasPoint {
  double x = 0;
  double y = 0;
};

struct CanvasBox {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

enum class TextAlign { kLeft, kCenter, kRight };

// Everything is drawn at twice the size and made smaller at the end, so that lines and letters are
// smooth; a line of two pixels or more keeps its exact colour in its middle. What lies outside is
// cut off. An error of the drawing library is kept and given by Finish. Movable; thread-compatible.
class Canvas {
 public:
  // InvalidArgument unless both sides are 1 to 16,384 pixels; ResourceExhausted without the memory.
  static absl::StatusOr<Canvas> Create(int width, int height);
  Canvas(Canvas&&) noexcept;
  Canvas& operator=(Canvas&&) noexcept;
  ~Canvas();

  void FillBox(const CanvasBox& box, Color color);
  // The frame lies outside of the box.
  void FrameBox(const CanvasBox& box, double thickness, Color color);
  void DrawLine(CanvasPoint from, CanvasPoint to, double thickness, Color color);
  void DrawDashes(CanvasPoint from, CanvasPoint to, double thickness, Color color);
  void DrawPath(const std::vector<CanvasPoint>& points, double thickness, Color color);
  void DrawDot(CanvasPoint center, double radius, Color color);
  // `at` is on the base line, where `align` says. `size` is the height of a capital letter. What is
  // not ASCII is shown as "?".
  void DrawText(absl::string_view text, CanvasPoint at, double size, Color color,
                TextAlign align = TextAlign::kLeft);
  // The same, read from below to above; `at` is on the base line, in the middle of the text.
  void DrawTextUpwards(absl::string_view text, CanvasPoint at, double size, Color color);
  // As large as fits into the box without distortion, in its middle. An empty image is left out.
  void DrawImage(const Image& image, const CanvasBox& box);

  // Without ".." at its end if all of it is at most `width` wide.
  static std::string CutToWidth(absl::string_view text, double size, double width);
  static double TextWidth(absl::string_view text, double size);

  // The picture so far; Internal if something could not be drawn.
  absl::StatusOr<Image> Finish() const;

 private:
  struct Sheet;
  explicit Canvas(std::unique_ptr<Sheet> sheet);
  template <typename Draw>
  void Try(const Draw& draw);
  std::unique_ptr<Sheet> sheet_;
};

// Writes a PNG next to `path` and renames it, so that readers see the old file or the new one,
// never half of one; what a crash leaves is "<path>.tmp", which the next call writes over. One
// writer of a path at a time. Errors name the path: NotFound without its folder, PermissionDenied,
// ResourceExhausted when the disk is full.
absl::Status WritePicture(const Image& image, const std::string& path);

}  // namespace s2p

#endif  // S2P_TRAINER_PICTURES_CANVAS_H_
