/*
 * url: the addresses of the stores, taken apart.
 */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_MAX_HOSTS 8

struct conf_host {
    char host[256]; /* without brackets */
    uint16_t port;
};

/* Texts are percent-decoded and end with a NUL; empty where the URL says nothing. */
struct conf_redis_address {
    bool tls;
    char user[129];
    char password[513];
    char host[256]; /* without brackets; empty when path is set */
    uint16_t port;  /* 6379 where the URL says nothing */
    char path[108]; /* of a Unix socket; empty for TCP */
    int db;
    char master[129]; /* the primary's name among the sentinels; empty: there are none */
    struct conf_host sentinels[CONF_MAX_HOSTS];
    size_t sentinel_count;
};

struct conf_mariadb_address {
    char user[129];
    char password[513];
    struct conf_host hosts[CONF_MAX_HOSTS]; /* in the order in which they are tried; port 3306 where the URL
                                               says nothing */
    size_t host_count;
    char database[193];
};

/* redis://[[user]:password@]host[:port][/db], unix://[[user]:password@]/path[?db=N] and
 * redis+sentinel://[[user]:password@]host[:port][,host[:port]]…/master[/db], whose ports are 26379 and
 * whose user and password are Redis's, not the sentinels'; with TLS rediss:// and rediss+sentinel://.
 * False when the URL is anything else, a part is too long, or an escape is wrong or stands for a NUL. */
bool conf_redis_address(const char *url, struct conf_redis_address *out);

/* mariadb://user[:password]@host[:port][,host[:port]]…/database, or mysql://…; false as above. */
bool conf_mariadb_address(const char *url, struct conf_mariadb_address *out);

/* The password as it stands in the URL (still encoded): where it begins, and len; NULL: none. */
const char *conf_url_password(const char *url, size_t *len);

#endif
