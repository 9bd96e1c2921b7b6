/*
 * scripts: the Lua scripts that Redis runs for us.
 */
#ifndef STORE_SCRIPTS_H
#define STORE_SCRIPTS_H

/* The files of src/store/lua; a row in scripts.c for each. */
enum cache_script {
    SCRIPT_SESSION_OPEN,
    SCRIPT_SESSION_TOUCH,
    SCRIPT_SESSION_REFRESH,
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

/* Its file's name without the ending, as logs show it, and what is in it. */
const char *script_name(enum cache_script script);
const char *script_text(enum cache_script script);

#endif
