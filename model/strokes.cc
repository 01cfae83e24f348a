#include "model/strokes.h"
