#include "model/embedding.h"
