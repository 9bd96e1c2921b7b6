/*
 * embedded: the Lua scripts and the SQL steps, as they stand in src/store/lua and sql.  The build
 * turns the files into C (tools/embed.sh), so that the program needs no file of its own to run.
 */
#ifndef STORE_EMBEDDED_H
#define STORE_EMBEDDED_H

struct embedded {
    const char *name; /* the file's, without its ending: "session_open", "0001_users" */
    const char *text;
};

extern const struct embedded embedded_lua[];
extern const unsigned embedded_lua_count;
extern const struct embedded embedded_sql[]; /* in the order of their numbers */
extern const unsigned embedded_sql_count;

#endif
