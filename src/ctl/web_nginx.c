#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/web.h"

#define ARGS_MAX 8

/* A directive.  What stands in an included file has its own beginning there: nginx -T prints each
 * file once, wherever it is included. */
struct node {
    const char *name, *args[ARGS_MAX];
    size_t argc;
    long parent; /* -1: the file's top */
    const char *file;
    int line;
};

struct tree {
    struct doctor *doctor;
    struct node *nodes;
    size_t count, room;
    const char *file;
    int line;
};

/* Reading -------------------------------------------------------------------------------------- */

static void pass_comment(struct tree *tree, const char **at) {
    static const char head[] = "# configuration file ";
    size_t len = strcspn(*at, "\n");
    if (strncmp(*at, head, sizeof head - 1) == 0 && (*at)[len - 1] == ':') {
        tree->file = arena_dup(tree->doctor->ctl->arena, *at + sizeof head - 1, len - sizeof head);
        tree->line = 0;
    }
    *at += len;
}

/* The next word, ";", "{" or "}"; NULL: the end. */
static const char *next_token(struct tree *tree, const char **at, bool *quoted) {
    *quoted = false;
    for (;; ++*at) {
        if (**at == '#')
            pass_comment(tree, at);
        if (**at == '\0')
            return NULL;
        tree->line += **at == '\n';
        if (strchr(" \t\r\n", **at) == NULL)
            break;
    }
    const char *begin = *at;
    if (strchr(";{}", *begin) != NULL) {
        ++*at;
        return arena_dup(tree->doctor->ctl->arena, begin, 1);
    }
    if (*begin == '"' || *begin == '\'') {
        *quoted = true;
        for (++*at; **at != '\0' && **at != *begin; ++*at)
            if (**at == '\\' && (*at)[1] != '\0')
                ++*at;
        const char *text =
            arena_dup(tree->doctor->ctl->arena, begin + 1, (size_t)(*at - begin - 1));
        *at += **at != '\0';
        return text;
    }
    while (**at != '\0' && strchr(" \t\r\n;{", **at) == NULL)
        *at += **at == '\\' && (*at)[1] != '\0' ? 2 : 1;
    return arena_dup(tree->doctor->ctl->arena, begin, (size_t)(*at - begin));
}

static struct node *new_node(struct tree *tree, const char *name, long parent) {
    if (tree->count == tree->room) {
        tree->room = tree->room > 0 ? tree->room * 2 : 256;
        tree->nodes = reallocarray(tree->nodes, tree->room, sizeof *tree->nodes);
        MUST(tree->nodes != NULL);
    }
    struct node *node = &tree->nodes[tree->count++];
    *node =
        (struct node){.name = name, .parent = parent, .file = tree->file, .line = tree->line + 1};
    return node;
}

static void read_tree(struct tree *tree, const char *text) {
    const char *token, *file = "";
    long parent = -1, current = -1;
    bool quoted;
    while ((token = next_token(tree, &text, &quoted)) != NULL) {
        if (strcmp(tree->file, file) != 0) {
            file = tree->file;
            parent = current = -1;
        }
        char mark = quoted || token[1] != '\0' ? '\0' : token[0];
        if (mark == ';' || mark == '{') {
            parent = mark == '{' && current >= 0 ? current : parent;
            current = -1;
        } else if (mark == '}') {
            parent = parent >= 0 ? tree->nodes[parent].parent : -1;
        } else if (current < 0) {
            new_node(tree, token, parent);
            current = (long)tree->count - 1;
        } else if (tree->nodes[current].argc < ARGS_MAX) {
            tree->nodes[current].args[tree->nodes[current].argc++] = token;
        }
    }
}

/* Asking --------------------------------------------------------------------------------------- */

static bool is(const struct node *node, const char *name) {
    return strcmp(node->name, name) == 0;
}

static const char *argument(const struct node *node, size_t i) {
    return i < node->argc ? node->args[i] : "";
}

static bool includes(const struct node *node, const char *base) {
    return is(node, "include") && strcmp(web_base(argument(node, 0)), base) == 0;
}

static bool is_included(const struct tree *tree, const char *base) {
    for (size_t i = 0; i < tree->count; i++)
        if (includes(&tree->nodes[i], base))
            return true;
    return false;
}

/* The first directive of that name directly in a block; NULL: none. */
static const struct node *child(const struct tree *tree, long parent, const char *name) {
    for (size_t i = 0; i < tree->count; i++)
        if (tree->nodes[i].parent == parent && is(&tree->nodes[i], name))
            return &tree->nodes[i];
    return NULL;
}

