// The ranges of a vision transformer's fields.
#ifndef S2P_MODEL_BACKBONE_TRANSFORMER_FIELDS_H_
#define S2P_MODEL_BACKBONE_TRANSFORMER_FIELDS_H_

#include <string>
#include <vector>

#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// A field, and what it must be in words.
struct WrongField {
  std::string name;
  std::string must_be;
};

// All fields that are out of range, in the order of the message.
std::vector<WrongField> WrongFields(const v1::VisionTransformer& transformer);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_TRANSFORMER_FIELDS_H_
