/*
 * clients: the services that may ask about tokens and revoke them, in MariaDB.
 */
#ifndef STORE_CLIENTS_H
#define STORE_CLIENTS_H

#include "store/db.h"

/* Texts live in the arena that the look-up was given. */
struct client {
    const char *id;
    const char *secret_sha256; /* hex */
    const char *created_at;    /* RFC 3339 */
};

/* YES: *client is filled; NO: there is none. */
enum answer clients_by_id(struct db *db, struct arena *arena, const char *id,
                          struct client *client);
/* All of them in the order of their ids; NULL: MariaDB could not be asked. */
struct client *clients_list(struct db *db, struct arena *arena, size_t *count);
/* NO: there is one with this id already. */
enum answer clients_insert(struct db *db, struct arena *arena, const char *id,
                           const char *secret_sha256);
/* NO: there was none. */
enum answer clients_delete(struct db *db, struct arena *arena, const char *id);

#endif
