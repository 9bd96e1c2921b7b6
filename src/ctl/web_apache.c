#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/web.h"

#define FILE_MOST  (256 * 1024)
#define HOSTS_MOST 128

/* Lines of one file of the configuration, blanks made one, comments left out. */
struct lines {
    const char *path;
    char **list;
    size_t count;
};

#define SAYS(doctor, level, cure, ...) doctor_says(doctor, level, "apache", cure, __VA_ARGS__)

static char *tidy(char *line) {
    char *to = line;
    for (const char *from = line + strspn(line, " \t"); *from != '\0';) {
        size_t blanks = strspn(from, " \t\r");
        if (blanks > 0 && from[blanks] != '\0')
            *to++ = ' ';
        from += blanks;
        if (*from != '\0')
            *to++ = *from++;
    }
    *to = '\0';
    return line;
}

/* A backslash at the end of a line joins it to the next. */
static void join_lines(char *text) {
    for (char *at = text; (at = strstr(at, "\\\n")) != NULL; at += 2)
        at[0] = at[1] = ' ';
}

static struct lines read_lines(struct arena *arena, const char *path) {
    struct lines lines = {.path = path};
    FILE *file = fopen(path, "re");
    char *text = arena_zalloc(arena, FILE_MOST + 1), *line;
    size_t len = file != NULL ? fread(text, 1, FILE_MOST, file) : 0, most = 1;
    if (file != NULL)
        fclose(file);
    for (size_t i = 0; i < len; i++)
        most += text[i] == '\n';
    lines.list = arena_array(arena, most, sizeof *lines.list);
    join_lines(text);
    while ((line = strsep(&text, "\n")) != NULL)
        if (tidy(line)[0] != '\0' && line[0] != '#' && lines.count < most)
            lines.list[lines.count++] = line;
    return lines;
}

static const char *line_with(const struct lines *lines, const char *beginning) {
    for (size_t i = 0; i < lines->count; i++)
        if (strncasecmp(lines->list[i], beginning, strlen(beginning)) == 0)
            return lines->list[i];
    return NULL;
}

/* What our own files must say: beginnings of lines. */
static const struct {
    const char *file, *lines;
} wanted[] = {
    {"gatehouse-server.conf",
     "SetEnvIf Request_URI \"^()\" REMOTE_USER=$1|RequestHeader unset Remote-User early|"
     "RequestHeader unset Remote_User early|RequestHeader unset Remote-User-Id early|"
     "RequestHeader unset Remote-Groups early|RequestHeader unset X-Remote-User early"},
    {"gatehouse-check.conf",
     "CGIPassAuth On|AuthnzFcgiCheckAuthnProvider gatehouse|RequestHeader set Remote-User |"
     "RequestHeader set Remote-Groups "},
    {"gatehouse-routes.conf", "CGIPassAuth On|AliasMatch \"^/\\.gatehouse/unauthorized:"},
    {"gatehouse-protect.conf", "AuthMerging And|Require valid-user"},
    {"gatehouse-fcgid-protect.conf", "CGIPassAuth On|FcgidAccessChecker |AuthMerging And"},
};

static void look_at_snippet(struct doctor *doctor, const struct lines *lines) {
    struct arena *arena = doctor->ctl->arena;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char *rest = arena_str(arena, wanted[i].lines), *line;
        while (strcmp(web_base(lines->path), wanted[i].file) == 0 &&
               (line = strsep(&rest, "|")) != NULL) {
            if (line_with(lines, line) != NULL)
                continue;
            bool header = strcmp(line, "CGIPassAuth On") == 0;
            SAYS(doctor, DOCTOR_FAIL,
                 arena_printf(arena, "copy %s from gatehouse's examples anew, and reload Apache",
                              wanted[i].file),
                 "%s lacks the line \"%s\"%s", lines->path, line,
                 header ? ": Apache keeps the Authorization header from gatehouse, and nobody gets "
                          "in with a "
                          "token"
                        : "");
        }
    }
}

