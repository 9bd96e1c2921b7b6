#include "store/embedded.h"

#include "store/embedded_lua.inc"
#include "store/embedded_sql.inc"