static bool block_includes(const struct tree *tree, long parent, const char *base) {
    for (size_t i = 0; i < tree->count; i++)
        if (tree->nodes[i].parent == parent && includes(&tree->nodes[i], base))
            return true;
    return false;
}

static bool is_protected(const struct tree *tree, long location) {
    return block_includes(tree, location, "gatehouse-protect.conf");
}

/* The block of that name around a directive; -1: there is none in its file. */
static long around(const struct tree *tree, long node, const char *name) {
    for (long at = tree->nodes[node].parent; at >= 0; at = tree->nodes[at].parent)
        if (is(&tree->nodes[at], name))
            return at;
    return -1;
}

static bool is_ours(const struct node *node) {
    return strncmp(web_base(node->file), "gatehouse-", 10) == 0 &&
           strstr(node->file, "gatehouse/") != NULL;
}

static const char *location_text(const struct tree *tree, const struct node *node) {
    return arena_printf(tree->doctor->ctl->arena, "%s:%d: location %s%s%s", node->file, node->line,
                        argument(node, 0), node->argc > 1 ? " " : "", argument(node, 1));
}

/* Judging -------------------------------------------------------------------------------------- */

#define SAYS(tree, level, cure, ...) doctor_says((tree)->doctor, level, "nginx", cure, __VA_ARGS__)

/* Words of a location: a modifier, and what it is for. */
static bool is_regex(const struct node *location) {
    return argument(location, 0)[0] == '~';
}

static bool beats_regex(const struct node *location) {
    return strcmp(argument(location, 0), "^~") == 0 || strcmp(argument(location, 0), "=") == 0;
}

/* A regular expression of the same server, which nginx prefers to a prefix, and which asks nobody.
 */
static const struct node *open_regex_beside(const struct tree *tree, long location) {
    long server = tree->nodes[location].parent;
    for (size_t i = 0; i < tree->count; i++)
        if (tree->nodes[i].parent == server && is(&tree->nodes[i], "location") &&
            is_regex(&tree->nodes[i]) && !is_protected(tree, (long)i))
            return &tree->nodes[i];
    return NULL;
}

static void look_at_protected(const struct tree *tree, long index) {
    const struct node *location = &tree->nodes[index], *regex;
    const char *text = location_text(tree, location);
    if (child(tree, index, "return") != NULL)
        SAYS(tree, DOCTOR_FAIL, "answer with try_files \"\" @answer; instead of return",
             "%s answers with return, which nginx does before it asks who comes: everybody gets it",
             text);
    if (!is_regex(location) && !beats_regex(location) &&
        (regex = open_regex_beside(tree, index)) != NULL)
        SAYS(tree, DOCTOR_FAIL, "write location ^~ in front of the protected path",
             "%s is not asked for what %s fits, which is not protected", text,
             location_text(tree, regex));
}

static bool passes_on(const struct tree *tree, long location, const char *directive) {
    const struct node *pass = child(tree, location, directive);
    return pass != NULL && strncmp(argument(pass, 0), "gatehouse_", 10) != 0 &&
           strncmp(argument(pass, 0), "$gatehouse_", 11) != 0;
}

static bool has_identity(const struct tree *tree, long location) {
    return is_protected(tree, location) ||
           block_includes(tree, location, "gatehouse-identity.conf");
}

static void look_at_passing(const struct tree *tree, long index) {
    const struct node *location = &tree->nodes[index];
    const char *text = location_text(tree, location);
    long outer = around(tree, index, "location");
    if (outer >= 0 && is_protected(tree, outer) && !has_identity(tree, index))
        SAYS(tree, DOCTOR_FAIL,
             "include gatehouse/gatehouse-protect.conf; in the inner location, too",
             "%s lies in a protected one, whose lines do not reach it: nobody gets in, and PHP "
             "would not be "
             "told who it is",
             text);
    else if (!has_identity(tree, index))
        SAYS(tree, DOCTOR_FAIL,
             "include gatehouse/gatehouse-identity.conf; there, in place of fastcgi_params",
             "%s leads to an application without the lines that drop what a client sends to pass "
             "for "
             "somebody (Remote-User)",
             text);
}

/* Lists of parameters that say the same names twice. */
static void look_at_lists(const struct tree *tree, long index) {
    static const char *const lists[] = {"fastcgi_params", "fastcgi.conf", "fastcgi-php.conf"};
    bool ours = has_identity(tree, index) || block_includes(tree, index, "gatehouse-params.conf") ||
                block_includes(tree, index, "gatehouse-verify-params.conf");
    for (size_t i = 0; ours && i < sizeof lists / sizeof *lists; i++)
        if (block_includes(tree, index, lists[i]))
            SAYS(tree, DOCTOR_FAIL,
                 arena_printf(tree->doctor->ctl->arena, "take include %s away there", lists[i]),
                 "%s includes %s beside gatehouse's list: each name is sent twice, and which "
                 "counts is an "
                 "accident",
                 location_text(tree, &tree->nodes[index]), lists[i]);
}

