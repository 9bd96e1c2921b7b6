#include "api/request.h"

#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "domain/account.h"

#define USER_AGENT_MAX 512
#define REQUEST_ID_MAX 64
#define LONGEST_NAME   34
#define REPEATED_MOST  16

/* The parameters that are read.  DOCUMENT_URI is nginx's path, in sub-requests too; SCRIPT_NAME and
 * PATH_INFO make Apache's. */
enum param {
    PARAM_METHOD,
    PARAM_DOCUMENT_URI,
    PARAM_SCRIPT_NAME,
    PARAM_PATH_INFO,
    PARAM_CONTENT_TYPE,
    PARAM_CONTENT_LENGTH,
    PARAM_AUTHORIZATION,
    PARAM_REDIRECT_AUTHORIZATION,
    PARAM_SESSION_ID,
    PARAM_COOKIE,
    PARAM_ORIGIN,
    PARAM_WANTED_METHOD,
    PARAM_FETCH_SITE,
    PARAM_HOST,
    PARAM_HTTPS,
    PARAM_USER_AGENT,
    PARAM_REMOTE_ADDR,
    PARAM_REQUEST_ID,
    PARAM_REQUIRE_ROLE,
    PARAM_LOGIN_PAGE,
    PARAM_REQUEST_URI,
    PARAM_ACCEPT,
    PARAM_FETCH_MODE,
    PARAM_REQUESTED_WITH,
    PARAM_APACHE_ROLE,
    PARAM_SECRET,
    PARAM_COUNT
};

static const struct {
    const char *name;
    size_t len;
} names[PARAM_COUNT] = {
#define NAME(text) {text, sizeof(text) - 1}
    [PARAM_METHOD] = NAME("REQUEST_METHOD"),
    [PARAM_DOCUMENT_URI] = NAME("DOCUMENT_URI"),
    [PARAM_SCRIPT_NAME] = NAME("SCRIPT_NAME"),
    [PARAM_PATH_INFO] = NAME("PATH_INFO"),
    [PARAM_CONTENT_TYPE] = NAME("CONTENT_TYPE"),
    [PARAM_CONTENT_LENGTH] = NAME("CONTENT_LENGTH"),
    [PARAM_AUTHORIZATION] = NAME("HTTP_AUTHORIZATION"),
    [PARAM_REDIRECT_AUTHORIZATION] = NAME("REDIRECT_HTTP_AUTHORIZATION"),
    [PARAM_SESSION_ID] = NAME("HTTP_X_SESSION_ID"),
    [PARAM_COOKIE] = NAME("HTTP_COOKIE"),
    [PARAM_ORIGIN] = NAME("HTTP_ORIGIN"),
    [PARAM_WANTED_METHOD] = NAME("HTTP_ACCESS_CONTROL_REQUEST_METHOD"),
    [PARAM_FETCH_SITE] = NAME("HTTP_SEC_FETCH_SITE"),
    [PARAM_HOST] = NAME("HTTP_HOST"),
    [PARAM_HTTPS] = NAME("HTTPS"),
    [PARAM_USER_AGENT] = NAME("HTTP_USER_AGENT"),
    [PARAM_REMOTE_ADDR] = NAME("REMOTE_ADDR"),
    [PARAM_REQUEST_ID] = NAME("REQUEST_ID"),
    [PARAM_REQUIRE_ROLE] = NAME("AUTH_REQUIRE_ROLE"),
    [PARAM_LOGIN_PAGE] = NAME("AUTH_LOGIN_PAGE"),
    [PARAM_REQUEST_URI] = NAME("REQUEST_URI"),
    [PARAM_ACCEPT] = NAME("HTTP_ACCEPT"),
    [PARAM_FETCH_MODE] = NAME("HTTP_SEC_FETCH_MODE"),
    [PARAM_REQUESTED_WITH] = NAME("HTTP_X_REQUESTED_WITH"),
    [PARAM_APACHE_ROLE] = NAME("FCGI_APACHE_ROLE"),
    [PARAM_SECRET] = NAME("GATEHOUSE_SECRET"),
#undef NAME
};

