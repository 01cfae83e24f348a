#include "daemon/log.h"
