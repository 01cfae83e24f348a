#include "trainer/import/colour_attributes.h"

#include <algorithm>
#include <iterator>

namespace s2p {
namespace {

struct Colour {
  absl::string_view format;
  absl::string_view attribute;
};

// The whole list. UT-Zap50K is not in it: its tables have no column about colour.
constexpr Colour kColours[] = {
    // Upper and lower clothing.
    {"market-1501", "upblack"},
    {"market-1501", "upblue"},
    {"market-1501", "upgray"},
    {"market-1501", "upgreen"},
    {"market-1501", "uppurple"},
    {"market-1501", "upred"},
    {"market-1501", "upwhite"},
    {"market-1501", "upyellow"},
    {"market-1501", "downblack"},
    {"market-1501", "downblue"},
    {"market-1501", "downbrown"},
    {"market-1501", "downgray"},
    {"market-1501", "downgreen"},
    {"market-1501", "downpink"},
    {"market-1501", "downpurple"},
    {"market-1501", "downwhite"},
    {"market-1501", "downyellow"},

    // Hair.
    {"celeba", "Black_Hair"},
    {"celeba", "Blond_Hair"},
    {"celeba", "Brown_Hair"},
    {"celeba", "Gray_Hair"},
    // Skin: how light and how red it is, which a pencil drawing does not show. The paper does not
    // list the attributes it uses, so these two are our reading of "non-colour". Lipstick and
    // make-up stay: they change contours as well.
    {"celeba", "Pale_Skin"},
    {"celeba", "Rosy_Cheeks"},
};

}  // namespace

bool IsColourAttribute(absl::string_view format, absl::string_view attribute) {
  return std::any_of(std::begin(kColours), std::end(kColours), [&](const Colour& colour) {
    return colour.format == format && colour.attribute == attribute;
  });
}

}  // namespace s2p
