#include "base/url.h"

#include <string.h>

#include "base/encode.h"

/* A part of the URL, not yet decoded. */
struct part {
    const char *at;
    size_t len;
};

struct authority {
    struct part user;
    struct part password;
    bool has_password;
    struct part host; /* with the port */
};

static const char *find(struct part part, char c) {
    return part.len ? memchr(part.at, c, part.len) : NULL;
}

static struct part before(struct part part, const char *at) {
    return (struct part){part.at, (size_t)(at - part.at)};
}

static struct part after(struct part part, const char *at) {
    return (struct part){at + 1, part.len - (size_t)(at - part.at) - 1};
}

/* The byte that part begins with; steps over it.  0: a wrong escape, or a NUL. */
static unsigned char take_byte(struct part *part) {
    unsigned char byte = (unsigned char)*part->at;
    size_t taken = 1;
    if (byte == '%') {
        int high = part->len >= 3 ? hex_digit(part->at[1]) : -1;
        int low = part->len >= 3 ? hex_digit(part->at[2]) : -1;
        if (high < 0 || low < 0)
            return 0;
        byte = (unsigned char)(high << 4 | low);
        taken = 3;
    }
    part->at += taken;
    part->len -= taken;
    return byte;
}

static bool decode(struct part part, char *out, size_t size) {
    size_t len = 0;
    while (part.len) {
        unsigned char byte = take_byte(&part);
        if (!byte || len + 1 >= size)
            return false;
        out[len++] = (char)byte;
    }
    out[len] = '\0';
    return true;
}

static bool decimal(struct part part, long max, long *out) {
    if (part.len == 0 || part.len > 9)
        return false;
    *out = 0;
    for (size_t i = 0; i < part.len; i++) {
        if (part.at[i] < '0' || part.at[i] > '9')
            return false;
        *out = *out * 10 + (part.at[i] - '0');
    }
    return *out <= max;
}

/* host, host:port, [v6] or [v6]:port. */
static bool split_host(struct part part, char *host, size_t host_size, uint16_t *port) {
    const char *colon = find(part, ':');
    struct part name = colon ? before(part, colon) : part;
    if (part.len && part.at[0] == '[') {
        const char *bracket = find(part, ']');
        if (!bracket)
            return false;
        name = before(after(part, part.at), bracket);
        struct part rest = after(part, bracket);
        if (rest.len && rest.at[0] != ':')
            return false;
        colon = rest.len ? rest.at : NULL;
    }
    if (colon) {
        long number;
        if (!decimal(after(part, colon), 65535, &number) || number == 0)
            return false;
        *port = (uint16_t)number;
    }
    return name.len && !find(name, ',') && decode(name, host, host_size);
}

/* host[:port][,host[:port]]… */
static bool split_hosts(struct part part, uint16_t port, struct conf_host *hosts, size_t *count) {
    *count = 0;
    for (bool more = true; more;) {
        const char *comma = find(part, ',');
        struct part one = comma ? before(part, comma) : part;
        if (*count == CONF_MAX_HOSTS)
            return false;
        struct conf_host *host = &hosts[(*count)++];
        host->port = port;
        if (!split_host(one, host->host, sizeof host->host, &host->port))
            return false;
        more = comma != NULL;
        if (more)
            part = after(part, comma);
    }
    return true;
}

/* Takes "user:password@host:port" from the front of rest; what is left begins with / or ?. */
static struct authority take_authority(struct part *rest) {
    struct authority out = {0};
    size_t len = strcspn(rest->at, "/?#");
    struct part all = {rest->at, len};
    rest->at += len;
    rest->len -= len;
    /* The last one: people forget to encode an @ in a password. */
    const char *at = all.len ? memrchr(all.at, '@', all.len) : NULL;
    out.host = at ? after(all, at) : all;
    if (at) {
        struct part who = before(all, at);
        const char *colon = find(who, ':');
        out.user = colon ? before(who, colon) : who;
        out.has_password = colon != NULL;
        if (colon)
            out.password = after(who, colon);
    }
    return out;
}

