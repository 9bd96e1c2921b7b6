#include "base/conf_table.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/peers.h"
#include "base/secret.h"
#include "base/url.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

static bool refuse(char *why, size_t why_size, const char *sentence) {
    snprintf(why, why_size, "%s", sentence);
    return false;
}

static bool only(const char *text, const char *allowed) {
    return text[strspn(text, allowed)] == '\0';
}

static void lower(char *text) {
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

bool check_base_path(char *text, char *why, size_t why_size) {
    size_t len = strlen(text);
    if (text[0] != '/' || len > 255 || !only(text, LETTERS DIGITS "/_.-") || strstr(text, "//"))
        return refuse(why, why_size,
                      "it must begin with / and hold only A-Z a-z 0-9 / _ . - (as in /auth)");
    if (len > 1 && text[len - 1] == '/')
        return refuse(why, why_size, "it must not end with /");
    if (len == 1)
        *text = '\0';
    return true;
}

bool check_path(char *text, char *why, size_t why_size) {
    if (text[0] != '/' || strlen(text) > 4095)
        return refuse(why, why_size, "it must be an absolute path (beginning with /)");
    return true;
}

bool check_redis_url(char *text, char *why, size_t why_size) {
    struct conf_redis_address address;
    bool ok = conf_redis_address(text, &address);
    secret_wipe(&address, sizeof address);
    if (!ok)
        return refuse(why, why_size,
                      "it must be redis://[user:password@]host[:port][/db], "
                      "unix:///path/to/redis.sock[?db=N] or redis+sentinel://[user:password@]"
                      "host[:port],host[:port]/primary[/db], with TLS rediss:// or rediss+sentinel://; "
                      "special characters in a password are written %XX");
    return true;
}

bool check_redis_prefix(char *text, char *why, size_t why_size) {
    if (strlen(text) > 64)
        return refuse(why, why_size, "it must have at most 64 characters");
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return refuse(why, why_size, "it must be printable ASCII without spaces");
    return true;
}

bool check_mariadb_url(char *text, char *why, size_t why_size) {
    struct conf_mariadb_address address;
    bool ok = conf_mariadb_address(text, &address);
    secret_wipe(&address, sizeof address);
    if (!ok)
        return refuse(why, why_size,
                      "it must be mariadb://user[:password]@host[:port][,host[:port]]/database; special "
                      "characters in a password are written %XX");
    return true;
}

bool check_claim(char *text, char *why, size_t why_size) {
    if (strlen(text) > 255 || strpbrk(text, "\"\\"))
        return refuse(why, why_size,
                      "it must have at most 255 characters, no quotes or backslashes");
    for (const char *c = text; *c; c++)
        if (*c < ' ' || *c >= 0x7f)
            return refuse(why, why_size, "it must be printable ASCII");
    return true;
}

bool check_cookie_name(char *text, char *why, size_t why_size) {
    if (strlen(text) > 64 || !only(text, LETTERS DIGITS "!#$%&'*+-.^_`|~"))
        return refuse(why, why_size,
                      "it must be at most 64 letters, digits or !#$%&'*+-.^_`|~ (RFC 6265)");
    return true;
}

static bool is_host(const char *text, size_t len) {
    if (len == 0 || len > 253 || text[0] == '.' || text[len - 1] == '.' || text[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!strchr(LETTERS DIGITS ".-", text[i]) || (text[i] == '.' && text[i + 1] == '.'))
            return false;
    return true;
}

bool check_name(char *text, char *why, size_t why_size) {
    struct in6_addr bytes;
    if (is_host(text, strlen(text)) || inet_pton(AF_INET6, text, &bytes) == 1)
        return true;
    return refuse(why, why_size, "it must be a host name or an address (redis.example.org)");
}

bool check_cookie_domain(char *text, char *why, size_t why_size) {
    /* Older guides write a dot in front; RFC 6265 section 5.2.3 ignores it. */
    if (text[0] == '.')
        memmove(text, text + 1, strlen(text));
    lower(text);
    if (!is_host(text, strlen(text)))
        return refuse(why, why_size, "it must be a domain name (as in example.org)");
    return true;
}

static bool is_port(const char *text) {
    size_t len = strlen(text);
    return len >= 1 && len <= 5 && only(text, DIGITS) && atoi(text) >= 1 && atoi(text) <= 65535;
}

/* One origin, in lower case already; cuts off the port that its scheme implies, as browsers do. */
static bool is_origin(char *text) {
    bool https = strncmp(text, "https://", 8) == 0;
    if (!https && strncmp(text, "http://", 7) != 0)
        return false;
    char *host = text + (https ? 8 : 7);
    char *port = strchr(host, ':');
    if (host[0] == '[') {
        size_t len = strspn(host + 1, DIGITS "abcdef:.");
        if (len < 2 || host[len + 1] != ']')
            return false;
        port = host[len + 2] ? host + len + 2 : NULL;
        if (port && *port != ':')
            return false;
    } else if (!is_host(host, port ? (size_t)(port - host) : strlen(host))) {
        return false;
    }
    if (port && !is_port(port + 1))
        return false;
    if (port && strcmp(port, https ? ":443" : ":80") == 0)
        *port = '\0';
    return true;
}

bool check_origins(char *text, char *why, size_t why_size) {
    char *to = text;
    char *rest = text;
    lower(text);
    for (char *word; (word = strsep(&rest, " ,\t"));) {
        if (!*word)
            continue;
        if (!is_origin(word))
            return refuse(why, why_size,
                          "each must be http://host[:port] or https://host[:port], without a path "
                          "and without *");
        if (to != text)
            *to++ = ' ';
        size_t len = strlen(word);
        memmove(to, word, len);
        to += len;
    }
    *to = '\0';
    return true;
}

static bool is_address_and_port(const char *text) {
    char address[64];
    unsigned char binary[16];
    bool v6 = text[0] == '[';
    const char *end = v6 ? strchr(text, ']') : strchr(text, ':');
    size_t len = end ? (size_t)(end - text) - v6 : 0;
    if (len == 0 || len >= sizeof address)
        return false;
    memcpy(address, text + v6, len);
    address[len] = '\0';
    if (inet_pton(v6 ? AF_INET6 : AF_INET, address, binary) != 1)
        return false;
    end += v6;
    return *end == ':' && is_port(end + 1);
}

bool check_listen(char *text, char *why, size_t why_size) {
    /* sun_path has 108 bytes; a few are left for a temporary name beside it. */
    bool path_ok = text[0] == '/' && strlen(text) <= 100;
    if (!path_ok && !is_address_and_port(text))
        return refuse(why, why_size,
                      "it must be /path/to.sock (at most 100 bytes), ADDRESS:PORT (as in "
                      "127.0.0.1:9000) or [ADDRESS]:PORT (as in [::1]:9000)");
    return true;
}

bool check_mode(char *text, char *why, size_t why_size) {
    size_t len = strlen(text);
    if (len < 3 || len > 4 || !only(text, "01234567") || strtol(text, NULL, 8) > 0777)
        return refuse(why, why_size, "it must be an octal mode from 000 to 0777 (as in 0660)");
    return true;
}

bool check_peers(char *text, char *why, size_t why_size) {
    char word[80];
    const char *at = text;
    while (peer_next(&at, word, sizeof word))
        if (peer_word(word) == PEER_BAD)
            return refuse(why, why_size,
                          "each must be a user's name or number (www-data, 33), an address "
                          "(192.0.2.10, ::1) or a block of addresses (10.0.0.0/8, fd00::/8)");
    return true;
}

/* Between options ----------------------------------------------------------------------------- */

/* How many more workers there are than may hash at once: what waits for MariaDB's disk hashes nothing. */
enum { SPARE_HASHERS = 2 };

static int64_t processors(void) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : online > CONF_MAX_WORKERS / 4 ? CONF_MAX_WORKERS / 4 : online;
}

static void resolve_pool(const struct conf *conf, struct conf_pool *pool) {
    if (pool->batch == 0)
        pool->batch = strcmp(pool->name, "login") == 0 ? 1 : 64;
    if (pool->workers == 0)
        pool->workers = pool->batch == 1   ? conf->password_concurrency + SPARE_HASHERS
                        : processors() < 2 ? 2
                                           : processors();
}

static bool cost_ok(struct conf *conf, bool cost_given, char *why, size_t why_size) {
    bool yescrypt = conf->password_scheme == PASSWORD_YESCRYPT;
    if (yescrypt && !cost_given)
        conf->password_cost = 5;
    int64_t min = yescrypt ? 1 : 4;
    int64_t max = yescrypt ? 11 : 20;
    if (conf->password_cost >= min && conf->password_cost <= max)
        return true;
    snprintf(why, why_size, "%d is out of range for %s; allowed is %d to %d",
             (int)conf->password_cost, yescrypt ? "yescrypt" : "bcrypt", (int)min, (int)max);
    return false;
}

static const struct conf_pool *listens_already(const struct conf *conf, size_t until) {
    for (size_t i = 0; i < until; i++)
        if (strcmp(conf->pools[i].listen, conf->pools[until].listen) == 0)
            return &conf->pools[i];
    return NULL;
}

/* Whether any word of peers is of a kind. */
static bool peers_have(const struct conf_pool *pool, enum peer_word kind) {
    char word[80];
    const char *at = pool->peers;
    while (peer_next(&at, word, sizeof word))
        if (peer_word(word) == kind)
            return true;
    return false;
}

/* Whether a TCP socket can be reached from this machine alone. */
static bool listens_inside(const char *listen) {
    char address[64];
    bool v6 = listen[0] == '[';
    snprintf(address, sizeof address, "%.*s", (int)strcspn(listen + v6, v6 ? "]" : ":"), listen + v6);
    return peer_word(address) == PEER_LOOPBACK;
}

/* These return the member to blame, or NULL.  A pool whose socket is inherited has no listen to go by. */
static const void *check_doors(const struct conf_pool *pool, char *why, size_t why_size) {
    bool tcp = pool->listen[0] != '\0' && pool->listen[0] != '/';
    bool addresses = peers_have(pool, PEER_LOOPBACK) || peers_have(pool, PEER_ADDRESS);
    if (tcp && peers_have(pool, PEER_USER)) {
        refuse(why, why_size, "of a TCP socket these are addresses: who is behind one, nobody knows");
        return &pool->peers;
    }
    if (pool->listen[0] == '/' && addresses) {
        refuse(why, why_size, "of a Unix socket these are users: nobody there has an address");
        return &pool->peers;
    }
    bool outside = tcp && !listens_inside(pool->listen);
    if (pool->secret_file[0] == '\0' && (outside || peers_have(pool, PEER_ADDRESS))) {
        refuse(why, why_size,
               "where other machines can connect, secret_file must be set: whoever speaks FastCGI to this "
               "port could pass for any client; a file with a secret that the web server sends as the "
               "parameter GATEHOUSE_SECRET, or listen on 127.0.0.1");
        return outside ? &pool->listen : &pool->peers;
    }
    return NULL;
}

/* The members of a store that are about TLS. */
struct certificates {
    char *const *ca, *const *cert, *const *key;
    const bool *verify;
};

/* Certificates that nobody looks at, because the connection is a plain one, would be a false comfort. */
static const void *check_certificates(bool tls, const struct certificates *of, const char *cure, char *why,
                                      size_t why_size) {
    bool ca = **of->ca != '\0', cert = **of->cert != '\0', key = **of->key != '\0';
    if (!tls && (ca || cert || key || !*of->verify)) {
        snprintf(why, why_size, "it means nothing while TLS is off; %s", cure);
        return ca ? of->ca : cert ? of->cert : key ? of->key : (const void *)of->verify;
    }
    if (cert != key) {
        refuse(why, why_size, "a certificate and its key are set together: tls_cert and tls_key");
        return cert ? of->cert : of->key;
    }
    return NULL;
}

static const void *check_redis_tls(const struct conf *conf, char *why, size_t why_size) {
    static const char cure[] = "url begins with rediss:// where it is on";
    const struct certificates of = {&conf->redis_tls_ca, &conf->redis_tls_cert, &conf->redis_tls_key,
                                    &conf->redis_tls_verify};
    struct conf_redis_address redis;
    bool tls = conf_redis_address(conf->redis_url, &redis) && redis.tls;
    secret_wipe(&redis, sizeof redis);
    const void *blame = check_certificates(tls, &of, cure, why, why_size);
    if (blame != NULL || tls || conf->redis_tls_name[0] == '\0')
        return blame;
    snprintf(why, why_size, "it means nothing while TLS is off; %s", cure);
    return &conf->redis_tls_name;
}

static const void *check_mariadb_tls(const struct conf *conf, char *why, size_t why_size) {
    const struct certificates of = {&conf->mariadb_tls_ca, &conf->mariadb_tls_cert, &conf->mariadb_tls_key,
                                    &conf->mariadb_tls_verify};
    return check_certificates(conf->mariadb_tls, &of, "set tls = yes", why, why_size);
}

/* Every login that names no transport would be refused. */
static const void *check_transport(const struct conf *conf, char *why, size_t why_size) {
    if (conf->cookie_enabled || conf->login_transport != TRANSPORT_COOKIE)
        return NULL;
    refuse(why, why_size, "there are no cookies while [cookie] enabled = no; allowed are both and bearer");
    return &conf->login_transport;
}

static const void *check_pools(struct conf *conf, char *why, size_t why_size) {
    int64_t workers = 0;
    const struct conf_pool *named = NULL; /* the last one that says how many it has */
    const void *blame;
    for (size_t i = 0; i < conf->pool_count; i++) {
        struct conf_pool *pool = &conf->pools[i];
        bool says = pool->workers != 0;
        resolve_pool(conf, pool);
        if ((blame = check_doors(pool, why, why_size)) != NULL)
            return blame;
        if (!*pool->listen)
            continue;
        const struct conf_pool *other = listens_already(conf, i);
        if (other) {
            snprintf(why, why_size, "[pool.%s] listens there already", other->name);
            return &pool->listen;
        }
        workers += pool->workers;
        named = says ? pool : named;
        if (workers > CONF_MAX_WORKERS) {
            snprintf(why, why_size, "all pools together may have %d workers", CONF_MAX_WORKERS);
            return named != NULL ? &named->workers : &pool->workers;
        }
    }
    return NULL;
}

const void *conf_check_whole(struct conf *conf, bool cost_given, char *why, size_t why_size) {
    const void *blame;
    if (!cost_ok(conf, cost_given, why, why_size))
        return &conf->password_cost;
    if ((blame = check_redis_tls(conf, why, why_size)) != NULL ||
        (blame = check_mariadb_tls(conf, why, why_size)) != NULL ||
        (blame = check_transport(conf, why, why_size)) != NULL)
        return blame;
    if (conf->password_concurrency == 0)
        conf->password_concurrency = processors();
    return check_pools(conf, why, why_size);
}
