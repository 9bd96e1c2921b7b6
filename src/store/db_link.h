/*
 * db_link: one connection to MariaDB, to whichever of several hosts can be written to.  A part of
 * the door to libmariadb; db.c decides what to run and when to connect.
 */
#ifndef STORE_DB_LINK_H
#define STORE_DB_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"
#include "base/url.h"

struct st_mysql;

struct db_link {
    const struct conf *conf;
    const char *password;
    struct conf_mariadb_address address;
    size_t host;            /* which of several was connected to last */
    struct st_mysql *mysql; /* NULL: not connected */
    bool patient;           /* statements may take as long as they take */
    char why[512];          /* the last thing that went wrong */
};

/* conf and password (NULL: the address's own) are borrowed.  Opens nothing yet. */
void db_link_init(struct db_link *link, const struct conf *conf, const char *password);

/* Connects to the first host, in the order of the configuration, that can be written to, within
 * [mariadb] timeout for each.  False: why says why, and it is closed. */
bool db_link_open(struct db_link *link);
/* Its statements must have been closed before. */
void db_link_close(struct db_link *link);

#endif