static void look_at_locations(const struct tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        if (!is(node, "location") || is_ours(node))
            continue;
        if (is_protected(tree, (long)i))
            look_at_protected(tree, (long)i);
        if (passes_on(tree, (long)i, "fastcgi_pass") || passes_on(tree, (long)i, "proxy_pass"))
            look_at_passing(tree, (long)i);
        look_at_lists(tree, (long)i);
    }
}

/* What our own files must say: "NAME ARGUMENT" of each. */
static const struct {
    const char *file, *lines;
} wanted[] = {
    {"gatehouse-identity.conf",
     "proxy_set_header Remote-User|proxy_set_header Remote-User-Id|proxy_set_header Remote-Email|"
     "proxy_set_header Remote-Name|proxy_set_header Remote-Groups|proxy_set_header Remote-Session|"
     "proxy_set_header X-Remote-User|fastcgi_param REMOTE_USER|fastcgi_param AUTH_USER_ID|"
     "fastcgi_param AUTH_EMAIL|fastcgi_param AUTH_NAME|fastcgi_param AUTH_GROUPS|"
     "fastcgi_param AUTH_SESSION_ID|fastcgi_param HTTP_REMOTE_USER|fastcgi_param "
     "HTTP_REMOTE_USER_ID|"
     "fastcgi_param HTTP_REMOTE_GROUPS|fastcgi_param HTTP_X_REMOTE_USER|fastcgi_param HTTP_PROXY"},
    {"gatehouse-protect.conf",
     "set $gatehouse_here|auth_request /.gatehouse-verify|auth_request_set $gatehouse_user|"
     "auth_request_set $gatehouse_groups|error_page 401|error_page 500"},
    {"gatehouse-verify-params.conf", "fastcgi_param AUTH_REQUIRE_ROLE|fastcgi_param DOCUMENT_URI"},
    {"gatehouse-params.conf", "fastcgi_param REMOTE_ADDR|fastcgi_param REQUEST_METHOD"},
};

static bool file_says(const struct tree *tree, const char *base, const char *line) {
    for (size_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        size_t len = strlen(node->name);
        if (strcmp(web_base(node->file), base) == 0 && strncmp(line, node->name, len) == 0 &&
            line[len] == ' ' && strcmp(line + len + 1, argument(node, 0)) == 0)
            return true;
    }
    return false;
}

static void look_at_snippets(const struct tree *tree) {
    struct arena *arena = tree->doctor->ctl->arena;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char *rest = arena_str(arena, wanted[i].lines), *line;
        if (!is_included(tree, wanted[i].file))
            continue;
        while ((line = strsep(&rest, "|")) != NULL) {
            if (file_says(tree, wanted[i].file, line))
                continue;
            SAYS(tree, DOCTOR_FAIL,
                 arena_printf(arena, "copy %s from gatehouse's examples anew, and reload nginx",
                              wanted[i].file),
                 "%s lacks the line \"%s …\"", wanted[i].file, line);
            break;
        }
    }
}

/* Where a server's files lie; NULL: it does not say so. */
static const char *root_of(const struct tree *tree, long server) {
    const struct node *root = child(tree, server, "root");
    return root != NULL ? argument(root, 0) : NULL;
}

/* The first location that a server protects by lines in its own file; -1: none. */
static long protected_in(const struct tree *tree, long server) {
    for (size_t i = 0; i < tree->count; i++)
        if (is(&tree->nodes[i], "location") && is_protected(tree, (long)i) &&
            around(tree, (long)i, "server") == server)
            return (long)i;
    return -1;
}

/* A server that sends everybody elsewhere hands nothing out. */
static bool answers_by_itself(const struct tree *tree, long server) {
    if (child(tree, server, "return") != NULL)
        return true;
    for (size_t i = 0; i < tree->count; i++)
        if (tree->nodes[i].parent == server && is(&tree->nodes[i], "location") &&
            strcmp(argument(&tree->nodes[i], 0), "/") == 0)
            return child(tree, (long)i, "return") != NULL;
    return false;
}