static void look_at_provider(struct doctor *doctor, const struct lines *lines) {
    const char *line = line_with(lines, "AuthnzFcgiCheckAuthnProvider gatehouse");
    if (line == NULL)
        return;
    if (line_with(lines, "AuthType Basic") != NULL)
        SAYS(doctor, DOCTOR_FAIL, "write AuthType gatehouse there",
             "%s: AuthType Basic has Apache ask every visitor for a password of its own",
             lines->path);
    if (line_with(lines, "CGIPassAuth On") == NULL &&
        strcmp(web_base(lines->path), "gatehouse-check.conf") != 0)
        SAYS(doctor, DOCTOR_FAIL,
             "write CGIPassAuth On beside it, or include gatehouse-check.conf instead",
             "%s asks gatehouse without CGIPassAuth On: it never sees the Authorization header",
             lines->path);
}

static const char *word_behind(struct arena *arena, const char *line, const char *mark,
                               const char *ends) {
    const char *at = line != NULL ? strstr(line, mark) : NULL;
    return at != NULL ? arena_dup(arena, at + strlen(mark), strcspn(at + strlen(mark), ends))
                      : NULL;
}

static void look_at_addresses(struct doctor *doctor, const struct lines *lines) {
    static const char *const names[] = {"Define gatehouse_web ", "Define gatehouse_login ",
                                        "AuthnzFcgiDefineProvider authn gatehouse "};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *line = line_with(lines, names[i]);
        const char *address = word_behind(doctor->ctl->arena, line, "unix:", "| ");
        if (address == NULL)
            address = word_behind(doctor->ctl->arena, line, "fcgi://", "/ ");
        if (address != NULL)
            web_address(doctor, "apache", address,
                        arena_printf(doctor->ctl->arena, "\"%.60s\"", line));
    }
}

static bool includes(const char *line, const char *base) {
    return strncasecmp(line, "Include ", 8) == 0 && strstr(line, base) != NULL;
}

/* Of two sections for one path the later one wins. */
static void look_at_order(struct doctor *doctor, const struct lines *lines) {
    bool routes = false, told = false;
    for (size_t i = 0; i < lines->count && !told; i++) {
        if (strncasecmp(lines->list[i], "</VirtualHost", 13) == 0)
            routes = false;
        routes |= includes(lines->list[i], "gatehouse-locations.conf");
        told = routes && includes(lines->list[i], "gatehouse-protect.conf");
    }
    if (told)
        SAYS(doctor, DOCTOR_WARN,
             "move Include gatehouse/gatehouse-locations.conf to the end of the virtual host",
             "%s includes gatehouse-locations.conf before what it protects: a protected path "
             "around /auth/ "
             "would shut its routes",
             lines->path);
}

/* Virtual hosts in order, from every file. */
struct host {
    const char *path, *root;
    bool protects, leads_away;
};

struct hosts {
    struct host list[HOSTS_MOST];
    size_t count;
};

static void read_host_line(struct arena *arena, struct host *host, const char *line) {
    if (strncasecmp(line, "DocumentRoot ", 13) == 0)
        host->root = word_behind(arena, line, " ", "\"");
    if (strncasecmp(line, "DocumentRoot \"", 14) == 0)
        host->root = word_behind(arena, line, "\"", "\"");
    host->protects |= includes(line, "gatehouse-protect.conf") ||
                      includes(line, "gatehouse-fcgid-protect.conf") ||
                      includes(line, "gatehouse-check.conf");
    /* Wherever a request is led, no file is handed out here. */
    host->leads_away |= strncasecmp(line, "Redirect", 8) == 0 && strstr(line, " / ") != NULL;
}

static void read_hosts(struct arena *arena, const struct lines *lines, struct hosts *hosts) {
    struct host *host = NULL;
    for (size_t i = 0; i < lines->count; i++) {
        const char *line = lines->list[i];
        if (strncasecmp(line, "<VirtualHost", 12) == 0 && hosts->count < HOSTS_MOST) {
            host = &hosts->list[hosts->count++];
            *host = (struct host){.path = lines->path};
        }
        if (strncasecmp(line, "</VirtualHost", 13) == 0)
            host = NULL;
        if (host != NULL)
            read_host_line(arena, host, line);
    }
}

