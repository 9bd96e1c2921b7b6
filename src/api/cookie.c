#include "api/cookie.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/api_private.h"
#include "api/reply.h"
#include "domain/refresh.h"

static const char *without_prefix(const char *name) {
    if (strncmp(name, "__Host-", 7) == 0)
        return name + 7;
    return strncmp(name, "__Secure-", 9) == 0 ? name + 9 : name;
}

/* Browsers drop a __Host- cookie that has a Domain or another path than /, and either prefix
 * without Secure. */
void cookie_names_make(struct cookie_names *names, const struct conf *conf) {
    const char *bare = without_prefix(conf->cookie_name);
    bool prefixed = bare != conf->cookie_name;
    const char *prefix = "";
    if (conf->cookie_secure && prefixed)
        prefix = conf->cookie_domain[0] != '\0' || conf->cookie_name[2] == 'S' ? "__Secure-"
                                                                                : "__Host-";
    snprintf(names->session, sizeof names->session, "%s%s", prefix, bare);
    const char *secure = conf->cookie_secure ? "__Secure-" : "";
    if (strcmp(bare, "session") == 0)
        snprintf(names->refresh, sizeof names->refresh, "%srefresh", secure);
    else
        snprintf(names->refresh, sizeof names->refresh, "%s%s-refresh", secure, bare);
}

/* The next of this name from *at on, which moves behind it; NULL: there is none.  Pairs are separated by
 * semicolons (RFC 6265 section 4.2.1), and by nothing else: browsers let a value hold commas, so that a
 * sibling domain, which may not set a __Host- cookie, could put one inside the value of another.  That a
 * second Cookie header, which Apache joins by a comma, is lost with it harms nobody: no browser sends
 * two (section 5.4). */
static const char *find_next(const struct request *request, const char *name, const char **at) {
    size_t name_len = strlen(name);
    while (**at != '\0') {
        const char *pair = *at + strspn(*at, " \t;");
        size_t len = strcspn(pair, ";");
        *at = pair + len;
        if (len > name_len && strncmp(pair, name, name_len) == 0 && pair[name_len] == '=') {
            const char *value = pair + name_len + 1;
            size_t value_len = len - name_len - 1;
            while (value_len > 0 && strchr(" \t", value[value_len - 1]) != NULL)
                value_len--;
            return arena_dup(request->arena, value, value_len);
        }
    }
    return NULL;
}

static const char *cookies_of(const struct request *request) {
    return request->realm->conf->cookie_enabled && request->cookie != NULL ? request->cookie : "";
}

/* The first of a name counts. */
static const char *find(const struct request *request, const char *name) {
    const char *at = cookies_of(request);
    const char *value = find_next(request, name, &at);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *cookie_session(const struct request *request) {
    return find(request, request->api->cookies.session);
}

const char *cookie_refresh(const struct request *request) {
    return find(request, request->api->cookies.refresh);
}

const char *cookie_refresh_of(const struct request *request, const char *sid) {
    const char *at = cookies_of(request), *text;
    struct refresh_token token;
    while ((text = find_next(request, request->api->cookies.refresh, &at)) != NULL)
        if (refresh_token_read(text, strlen(text), &token) && strcmp(token.sid, sid) == 0)
            return text;
    return NULL;
}

static void set(struct request *request, const char *name, const char *value, const char *path,
                int64_t max_age_s) {
    const struct conf *conf = request->realm->conf;
    bool domain = conf->cookie_domain[0] != '\0';
    reply_header(request, "Set-Cookie",
                 arena_printf(request->arena, "%s=%s; Path=%s; Max-Age=%lld%s%s%s; HttpOnly; "
                                              "SameSite=Lax",
                              name, value, path, (long long)max_age_s, domain ? "; Domain=" : "",
                              conf->cookie_domain, conf->cookie_secure ? "; Secure" : ""));
}

static const char *refresh_path(const struct request *request) {
    return arena_printf(request->arena, "%s/refresh", request->realm->conf->server_base_path);
}

void cookie_set_session(struct request *request, const struct grant *grant) {
    bool jwt = request->realm->conf->cookie_carries == COOKIE_CARRIES_JWT;
    const char *value = jwt ? grant->access_token : grant->session_token;
    if (value != NULL)
        set(request, request->api->cookies.session, value, "/", grant->ends_in_s);
}

void cookie_set_refresh(struct request *request, const struct grant *grant) {
    set(request, request->api->cookies.refresh, grant->refresh_token, refresh_path(request),
        grant->refresh_expires_in_s);
}

void cookie_clear(struct request *request) {
    if (!request->realm->conf->cookie_enabled)
        return;
    set(request, request->api->cookies.session, "", "/", 0);
    set(request, request->api->cookies.refresh, "", refresh_path(request), 0);
}
