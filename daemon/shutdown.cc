#include "daemon/shutdown.h"
