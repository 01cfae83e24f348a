#include "model/image.h"
