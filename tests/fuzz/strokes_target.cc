#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "image/strokes.h"
#include "tests/fuzz/targets.h"

namespace s2p::fuzz {
namespace {

// Takes 32-bit words off the bytes; zeros after the end.
class Words {
 public:
  explicit Words(absl::string_view bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  template <typename T>
  T Next() {
    static_assert(sizeof(T) == sizeof(uint32_t));
    T value{};
    const size_t size = rest_.size() < sizeof(T) ? rest_.size() : sizeof(T);
    std::memcpy(&value, rest_.data(), size);
    rest_.remove_prefix(size);
    return value;
  }

 private:
  absl::string_view rest_;
};

}  // namespace

// Width, height, and strokes: the number of points, the width, and x, y and pressure of each point.
void Strokes(absl::string_view bytes) {
  Words words(bytes);
  s2p::Strokes strokes;
  strokes.width = words.Next<int32_t>();
  strokes.height = words.Next<int32_t>();
  while (!words.empty()) {
    Stroke& stroke = strokes.strokes.emplace_back();
    const uint32_t points = words.Next<uint32_t>();
    stroke.width = words.Next<float>();
    for (uint32_t i = 0; i < points && !words.empty(); ++i) {
      StrokePoint& point = stroke.points.emplace_back();
      point.x = words.Next<float>();
      point.y = words.Next<float>();
      point.pressure = words.Next<float>();
    }
  }
  const auto image = RasterizeStrokes(strokes);
  if (!image.ok()) return;
  S2P_CHECK(image->width() >= 1 && image->width() <= 512);
  S2P_CHECK(image->height() >= 1 && image->height() <= 512);
}

}  // namespace s2p::fuzz
