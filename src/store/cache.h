/*
 * cache: one connection to Redis for the life of a worker.
 *
 * Questions are collected with cache_ask and cache_ask_script and asked together by cache_flush:
 * one write, one read, however many there are.  A connection that failed is thrown away, never
 * mended (a reply that comes late would be taken for the next question's), and made anew when it is
 * needed.  Every script leaves the same state when it is run twice, so a question whose connection
 * broke before its answer is asked once more; one that timed out is not.
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/answer.h"
#include "base/arena.h"
#include "base/conf.h"
#include "store/gate.h"
#include "store/reply.h"
#include "store/scripts.h"

struct cache;

#define CACHE_MAX_ARGS 24

/* One question.  Texts given to it are borrowed until it is answered. */
struct ask {
    const struct reply *reply; /* NULL: could not be asked, or Redis answered an error */
    struct ask *next;
    int script; /* -1: a plain command */
    bool optional; /* a refusal is nobody's trouble: it is not logged */
    bool whole;    /* a script that Redis did not know: its text is sent */
    bool again;    /* the connection broke before its first answer came: it may have been done twice */
    int key_count;
    int argc;
    const char *argv[CACHE_MAX_ARGS];
    size_t lens[CACHE_MAX_ARGS];
};

/*
 * gate is shared by the workers; password (NULL: none) is borrowed for the cache's life, and so is
 * conf.  Opens nothing yet.  Free with cache_free.
 */
struct cache *cache_new(const struct conf *conf, const char *password, struct gate *gate);
/* The sentinels' own password; NULL: they want none.  Borrowed for the cache's life. */
void cache_set_sentinel_password(struct cache *cache, const char *password);
/* beat is called now and then while something rightly takes long, so that whoever calls is not taken to
 * hang. */
void cache_on_page(struct cache *cache, void (*beat)(void *context), void *context);
/* To be called between the pages of what rightly takes long. */
void cache_beat(const struct cache *cache);
/* Closes the connection, and clears the pointer; cache and *cache may be NULL. */
void cache_free(struct cache **cache);

/* Connects if need be: ANSWER_YES, or ANSWER_UNKNOWN in every case in which Redis cannot be asked
 * (address, login, loading, no answer); cache_why says which. */
enum answer cache_connect(struct cache *cache);
/* How many connections it has made so far: another number, and Redis may be another, or have lost
 * something, since. */
uint64_t cache_connections(const struct cache *cache);
/* Why the last connect or flush did not succeed; a sentence, never NULL. */
const char *cache_why(const struct cache *cache);

/* Where Redis is looked for, for people: a path, a host, or what the sentinels call it.  Never NULL. */
const char *cache_address(const struct cache *cache);

/* What the workers tell each other about this Redis, and how long one answer of it may take (milliseconds). */
struct gate *cache_gate(const struct cache *cache);
int64_t cache_timeout(const struct cache *cache);

/* Begins a question; it is asked by the next cache_flush.  The ask lives in arena. */
struct ask *cache_ask(struct cache *cache, struct arena *arena, const char *command);
/* The same for one of our scripts, to be followed by its keys and then its arguments. */
struct ask *cache_ask_script(struct cache *cache, struct arena *arena, enum cache_script script);
/* The same for one that ends something, or whose arguments begin a session: the service's mark moves with it
 * (script_ends, mark.h), and its answer begins with the mark and with how many it may have ended.  After its
 * keys comes ask_writer, before any other argument. */
struct ask *cache_ask_ending(struct cache *cache, struct arena *arena, enum cache_script script);
/* Adds the service's name in Redis, empty where it keeps no mark, as an argument. */
void ask_writer(struct cache *cache, struct ask *ask);
/* Adds a key to a question, before any argument: the configured prefix, kind ("session:") and id are
 * joined, in arena. */
void ask_key(struct cache *cache, struct arena *arena, struct ask *ask, const char *kind,
             const char *id);
/* Adds an argument: a text, which is borrowed until the question is answered, or a number, written out in
 * arena.  A question has at most CACHE_MAX_ARGS words. */
void ask_text(struct ask *ask, const char *text);
void ask_int(struct arena *arena, struct ask *ask, int64_t number);
/* Adds the prefix of every key as an argument, for scripts that make keys from what they find. */
void ask_prefix(struct cache *cache, struct ask *ask);

/* To be called when somebody is told, by what Redis says, that a session or a token is no more: Redis must
 * not forget it unnoticed.  Asks for the mark at the next flush, now and then. */
void cache_told_no(struct cache *cache, struct arena *arena);

/* Asks all that was begun; afterwards each ask has its reply, or NULL.  Nothing begun: nothing is
 * done.  The replies of the flush before are gone. */
void cache_flush(struct cache *cache);
/* Forgets what was begun but not asked. */
void cache_forget(struct cache *cache);

#endif
