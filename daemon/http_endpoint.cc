#include "daemon/http_endpoint.h"
