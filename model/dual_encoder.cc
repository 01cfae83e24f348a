#include "model/dual_encoder.h"
