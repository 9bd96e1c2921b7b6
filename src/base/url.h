/*
 * url: the addresses of the stores, taken apart.
 */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Texts are percent-decoded and end with a NUL; empty where the URL says nothing. */
struct conf_redis_address {
    char user[129];
    char password[513];
    char host[256]; /* without brackets; empty when path is set */
    uint16_t port;  /* 6379 where the URL says nothing */
    char path[108]; /* of a Unix socket; empty for TCP */
    int db;
};

struct conf_mariadb_address {
    char user[129];
    char password[513];
    char host[256]; /* without brackets */
    uint16_t port;  /* 3306 where the URL says nothing */
    char database[193];
};

/* redis://[[user]:password@]host[:port][/db] and unix://[[user]:password@]/path[?db=N].  False when
 * the URL is anything else, a part is too long, or an escape is wrong or stands for a NUL. */
bool conf_redis_address(const char *url, struct conf_redis_address *out);

/* mariadb://user[:password]@host[:port]/database, or mysql://…; false as above. */
bool conf_mariadb_address(const char *url, struct conf_mariadb_address *out);

/* The password as it stands in the URL (still encoded): where it begins, and len; NULL: none. */
const char *conf_url_password(const char *url, size_t *len);

#endif