static bool take_prefix(struct part *rest, const char *prefix) {
    size_t len = strlen(prefix);
    if (rest->len < len || memcmp(rest->at, prefix, len) != 0)
        return false;
    rest->at += len;
    rest->len -= len;
    return true;
}

static bool redis_db(struct part part, int *db) {
    long number;
    if (!decimal(part, 65535, &number))
        return false;
    *db = (int)number;
    return true;
}

static bool redis_tcp(struct part rest, struct part host, struct conf_redis_address *out) {
    if (!split_host(host, out->host, sizeof out->host, &out->port))
        return false;
    if (rest.len <= 1)
        return rest.len == 0 || rest.at[0] == '/';
    return take_prefix(&rest, "/") && redis_db(rest, &out->db);
}

static bool redis_unix(struct part rest, struct part host, struct conf_redis_address *out) {
    const char *mark = find(rest, '?');
    struct part path = mark ? before(rest, mark) : rest;
    if (host.len || path.len < 2 || !decode(path, out->path, sizeof out->path))
        return false;
    if (!mark)
        return true;
    struct part query = after(rest, mark);
    return take_prefix(&query, "db=") && redis_db(query, &out->db);
}

static bool redis_sentinel(struct part rest, struct part hosts, struct conf_redis_address *out) {
    if (!split_hosts(hosts, 26379, out->sentinels, &out->sentinel_count) || !take_prefix(&rest, "/"))
        return false;
    const char *slash = find(rest, '/');
    struct part name = slash ? before(rest, slash) : rest;
    if (!name.len || find(name, '?') || find(name, '#') ||
        !decode(name, out->master, sizeof out->master))
        return false;
    return !slash || redis_db(after(rest, slash), &out->db);
}

bool conf_redis_address(const char *url, struct conf_redis_address *out) {
    *out = (struct conf_redis_address){.port = 6379};
    struct part rest = {url, strlen(url)};
    out->tls = strncmp(url, "rediss", 6) == 0;
    bool sentinel = take_prefix(&rest, out->tls ? "rediss+sentinel://" : "redis+sentinel://");
    bool tcp = !sentinel && take_prefix(&rest, out->tls ? "rediss://" : "redis://");
    if (!sentinel && !tcp && !take_prefix(&rest, "unix://"))
        return false;
    struct authority authority = take_authority(&rest);
    if (!decode(authority.user, out->user, sizeof out->user) ||
        !decode(authority.password, out->password, sizeof out->password))
        return false;
    if (sentinel)
        return redis_sentinel(rest, authority.host, out);
    if (tcp)
        return redis_tcp(rest, authority.host, out);
    out->port = 0;
    return redis_unix(rest, authority.host, out);
}

bool conf_mariadb_address(const char *url, struct conf_mariadb_address *out) {
    *out = (struct conf_mariadb_address){0};
    struct part rest = {url, strlen(url)};
    if (!take_prefix(&rest, "mariadb://") && !take_prefix(&rest, "mysql://"))
        return false;
    struct authority authority = take_authority(&rest);
    if (!authority.user.len || !decode(authority.user, out->user, sizeof out->user) ||
        !decode(authority.password, out->password, sizeof out->password) ||
        !split_hosts(authority.host, 3306, out->hosts, &out->host_count))
        return false;
    return take_prefix(&rest, "/") && rest.len && !find(rest, '/') && !find(rest, '?') &&
           !find(rest, '#') && decode(rest, out->database, sizeof out->database);
}

const char *conf_url_password(const char *url, size_t *len) {
    const char *slashes = strstr(url, "://");
    if (!slashes)
        return NULL;
    struct part rest = {slashes + 3, strlen(slashes + 3)};
    struct authority authority = take_authority(&rest);
    *len = authority.password.len;
    return authority.has_password && *len ? authority.password.at : NULL;
}
