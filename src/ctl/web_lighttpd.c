#include <stdio.h>
#include <string.h>

#include "ctl/web.h"

#define DEFAULT_FILE "/etc/lighttpd/lighttpd.conf"

#define SAYS(doctor, level, cure, ...) doctor_says(doctor, level, "lighttpd", cure, __VA_ARGS__)

/* What is between the quotes behind a name's "=" or "=>"; NULL: the name is not there. */
static const char *value_of(struct arena *arena, const char *text, const char *name) {
    const char *line = web_line(arena, text, name);
    const char *quote = line != NULL ? strchr(strstr(line, name) + strlen(name), '"') : NULL;
    return quote != NULL ? arena_dup(arena, quote + 1, strcspn(quote + 1, "\"")) : NULL;
}

/* lighttpd -p prints the configuration as it is in the end, includes and all. */
static void look_at_names(struct doctor *doctor, const char *text) {
    static const char *const names[] = {
        "\"REMOTE_USER\"",        "\"AUTH_USER_ID\"", "\"AUTH_GROUPS\"",   "\"HTTP_REMOTE_USER\"",
        "\"HTTP_REMOTE_GROUPS\"", "\"Remote-User\"",  "\"Remote-Groups\"", "\"Remote_User\""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(text, names[i]) == NULL)
            SAYS(doctor, DOCTOR_FAIL,
                 "copy gatehouse-server.conf from gatehouse's examples anew, and restart "
                 "lighttpd",
                 "nothing sets %s, so that a client can pass for somebody", names[i]);
}

static void look_at_addresses(struct doctor *doctor, const char *text) {
    static const char *const names[] = {"var.gatehouse_web", "var.gatehouse_login",
                                        "var.gatehouse_check"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *at = strstr(text, names[i]);
        const char *address = at != NULL ? value_of(doctor->ctl->arena, at, "\"socket\"") : NULL;
        if (address != NULL)
            web_address(doctor, "lighttpd", address, names[i]);
    }
}

static void look_at_paths(struct doctor *doctor, const char *text) {
    static const char *const options[] = {"\"url-normalize\"", "\"url-path-2f-decode\"",
                                          "\"url-path-dotseg-remove\""};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const char *value = value_of(doctor->ctl->arena, text, options[i]);
        if (value != NULL && strcmp(value, "disable") == 0)
            SAYS(doctor, DOCTOR_FAIL, "take it out of server.http-parseopts, or enable it",
                 "%s is disabled: paths are compared before they are read, and protection is "
                 "passed by",
                 options[i]);
    }
}

static void judge(struct doctor *doctor, const char *text) {
    const char *user = value_of(doctor->ctl->arena, text, "server.username");
    if (strstr(text, "var.gatehouse_web") == NULL) {
        SAYS(doctor, DOCTOR_WARN, "include \"gatehouse/gatehouse-server.conf\": see lighttpd.md",
             "its configuration does not include gatehouse-server.conf");
        return;
    }
    SAYS(doctor, DOCTOR_OK, NULL, "gatehouse's files are included");
    look_at_names(doctor, text);
    look_at_addresses(doctor, text);
    look_at_paths(doctor, text);
    if (user != NULL)
        web_user(doctor, "lighttpd", user);
}

void web_lighttpd(struct doctor *doctor, const struct web_server *server) {
    const char *argv[] = {"lighttpd", "-p", "-f",
                          server->conf != NULL ? server->conf : DEFAULT_FILE, NULL};
    int code;
    const char *text = run_program(doctor->ctl->arena, argv, &code);
    if (code == 0)
        judge(doctor, text);
    else
        web_refused(doctor, "lighttpd", code, "lighttpd -p -f FILE", "lighttpd -tt", text);
}
