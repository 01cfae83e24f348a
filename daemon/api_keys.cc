#include "daemon/api_keys.h"
