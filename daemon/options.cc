#include "daemon/options.h"
