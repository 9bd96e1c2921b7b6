/*
 * redis_wire: commands out and replies in, over TCP, a Unix socket or TLS.  The door to hiredis.
 *
 * hiredis connects and reads replies in either case; with TLS the bytes go by way of tls.c, since
 * hiredis has none before 1.0, and later ones check no name and wait without a deadline.
 * A connection that failed is closed, never mended.
 */
#ifndef STORE_REDIS_WIRE_H
#define STORE_REDIS_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "store/reply.h"
#include "store/tls.h"

struct redisContext;

struct redis_wire {
    struct redisContext *redis; /* NULL: not connected */
    struct tls *tls;            /* NULL: as it is */
    struct buf out;             /* commands that wait to be sent */
    int64_t patience_ms;        /* for one reply */
    bool endless;               /* its time limit could not be set: no reply is waited for */
    bool late;                  /* the last failure was that nothing came in time */
    char why[256];              /* what it was */
};

/* Connects to host and port, or to a Unix socket where path is not empty, by deadline
 * (clock_mono_ms); tls NULL: without.  Replies will be made in that arena, which is borrowed.  False: why
 * says why, and it is closed. */
bool wire_open(struct redis_wire *wire, const char *path, const char *host, uint16_t port,
               struct tls_context *tls, struct arena *replies, int64_t deadline);
/* Closes it, and drops what was begun and not sent; nothing happens where it is closed already. */
void wire_close(struct redis_wire *wire);
/* Whether there is a connection; it may be broken without anybody having noticed. */
bool wire_is_open(const struct redis_wire *wire);
/* How long one reply may take from now on.  Where the system sets no limit, the next wire_reply says so. */
void wire_patience(struct redis_wire *wire, int64_t ms);

/* Begins a command; what was begun is sent before the first reply is read. */
void wire_command(struct redis_wire *wire, int argc, const char *const *argv, const size_t *lens);
/* The same of texts. */
#define WIRE_WORDS(wire, ...)                                                                      \
    wire_words(wire, (const char *const[]){__VA_ARGS__, NULL})
void wire_words(struct redis_wire *wire, const char *const *words);
/* Begins AUTH where there is a password (NULL or empty: there is none), as that user ("": the default one).
 * Returns how many commands that were, 0 or 1. */
int wire_login(struct redis_wire *wire, const char *user, const char *password);
/* The next reply, in the arena; NULL: why, and late, and the connection is of no more use. */
const struct reply *wire_reply(struct redis_wire *wire);

#endif