/* The files of a protected location through another server, which asks nobody: Debian's, perhaps. */
static void look_at_root(const struct tree *tree, long location) {
    long server = around(tree, location, "server");
    const char *root = root_of(tree, server), *other;
    for (size_t i = 0; root != NULL && i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        if (!is(node, "server") || (long)i == server || (other = root_of(tree, (long)i)) == NULL ||
            !web_holds(other, root) || protected_in(tree, (long)i) >= 0 || answers_by_itself(tree, (long)i))
            continue;
        SAYS(tree, DOCTOR_WARN,
             "take that server away (rm /etc/nginx/sites-enabled/default, if it is Debian's), or give the "
             "protected site a root of its own",
             "%s:%d: this server has the root %s and asks nobody: it hands out what %s protects", node->file,
             node->line, other, location_text(tree, &tree->nodes[location]));
    }
}

static void look_at_roots(const struct tree *tree) {
    for (size_t i = 0; i < tree->count; i++)
        if (is(&tree->nodes[i], "server") && protected_in(tree, (long)i) >= 0)
            look_at_root(tree, protected_in(tree, (long)i));
}

static int64_t seconds_of(const char *text) {
    char *end;
    int64_t n = strtoll(text, &end, 10);
    return strcmp(end, "m") == 0 ? n * 60 : strcmp(end, "h") == 0 ? n * 3600 : n;
}

static void look_at_upstreams(const struct tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        const struct node *upstream = &tree->nodes[i], *server, *keep;
        if (!is(upstream, "upstream") || strncmp(argument(upstream, 0), "gatehouse_", 10) != 0 ||
            (server = child(tree, (long)i, "server")) == NULL)
            continue;
        const char *address = argument(server, 0);
        web_address(tree->doctor, "nginx",
                    strncmp(address, "unix:", 5) == 0 ? address + 5 : address,
                    arena_printf(tree->doctor->ctl->arena, "upstream %s", argument(upstream, 0)));
        int64_t idle = tree->doctor->ctl->conf->pools[0].idle_timeout / 1000;
        if ((keep = child(tree, (long)i, "keepalive_timeout")) != NULL &&
            seconds_of(argument(keep, 0)) >= idle)
            SAYS(tree, DOCTOR_WARN, "keep keepalive_timeout below idle_timeout of [pool.web]",
                 "upstream %s keeps idle connections for %s, gatehouse for %lld s: requests may "
                 "meet one "
                 "that is just being closed",
                 argument(upstream, 0), argument(keep, 0), (long long)idle);
    }
}

static void look_at_server(const struct tree *tree) {
    const char *user = NULL;
    for (size_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        if (is(node, "user") && node->parent < 0)
            user = argument(node, 0);
        if (is(node, "merge_slashes") && strcmp(argument(node, 0), "off") == 0)
            SAYS(tree, DOCTOR_FAIL, "take merge_slashes off away",
                 "%s:%d: with merge_slashes off //members/ is not /members/, and not protected",
                 node->file, node->line);
    }
    web_user(tree->doctor, "nginx", user != NULL ? user : "nobody");
}

static void judge(const struct tree *tree) {
    if (!is_included(tree, "gatehouse-http.conf") ||
        !is_included(tree, "gatehouse-locations.conf")) {
        SAYS(tree, DOCTOR_WARN,
             "include gatehouse/gatehouse-http.conf; outside of the server, and gatehouse/"
             "gatehouse-locations.conf; in it: see install.md",
             "its configuration does not include %s",
             is_included(tree, "gatehouse-http.conf") ? "gatehouse-locations.conf"
                                                      : "gatehouse-http.conf");
        return;
    }
    SAYS(tree, DOCTOR_OK, NULL, "gatehouse's files are included");
    look_at_snippets(tree);
    look_at_upstreams(tree);
    look_at_locations(tree);
    look_at_roots(tree);
    look_at_server(tree);
}

void web_nginx(struct doctor *doctor, const struct web_server *server) {
    struct tree tree = {.doctor = doctor, .file = ""};
    const char *argv[8] = {"nginx", "-T"};
    size_t argc = 2;
    int code;
    if (server->prefix != NULL) {
        argv[argc++] = "-p";
        argv[argc++] = server->prefix;
    }
    if (server->conf != NULL) {
        argv[argc++] = "-c";
        argv[argc++] = server->conf;
    }
    const char *text = run_program(doctor->ctl->arena, argv, &code);
    const char *why = web_line(doctor->ctl->arena, text, "[emerg]");
    if (code != 0) {
        web_refused(doctor, "nginx", code, "nginx -T", "nginx -t", why != NULL ? why : text);
        return;
    }
    read_tree(&tree, text);
    judge(&tree);
    free(tree.nodes);
}
