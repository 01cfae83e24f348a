#include "model/encoder.h"
