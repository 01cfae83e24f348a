#include "model/preprocessor.h"
