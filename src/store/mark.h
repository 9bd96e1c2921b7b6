/*
 * mark: finds out a Redis that has gone back.
 *
 * A Redis that saves snapshots, and crashes, comes back as it was some time ago: with sessions that were
 * ended since.  So each service keeps a number of its own in Redis (a field of the hash "marks") that moves
 * on with everything that the service ends, and once a second while it asks Redis anything.  Its workers
 * remember, in memory that they share, what Redis has acknowledged.  A new connection to a Redis that does
 * not know the service's number has lost what came after its own: every session there is ended before anything
 * else is asked, but for those that began since somebody first asked this Redis, which is kept beside the
 * numbers ("since:" and a name for the process).  The number is the service's own, so that no other
 * service's hides a loss; and it moves once a second, so that what others have ended (another host,
 * gatehousectl) is missed as well.  That all of before were ended is kept, too ("swept"): whoever finds the
 * same loss later has nothing more to end.
 *
 * Where Redis has an append-only file, a crash of the machine may cost it the last two seconds.  That alone
 * signs nobody out: there the number may be MARK_SLACK behind, unless something was ended after it.
 * Where sentinels have elected another Redis, that one may lack the last moment's writes: it may be
 * MARK_SLACK_ELECTED behind, and the log says so.
 */
#ifndef STORE_MARK_H
#define STORE_MARK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct redis_link;
struct reply;

/* In microseconds of Redis's clock, as marks are. */
#define MARK_SLACK         (3 * INT64_C(1000000))
#define MARK_SLACK_ELECTED (10 * INT64_C(1000000))
/* Redis keeps the number of a service that is used no more for eight days (lua/part/move_mark.lua); one that
 * was last used a week ago does not miss its own. */
#define MARK_TRUSTED       (7 * 86400 * INT64_C(1000000))

/* In memory that the workers of a service share, and zeroed. */
struct mark {
    char writer[17];         /* the service's name in Redis; empty: it keeps no mark (gatehousectl) */
    _Atomic int64_t last;    /* the highest that Redis has acknowledged; 0: none yet */
    _Atomic int64_t ended;   /* … behind something that was ended */
    _Atomic uint64_t epoch;  /* of the election after which it was; 0 without sentinels */
    _Atomic int64_t move_at; /* clock_mono_ms: when it is to move although nothing was ended */
    _Atomic int64_t told_at; /* clock_mono_ms: until then somebody was told that something has ended */
    _Atomic int64_t process; /* which Redis acknowledged it, as mark_look tells them apart; 0: not known */
};

/* Makes up the service's name.  Once, before there are workers. */
void mark_name(struct mark *mark);
/* What a script that moves it has answered (script_ends), on that connection. */
void mark_take(struct mark *mark, const struct reply *reply, const struct redis_link *link);
/* Sentinels were set up anew, and count elections from the beginning: this is the epoch they named. */
void mark_count_anew(struct mark *mark, uint64_t epoch);
/* Whether it is to move with what is asked now although nothing was ended; true for one worker. */
bool mark_is_due(struct mark *mark);
/* Somebody is about to be told that a session or a token is no more, which nobody may take back: whether
 * the mark is to move, so that Redis cannot forget it unnoticed.  Seldom true, however many are told. */
bool mark_must_move(struct mark *mark);

/* Asked on a new connection, before anything else is: whether this Redis may be asked, because it is where
 * it was, or because it was behind and every session in it of before is ended now.  False: nobody can tell,
 * or another worker is just ending them; why is in link->why. */
bool mark_check(struct redis_link *link, struct mark *mark);

#endif