/* The files of a protected place through another virtual host, which asks nobody: Debian's, perhaps. */
static void look_at_roots(struct doctor *doctor, const struct hosts *hosts) {
    for (size_t i = 0; i < hosts->count; i++)
        for (size_t j = 0; j < hosts->count; j++) {
            const struct host *one = &hosts->list[i], *other = &hosts->list[j];
            if (!one->protects || other->protects || other->leads_away || one->root == NULL ||
                other->root == NULL || !web_holds(other->root, one->root))
                continue;
            SAYS(doctor, DOCTOR_WARN,
                 "take that virtual host away (a2dissite 000-default, if it is Debian's), or give the "
                 "protected site a DocumentRoot of its own",
                 "%s: a virtual host has the DocumentRoot %s and asks nobody: it hands out what %s protects",
                 other->path, other->root, one->path);
        }
}

static void look_at_file(struct doctor *doctor, const char *path, struct hosts *hosts) {
    struct lines lines = read_lines(doctor->ctl->arena, path);
    look_at_snippet(doctor, &lines);
    look_at_provider(doctor, &lines);
    look_at_addresses(doctor, &lines);
    look_at_order(doctor, &lines);
    read_hosts(doctor->ctl->arena, &lines, hosts);
}

/* "    (146) /etc/apache2/…" */
static bool next_file(struct arena *arena, const char **at, const char **path) {
    while (**at != '\0') {
        const char *line = *at + strspn(*at, " ");
        size_t len = strcspn(line, "\n");
        const char *slash = memchr(line, '/', len);
        *at = line + len + (line[len] == '\n');
        if (line[0] == '(' && slash != NULL) {
            *path = arena_dup(arena, slash, len - (size_t)(slash - line));
            return true;
        }
    }
    return false;
}

static void judge(struct doctor *doctor, const char *text) {
    struct hosts *hosts = arena_zalloc(doctor->ctl->arena, sizeof *hosts);
    const char *path, *user = web_line(doctor->ctl->arena, text, "User: name=\"");
    bool routes = strstr(text, "/gatehouse-locations.conf") != NULL ||
                  strstr(text, "/gatehouse-fcgid-locations.conf") != NULL;
    if (!routes || strstr(text, "/gatehouse-server.conf") == NULL) {
        SAYS(doctor, DOCTOR_WARN,
             "Include gatehouse/gatehouse-server.conf outside of the virtual host, and "
             "gatehouse/gatehouse-locations.conf in it: see apache.md",
             "its configuration does not include %s",
             routes ? "gatehouse-server.conf" : "gatehouse-locations.conf");
        return;
    }
    SAYS(doctor, DOCTOR_OK, NULL, "gatehouse's files are included");
    while (next_file(doctor->ctl->arena, &text, &path))
        look_at_file(doctor, path, hosts);
    look_at_roots(doctor, hosts);
    if (user != NULL)
        web_user(doctor, "apache", word_behind(doctor->ctl->arena, user, "name=\"", "\""));
}

void web_apache(struct doctor *doctor, const struct web_server *server) {
    /* apache2ctl knows the variables of Debian's configuration. */
    const char *argv[12] = {server->conf != NULL ? "apache2" : "apache2ctl"};
    size_t argc = 1;
    int code;
    if (server->conf != NULL) {
        argv[argc++] = "-f";
        argv[argc++] = server->conf;
    }
    const char *const dumps[] = {"-t", "-D", "DUMP_INCLUDES", "-D", "DUMP_RUN_CFG"};
    memcpy(&argv[argc], dumps, sizeof dumps);
    const char *text = run_program(doctor->ctl->arena, argv, &code);
    const char *why = strstr(text, "AH00526:");
    if (code == 0)
        judge(doctor, text);
    else
        web_refused(doctor, "apache", code, "apache2ctl -t -D DUMP_INCLUDES", "apachectl configtest",
                    why != NULL ? why : text);
}