/* Names of one length are chained, from first to -1: most parameters are compared with one name or
 * with none. */
static struct {
    bool made;
    signed char first[LONGEST_NAME + 1], next[PARAM_COUNT];
} by_length;

static void chain_names(void) {
    memset(by_length.first, -1, sizeof by_length.first);
    for (int i = PARAM_COUNT - 1; i >= 0; i--) {
        MUST(names[i].len <= LONGEST_NAME);
        by_length.next[i] = by_length.first[names[i].len];
        by_length.first[names[i].len] = (signed char)i;
    }
    by_length.made = true;
}

static int param_of(const struct fcgi_param *param) {
    if (param->name_len > LONGEST_NAME)
        return -1;
    int i = by_length.first[param->name_len];
    while (i >= 0 && memcmp(names[i].name, param->name, param->name_len) != 0)
        i = by_length.next[i];
    return i;
}

static bool is_header(int which) {
    return strncmp(names[which].name, "HTTP_", 5) == 0;
}

/* nginx before 1.23 sends repeated headers as repeated parameters, Apache joins them by a comma (RFC
 * 9110 section 5.3).  So does this, and the same request gets the same answer behind either: two
 * credentials make one that is none, and a second Cookie header, which no browser sends, becomes a part
 * of the first one's last value.  An empty one counts among several: nginx's own variables, and what it
 * keeps under them, know the first alone.  Who repeats one without end is not followed, since all of it is
 * copied each time.  Of all that is no header the first counts; but where roles are demanded again, behind
 * an include perhaps, both demands hold, as lines of one value. */
static void take_param(struct request *request, const char **values, unsigned char *repeated,
                       const struct fcgi_param *param) {
    int which = param_of(param);
    if (which < 0 || (param->value_len == 0 && !is_header(which)))
        return;
    if (values[which] == NULL) {
        values[which] = arena_dup(request->arena, param->value, param->value_len);
    } else if (is_header(which) && repeated[which] < REPEATED_MOST) {
        values[which] = arena_printf(request->arena, "%s, %.*s", values[which],
                                     (int)param->value_len, param->value);
        repeated[which]++;
    } else if (which == PARAM_REQUIRE_ROLE) {
        values[which] = arena_printf(request->arena, "%s\n%.*s", values[which],
                                     (int)param->value_len, param->value);
    } else if (which == PARAM_SECRET) {
        request->secret_repeated = true;
    }
}

/* Web servers set variables of headers that were not sent. */
static const char *unless_empty(const char *value) {
    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *method_name(enum method method) {
    static const char *const words[] = {
        [METHOD_GET] = "GET",       [METHOD_HEAD] = "HEAD",     [METHOD_POST] = "POST",
        [METHOD_PATCH] = "PATCH",   [METHOD_DELETE] = "DELETE", [METHOD_OPTIONS] = "OPTIONS",
        [METHOD_OTHER] = "other"};
    return words[method];
}

static enum method method_of(const char *name) {
    for (enum method method = 0; name != NULL && method < METHOD_OTHER; method++)
        if (strcmp(method_name(method), name) == 0)
            return method;
    return METHOD_OTHER;
}

static const char *path_of(struct request *request, const char *const *values) {
    if (values[PARAM_DOCUMENT_URI] != NULL)
        return values[PARAM_DOCUMENT_URI];
    const char *script = values[PARAM_SCRIPT_NAME], *info = values[PARAM_PATH_INFO];
    return arena_printf(request->arena, "%s%s", script != NULL ? script : "",
                        info != NULL ? info : "");
}

/* The web server's own id when it is one that can stand in a log and a header; else a new one. */
static const char *id_of(struct request *request, const char *given) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._-";
    if (given != NULL && strlen(given) <= REQUEST_ID_MAX && strspn(given, allowed) == strlen(given))
        return given;
    uint8_t random[16];
    char *id = arena_alloc(request->arena, HEX_SIZE(sizeof random));
    secret_random(random, sizeof random);
    hex_encode(random, sizeof random, id);
    return id;
}

