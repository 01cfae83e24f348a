// The records of TensorFlow's TFRecord files (tensorflow/core/lib/io/record_writer.h): the length
// of the data as a little-endian uint64, the masked CRC-32C of these 8 bytes, the data, their
// masked CRC-32C.
#ifndef S2P_TRAINER_PICTURES_TFRECORD_H_
#define S2P_TRAINER_PICTURES_TFRECORD_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// The data as a record. Requires fewer than 2^31 bytes.
std::string TfRecord(absl::string_view data);

// Cuts the first record off `bytes` and returns its data, a view of the same bytes. Nothing, and
// `bytes` as they were, if they do not begin with a whole, undamaged record.
std::optional<absl::string_view> TakeTfRecord(absl::string_view& bytes);

// The checksum, rotated and shifted so that it differs from the CRC of data that hold CRCs.
uint32_t MaskedCrc32c(absl::string_view data);

}  // namespace s2p

#endif  // S2P_TRAINER_PICTURES_TFRECORD_H_
