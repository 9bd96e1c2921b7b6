#include "store/scripts.h"

#include <string.h>

#include "base/log.h"
#include "store/embedded.h"

static const char *const names[SCRIPT_COUNT] = {
    [SCRIPT_SESSION_OPEN] = "session_open",       [SCRIPT_SESSION_TOUCH] = "session_touch",
    [SCRIPT_SESSION_REFRESH] = "session_refresh", [SCRIPT_SESSION_END] = "session_end",
    [SCRIPT_SESSIONS_END] = "sessions_end",       [SCRIPT_SESSIONS_LIST] = "sessions_list",
    [SCRIPT_SESSIONS_RENAME] = "sessions_rename", [SCRIPT_LIMIT] = "limit",
    [SCRIPT_LOGIN_LIMIT] = "login_limit",         [SCRIPT_LOGIN_GOOD] = "login_good",
    [SCRIPT_SESSIONS_SWEEP] = "sessions_sweep",   [SCRIPT_TOKEN_REVOKE] = "token_revoke",
    [SCRIPT_LOGIN_LIFT] = "login_lift",           [SCRIPT_SESSION_REFRESH_KEEP] = "session_refresh_keep",
    [SCRIPT_MARK] = "mark",                       [SCRIPT_MARK_LOOK] = "mark_look",
    [SCRIPT_WENT_BACK] = "went_back",
};

bool script_ends(enum cache_script script) {
    switch (script) {
    case SCRIPT_SESSION_OPEN:
    case SCRIPT_SESSION_REFRESH:
    case SCRIPT_SESSION_END:
    case SCRIPT_SESSIONS_END:
    case SCRIPT_SESSIONS_RENAME:
    case SCRIPT_SESSIONS_SWEEP:
    case SCRIPT_TOKEN_REVOKE:
    case SCRIPT_MARK:
        return true;
    default:
        return false;
    }
}

const char *script_name(enum cache_script script) {
    return names[script];
}

const char *script_text(enum cache_script script) {
    for (unsigned i = 0; i < embedded_lua_count; i++)
        if (strcmp(embedded_lua[i].name, names[script]) == 0)
            return embedded_lua[i].text;
    DIE("a script has no file");
}