void request_read(struct request *request, struct fcgi_request *fcgi) {
    const char *values[PARAM_COUNT] = {NULL};
    const char *at = fcgi->params;
    unsigned char repeated[PARAM_COUNT] = {0};
    struct fcgi_param param;
    if (!by_length.made)
        chain_names();
    request->fcgi = fcgi;
    request->head_at = fcgi->out->len;
    while (fcgi_next_param(&at, fcgi->params_end, &param) == FCGI_WHOLE)
        take_param(request, values, repeated, &param);
    request->method = method_of(values[PARAM_METHOD]);
    request->path = path_of(request, values);
    request->content_type = values[PARAM_CONTENT_TYPE];
    request->content_length = values[PARAM_CONTENT_LENGTH];
    request->authorization = unless_empty(values[PARAM_AUTHORIZATION]);
    if (request->authorization == NULL)
        request->authorization = values[PARAM_REDIRECT_AUTHORIZATION];
    request->session_header = unless_empty(values[PARAM_SESSION_ID]);
    request->cookie = unless_empty(values[PARAM_COOKIE]);
    request->origin = unless_empty(values[PARAM_ORIGIN]);
    request->wanted_method = unless_empty(values[PARAM_WANTED_METHOD]);
    request->fetch_site = unless_empty(values[PARAM_FETCH_SITE]);
    request->host = unless_empty(values[PARAM_HOST]);
    request->https = values[PARAM_HTTPS] != NULL && strcmp(values[PARAM_HTTPS], "off") != 0;
    request->user_agent = unless_empty(values[PARAM_USER_AGENT]);
    request->address = values[PARAM_REMOTE_ADDR] != NULL ? values[PARAM_REMOTE_ADDR] : "-";
    request->id = id_of(request, values[PARAM_REQUEST_ID]);
    request->required_roles = values[PARAM_REQUIRE_ROLE];
    request->secret = values[PARAM_SECRET];
    request->apache_check = fcgi->role == FCGI_ROLE_AUTHORIZER && values[PARAM_APACHE_ROLE] != NULL;
    request->login_page = values[PARAM_LOGIN_PAGE];
    request->uri = values[PARAM_REQUEST_URI];
    request->accept = unless_empty(values[PARAM_ACCEPT]);
    request->fetch_mode = unless_empty(values[PARAM_FETCH_MODE]);
    request->requested_with = unless_empty(values[PARAM_REQUESTED_WITH]);
}

void request_then(struct request *request, void (*step)(struct request *request)) {
    request->next = step;
}

const char *request_text(const struct request *request, const char *name, bool required,
                         struct field_errors *errors, size_t *len) {
    const char *text = NULL;
    size_t unused;
    if (len == NULL)
        len = &unused;
    *len = 0;
    switch (request->body != NULL ? json_get_string(request->body, name, &text, len)
                                  : JSON_MISSING) {
    case JSON_FOUND:
        return text;
    case JSON_WRONG_TYPE:
        field_errors_add(errors, name, "must be a text");
        return NULL;
    default:
        if (required)
            field_errors_add(errors, name, "is required");
        return NULL;
    }
}

bool request_flag(const struct request *request, const char *name, struct field_errors *errors) {
    bool flag = false;
    if (request->body != NULL &&
        json_get_bool(request->body, name, &flag) == JSON_WRONG_TYPE)
        field_errors_add(errors, name, "must be true or false");
    return flag;
}

/* One line of UTF-8, at most USER_AGENT_MAX bytes: a client may send anything. */
static const char *clean(struct arena *arena, const char *text) {
    char *copy = arena_str(arena, text);
    size_t len = strlen(copy);
    if (len > USER_AGENT_MAX) {
        len = USER_AGENT_MAX;
        while (len > 0 && ((unsigned char)copy[len] & 0xc0) == 0x80)
            len--;
        copy[len] = '\0';
    }
    bool utf8 = utf8_valid(copy, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)copy[i];
        if (c < 0x20 || c == 0x7f || (!utf8 && c >= 0x80))
            copy[i] = '?';
    }
    return copy;
}

struct session_client request_client(const struct request *request) {
    return (struct session_client){
        .ip = request->address,
        .user_agent =
            request->user_agent != NULL ? clean(request->arena, request->user_agent) : NULL};
}
