#include "daemon/credentials.h"
