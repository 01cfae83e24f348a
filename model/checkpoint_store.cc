#include "model/checkpoint_store.h"
