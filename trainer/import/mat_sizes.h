// The sizes that a MAT-file declares, checked before a library believes them.
#ifndef S2P_TRAINER_IMPORT_MAT_SIZES_H_
#define S2P_TRAINER_IMPORT_MAT_SIZES_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// A plain value.
struct MatLimits {
  // Bytes of all compressed variables together, once they are unpacked.
  size_t max_unpacked_bytes = size_t{8} << 20;
  // Arrays in all, those in cells and structs included.
  size_t max_arrays = 110'000;
  // Arrays in arrays.
  int max_depth = 8;
};

// Checks the bytes of a MAT-file of version 5: every array must have room in the file for as many
// numbers, cells or fields as its dimensions declare. libmatio allocates what is declared, so 5 kB
// could take half a GiB of memory; what passes takes at most some ten times the limit of unpacked
// bytes. InvalidArgument, without the file's name, for a file of another format, for anything
// beyond the limits, and for arrays of classes that hold no plain data, such as objects.
absl::Status CheckMatSizes(absl::string_view bytes, const MatLimits& limits = MatLimits());

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_MAT_SIZES_H_
