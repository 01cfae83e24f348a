#include "model/backbone.h"
