/*
 * redis_link: one connection to Redis, to whichever of several leads; cache.c decides what to ask and
 * when to connect.
 *
 * A connection that failed is closed, never mended: a reply that comes late would be taken for the
 * next question's.
 */
#ifndef STORE_REDIS_LINK_H
#define STORE_REDIS_LINK_H

#include "base/arena.h"
#include "base/conf.h"
#include "base/url.h"
#include "store/redis_wire.h"
#include "store/reply.h"
#include "store/scripts.h"
#include "store/sentinel.h"

struct redis_link {
    const struct conf *conf;
    const char *password;
    struct conf_redis_address address;
    struct sentinel_login sentinels;
    struct sentinel_primary primary; /* whom redis is connected to, where sentinels named it */
    struct gate *gate;
    struct tls_context *tls;    /* NULL: not spoken, or not yet */
    struct redis_wire wire;
    struct arena *replies;
    const char *texts[SCRIPT_COUNT]; /* of the scripts */
    char shas[SCRIPT_COUNT][41];     /* … as Redis knows them */
    char why[256];                   /* the last thing that went wrong */
    int64_t process; /* which process answers, and whose data it has; 0: not known (see mark.h) */
    void (*beat)(void *context); /* NULL: nobody wants to know that this goes on */
    void *beat_context;
};

/* Everything is borrowed; password NULL: the address's own. */
void link_init(struct redis_link *link, const struct conf *conf, const char *password,
               struct gate *gate);
/* Closes it and frees what it holds; the struct is the caller's. */
void link_free(struct redis_link *link);

/* Finds the primary, connects, logs in, makes sure that it is a primary and knows the scripts, by
 * deadline (clock_mono_ms).  False: why says why, and it is closed. */
bool link_open(struct redis_link *link, int64_t deadline);
/* Gives the connection up, and what was begun on it; link_open makes another.  Nothing happens where it is
 * closed already. */
void link_close(struct redis_link *link);
/* Whether there is a connection; it may be broken without anybody having noticed. */
bool link_is_open(const struct redis_link *link);
/* Whether another Redis leads by now, and this one's word counts no more. */
bool link_is_stale(const struct redis_link *link);
/* To be called now and then by whatever rightly takes long. */
void link_beat(const struct redis_link *link);
/* Whether sentinels say who leads. */
bool link_has_sentinels(const struct redis_link *link);
/* Where it goes, for logs. */
const char *link_address(const struct redis_link *link);

/* Begins a command; what was begun is sent before the first reply is read. */
void link_command(struct redis_link *link, int argc, const char *const *argv, const size_t *lens);
/* The next reply, which stays until link_forget_replies; NULL: the connection is of no more use, and to be
 * closed. */
const struct reply *link_reply(struct redis_link *link);
/* Whether the last failure was that Redis did not answer in time. */
bool link_timed_out(const struct redis_link *link);
/* Takes back the memory of every reply so far. */
void link_forget_replies(struct redis_link *link);

#endif
