// Which attributes of the published data sets are colours. Sketches have none, so an attribute
// about colour cannot be a label space that photos and sketches share: on PKU-Sketch, keeping them
// costs 31 points of rank-1 (Yang et al., 2020).
#ifndef S2P_TRAINER_IMPORT_COLOUR_ATTRIBUTES_H_
#define S2P_TRAINER_IMPORT_COLOUR_ATTRIBUTES_H_

#include "absl/strings/string_view.h"

namespace s2p {

// True if the attribute, by the name it has in the data set's own files, is left out of imports
// because it is a colour. `format` is a name of ImportFormats().
bool IsColourAttribute(absl::string_view format, absl::string_view attribute);

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_COLOUR_ATTRIBUTES_H_
