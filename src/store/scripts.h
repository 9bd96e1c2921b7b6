/*
 * scripts: the Lua scripts that Redis runs for us.
 */
#ifndef STORE_SCRIPTS_H
#define STORE_SCRIPTS_H

#include <stdbool.h>

/* The files of src/store/lua; a row in scripts.c for each.  What several need is in src/store/lua/part. */
enum cache_script {
    SCRIPT_SESSION_OPEN,
    SCRIPT_SESSION_TOUCH,
    SCRIPT_SESSION_REFRESH,
    SCRIPT_SESSION_REFRESH_KEEP,
    SCRIPT_SESSION_END,
    SCRIPT_SESSIONS_END,
    SCRIPT_SESSIONS_LIST,
    SCRIPT_SESSIONS_RENAME,
    SCRIPT_SESSIONS_SWEEP,
    SCRIPT_LIMIT,
    SCRIPT_LOGIN_LIMIT,
    SCRIPT_LOGIN_GOOD,
    SCRIPT_LOGIN_LIFT,
    SCRIPT_TOKEN_REVOKE,
    SCRIPT_MARK,
    SCRIPT_MARK_LOOK,
    SCRIPT_WENT_BACK,
    SCRIPT_COUNT
};

/* Whether the script ends sessions or tokens: it takes the key "marks" first, then the service's name as its
 * first argument, and answers a list that begins with the service's mark and how many it may have ended. */
bool script_ends(enum cache_script script);

/* Its file's name without the ending, as logs show it, and what is in it. */
const char *script_name(enum cache_script script);
const char *script_text(enum cache_script script);

#endif
