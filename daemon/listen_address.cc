#include "daemon/listen_address.h"
